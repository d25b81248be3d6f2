/* The decoders and encoders behind image.h. Each converts its library's jumps into errors. */
#ifndef DATA_IMAGE_FORMATS_H
#define DATA_IMAGE_FORMATS_H

#include "rmfer/data/image.h"

/* `options` is complete here: most_pixels is not 0. */
status image_jpeg_decode(const uint8_t *bytes, size_t size, const struct image_options *options, struct image *image,
                         struct error *err) MUST_CHECK;
status image_png_decode(const uint8_t *bytes, size_t size, const struct image_options *options, struct image *image,
                        struct error *err) MUST_CHECK;

/* Refuses sizes of zero, above IMAGE_LARGEST_SIDE, or of more than `most_pixels` together. */
status image_check_size(size_t width, size_t height, size_t most_pixels, struct error *err) MUST_CHECK;

#endif
