/* JPEG through libjpeg-turbo. Its error manager is replaced: what the library calls a warning about damaged data is
 * an error here, and every error comes back by longjmp to the one place that frees. */
#include "data/exif.h"
#include "data/image_formats.h"
#include "rmfer/base/memory.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jpeglib.h>
#include <jerror.h>

enum {
    MOST_SCANS = 100, /* a progressive file has about ten; each scan walks over the whole picture again */
    ROWS_AT_ONCE = 8,
};

struct jpeg_failure {
    struct jpeg_error_mgr manager; /* first, so that the library's pointer to it is one to this */
    jmp_buf place;
    char message[JMSG_LENGTH_MAX];
};

static _Noreturn void fail(j_common_ptr common)
{
    struct jpeg_failure *failure = (struct jpeg_failure *)common->err;
    common->err->format_message(common, failure->message);
    longjmp(failure->place, 1);
}

/* Level -1 is damage, others are notes. Some warnings are about things that harm no pixel. */
static void message(j_common_ptr common, int level)
{
    if (level >= 0) return;
    switch (common->err->msg_code) {
    case JWRN_EXTRANEOUS_DATA: /* bytes between segments */
    case JWRN_ADOBE_XFORM:
    case JWRN_JFIF_MAJOR:
    case JWRN_BOGUS_PROGRESSION: break;
    default: fail(common);
    }
}

static void silent(j_common_ptr common)
{
    (void)common;
}

static void limit_scans(j_common_ptr common)
{
    struct jpeg_decompress_struct *jpeg = (struct jpeg_decompress_struct *)common;
    struct jpeg_failure *failure = (struct jpeg_failure *)common->err;
    if (jpeg->input_scan_number <= MOST_SCANS) return;
    snprintf(failure->message, sizeof failure->message, "more than %d scans", MOST_SCANS);
    longjmp(failure->place, 1);
}

static void failure_init(struct jpeg_failure *failure)
{
    jpeg_std_error(&failure->manager);
    failure->manager.error_exit = fail;
    failure->manager.emit_message = message;
    failure->manager.output_message = silent;
    failure->message[0] = '\0';
}

struct jpeg_reading {
    struct jpeg_decompress_struct jpeg;
    struct jpeg_progress_mgr progress;
    struct jpeg_failure failure;
    const struct image_options *options;
    struct image stored; /* as the file has it, not yet upright */
    int orientation;
};

static int find_orientation(const struct jpeg_decompress_struct *jpeg)
{
    for (jpeg_saved_marker_ptr marker = jpeg->marker_list; marker != NULL; marker = marker->next) {
        int orientation = exif_orientation(marker->data, marker->data_length);
        if (orientation != 1) return orientation;
    }
    return 1;
}

/* A Huffman code has at least one bit, and every 8 x 8 block at least one code: a short file cannot ask for the
 * memory of a large picture. */
static bool size_is_plausible(const struct jpeg_decompress_struct *jpeg, size_t bytes)
{
    size_t blocks = 0;
    for (int i = 0; i < jpeg->num_components; i++)
        blocks += (size_t)jpeg->comp_info[i].width_in_blocks * jpeg->comp_info[i].height_in_blocks;
    return blocks / 8 <= bytes;
}

static status start(struct jpeg_reading *reading, size_t bytes, struct error *err)
{
    struct jpeg_decompress_struct *jpeg = &reading->jpeg;
    const struct image_options *options = reading->options;
    jpeg_save_markers(jpeg, JPEG_APP0 + 1, 0xffff);
    jpeg_read_header(jpeg, TRUE);
    status result = image_check_size(jpeg->image_width, jpeg->image_height, options->most_pixels, err);
    if (result != STATUS_OK) return result;
    if (jpeg->arith_code) return error_set(err, "not supported: arithmetic-coded JPEG");
    if (!size_is_plausible(jpeg, bytes))
        return error_set(err, "truncated: %zu bytes cannot hold %u x %u pixels", bytes, jpeg->image_width,
                         jpeg->image_height);
    bool has_black = jpeg->jpeg_color_space == JCS_CMYK || jpeg->jpeg_color_space == JCS_YCCK;
    if (jpeg->jpeg_color_space == JCS_UNKNOWN)
        return error_set(err, "not supported: JPEG of %d components", jpeg->num_components);
    jpeg->out_color_space = has_black ? JCS_CMYK : JCS_RGB;
    reading->orientation = options->ignore_orientation ? 1 : find_orientation(jpeg);
    jpeg_calc_output_dimensions(jpeg);
    return image_create(&reading->stored, (int)jpeg->output_width, (int)jpeg->output_height, err);
}

/* a * b / 255, rounded, as Pillow's conversions do. */
static int multiply_255(int a, int b)
{
    int product = a * b + 128;
    return ((product >> 8) + product) >> 8;
}

