/* Walking a picture's structure: JPEG's segments and entropy-coded data (ITU-T T.81, annex B), PNG's chunks (ISO 15948,
 * clause 5). What is inside is for the decoder to judge. */
#include "rmfer/data/picture_stream.h"

#include "rmfer/base/memory.h"
#include "rmfer/data/image.h"
#include "rmfer/data/video.h"

#include <string.h>

enum { FIRST_BYTES = 16, SEARCHED_AT_ONCE = 4096 };

/* ---- kinds ------------------------------------------------------------------------------------------------------- */

static bool may_be_list(const uint8_t *bytes, size_t size)
{
    return memchr(bytes, '\n', size) != NULL && memchr(bytes, '\0', size) == NULL;
}

/* A name may begin as a picture does ("GIF8 of my cat.jpg"), but no header of a picture is printable throughout. */
static bool is_printable(const uint8_t *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if (bytes[i] < 0x20) return false;
    return true;
}

enum stream_kind stream_kind_find(struct byte_stream *stream)
{
    const uint8_t *bytes;
    for (size_t wanted = 1;; wanted++) {
        size_t size = byte_stream_peek(stream, wanted, &bytes);
        bool has_all = size < wanted || size >= VIDEO_FIRST_BYTES;
        /* A line's end may stand in a picture's header too: "BM\n" begins a list or a bitmap of 10 bytes. */
        if (size < FIRST_BYTES && !has_all && image_kind_may_follow(bytes, size)) continue;
        enum image_kind kind = size >= FIRST_BYTES || has_all ? image_kind_of_bytes(bytes, size) : IMAGE_UNKNOWN;
        if (kind == IMAGE_JPEG || kind == IMAGE_PNG) return STREAM_PICTURES;
        if (video_is_stream(bytes, size)) return STREAM_VIDEO;
        if (may_be_list(bytes, size)) return STREAM_LIST;
        bool is_picture = kind != IMAGE_UNKNOWN && kind != IMAGE_WEB_PAGE;
        if (is_picture && !is_printable(bytes, size)) return STREAM_PICTURE;
        if (has_all || (size >= FIRST_BYTES && !video_stream_may_follow(bytes, size))) return STREAM_LIST;
        if (size > wanted) wanted = size;
    }
}

/* ---- one picture ------------------------------------------------------------------------------------------------- */

enum walk_end {
    WALK_WHOLE,  /* `at` is behind the picture */
    WALK_CUT,    /* the stream ended inside of it */
    WALK_BROKEN, /* `at` is where the structure breaks */
    WALK_LARGE,
};

struct walk {
    struct byte_stream *stream;
    const uint8_t *bytes; /* of the stream, from the picture's first on */
    size_t size, at;
};

/* Whether there are `count` bytes from `at` on. */
static bool has(struct walk *walk, size_t count)
{
    if (walk->size - walk->at >= count && walk->size >= walk->at) return true;
    if (walk->at > IMAGE_MOST_BYTES) return false;
    walk->size = byte_stream_peek(walk->stream, walk->at + count, &walk->bytes);
    return walk->size >= walk->at + count;
}

static enum walk_end not_there(const struct walk *walk)
{
    return walk->at > IMAGE_MOST_BYTES ? WALK_LARGE : WALK_CUT;
}

/* Passes entropy-coded data: up to the next marker that is neither a stuffed zero nor a restart. */
static bool pass_scan(struct walk *walk)
{
    while (has(walk, 2)) {
        const uint8_t *from = walk->bytes + walk->at, *found = memchr(from, 0xff, walk->size - walk->at - 1);
        if (found == NULL) {
            walk->at = walk->size - 1;
            continue;
        }
        walk->at += (size_t)(found - from);
        uint8_t next = found[1];
        if (next != 0 && next != 0xff && (next < 0xd0 || next > 0xd7)) return true;
        walk->at += next == 0xff ? 1 : 2;
    }
    return false;
}

static enum walk_end walk_jpeg(struct walk *walk)
{
    walk->at = 2;
    while (has(walk, 2)) {
        uint8_t marker = walk->bytes[walk->at + 1];
        if (walk->bytes[walk->at] != 0xff || marker == 0) return WALK_BROKEN;
        if (marker == 0xff) { /* a fill byte */
            walk->at++;
            continue;
        }
        walk->at += 2;
        if (marker == 0xd9) return WALK_WHOLE;
        if (marker == 0x01 || (marker >= 0xd0 && marker <= 0xd7)) continue;
        if (marker == 0xd8) { /* another picture begins */
            walk->at -= 2;
            return WALK_BROKEN;
        }
        if (!has(walk, 2)) break;
        size_t length = (size_t)walk->bytes[walk->at] << 8 | walk->bytes[walk->at + 1];
        if (length < 2) return WALK_BROKEN;
        walk->at += length;
        if (marker == 0xda && !pass_scan(walk)) break;
    }
    return not_there(walk);
}

