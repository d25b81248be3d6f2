/* Writes AVI files whose every pixel is known, and Matroska files. */
#include "support/video_file.h"

#include "rmfer/base/memory.h"

#include <stdlib.h>
#include <string.h>

/* RIFF: chunks of a four-letter name, a little-endian size and data of even length; lists hold chunks. */
struct riff {
    uint8_t *bytes;
    size_t size, capacity;
};

static void put(struct riff *out, const void *data, size_t size)
{
    if (out->size + size > out->capacity) {
        out->capacity = 2 * (out->size + size);
        out->bytes = realloc(out->bytes, out->capacity);
        if (out->bytes == NULL) abort();
    }
    memcpy(out->bytes + out->size, data, size);
    out->size += size;
}

static void put_number(struct riff *out, uint32_t value, size_t size)
{
    uint8_t bytes[4];
    for (size_t i = 0; i < size; i++) bytes[i] = (uint8_t)(value >> (8 * i));
    put(out, bytes, size);
}

static void put_numbers(struct riff *out, const uint32_t *values, size_t count)
{
    for (size_t i = 0; i < count; i++) put_number(out, values[i], 4);
}

/* Begins a chunk; its size is filled in by riff_end. `list` is the list's kind or NULL. */
static size_t begin(struct riff *out, const char *name, const char *list)
{
    put(out, name, 4);
    size_t at = out->size;
    put_number(out, 0, 4);
    if (list != NULL) put(out, list, 4);
    return at;
}

static void end(struct riff *out, size_t at)
{
    size_t size = out->size - at - 4;
    for (size_t i = 0; i < 4; i++) out->bytes[at + i] = (uint8_t)(size >> (8 * i));
}

/* Rows from the bottom up, blue-green-red, each filled up to a multiple of 4 bytes. */
static void put_frame(struct riff *out, const struct image *image)
{
    size_t width = (size_t)image->width, padding = (4 - width * 3 % 4) % 4;
    size_t chunk = begin(out, "00db", NULL);
    for (int y = image->height - 1; y >= 0; y--) {
        const uint8_t *row = image->rgb + (size_t)y * width * 3;
        for (size_t x = 0; x < width; x++) put(out, (uint8_t[]){row[3 * x + 2], row[3 * x + 1], row[3 * x]}, 3);
        put(out, "\0\0\0", padding);
    }
    end(out, chunk);
}

static void put_headers(struct riff *out, uint32_t width, uint32_t height, uint32_t count, uint32_t rate)
{
    uint32_t frame = (width * 3 + 3) / 4 * 4 * height;
    size_t headers = begin(out, "LIST", "hdrl"), chunk = begin(out, "avih", NULL);
    put_numbers(out, (uint32_t[]){1000000 / rate, frame * rate, 0, 0, count, 0, 1, frame, width, height, 0, 0, 0, 0},
                14);
    end(out, chunk);
    size_t stream = begin(out, "LIST", "strl");
    chunk = begin(out, "strh", NULL);
    put(out, "vidsDIB ", 8);
    put_numbers(out, (uint32_t[]){0, 0, 0, 1, rate, 0, count, frame, 0xffffffff, 0, 0, height << 16 | width}, 12);
    end(out, chunk);
    chunk = begin(out, "strf", NULL);
    put_numbers(out, (uint32_t[]){40, width, height, 24u << 16 | 1, 0, frame, 0, 0, 0, 0}, 10);
    end(out, chunk);
    end(out, stream);
    end(out, headers);
}

uint8_t *video_file_avi(const struct image *frames, size_t count, int rate, size_t *size)
{
    struct riff out = {0};
    size_t file = begin(&out, "RIFF", "AVI ");
    put_headers(&out, (uint32_t)frames[0].width, (uint32_t)frames[0].height, (uint32_t)count, (uint32_t)rate);
    size_t movie = begin(&out, "LIST", "movi");
    for (size_t i = 0; i < count; i++) put_frame(&out, &frames[i]);
    end(&out, movie);
    end(&out, file);
    *size = out.size;
    return out.bytes;
}

/* ---- Matroska: elements of an id, a size and data (RFC 8794, RFC 9559) */

