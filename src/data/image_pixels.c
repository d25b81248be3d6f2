/* The pixels of a picture: what sizes are taken, making room for them, freeing it. */
#include "data/image_formats.h"
#include "rmfer/base/memory.h"

status image_check_size(size_t width, size_t height, size_t most_pixels, struct error *err)
{
    if (width == 0 || height == 0) return error_set(err, "the picture is %zu x %zu pixels", width, height);
    if (width > IMAGE_LARGEST_SIDE || height > IMAGE_LARGEST_SIDE || width * height > most_pixels)
        return error_set(err, "%zu x %zu pixels are more than the limit of %zu megapixels or %d a side", width,
                         height, most_pixels / 1000000, IMAGE_LARGEST_SIDE);
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