static bool is_chunk_name(const uint8_t *name)
{
    for (int i = 0; i < 4; i++)
        if ((name[i] | 0x20) < 'a' || (name[i] | 0x20) > 'z') return false;
    return true;
}

static enum walk_end walk_png(struct walk *walk)
{
    enum { AROUND_DATA = 12 };
    walk->at = 8;
    while (has(walk, AROUND_DATA)) {
        const uint8_t *chunk = walk->bytes + walk->at;
        size_t length = (size_t)chunk[0] << 24 | (size_t)chunk[1] << 16 | (size_t)chunk[2] << 8 | chunk[3];
        bool is_last = memcmp(chunk + 4, "IEND", 4) == 0;
        if (length > INT32_MAX || !is_chunk_name(chunk + 4)) return WALK_BROKEN;
        walk->at += length + AROUND_DATA;
        if (is_last) return has(walk, 0) ? WALK_WHOLE : not_there(walk);
    }
    return not_there(walk);
}

/* ---- between pictures -------------------------------------------------------------------------------------------- */

static enum image_kind kind_at(const uint8_t *bytes, size_t size)
{
    enum image_kind kind = image_kind_of_bytes(bytes, size);
    return kind == IMAGE_JPEG || kind == IMAGE_PNG ? kind : IMAGE_UNKNOWN;
}

/* Takes bytes up to the next picture or the end; whether they were more than padding. */
static bool pass_over(struct byte_stream *stream)
{
    bool was_more = false;
    const uint8_t *bytes;
    for (;;) {
        size_t size = byte_stream_peek(stream, FIRST_BYTES, &bytes), at = 0;
        while (at < size && at < SEARCHED_AT_ONCE && (size - at >= FIRST_BYTES || stream->ended) &&
               kind_at(bytes + at, size - at) == IMAGE_UNKNOWN) {
            was_more = was_more || strchr(" \t\r\n", bytes[at]) == NULL;
            at++;
        }
        byte_stream_take(stream, at);
        if (at == 0) return was_more;
    }
}

static status copy_bytes(const struct walk *walk, struct stream_picture *picture, struct error *err)
{
    picture->bytes = memory_allocate(walk->at, 1, "a picture", err);
    if (picture->bytes == NULL) return STATUS_FAILED;
    memcpy(picture->bytes, walk->bytes, walk->at);
    picture->size = walk->at;
    return STATUS_OK;
}

status picture_stream_next(struct byte_stream *stream, bool wanted, struct stream_picture *picture, struct error *err)
{
    *picture = (struct stream_picture){0};
    if (pass_over(stream)) return error_set(err, "bytes that begin no picture were passed over");
    struct walk walk = {.stream = stream};
    walk.size = byte_stream_peek(stream, FIRST_BYTES, &walk.bytes);
    if (walk.size == 0) {
        picture->ended = true;
        return stream->error.code == STATUS_OK ? STATUS_OK : error_set(err, "%s", stream->error.message);
    }
    picture->is_frame = true;
    enum walk_end end = kind_at(walk.bytes, walk.size) == IMAGE_PNG ? walk_png(&walk) : walk_jpeg(&walk);
    status result = STATUS_OK;
    if (end == WALK_BROKEN) result = error_set(err, "damaged picture: its structure breaks after %zu bytes", walk.at);
    if (end == WALK_LARGE) result = error_set(err, "a picture of more than %d MB", IMAGE_MOST_BYTES >> 20);
    if (end == WALK_CUT) result = error_set(err, "the stream ends within this picture");
    if (end == WALK_WHOLE && wanted) result = copy_bytes(&walk, picture, err);
    byte_stream_take(stream, walk.at < walk.size ? walk.at : walk.size);
    if (end == WALK_BROKEN) (void)pass_over(stream); /* what is left of it is no second error */
    picture->ended = end == WALK_CUT || end == WALK_LARGE;
    return result;
}

status picture_stream_rest(struct byte_stream *stream, struct stream_picture *picture, struct error *err)
{
    struct walk walk = {.stream = stream};
    *picture = (struct stream_picture){.ended = true};
    walk.size = walk.at = byte_stream_peek(stream, (size_t)IMAGE_MOST_BYTES + 1, &walk.bytes);
    if (stream->error.code != STATUS_OK) return error_set(err, "%s", stream->error.message);
    if (walk.at > IMAGE_MOST_BYTES) return error_set(err, "a picture of more than %d MB", IMAGE_MOST_BYTES >> 20);
    return copy_bytes(&walk, picture, err);
}
