/* Pictures to interleaved 8-bit RGB: JPEG (libjpeg-turbo), PNG (libpng), BMP and, where their libraries were there to
 * build with, TIFF (libtiff), GIF (giflib; the first frame) and WebP (libwebp); and back as JPEG and PNG.
 *
 * The kind is told by the first bytes, never by the name. Decoding is strict: a file that is cut short, or whose
 * entropy-coded data or checksums are wrong, is an error. Other kinds are recognised and refused by name. No colour
 * management: gamma chunks and ICC profiles are ignored, as training code does. */
#ifndef RMFER_DATA_IMAGE_H
#define RMFER_DATA_IMAGE_H

#include "rmfer/base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* 8-bit RGB, [height, width, 3], rows without gaps. Owns `rgb` (memory_allocate). */
struct image {
    uint8_t *rgb;
    int width, height;
};

enum image_kind {
    IMAGE_JPEG,
    IMAGE_PNG,
    IMAGE_BMP,
    IMAGE_TIFF,
    IMAGE_GIF,
    IMAGE_WEBP,
    IMAGE_HEIF, /* this and the next ones are recognised, not read */
    IMAGE_JPEG_2000,
    IMAGE_PHOTOSHOP,
    IMAGE_WEB_PAGE, /* what a failed download leaves under a picture's name */
    IMAGE_KINDS,
    IMAGE_UNKNOWN = IMAGE_KINDS,
};

/* What a file's first bytes (16 are enough), or its name's ending, say. */
enum image_kind image_kind_of_bytes(const uint8_t *bytes, size_t size);
enum image_kind image_kind_of_name(const char *path);

/* Whether a picture's first bytes may begin like this, so that less than 16 do not tell yet. */
bool image_kind_may_follow(const uint8_t *bytes, size_t size);

/* "JPEG", ...; whether this build reads it. */
const char *image_kind_name(enum image_kind kind);
bool image_kind_is_read(enum image_kind kind);

/* "JPEG, PNG and BMP", or more, for messages. */
const char *image_kinds_read(void);

/* A rectangle in pixels, its edges between pixels: 0, 0, width, height is the whole picture. */
struct image_box {
    double x, y, width, height;
};

enum {
    IMAGE_MOST_PIXELS = 100000000, /* default limit: 100 megapixels */
    IMAGE_MOST_BYTES = 256 << 20,  /* largest file that image_read takes */
    IMAGE_LARGEST_SIDE = 65500,    /* JPEG's own limit, used for PNG too */
};

/* Zeroed is the default: at most IMAGE_MOST_PIXELS, EXIF orientation obeyed. Decoding is always at the file's own size:
 * what a JPEG loses in a decoder's reduced transform is not what the resize filter takes away (docs/performance.md). */
struct image_options {
    size_t most_pixels;      /* checked before anything is allocated; 0 = IMAGE_MOST_PIXELS */
    bool ignore_orientation; /* pixels as stored, whatever EXIF says */
};

/* Decodes `size` bytes. `options` may be NULL. Gray becomes three equal channels; CMYK and YCCK follow Adobe's
 * inverted convention where its marker is there; 16-bit samples keep their high byte (TIFF: are rounded); palettes and
 * samples of less than 8 bits are expanded; alpha and tRNS are dropped, not composited (as Pillow's convert("RGB")). On
 * failure `image` is zeroed. The message does not name the file (image_read does). */
status image_decode(const uint8_t *bytes, size_t size, const struct image_options *options, struct image *image,
                    struct error *err) MUST_CHECK;

/* The same from a file, or from a member of a tar file named as "SHARD.tar#OFFSET" (see picture_file.h). */
status image_read(const char *path, const struct image_options *options, struct image *image,
                  struct error *err) MUST_CHECK;

/* A picture of that size, black. Sides must be positive and within IMAGE_LARGEST_SIDE. */
status image_create(struct image *image, int width, int height, struct error *err) MUST_CHECK;

/* Zeroed and freed pictures are fine. */
void image_free(struct image *image);

/* Encodes into memory; release *bytes with memory_free. JPEG: quality 1..100, 4:2:0; PNG: 8-bit RGB. */
status image_encode_jpeg(const struct image *image, int quality, uint8_t **bytes, size_t *size,
                         struct error *err) MUST_CHECK;
status image_encode_png(const struct image *image, uint8_t **bytes, size_t *size, struct error *err) MUST_CHECK;

/* The same into a file; a file that could not be written whole is removed again. */
status image_write_jpeg(const char *path, const struct image *image, int quality, struct error *err) MUST_CHECK;
status image_write_png(const char *path, const struct image *image, struct error *err) MUST_CHECK;

#endif
