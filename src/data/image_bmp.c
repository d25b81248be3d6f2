/* BMP, uncompressed: 1, 4 and 8 bits with a palette, 16 and 32 bits with or without masks of their own, 24 bits; rows
 * from the bottom up or from the top down. Run-length coding and embedded JPEG or PNG are refused by name. Every
 * number of the file is hostile: what it says is compared with the bytes that are there before anything is read. */
#include "data/image_formats.h"

#include <stdlib.h>
#include <string.h>

enum {
    FILE_HEADER = 14,
    CORE_HEADER = 12, /* of OS/2 1: 16-bit sides, palette entries of three bytes */
    INFO_HEADER = 40,
    LARGEST_HEADER = 124,
    MASKS_AT = FILE_HEADER + INFO_HEADER,
    PALETTE_ENTRIES = 256,
};

enum compression { PLAIN = 0, RUN_LENGTHS_8 = 1, RUN_LENGTHS_4 = 2, MASKS = 3, MASKS_WITH_ALPHA = 6 };

struct bmp {
    const uint8_t *bytes;
    size_t size;
    int64_t width, height;
    bool from_top;
    unsigned depth; /* bits a pixel */
    uint32_t header, compression;
    size_t pixels_at, stride;
    uint32_t masks[3]; /* red, green, blue */
    uint8_t palette[PALETTE_ENTRIES][3];
};

static uint32_t number_at(const uint8_t *bytes, size_t length)
{
    uint32_t value = 0;
    for (size_t i = 0; i < length; i++) value |= (uint32_t)bytes[i] << (8 * i);
    return value;
}

static status read_header(struct bmp *bmp, struct error *err)
{
    const uint8_t *bytes = bmp->bytes;
    if (bmp->size < FILE_HEADER + CORE_HEADER) return error_set(err, "damaged BMP: the header is cut short");
    bmp->pixels_at = number_at(bytes + 10, 4);
    bmp->header = number_at(bytes + FILE_HEADER, 4);
    bool is_core = bmp->header == CORE_HEADER;
    if (!is_core && (bmp->header < INFO_HEADER || bmp->header > LARGEST_HEADER))
        return error_set(err, "damaged BMP: a header of %u bytes", (unsigned)bmp->header);
    if (bmp->header > bmp->size - FILE_HEADER) return error_set(err, "damaged BMP: the header is cut short");
    if (is_core) {
        bmp->width = (int64_t)number_at(bytes + 18, 2);
        bmp->height = (int64_t)number_at(bytes + 20, 2);
        bmp->depth = number_at(bytes + 24, 2);
        return STATUS_OK;
    }
    bmp->width = (int32_t)number_at(bytes + 18, 4);
    bmp->height = (int32_t)number_at(bytes + 22, 4);
    bmp->depth = number_at(bytes + 28, 2);
    bmp->compression = number_at(bytes + 30, 4);
    bmp->from_top = bmp->height < 0;
    if (bmp->from_top) bmp->height = -bmp->height;
    return STATUS_OK;
}

static status check_kind(const struct bmp *bmp, struct error *err)
{
    bool has_masks = bmp->compression == MASKS || bmp->compression == MASKS_WITH_ALPHA;
    bool is_packed = bmp->depth == 16 || bmp->depth == 32;
    if (bmp->compression == RUN_LENGTHS_8 || bmp->compression == RUN_LENGTHS_4)
        return error_set(err, "not supported: BMP with run-length coding");
    if (bmp->compression != PLAIN && !(has_masks && is_packed))
        return error_set(err, "not supported: BMP with compression %u", (unsigned)bmp->compression);
    if (bmp->depth != 1 && bmp->depth != 4 && bmp->depth != 8 && bmp->depth != 24 && !is_packed)
        return error_set(err, "not supported: BMP of %u bits a pixel", bmp->depth);
    return STATUS_OK;
}

/* The sides are within IMAGE_LARGEST_SIDE here, so that nothing overflows. */
static status find_rows(struct bmp *bmp, struct error *err)
{
    bmp->stride = ((size_t)bmp->width * bmp->depth + 31) / 32 * 4;
    size_t needed = bmp->stride * (size_t)bmp->height;
    if (bmp->pixels_at < FILE_HEADER + bmp->header || bmp->pixels_at > bmp->size || needed > bmp->size - bmp->pixels_at)
        return error_set(err, "damaged BMP: %zu bytes cannot hold %lld x %lld pixels", bmp->size, (long long)bmp->width,
                         (long long)bmp->height);
    return STATUS_OK;
}

