/* Maps whose channels lie in blocks: [N][blocks][pixels][BLOCK_CHANNELS] in place of [N][pixels][C]. A block of a few
 * rows fits the first cache and is read and written line after line, whatever the number of channels. */
#ifndef RMFER_OPS_BLOCKED_H
#define RMFER_OPS_BLOCKED_H

#include <stddef.h>

/* One cache line of floats. */
enum { BLOCK_CHANNELS = 16 };

/* Blocks of so many channels; the last one may be part empty. */
static inline size_t blocked_count(size_t channels)
{
    return (channels + BLOCK_CHANNELS - 1) / BLOCK_CHANNELS;
}

/* Channels of block `index`. */
static inline size_t blocked_channels(size_t channels, size_t index)
{
    size_t rest = channels - index * BLOCK_CHANNELS;
    return rest < BLOCK_CHANNELS ? rest : BLOCK_CHANNELS;
}

/* Numbers that a map of one image takes. */
static inline size_t blocked_reals(size_t pixels, size_t channels)
{
    return blocked_count(channels) * pixels * BLOCK_CHANNELS;
}

#endif
