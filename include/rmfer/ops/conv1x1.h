/* 1x1 convolution: a matrix product over pixels, y[pixel] = W x[pixel], fused with what its neighbours would read and
 * write: batch-norm, SiLU and gate of the input on the way in, batch statistics on the way out. No bias. */
#ifndef RMFER_OPS_CONV1X1_H
#define RMFER_OPS_CONV1X1_H

#include "rmfer/ops/batchnorm.h"

struct conv1x1 {
    size_t input, output;
    const real *weight;      /* [output, input], PyTorch's */
    real *packed;            /* for y = x W^T */
    real *packed_transposed; /* for dx = dy W, NULL without backward */
    real *dweight;           /* [output, input], added to */
};

/* What the input is made of: x itself, or silu(bn(x)) * gate[n]. bn NULL: x itself (gate may still be given). */
struct conv1x1_input {
    const void *x;              /* [N,rows,input], with a bn a kept map; where `blocked`, see rmfer/ops/blocked.h */
    const struct batchnorm *bn; /* or NULL */
    const real *gate;           /* [N,input] or NULL */
    bool blocked;               /* with a gate and no bn */
};

/* Room for the kernels' packed weights: of W^T and of W, in reals. */
size_t conv1x1_packed_reals(const struct op_context *context, const struct conv1x1 *conv);
size_t conv1x1_packed_transposed_reals(const struct op_context *context, const struct conv1x1 *conv);

/* Packs the present weights, both ways when there is a backward. */
void conv1x1_pack(const struct op_context *context, struct conv1x1 *conv);

/* Scratch of one worker, in reals. */
size_t conv1x1_scratch_reals(const struct conv1x1 *conv, const struct tiling *tiling);

/* y [N,rows,output], a kept map, and partial moments of what is kept: values [tiles][2][output], counts [tiles]. */
void conv1x1_forward(const struct op_context *context, const struct conv1x1 *conv, const struct tiling *tiling,
                     struct conv1x1_input input, void *y, real *moment_values, size_t *moment_counts);

/* What inference puts behind the convolution, on each tile while it is in cache. */
struct conv1x1_after {
    const struct batchnorm *bn;
    bool activates;       /* silu(bn(y)), else bn(y) + residual */
    const real *residual; /* [N,rows,output] or NULL */
};

/* For inference: y is the activated or added-up map itself. */
void conv1x1_infer(const struct op_context *context, const struct conv1x1 *conv, const struct tiling *tiling,
                   struct conv1x1_input input, struct conv1x1_after after, real *y);

/* Where dy comes from, given what lies behind y: batch-norm (with an image's drop-path factor), or batch-norm, SiLU and
 * the mean over pixels. */
struct conv1x1_upstream {
    const void *y;              /* the forward output, a kept map */
    const struct batchnorm *bn; /* behind y, gone back */
    const real *dy;             /* gradient of bn's output, [N,rows,output]; NULL behind a mean over pixels */
    const real *keep;           /* [N] or NULL: dy counts keep[n] times */
    const real *pooled;         /* [N,output]: gradient of silu(bn(y)) at every pixel of image n, when dy is NULL */
};

/* dx = dy W (added to dx when `accumulate`); dweight += dy^T x. `partials` has [threads-1][output*input] of room. The
 * input must be x itself. */
void conv1x1_backward(const struct op_context *context, const struct conv1x1 *conv, const struct tiling *tiling,
                      const real *x, struct conv1x1_upstream upstream, real *dx, bool accumulate, real *partials);

/* The same where the input was u = silu(bn(x)) * gate: du [N,rows,input] is written, and per segment
 * [segments][3][input] the sums of du silu(z), du silu'(z), du silu'(z) (x - mean), z = bn(x). */
void conv1x1_gated_backward(const struct op_context *context, const struct conv1x1 *conv, const struct tiling *tiling,
                            struct conv1x1_input input, struct conv1x1_upstream upstream, real *du, real *segment_sums,
                            real *partials);

#endif
