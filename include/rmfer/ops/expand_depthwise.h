/* The first half of an inverted bottleneck at inference, in bands of rows: a 1x1 expansion, its batch-norm and SiLU,
 * the depthwise convolution behind it, its batch-norm and SiLU (Sandler et al. 2018; Tan and Le 2019). What the
 * expansion makes, six times its input, never reaches memory: for a block of channels a band of it is made, used and
 * forgotten in a core's own cache. Training takes batch statistics between the two convolutions and cannot do so. */
#ifndef RMFER_OPS_EXPAND_DEPTHWISE_H
#define RMFER_OPS_EXPAND_DEPTHWISE_H

#include "rmfer/ops/conv1x1.h"
#include "rmfer/ops/depthwise.h"

struct expand_depthwise {
    const struct conv1x1 *expand;      /* NULL: the depthwise convolution reads x itself */
    const struct batchnorm *expand_bn; /* behind the expansion */
    const struct depthwise *depthwise;
    const struct batchnorm *depthwise_bn; /* behind the depthwise convolution */
};

/* Scratch of one worker, in reals. */
size_t expand_depthwise_scratch_reals(const struct op_context *context, const struct expand_depthwise *layers);

/* y = silu(bn(depthwise(silu(bn(expand(x)))))), blocked: [N][blocks][oH*oW][BLOCK_CHANNELS], from x [N,H,W,input]; and
 * mean [N,C] of y over pixels. */
void expand_depthwise_infer(const struct op_context *context, const struct expand_depthwise *layers, size_t images,
                            const real *x, real *y, real *mean);

#endif
