/* The stem: a 3x3 convolution of stride 2 over the image, as a matrix product over gathered 3x3 patches. It has no
 * input gradient: the image is where the network ends. */
#ifndef RMFER_OPS_STEM_H
#define RMFER_OPS_STEM_H

#include "rmfer/ops/batchnorm.h"

enum { STEM_KERNEL = 3, STEM_STRIDE = 2, STEM_INPUT = 3, STEM_PATCH = STEM_INPUT * STEM_KERNEL * STEM_KERNEL };

struct stem {
    size_t output;        /* channels */
    size_t height, width; /* of the image */
    size_t output_height, output_width;
    size_t pad_top, pad_left;
    const real *weight; /* [output,3,3,3], PyTorch's */
    real *packed;
    real *dweight; /* as weight, added to */
};

size_t stem_packed_reals(const struct op_context *context, const struct stem *stem);
void stem_pack(const struct op_context *context, struct stem *stem);
size_t stem_scratch_reals(const struct stem *stem, const struct tiling *tiling);

/* y [N,oH,oW,output], a kept map, from images [N,H,W,3], and partial moments of what is kept: values
 * [tiles][2][output], counts [tiles]. `after` not NULL (inference, without moments): y is reals and silu(convolution *
 * scale + shift) instead. */
void stem_forward(const struct op_context *context, const struct stem *stem, const struct tiling *tiling,
                  const real *images, const struct batchnorm *after, void *y, real *moment_values,
                  size_t *moment_counts);

/* dweight += ..., from dz, the gradient of bn(y), y a kept map, and a bn that has gone back. `partials` has
 * [threads-1][output*27] of room. */
void stem_backward(const struct op_context *context, const struct stem *stem, const struct tiling *tiling,
                   const real *images, const void *y, const struct batchnorm *bn, const real *dz, real *partials);

#endif
