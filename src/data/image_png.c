/* PNG through libpng. Checksums that do not match are errors in every chunk; chunks that say nothing about the pixels
 * as stored (texts, profiles, gamma) are skipped unread, so that they cannot ask for memory. Of EXIF's the
 * orientation is looked up where it lies. */
#include "data/exif.h"
#include "data/image_formats.h"
#include "rmfer/base/memory.h"
#include "rmfer/base/text.h"

#include <setjmp.h>
#include <stdio.h>
#include <string.h>

#include <png.h>

enum { MESSAGE_BYTES = 128, SIGNATURE_BYTES = 8, CHUNK_BYTES = 12 /* length, type and checksum */ };

struct png_session {
    png_structp png;
    png_infop info;
    jmp_buf place;
    char message[MESSAGE_BYTES];
    const uint8_t *at; /* reading */
    size_t left;
    struct text written; /* writing */
};

static _Noreturn void fail(png_structp png, png_const_charp message)
{
    struct png_session *session = png_get_error_ptr(png);
    snprintf(session->message, sizeof session->message, "%s", message);
    longjmp(session->place, 1);
}

static void ignore_warning(png_structp png, png_const_charp message)
{
    (void)png;
    (void)message;
}

static void give_bytes(png_structp png, png_bytep target, size_t count)
{
    struct png_session *session = png_get_io_ptr(png);
    if (count > session->left) png_error(png, "the file ends too early");
    memcpy(target, session->at, count);
    session->at += count;
    session->left -= count;
}

static void skip_other_chunks(png_structp png)
{
    static const png_byte
        names[] = "tEXt\0zTXt\0iTXt\0iCCP\0sPLT\0eXIf\0hIST\0tIME\0pCAL\0sCAL\0gAMA\0cHRM\0sRGB\0pHYs";
    png_set_keep_unknown_chunks(png, PNG_HANDLE_CHUNK_NEVER, NULL, 0);
    png_set_keep_unknown_chunks(png, PNG_HANDLE_CHUNK_NEVER, names, (int)(sizeof names / 5));
    png_set_crc_action(png, PNG_CRC_ERROR_QUIT, PNG_CRC_ERROR_QUIT);
}

/* Whatever the file has, three bytes a pixel come out. */
static void ask_for_rgb(png_structp png, int depth, int color)
{
    if (depth == 16) png_set_strip_16(png);
    if (color == PNG_COLOR_TYPE_PALETTE) png_set_palette_to_rgb(png);
    if (color == PNG_COLOR_TYPE_GRAY && depth < 8) png_set_expand_gray_1_2_4_to_8(png);
    if (color == PNG_COLOR_TYPE_GRAY || color == PNG_COLOR_TYPE_GRAY_ALPHA) png_set_gray_to_rgb(png);
    png_set_strip_alpha(png); /* also what palettes' tRNS turns into */
}

/* Deflate makes at most 1032 bytes of one: a short file cannot ask for the memory of a large picture. */
static bool size_is_plausible(png_structp png, png_infop info, size_t bytes)
{
    size_t raw = size_multiply(png_get_rowbytes(png, info), png_get_image_height(png, info));
    return raw / 1032 <= bytes;
}

static status read_pixels(struct png_session *session, const struct image_options *options, struct image *image,
                          struct error *err)
{
    png_structp png = session->png;
    png_infop info = session->info;
    size_t size = session->left;
    png_read_info(png, info);
    png_uint_32 width = png_get_image_width(png, info), height = png_get_image_height(png, info);
    status result = image_check_size(width, height, options->most_pixels, err);
    if (result != STATUS_OK) return result;
    if (!size_is_plausible(png, info, size))
        return error_set(err, "truncated: %zu bytes cannot hold %u x %u pixels", size, width, height);
    ask_for_rgb(png, png_get_bit_depth(png, info), png_get_color_type(png, info));
    int passes = png_set_interlace_handling(png);
    png_read_update_info(png, info);
    size_t stride = (size_t)width * 3;
    if (png_get_rowbytes(png, info) != stride) return error_set(err, "not supported: PNG of this colour type");
    result = image_create(image, (int)width, (int)height, err);
    if (result != STATUS_OK) return result;
    for (int pass = 0; pass < passes; pass++)
        for (size_t y = 0; y < height; y++) png_read_row(png, image->rgb + y * stride, NULL);
    png_read_end(png, NULL);
    return STATUS_OK;
}

