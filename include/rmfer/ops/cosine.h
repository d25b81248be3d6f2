/* Rows scaled to length one, the first half of a cosine similarity. */
#ifndef RMFER_OPS_COSINE_H
#define RMFER_OPS_COSINE_H

#include "rmfer/base/real.h"

#include <stddef.h>

/* METHOD's guard of norms: what is shorter has no direction. */
#define SMALLEST_NORM 1e-8

/* unit[i] = z[i] / max(|z[i]|, SMALLEST_NORM), norm[i] = that maximum. [n,d] */
void unit_rows_forward(size_t n, size_t d, const real *z, real *unit, real *norm);

/* dz from dunit: with u = z/|z|, dz = (du - u (u . du)) / |z|. */
void unit_rows_backward(size_t n, size_t d, const real *unit, const real *norm, const real *dunit, real *dz);

#endif
