/* The pixels of a picture: what sizes are taken, making room for them, freeing it, turning it. */
#include "data/image_formats.h"
#include "rmfer/base/memory.h"

#include <string.h>

status image_check_size(size_t width, size_t height, size_t most_pixels, struct error *err)
{
    if (width == 0 || height == 0) return error_set(err, "the picture is %zu x %zu pixels", width, height);
    if (width > IMAGE_LARGEST_SIDE || height > IMAGE_LARGEST_SIDE || width * height > most_pixels)
        return error_set(err, "%zu x %zu pixels are more than the limit of %zu megapixels or %d a side", width, height,
                         most_pixels / 1000000, IMAGE_LARGEST_SIDE);
    return STATUS_OK;
}

status image_create(struct image *image, int width, int height, struct error *err)
{
    *image = (struct image){0};
    size_t w = width < 0 ? 0 : (size_t)width, h = height < 0 ? 0 : (size_t)height;
    status result = image_check_size(w, h, SIZE_MAX, err);
    if (result != STATUS_OK) return result;
    image->rgb = memory_allocate(w * h, 3, "a picture", err);
    if (image->rgb == NULL) return STATUS_FAILED;
    image->width = width;
    image->height = height;
    return STATUS_OK;
}

void image_free(struct image *image)
{
    memory_free(image->rgb);
    *image = (struct image){0};
}

/* EXIF's eight orientations: where the upright picture's pixel (x, y) is in the stored one. */
static void stored_place(int orientation, int width, int height, int x, int y, int *stored_x, int *stored_y)
{
    bool swapped = orientation >= 5;
    int a = swapped ? y : x, b = swapped ? x : y;
    bool flip_x = orientation == 2 || orientation == 3 || orientation == 7 || orientation == 8;
    bool flip_y = orientation == 3 || orientation == 4 || orientation == 6 || orientation == 7;
    *stored_x = flip_x ? width - 1 - a : a;
    *stored_y = flip_y ? height - 1 - b : b;
}

status image_turn_upright(struct image *image, int orientation, struct error *err)
{
    if (orientation <= 1 || orientation > 8) return STATUS_OK;
    const struct image *stored = image;
    struct image upright;
    bool swapped = orientation >= 5;
    int width = swapped ? stored->height : stored->width, height = swapped ? stored->width : stored->height;
    status result = image_create(&upright, width, height, err);
    if (result != STATUS_OK) return result;
    uint8_t *to = upright.rgb;
    for (int y = 0; y < height; y++) {
        for (int x = 0; x < width; x++, to += 3) {
            int from_x, from_y;
            stored_place(orientation, stored->width, stored->height, x, y, &from_x, &from_y);
            memcpy(to, stored->rgb + ((size_t)from_y * (size_t)stored->width + (size_t)from_x) * 3, 3);
        }
    }
    image_free(image);
    *image = upright;
    return STATUS_OK;
}
