/* Batch normalisation of rows, as heads of self-supervised methods have it between linear layers: always with the
 * batch's own statistics, as nobody looks at these heads after training. Maps of pictures: batchnorm.h. */
#ifndef RMFER_OPS_BATCHNORM_ROWS_H
#define RMFER_OPS_BATCHNORM_ROWS_H

#include "rmfer/base/real.h"

#include <stddef.h>

struct batchnorm_rows {
    size_t d;
    double epsilon;
    const real *gamma, *beta; /* [d] */
    real *dgamma, *dbeta;     /* added to */
    real *mean, *rstd;        /* [d], of the last forward pass */
};

/* y = (x - mean) / sqrt(variance + epsilon) * gamma + beta, with mean and biased variance over the n rows (at least 2).
 * [n,d]; y may be x. */
void batchnorm_rows_forward(struct batchnorm_rows *bn, size_t n, const real *x, real *y);

/* From x of the forward pass and dy: dx (overwritten; may be dy), dgamma and dbeta are added to. */
void batchnorm_rows_backward(const struct batchnorm_rows *bn, size_t n, const real *x, const real *dy, real *dx);

#endif
