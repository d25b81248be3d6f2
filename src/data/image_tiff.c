/* TIFF through libtiff: the first picture of a file, whatever its compression and samples, by the library's conversion
 * to 8-bit RGBA. Alpha is dropped as for the other kinds. The library's messages come to us, not to the terminal, and
 * it may not allocate more at once than such a picture needs. */
#include <stddef.h>

#ifdef RMFER_HAVE_TIFF
#include "data/image_formats.h"
#include "rmfer/base/memory.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <tiffio.h>

enum {
    MESSAGE_BYTES = 1024,      /* the library's own size */
    MOST_PIXELS_A_BYTE = 4096, /* LZW and Deflate stay below it; bilevel pictures are not asked */
    MOST_SAMPLE_BYTES = 32,    /* a pixel's: four samples of eight bytes */
};

struct tiff_session {
    const uint8_t *bytes;
    size_t size, at;
    char message[MESSAGE_BYTES]; /* the first one */
};

/* ---- what the library calls -------------------------------------------------------------------------------------- */

static tmsize_t read_bytes(thandle_t handle, void *target, tmsize_t wanted)
{
    struct tiff_session *session = handle;
    size_t left = session->size - session->at, count = wanted < 0 ? 0 : (size_t)wanted;
    if (count > left) count = left;
    memcpy(target, session->bytes + session->at, count);
    session->at += count;
    return (tmsize_t)count;
}

static tmsize_t write_bytes(thandle_t handle, void *source, tmsize_t count)
{
    (void)handle;
    (void)source;
    (void)count;
    return 0;
}

static toff_t seek_to(thandle_t handle, toff_t offset, int from)
{
    struct tiff_session *session = handle;
    toff_t base = from == SEEK_SET ? 0 : from == SEEK_CUR ? session->at : session->size, place = base + offset;
    session->at = place > session->size ? session->size : (size_t)place;
    return place;
}

static int close_nothing(thandle_t handle)
{
    (void)handle;
    return 0;
}

static toff_t size_of(thandle_t handle)
{
    return ((struct tiff_session *)handle)->size;
}

static int keep_message(TIFF *tiff, void *context, const char *module, const char *format, va_list values)
{
    struct tiff_session *session = context;
    (void)tiff;
    (void)module;
    if (session->message[0] == '\0') vsnprintf(session->message, sizeof session->message, format, values);
    return 1;
}

static int ignore_message(TIFF *tiff, void *context, const char *module, const char *format, va_list values)
{
    (void)tiff;
    (void)context;
    (void)module;
    (void)format;
    (void)values;
    return 1;
}

/* ---- decoding ---------------------------------------------------------------------------------------------------- */

/* Some of the library's messages begin with the file's name, which is empty here. */
static status damaged(const struct tiff_session *session, struct error *err)
{
    const char *message = session->message;
    if (strncmp(message, ": ", 2) == 0) message += 2;
    return error_set(err, "damaged TIFF: %s", message[0] != '\0' ? message : "no picture in it");
}

static TIFF *open_tiff(struct tiff_session *session, size_t most_pixels)
{
    TIFFOpenOptions *options = TIFFOpenOptionsAlloc();
    if (options == NULL) return NULL;
    size_t most = size_multiply(most_pixels, MOST_SAMPLE_BYTES);
    TIFFOpenOptionsSetMaxSingleMemAlloc(options, most > PTRDIFF_MAX ? PTRDIFF_MAX : (tmsize_t)most);
    TIFFOpenOptionsSetErrorHandlerExtR(options, keep_message, session);
    TIFFOpenOptionsSetWarningHandlerExtR(options, ignore_message, session);
    /* m: no mapping */
    TIFF *tiff = TIFFClientOpenExt("", "rm", session, read_bytes, write_bytes, seek_to, close_nothing, size_of, NULL,
                                   NULL, options);
    TIFFOpenOptionsFree(options);
    return tiff;
}

