/* Writes AVI files whose every pixel is known. */
#include "support/video_file.h"

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