/* Entries that the file does not have stay black. */
static void read_palette(struct bmp *bmp)
{
    bool is_core = bmp->header == CORE_HEADER;
    size_t at = FILE_HEADER + bmp->header, entry = is_core ? 3 : 4;
    size_t count = (bmp->pixels_at - at) / entry, most = (size_t)1 << bmp->depth;
    if (count > most) count = most;
    for (size_t i = 0; i < count; i++)
        for (size_t c = 0; c < 3; c++) bmp->palette[i][c] = bmp->bytes[at + i * entry + 2 - c];
}

/* A mask is a row of ones: then (mask >> shift) + 1 is a power of two. */
static bool is_mask(uint32_t mask)
{
    if (mask == 0) return true;
    while ((mask & 1) == 0) mask >>= 1;
    return (mask & (mask + 1)) == 0;
}

static status read_masks(struct bmp *bmp, struct error *err)
{
    static const uint32_t of_16[3] = {0x7c00, 0x03e0, 0x001f}, of_32[3] = {0xff0000, 0xff00, 0xff};
    memcpy(bmp->masks, bmp->depth == 16 ? of_16 : of_32, sizeof bmp->masks);
    if (bmp->compression == PLAIN) return STATUS_OK;
    if (bmp->size < MASKS_AT + 12) return error_set(err, "damaged BMP: the masks are cut short");
    for (size_t c = 0; c < 3; c++) {
        bmp->masks[c] = number_at(bmp->bytes + MASKS_AT + 4 * c, 4);
        if (!is_mask(bmp->masks[c])) return error_set(err, "damaged BMP: a mask with gaps");
    }
    return STATUS_OK;
}

static uint8_t masked(uint32_t pixel, uint32_t mask)
{
    if (mask == 0) return 0;
    uint64_t value = pixel & mask, most = mask;
    while ((most & 1) == 0) {
        most >>= 1;
        value >>= 1;
    }
    return (uint8_t)(value * 255 / most);
}

static void read_row(const struct bmp *bmp, const uint8_t *row, uint8_t *rgb)
{
    for (size_t x = 0; x < (size_t)bmp->width; x++, rgb += 3) {
        if (bmp->depth == 24) {
            for (size_t c = 0; c < 3; c++) rgb[c] = row[3 * x + 2 - c];
        } else if (bmp->depth > 8) {
            uint32_t pixel = number_at(row + x * (bmp->depth / 8), bmp->depth / 8);
            for (size_t c = 0; c < 3; c++) rgb[c] = masked(pixel, bmp->masks[c]);
        } else {
            size_t bit = x * bmp->depth;
            unsigned index = ((unsigned)row[bit / 8] >> (8 - bmp->depth - bit % 8)) & ((1u << bmp->depth) - 1);
            memcpy(rgb, bmp->palette[index], 3);
        }
    }
}

status image_bmp_decode(const uint8_t *bytes, size_t size, const struct image_options *options, struct image *image,
                        struct error *err)
{
    struct bmp bmp = {.bytes = bytes, .size = size};
    status result = read_header(&bmp, err);
    if (result == STATUS_OK) result = check_kind(&bmp, err);
    if (result == STATUS_OK && bmp.width < 0) result = error_set(err, "damaged BMP: a width below zero");
    if (result == STATUS_OK)
        result = image_check_size((size_t)bmp.width, (size_t)bmp.height, options->most_pixels, err);
    if (result == STATUS_OK) result = find_rows(&bmp, err);
    if (result == STATUS_OK && (bmp.depth == 16 || bmp.depth == 32)) result = read_masks(&bmp, err);
    if (result == STATUS_OK) result = image_create(image, (int)bmp.width, (int)bmp.height, err);
    if (result != STATUS_OK) return result;
    if (bmp.depth <= 8) read_palette(&bmp);
    for (size_t y = 0; y < (size_t)bmp.height; y++) {
        size_t stored = bmp.from_top ? y : (size_t)bmp.height - 1 - y;
        read_row(&bmp, bytes + bmp.pixels_at + stored * bmp.stride, image->rgb + y * (size_t)bmp.width * 3);
    }
    return STATUS_OK;
}
