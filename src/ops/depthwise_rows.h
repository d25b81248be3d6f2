/* What training and inference of a depthwise convolution share: padded rows of one block of channels, and how an
 * image's channels are shared out among workers. */
#ifndef RMFER_SRC_OPS_DEPTHWISE_ROWS_H
#define RMFER_SRC_OPS_DEPTHWISE_ROWS_H

#include "rmfer/ops/blocked.h"
#include "rmfer/ops/depthwise.h"

#include <string.h>

enum { DEPTHWISE_MOST_TAPS = 5 };

/* Pixels of an input row with its padding; at least all that the last output pixel reads. */
static inline size_t depthwise_padded_width(const struct depthwise *conv)
{
    size_t read = (conv->output_width - 1) * (size_t)conv->stride + (size_t)conv->kernel;
    size_t held = conv->width + conv->pad_left;
    return read > held ? read : held;
}

/* With fewer images than workers an image's `parts` of channels are shared out too: how many shares of one image. */
static inline size_t depthwise_shares(const struct op_context *context, size_t images, size_t parts)
{
    size_t workers = (size_t)context->threads;
    if (images >= workers) return 1;
    size_t shares = (workers + images - 1) / images;
    return shares < parts ? shares : parts;
}

static inline void depthwise_copy_pixels(real *to, size_t ld_to, const real *from, size_t ld_from, size_t pixels,
                                         size_t channels)
{
    for (size_t i = 0; i < pixels; i++) memcpy(to + i * ld_to, from + i * ld_from, channels * sizeof *to);
}

#endif
