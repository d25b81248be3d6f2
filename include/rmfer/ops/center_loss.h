/* Losses about class centres: a feature is drawn to its class's centre (Wen et al. 2016), each number of it as much as
 * an attention says (Farzaneh and Qi 2021), and centres are pushed apart (Cai et al. 2018). How centres follow the
 * features is the caller's. */
#ifndef RMFER_OPS_CENTER_LOSS_H
#define RMFER_OPS_CENTER_LOSS_H

#include "rmfer/base/real.h"

#include <stddef.h>
#include <stdint.h>

struct center_rows {
    size_t n, d;
    const real *features;  /* [n,d] */
    const int32_t *labels; /* [n], below 0: none, the row is left out of the sum and of n */
    const double *centers; /* [classes,d], no gradient */
    const real *attention; /* [n,d], or NULL: 1 */
};

/* (1/2n) sum_i sum_k a_ik (f_ik - c_{y_i,k})^2. dfeatures and, where there is attention, dattention [n,d] = the
 * gradient times `scale` (overwritten). */
double center_loss(const struct center_rows *rows, double scale, real *dfeatures, real *dattention);

/* sum over ordered pairs of two different centres [classes,d] of cos + 1; those of length 0 (no sample yet) take no
 * part. dcenters [classes,d] = its gradient (overwritten). */
double island_loss(size_t classes, size_t d, const double *centers, double *dcenters);

#endif
