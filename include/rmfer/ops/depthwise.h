/* Depthwise convolution 3x3 or 5x5, stride 1 or 2: every channel with its own taps. The input's batch-norm and SiLU are
 * applied row by row on the way into a small ring of rows that stays in cache; maps in memory are never activated. */
#ifndef RMFER_OPS_DEPTHWISE_H
#define RMFER_OPS_DEPTHWISE_H

#include "rmfer/ops/batchnorm.h"

struct depthwise {
    size_t channels;
    int kernel, stride;
    size_t height, width; /* of the input */
    size_t output_height, output_width;
    size_t pad_top, pad_left;
    const real *weight; /* [channels,1,kernel,kernel], PyTorch's */
    real *packed;       /* [kernel*kernel][channels] */
    real *dweight;      /* as weight, added to */
};

size_t depthwise_packed_reals(const struct depthwise *conv);
void depthwise_pack(struct depthwise *conv);

/* Scratch of one worker in reals, enough for forward and backward. */
size_t depthwise_scratch_reals(const struct op_context *context, const struct depthwise *conv);

/* Parts that depthwise_forward cuts one image's moments into. */
size_t depthwise_moment_parts(const struct op_context *context, const struct depthwise *conv);

/* y [N,oH,oW,C], a kept map, from x [N,H,W,C]; bn NULL: x is reals and taken as it is, else a kept map, of which
 * silu(bn(x)). Partial moments of y as it is kept: values [N*parts][2][C], counts [N*parts]. */
void depthwise_forward(const struct op_context *context, const struct depthwise *conv, size_t images, const void *x,
                       const struct batchnorm *bn, void *y, real *moment_values, size_t *moment_counts);

/* Gradient of the output: behind y stand batch-norm, SiLU and a gate per image and channel. */
struct depthwise_upstream {
    const void *y;              /* the forward output, a kept map */
    const struct batchnorm *bn; /* behind y, gone back */
    const real *du;             /* gradient of silu(bn(y)) * gate, [N,oH,oW,C] */
    const real *gate;           /* [N,C] */
    const real *mean_gradient;  /* [N,C]: added to the gradient of silu(bn(y)) at every pixel */
};

/* dweight += ..., and with bn (of the input) not NULL: dz = gradient of bn(x), [N,H,W,C], and image_sums [N][2][C] of
 * dz and dz (x - mean). With bn NULL: dz = gradient of x, + residual where it is not NULL; image_sums is not used.
 * `partials` has [threads][kernel*kernel*channels] of room. */
void depthwise_backward(const struct op_context *context, const struct depthwise *conv, size_t images, const void *x,
                        const struct batchnorm *bn, struct depthwise_upstream upstream, const real *residual, real *dz,
                        real *image_sums, real *partials);

#endif
