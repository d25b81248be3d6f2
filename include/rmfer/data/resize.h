/* Antialiased resizing with the arithmetic of Pillow's Image.resize: two separable passes, 8-bit in between, weights
 * in fixed point. The filter's support grows with the reduction, so that every source pixel counts. */
#ifndef RMFER_DATA_RESIZE_H
#define RMFER_DATA_RESIZE_H

#include "rmfer/config/config.h"
#include "rmfer/data/image.h"

#include <stddef.h>
#include <stdint.h>

/* Buffers that grow with use, so that a worker allocates only for its largest picture. Zeroed is empty. */
struct resize_workspace {
    int32_t *weights; /* in units of 2^-22, [outputs, taps]: those of the horizontal pass, then of the vertical */
    int *bounds;      /* first source pixel and number of taps of each output, likewise */
    uint8_t *rows;    /* the picture after the horizontal pass, and room for turning rows into columns */
    size_t weight_capacity, bound_capacity, row_capacity;
};

void resize_workspace_free(struct resize_workspace *workspace);

/* Cuts `box` out of `source` (NULL = all of it; pixels outside the box do not count; an edge inside a pixel is
 * honoured) and resizes it to `width` x `height` into `rgb`, [height, width, 3]. The box is first clamped to the
 * picture; an error when nothing of it is left. */
status image_resize_into(const struct image *source, const struct image_box *box, enum config_resize filter, int width,
                         int height, uint8_t *rgb, struct resize_workspace *workspace, struct error *err) MUST_CHECK;

/* The same into a new picture. */
status image_resize(const struct image *source, const struct image_box *box, enum config_resize filter, int width,
                    int height, struct image *result, struct error *err) MUST_CHECK;

/* The filter of that name in configurations and checkpoints: "bilinear", "bicubic". */
status resize_filter_find(const char *name, enum config_resize *filter, struct error *err) MUST_CHECK;

#endif
