/* Shared by the files of the augmentations. */
#ifndef DATA_AUGMENT_INTERNAL_H
#define DATA_AUGMENT_INTERNAL_H

#include "rmfer/data/augment.h"

static inline size_t image_bytes(const struct image *image)
{
    return (size_t)image->width * (size_t)image->height * 3;
}

/* Puts a copy of the picture into workspace->copy. */
status augment_copy(const struct image *image, struct augment_workspace *workspace, struct error *err) MUST_CHECK;

/* from + share (to - from) in float, cut to a byte, as Pillow's Image.blend: shares outside 0..1 extrapolate. */
uint8_t augment_blend(int from, int to, float share);

/* An affine map from an output pixel's place to its place in the source: x' = m[0] x + m[1] y + m[2], y' = m[3] x +
 * m[4] y + m[5], places of pixel centres being i + 0.5. Nearest pixel, black outside (Pillow's AFFINE, NEAREST). */
status augment_affine_nearest(struct image *image, const double m[6], struct augment_workspace *workspace,
                              struct error *err) MUST_CHECK;

/* The map that rotates by `degrees` counter-clockwise about the picture's centre. */
void augment_rotation_map(const struct image *image, double degrees, double m[6]);

#endif