static void put_large_end_first(struct riff *out, uint64_t value, size_t size)
{
    while (size-- > 0) put(out, (uint8_t[]){(uint8_t)(value >> (8 * size))}, 1);
}

/* An id with its leading bits; sizes are written in 4 bytes. */
static void put_element(struct riff *out, uint32_t id, const void *data, size_t size)
{
    size_t length = id > 0xffffff ? 4 : id > 0xffff ? 3 : id > 0xff ? 2 : 1;
    put_large_end_first(out, id, length);
    put_large_end_first(out, 0x10000000u | size, 4);
    put(out, data, size);
}

static void put_whole(struct riff *out, uint32_t id, uint64_t value)
{
    struct riff bytes = {0};
    put_large_end_first(&bytes, value, 4);
    put_element(out, id, bytes.bytes, bytes.size);
    free(bytes.bytes);
}

/* Puts what `inner` holds as one element and empties it. */
static void put_master(struct riff *out, uint32_t id, struct riff *inner)
{
    put_element(out, id, inner->bytes, inner->size);
    free(inner->bytes);
    *inner = (struct riff){0};
}

static void put_cluster(struct riff *out, const struct image *frame, int time, enum video_file_codec codec)
{
    struct riff cluster = {0}, block = {0};
    struct error err = {0};
    uint8_t *bytes;
    size_t size;
    if ((codec == VIDEO_FILE_PNG ? image_encode_png(frame, &bytes, &size, &err)
                                 : image_encode_jpeg(frame, 95, &bytes, &size, &err)) != STATUS_OK)
        abort();
    put_whole(&cluster, 0xe7, (uint64_t)time);
    put(&block, "\x81\0\0\x80", 4); /* track 1, at the cluster's time, a key frame */
    put(&block, bytes, size);
    put_master(&cluster, 0xa3, &block);
    put_master(out, 0x1f43b675, &cluster);
    memory_free(bytes);
}

static void put_codec(struct riff *track, enum video_file_codec codec)
{
    uint8_t header[40] = {40, [12] = 1, [14] = 24, [16] = 'M', 'P', 'N', 'G'}; /* BITMAPINFOHEADER */
    if (codec == VIDEO_FILE_JPEG) {
        put_element(track, 0x86, "V_MJPEG", 7);
        return;
    }
    put_element(track, 0x86, "V_MS/VFW/FOURCC", 15);
    put_element(track, 0x63a2, header, sizeof header);
}

/* The film's length, a single-precision number of units. */
static void put_length(struct riff *info, int units)
{
    float length = (float)units;
    uint32_t bits;
    struct riff bytes = {0};
    memcpy(&bits, &length, sizeof bits);
    put_large_end_first(&bytes, bits, 4);
    put_element(info, 0x4489, bytes.bytes, bytes.size);
    free(bytes.bytes);
}

uint8_t *video_file_mkv(const struct image *frames, const int *times, size_t count, enum video_file_codec codec,
                        size_t *size)
{
    struct riff out = {0}, header = {0}, segment = {0}, inner = {0}, track = {0}, tracks = {0};
    put_element(&header, 0x4282, "matroska", 8);
    put_master(&out, 0x1a45dfa3, &header);
    put_whole(&inner, 0x2ad7b1, 1000000); /* nanoseconds a unit of time */
    put_length(&inner, times[count - 1]);
    put_master(&segment, 0x1549a966, &inner);
    put_whole(&track, 0xd7, 1);
    put_whole(&track, 0x73c5, 1);
    put_whole(&track, 0x83, 1);
    put_codec(&track, codec);
    put_whole(&inner, 0xb0, (uint64_t)frames[0].width);
    put_whole(&inner, 0xba, (uint64_t)frames[0].height);
    put_master(&track, 0xe0, &inner);
    put_master(&tracks, 0xae, &track);
    put_master(&segment, 0x1654ae6b, &tracks);
    for (size_t i = 0; i < count; i++) put_cluster(&segment, &frames[i], times[i], codec);
    put_master(&out, 0x18538067, &segment);
    *size = out.size;
    return out.bytes;
}