/* Inks to light: R = (255 - K) - C (255 - K) / 255. Adobe stores 255 - ink. */
static void cmyk_to_rgb(const JSAMPLE *cmyk, bool inverted, size_t pixels, uint8_t *rgb)
{
    for (size_t i = 0; i < pixels; i++) {
        const JSAMPLE *from = cmyk + 4 * i;
        int light = inverted ? from[3] : 255 - from[3];
        for (size_t c = 0; c < 3; c++) {
            int ink = inverted ? 255 - from[c] : from[c];
            int value = light - multiply_255(ink, light);
            rgb[3 * i + c] = (uint8_t)(value < 0 ? 0 : value);
        }
    }
}

static void read_rows(struct jpeg_reading *reading)
{
    struct jpeg_decompress_struct *jpeg = &reading->jpeg;
    size_t stride = (size_t)reading->stored.width * 3;
    bool has_black = jpeg->out_color_space == JCS_CMYK;
    jpeg_start_decompress(jpeg);
    JSAMPARRAY inks = NULL;
    if (has_black) inks = jpeg->mem->alloc_sarray((j_common_ptr)jpeg, JPOOL_IMAGE, jpeg->output_width * 4, 1);
    while (jpeg->output_scanline < jpeg->output_height) {
        uint8_t *target = reading->stored.rgb + jpeg->output_scanline * stride;
        if (has_black) {
            jpeg_read_scanlines(jpeg, inks, 1);
            cmyk_to_rgb(inks[0], jpeg->saw_Adobe_marker, jpeg->output_width, target);
        } else {
            JSAMPROW rows[ROWS_AT_ONCE];
            JDIMENSION left = jpeg->output_height - jpeg->output_scanline;
            JDIMENSION count = left < ROWS_AT_ONCE ? left : ROWS_AT_ONCE;
            for (JDIMENSION i = 0; i < count; i++) rows[i] = target + i * stride;
            jpeg_read_scanlines(jpeg, rows, count);
        }
    }
    jpeg_finish_decompress(jpeg);
}

/* The only function that a jump can come back to; what must survive it is behind `reading`. */
static status read_stored(struct jpeg_reading *reading, const uint8_t *bytes, size_t size, struct error *err)
{
    if (setjmp(reading->failure.place) != 0) return error_set(err, "damaged JPEG: %s", reading->failure.message);
    jpeg_create_decompress(&reading->jpeg);
    reading->jpeg.progress = &reading->progress;
    jpeg_mem_src(&reading->jpeg, bytes, (unsigned long)size);
    status result = start(reading, size, err);
    if (result == STATUS_OK) read_rows(reading);
    return result;
}

status image_jpeg_decode(const uint8_t *bytes, size_t size, const struct image_options *options, struct image *image,
                         struct error *err)
{
    struct jpeg_reading reading = {.options = options, .orientation = 1};
    failure_init(&reading.failure);
    reading.progress.progress_monitor = limit_scans;
    reading.jpeg.err = &reading.failure.manager;
    status result = read_stored(&reading, bytes, size, err);
    jpeg_destroy_decompress(&reading.jpeg);
    *image = reading.stored;
    return result == STATUS_OK ? image_turn_upright(image, reading.orientation, err) : result;
}

struct jpeg_writing {
    struct jpeg_compress_struct jpeg;
    struct jpeg_failure failure;
    unsigned char *bytes; /* the library's, from malloc */
    unsigned long size;
};

static status write_rows(struct jpeg_writing *writing, const struct image *image, int quality, struct error *err)
{
    if (setjmp(writing->failure.place) != 0) return error_set(err, "JPEG: %s", writing->failure.message);
    struct jpeg_compress_struct *jpeg = &writing->jpeg;
    jpeg_create_compress(jpeg);
    jpeg_mem_dest(jpeg, &writing->bytes, &writing->size);
    jpeg->image_width = (JDIMENSION)image->width;
    jpeg->image_height = (JDIMENSION)image->height;
    jpeg->input_components = 3;
    jpeg->in_color_space = JCS_RGB;
    jpeg_set_defaults(jpeg);
    jpeg_set_quality(jpeg, quality, TRUE);
    jpeg_start_compress(jpeg, TRUE);
    while (jpeg->next_scanline < jpeg->image_height) {
        JSAMPROW row = image->rgb + (size_t)jpeg->next_scanline * (size_t)image->width * 3;
        jpeg_write_scanlines(jpeg, &row, 1);
    }
    jpeg_finish_compress(jpeg);
    return STATUS_OK;
}

status image_encode_jpeg(const struct image *image, int quality, uint8_t **bytes, size_t *size, struct error *err)
{
    struct jpeg_writing writing = {0};
    failure_init(&writing.failure);
    writing.jpeg.err = &writing.failure.manager;
    *bytes = NULL;
    *size = 0;
    status result = write_rows(&writing, image, quality, err);
    jpeg_destroy_compress(&writing.jpeg);
    if (result == STATUS_OK) {
        *bytes = memory_allocate(writing.size, 1, "an encoded picture", err);
        if (*bytes == NULL) result = STATUS_FAILED;
    }
    if (result == STATUS_OK) {
        memcpy(*bytes, writing.bytes, writing.size);
        *size = writing.size;
    }
    free(writing.bytes);
    return result;
}