/* A short file cannot ask for the memory of a large picture. */
static status check_sizes(TIFF *tiff, const struct tiff_session *session, const struct image_options *options,
                          struct image *image, struct error *err)
{
    uint32_t width = 0, height = 0;
    uint16_t bits = 1;
    if (TIFFGetField(tiff, TIFFTAG_IMAGEWIDTH, &width) != 1 || TIFFGetField(tiff, TIFFTAG_IMAGELENGTH, &height) != 1)
        return damaged(session, err);
    TIFFGetFieldDefaulted(tiff, TIFFTAG_BITSPERSAMPLE, &bits);
    status result = image_check_size(width, height, options->most_pixels, err);
    if (result != STATUS_OK) return result;
    if (bits > 1 && (size_t)width * height / MOST_PIXELS_A_BYTE > session->size)
        return error_set(err, "truncated: %zu bytes cannot hold %u x %u pixels", session->size, (unsigned)width,
                         (unsigned)height);
    image->width = (int)width;
    image->height = (int)height;
    return STATUS_OK;
}

/* Alpha that counts as multiplied already is left as it is, so that dropping it gives the samples as stored. */
static void keep_samples(TIFF *tiff)
{
    uint16_t samples = 0, *kinds = NULL, kept = EXTRASAMPLE_ASSOCALPHA;
    if (TIFFGetField(tiff, TIFFTAG_EXTRASAMPLES, &samples, &kinds) == 1 && samples == 1)
        TIFFSetField(tiff, TIFFTAG_EXTRASAMPLES, 1, &kept);
}

static status read_raster(TIFF *tiff, struct tiff_session *session, struct image *image, struct error *err)
{
    char reason[MESSAGE_BYTES] = "";
    TIFFRGBAImage conversion;
    size_t pixels = (size_t)image->width * (size_t)image->height;
    if (TIFFRGBAImageOK(tiff, reason) != 1) return error_set(err, "not supported: TIFF: %s", reason);
    if (TIFFRGBAImageBegin(&conversion, tiff, 1, reason) != 1) return error_set(err, "not supported: TIFF: %s", reason);
    uint32_t *raster = memory_allocate(pixels, sizeof *raster, "a TIFF", err);
    status result = raster == NULL ? STATUS_FAILED : image_create(image, image->width, image->height, err);
    if (result == STATUS_OK) {
        conversion.req_orientation = ORIENTATION_TOPLEFT;
        if (TIFFRGBAImageGet(&conversion, raster, (uint32_t)image->width, (uint32_t)image->height) != 1 ||
            session->message[0] != '\0')
            result = damaged(session, err);
    }
    for (size_t i = 0; result == STATUS_OK && i < pixels; i++) {
        image->rgb[3 * i] = (uint8_t)TIFFGetR(raster[i]);
        image->rgb[3 * i + 1] = (uint8_t)TIFFGetG(raster[i]);
        image->rgb[3 * i + 2] = (uint8_t)TIFFGetB(raster[i]);
    }
    TIFFRGBAImageEnd(&conversion);
    memory_free(raster);
    return result;
}

status image_tiff_decode(const uint8_t *bytes, size_t size, const struct image_options *options, struct image *image,
                         struct error *err)
{
    struct tiff_session session = {.bytes = bytes, .size = size};
    TIFF *tiff = open_tiff(&session, options->most_pixels);
    if (tiff == NULL) return damaged(&session, err);
    uint16_t orientation = ORIENTATION_TOPLEFT;
    TIFFGetFieldDefaulted(tiff, TIFFTAG_ORIENTATION, &orientation);
    TIFFSetField(tiff, TIFFTAG_ORIENTATION, ORIENTATION_TOPLEFT); /* the library turns by halves only */
    keep_samples(tiff);
    status result = check_sizes(tiff, &session, options, image, err);
    if (result == STATUS_OK) result = read_raster(tiff, &session, image, err);
    TIFFClose(tiff);
    if (result == STATUS_OK && !options->ignore_orientation) result = image_turn_upright(image, orientation, err);
    return result;
}

#endif
