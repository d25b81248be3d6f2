/* One buffer: what was taken is given up when room is needed, what was looked at stays. */
#include "rmfer/base/byte_stream.h"

#include "rmfer/base/memory.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { READ_AT_ONCE = 65536 };

struct byte_stream byte_stream(int descriptor, const char *name)
{
    struct stat facts;
    bool is_file = fstat(descriptor, &facts) == 0 && S_ISREG(facts.st_mode);
    off_t place = is_file ? lseek(descriptor, 0, SEEK_CUR) : -1;
    return (struct byte_stream){.descriptor = descriptor, .stop = -1, .name = name, .origin = place};
}

void byte_stream_free(struct byte_stream *stream)
{
    memory_free(stream->bytes);
    stream->bytes = NULL;
    stream->begin = stream->end = stream->capacity = 0;
}

/* Room for a read behind what is kept. */
static bool make_room(struct byte_stream *stream)
{
    size_t kept = stream->end - stream->begin;
    if (stream->capacity - stream->end >= READ_AT_ONCE) return true;
    if (kept > 0 && stream->begin > 0) memmove(stream->bytes, stream->bytes + stream->begin, kept);
    stream->begin = 0;
    stream->end = kept;
    if (stream->capacity - kept >= READ_AT_ONCE) return true;
    size_t capacity = size_add(kept + kept / 2, 2 * READ_AT_ONCE);
    uint8_t *grown = memory_grow(stream->bytes, stream->capacity, capacity, 1, "what comes in", &stream->error);
    stream->has_no_memory = grown == NULL;
    if (grown == NULL) return false;
    stream->bytes = grown;
    stream->capacity = capacity;
    return true;
}

/* False once the stream is stopped, else when a read would not wait. */
static bool wait_for_bytes(const struct byte_stream *stream)
{
    struct pollfd both[] = {{stream->descriptor, POLLIN, 0}, {stream->stop, POLLIN, 0}};
    if (stream->stop < 0) return true;
    while (poll(both, 2, -1) < 0 && errno == EINTR) continue;
    return both[1].revents == 0;
}

/* One read; sets `ended` where nothing follows. */
static void read_more(struct byte_stream *stream)
{
    ssize_t got = -1;
    if (!wait_for_bytes(stream)) {
        got = 0;
    } else if (make_room(stream)) {
        do got = read(stream->descriptor, stream->bytes + stream->end, READ_AT_ONCE);
        while (got < 0 && errno == EINTR);
        if (got < 0) error_set_errno(&stream->error, "%s cannot be read", stream->name);
    }
    if (got > 0)
        stream->end += (size_t)got;
    else
        stream->ended = true;
}

size_t byte_stream_peek(struct byte_stream *stream, size_t count, const uint8_t **bytes)
{
    while (!stream->ended && stream->end - stream->begin < count) read_more(stream);
    *bytes = stream->bytes == NULL ? (const uint8_t *)"" : stream->bytes + stream->begin;
    return stream->end - stream->begin;
}

void byte_stream_take(struct byte_stream *stream, size_t count)
{
    BUG_UNLESS(count <= stream->end - stream->begin);
    stream->begin += count;
}

int byte_stream_get(struct byte_stream *stream)
{
    const uint8_t *bytes;
    if (stream->begin == stream->end && byte_stream_peek(stream, 1, &bytes) == 0) return -1;
    return stream->bytes[stream->begin++];
}

bool byte_stream_can_seek(const struct byte_stream *stream)
{
    return stream->origin >= 0;
}

int64_t byte_stream_size(const struct byte_stream *stream)
{
    struct stat facts;
    if (!byte_stream_can_seek(stream) || fstat(stream->descriptor, &facts) != 0) return -1;
    return (int64_t)facts.st_size - stream->origin;
}

bool byte_stream_seek(struct byte_stream *stream, int64_t place)
{
    if (!byte_stream_can_seek(stream) || place < 0 || place > INT64_MAX - stream->origin) return false;
    if (lseek(stream->descriptor, (off_t)(stream->origin + place), SEEK_SET) < 0) return false;
    stream->begin = stream->end = 0;
    stream->ended = false;
    return true;
}

int64_t byte_stream_place(const struct byte_stream *stream)
{
    if (!byte_stream_can_seek(stream)) return -1;
    return (int64_t)lseek(stream->descriptor, 0, SEEK_CUR) - stream->origin - (int64_t)(stream->end - stream->begin);
}
