/* Pictures from hostile bytes, of every kind that is read: decoding, then resizing a box out of them. */
#include "rmfer/data/resize.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct image_options options = {.most_pixels = 1 << 20, .ignore_orientation = (size & 1) != 0};
    struct image image;
    struct error err = {0};
    if (image_decode(bytes, size, &options, &image, &err) != STATUS_OK) {
        if (image.rgb != NULL || err.code == STATUS_OK || strlen(err.message) >= sizeof err.message) abort();
        return 0;
    }
    struct image_box box = {image.width / 4.0 - 3, image.height / 3.0 - 5, image.width * 0.7 + 0.25,
                            image.height * 0.9};
    struct image small;
    if (image_resize(&image, &box, (size & 2) != 0 ? RESIZE_BICUBIC : RESIZE_BILINEAR, 24, 17, &small, &err) ==
        STATUS_OK)
        image_free(&small);
    image_free(&image);
    return 0;
}