/* The only place that a jump comes back to; what must survive it is behind the pointers. */
static status read_session(struct png_session *session, const struct image_options *options, struct image *image,
                           struct error *err)
{
    if (setjmp(session->place) != 0) return error_set(err, "damaged PNG: %s", session->message);
    png_set_read_fn(session->png, session, give_bytes);
    /* Our own limit, whose message says what it is, is checked before anything of the size is allocated. */
    png_set_user_limits(session->png, PNG_UINT_31_MAX, PNG_UINT_31_MAX);
    skip_other_chunks(session->png);
    return read_pixels(session, options, image, err);
}

/* Of a file that was decoded, so that its chunks' checksums are right; eXIf may stand before the pixels or behind
 * them. */
static int find_orientation(const uint8_t *bytes, size_t size)
{
    for (size_t at = SIGNATURE_BYTES; at < size && size - at >= CHUNK_BYTES;) {
        const uint8_t *chunk = bytes + at;
        size_t length = (size_t)chunk[0] << 24 | (size_t)chunk[1] << 16 | (size_t)chunk[2] << 8 | chunk[3];
        if (length > size - at - CHUNK_BYTES || memcmp(chunk + 4, "IEND", 4) == 0) break;
        if (memcmp(chunk + 4, "eXIf", 4) == 0) return exif_orientation(chunk + 8, length);
        at += CHUNK_BYTES + length;
    }
    return 1;
}

status image_png_decode(const uint8_t *bytes, size_t size, const struct image_options *options, struct image *image,
                        struct error *err)
{
    struct png_session session = {.at = bytes, .left = size};
    session.png = png_create_read_struct(PNG_LIBPNG_VER_STRING, &session, fail, ignore_warning);
    if (session.png != NULL) session.info = png_create_info_struct(session.png);
    status result = STATUS_OK;
    if (session.info == NULL)
        result = error_set(err, "not enough memory for reading a PNG");
    else
        result = read_session(&session, options, image, err);
    png_destroy_read_struct(&session.png, &session.info, NULL);
    if (result == STATUS_OK && !options->ignore_orientation)
        result = image_turn_upright(image, find_orientation(bytes, size), err);
    if (result != STATUS_OK) image_free(image);
    return result;
}

static void take_bytes(png_structp png, png_bytep bytes, size_t count)
{
    struct png_session *session = png_get_io_ptr(png);
    if (text_append(&session->written, (const char *)bytes, count, NULL) != STATUS_OK) png_error(png, "out of memory");
}

static void no_flush(png_structp png)
{
    (void)png;
}

static status write_session(struct png_session *session, const struct image *image, struct error *err)
{
    if (setjmp(session->place) != 0) return error_set(err, "PNG: %s", session->message);
    png_structp png = session->png;
    png_set_write_fn(png, session, take_bytes, no_flush);
    png_set_IHDR(png, session->info, (png_uint_32)image->width, (png_uint_32)image->height, 8, PNG_COLOR_TYPE_RGB,
                 PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
    png_write_info(png, session->info);
    for (size_t y = 0; y < (size_t)image->height; y++) png_write_row(png, image->rgb + y * (size_t)image->width * 3);
    png_write_end(png, NULL);
    return STATUS_OK;
}

status image_encode_png(const struct image *image, uint8_t **bytes, size_t *size, struct error *err)
{
    struct png_session session = {0};
    *bytes = NULL;
    *size = 0;
    session.png = png_create_write_struct(PNG_LIBPNG_VER_STRING, &session, fail, ignore_warning);
    if (session.png != NULL) session.info = png_create_info_struct(session.png);
    status result = STATUS_OK;
    if (session.info == NULL)
        result = error_set(err, "not enough memory for writing a PNG");
    else
        result = write_session(&session, image, err);
    png_destroy_write_struct(&session.png, &session.info);
    if (result != STATUS_OK) {
        text_free(&session.written);
        return result;
    }
    *bytes = (uint8_t *)session.written.bytes; /* a memory_allocate block, handed on */
    *size = session.written.length;
    return STATUS_OK;
}
