/* Bytes of a descriptor that may be a pipe, to be looked at before they are taken. Reads give what is there: who writes
 * a line and waits for its answer is not kept waiting for more. Memory is what was looked at ahead, no more. */
#ifndef RMFER_BASE_BYTE_STREAM_H
#define RMFER_BASE_BYTE_STREAM_H

#include "rmfer/base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct byte_stream {
    int descriptor;   /* not owned */
    int stop;         /* a descriptor, not owned: once it can be read, or is a pipe that was closed, the stream ends and
                         nobody waits for more; -1 = none */
    const char *name; /* for messages, borrowed */
    uint8_t *bytes;   /* [begin, end) are read and not taken */
    size_t begin, end, capacity;
    bool ended, has_no_memory; /* the latter: that is why it has ended */
    int64_t origin;            /* of a file that can be sought, where the stream began; -1 = it cannot be */
    struct error error;        /* of reading, or of memory: the stream has then ended */
};

struct byte_stream byte_stream(int descriptor, const char *name);
void byte_stream_free(struct byte_stream *stream);

/* Looks at the next bytes: waits until there are at least `count` or the stream has ended; returns how many there are,
 * which may be more. *bytes stays good until the next call. */
size_t byte_stream_peek(struct byte_stream *stream, size_t count, const uint8_t **bytes);

/* Takes `count` bytes, which were looked at. */
void byte_stream_take(struct byte_stream *stream, size_t count);

/* The next byte, taken; -1 at the end. */
int byte_stream_get(struct byte_stream *stream);

/* Whether places can be sought, how many bytes there then are in all, and going to one, counted from where the stream
 * began. False when that failed. */
bool byte_stream_can_seek(const struct byte_stream *stream);
int64_t byte_stream_size(const struct byte_stream *stream);
bool byte_stream_seek(struct byte_stream *stream, int64_t place);
int64_t byte_stream_place(const struct byte_stream *stream);

#endif
