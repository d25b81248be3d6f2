/* Dropout (Srivastava et al. 2014) and drop-path (Huang et al. 2016), keyed so that a draw can be repeated. */
#ifndef RMFER_OPS_DROPOUT_H
#define RMFER_OPS_DROPOUT_H

#include "rmfer/base/random.h"
#include "rmfer/base/real.h"

#include <stddef.h>

/* factors[i] = 0 with probability `rate`, else 1 / (1 - rate): the forward and the backward pass multiply by them. */
void dropout_factors(struct random_stream *stream, double rate, size_t count, real *factors);

/* x *= factors, forward on values and backward on gradients alike. */
void dropout_apply(size_t count, const real *factors, real *x);

#endif
