/* The decoders behind image.h, and what they share. Each converts its library's jumps and codes into errors. */
#ifndef DATA_IMAGE_FORMATS_H
#define DATA_IMAGE_FORMATS_H

#include "rmfer/data/image.h"

/* `options` is complete here: most_pixels is not 0. On failure `image` may hold pixels, which the caller frees. */
typedef status (*image_decoder)(const uint8_t *bytes, size_t size, const struct image_options *options,
                                struct image *image, struct error *err);

status image_jpeg_decode(const uint8_t *bytes, size_t size, const struct image_options *options, struct image *image,
                         struct error *err) MUST_CHECK;
status image_png_decode(const uint8_t *bytes, size_t size, const struct image_options *options, struct image *image,
                        struct error *err) MUST_CHECK;
status image_bmp_decode(const uint8_t *bytes, size_t size, const struct image_options *options, struct image *image,
                        struct error *err) MUST_CHECK;
/* Where libtiff, giflib and libwebp were there to build with. */
status image_tiff_decode(const uint8_t *bytes, size_t size, const struct image_options *options, struct image *image,
                         struct error *err) MUST_CHECK;
status image_gif_decode(const uint8_t *bytes, size_t size, const struct image_options *options, struct image *image,
                        struct error *err) MUST_CHECK;
status image_webp_decode(const uint8_t *bytes, size_t size, const struct image_options *options, struct image *image,
                         struct error *err) MUST_CHECK;

/* NULL for kinds that are not read. */
image_decoder image_kind_decoder(enum image_kind kind);

/* Refuses sizes of zero, above IMAGE_LARGEST_SIDE, or of more than `most_pixels` together. */
status image_check_size(size_t width, size_t height, size_t most_pixels, struct error *err) MUST_CHECK;

/* Turns the picture as EXIF's `orientation` (1 to 8) says; 1 leaves it alone. */
status image_turn_upright(struct image *image, int orientation, struct error *err) MUST_CHECK;

#endif
