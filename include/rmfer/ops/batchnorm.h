/* Batch normalisation (Ioffe and Szegedy 2015) as per-channel numbers that the neighbouring operations apply while they
 * read: y = x * scale + shift. Nothing normalised is stored. */
#ifndef RMFER_OPS_BATCHNORM_H
#define RMFER_OPS_BATCHNORM_H

#include "rmfer/base/error.h"
#include "rmfer/ops/context.h"

/* How far the numbers below are made: each function that reads them demands what it needs. */
enum batchnorm_stage {
    BATCHNORM_EMPTY,
    BATCHNORM_OF_RUNNING, /* scale and shift of the running statistics */
    BATCHNORM_OF_BATCH,   /* of a forward pass's own */
    BATCHNORM_GONE_BACK,  /* and slope and offset of the backward pass behind it */
};

struct batchnorm {
    size_t channels;
    double epsilon;
    enum batchnorm_stage stage;
    /* views into the parameter slabs, [channels] */
    const real *gamma, *beta;
    real *dgamma, *dbeta; /* added to */
    real *running_mean, *running_var;
    /* of the last forward pass, [channels] */
    real *mean, *rstd, *scale, *shift;
    /* of the last backward pass, [channels]: see struct bn_backward */
    real *slope, *offset;
};

/* Partial statistics: for each part the mean and the sum of squared deviations, [parts][2][channels], over
 * counts[part] pixels. Parts are merged in order, in double (Chan, Golub and LeVeque 1979). */
struct moments {
    size_t parts;
    const size_t *counts;
    const real *values;
};

/* Training: scale and shift from the batch's own statistics (biased variance); the running ones move by `momentum`
 * towards the mean and the unbiased variance, as in PyTorch. Over the rows of all context->machines, of which each has
 * one at least: sums of n x and n x^2 a channel, in double, where the difference of large numbers costs what is far
 * below a float. */
void batchnorm_from_batch(const struct op_context *context, struct batchnorm *bn, const struct moments *moments,
                          double momentum);

/* Evaluation: scale and shift from the running statistics. */
void batchnorm_from_running(struct batchnorm *bn);

static inline struct affine batchnorm_affine(const struct batchnorm *bn)
{
    BUG_UNLESS(bn->stage != BATCHNORM_EMPTY);
    return (struct affine){bn->scale, bn->shift, bn->mean};
}

/* From sums over `pixels` of dy ([channels]) and dy (x - mean) ([channels] behind it): adds to dgamma and dbeta and
 * sets what batchnorm_coefficients returns. Once for each batchnorm_from_batch (a bug otherwise). */
void batchnorm_backward(struct batchnorm *bn, const real *sums, size_t pixels);

/* The same of a batch of which `pixels` are this process's: dgamma and dbeta get its part of the sums, the numbers of
 * batchnorm_coefficients are the whole batch's. */
void batchnorm_backward_shared(const struct op_context *context, struct batchnorm *bn, const real *sums, size_t pixels);

/* A bug before batchnorm_backward. */
static inline struct bn_backward batchnorm_coefficients(const struct batchnorm *bn)
{
    BUG_UNLESS(bn->stage == BATCHNORM_GONE_BACK);
    return (struct bn_backward){bn->scale, bn->slope, bn->offset, bn->mean};
}

/* y = keep[n] * (x * scale + shift) (+ residual): the normalised map itself, written out. x [N,rows,C] is a kept map;
 * `keep` (the drop-path factor of an image) and residual may be NULL. */
void batchnorm_apply(const struct op_context *context, const struct tiling *tiling, const struct batchnorm *bn,
                     const void *x, const real *keep, const real *residual, real *y);

/* Sums of keep[n] dy and keep[n] dy (x - mean), for batchnorm_backward, into sums [2][C]. `segment_sums` and
 * `image_sums` are [segments][2][C] and [N][2][C] of room. Scratch: op_kept_room; of batchnorm_apply 2 C. */
void batchnorm_apply_backward(const struct op_context *context, const struct tiling *tiling, struct batchnorm *bn,
                              const void *x, const real *keep, const real *dy, real *segment_sums, real *image_sums,
                              real *sums);

#endif
