/* The paper's image transformation: w = w_f + 0.31 w_f about the same centre. */
#include "rmfer/rmset/build.h"

#include "rmfer/data/resize.h"

#include <math.h>
#include <string.h>

struct image_box rmset_crop_square(const struct image_box *face, double margin)
{
    double side = fmax(round(face->width * (1 + margin)), 1);
    return (struct image_box){round(face->x + face->width / 2 - side / 2), round(face->y + face->height / 2 - side / 2),
                              side, side};
}

/* Copies what of the square lies in the picture to its place in `result`, whose corner is at left, top. */
static void copy_part(const struct image *image, int64_t left, int64_t top, struct image *result)
{
    int64_t first = left < 0 ? -left : 0, end = result->width;
    if (left + end > image->width) end = image->width - left;
    for (int64_t y = 0; y < result->height; y++) {
        if (top + y < 0 || top + y >= image->height) continue;
        const uint8_t *from = image->rgb + ((size_t)(top + y) * (size_t)image->width + (size_t)(left + first)) * 3;
        memcpy(result->rgb + ((size_t)y * (size_t)result->width + (size_t)first) * 3, from, (size_t)(end - first) * 3);
    }
}

static status resize_to(struct image *image, int side, struct error *err)
{
    struct image resized = {0};
    status result = image_resize(image, NULL, RESIZE_BILINEAR, side, side, &resized, err);
    if (result != STATUS_OK) return result;
    image_free(image);
    *image = resized;
    return STATUS_OK;
}

/* What is cut of the picture's plane. */
static status find_part(const struct image *image, const struct image_box *face, const struct rmset_crop *crop,
                        struct image_box *part, struct error *err)
{
    struct image_box square = rmset_crop_square(face, crop->margin);
    double right = fmin(square.x + square.width, image->width), left = fmax(square.x, 0);
    double bottom = fmin(square.y + square.height, image->height), top = fmax(square.y, 0);
    if (!(right > left) || !(bottom > top)) return error_set(err, "the face lies outside of the picture");
    if (crop->pad) left = square.x, top = square.y, right = left + square.width, bottom = top + square.height;
    if (right - left > IMAGE_LARGEST_SIDE || bottom - top > IMAGE_LARGEST_SIDE)
        return error_set(err, "the face is larger than any picture");
    *part = (struct image_box){left, top, right - left, bottom - top};
    return STATUS_OK;
}

bool rmset_crop_exists(const struct image *image, const struct image_box *face, const struct rmset_crop *crop)
{
    struct image_box part;
    return find_part(image, face, crop, &part, NULL) == STATUS_OK;
}

status rmset_crop_cut(const struct image *image, const struct image_box *face, const struct rmset_crop *crop,
                      struct image *result, struct error *err)
{
    struct image_box part;
    status done = find_part(image, face, crop, &part, err);
    if (done == STATUS_OK) done = image_create(result, (int)part.width, (int)part.height, err);
    if (done != STATUS_OK) return done;
    copy_part(image, (int64_t)part.x, (int64_t)part.y, result);
    if (crop->size > 0) done = resize_to(result, (int)crop->size, err);
    if (done != STATUS_OK) image_free(result);
    return done;
}
