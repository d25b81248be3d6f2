/* What a network guesses of pictures without a label, and the loss that holds another view against it. Guesses carry no
 * gradient: they are numbers once they are made. */
#ifndef RMFER_METHOD_GUESSES_H
#define RMFER_METHOD_GUESSES_H

#include "rmfer/base/real.h"

#include <stddef.h>

/* p [n,classes] = softmax of each row of logits / temperature. */
void guesses_softmax(size_t n, size_t classes, const real *logits, double temperature, real *p);

/* From logits [n,classes]: targets [n,classes] = softmax of the logits / temperature, with a temperature of 0 its
 * limit, one-hot where the logits are largest (the first of equals); weights [n] = 1 where the largest of the softmax
 * without temperature is at least `threshold`, else 0. */
void guesses_above(size_t n, size_t classes, const real *logits, double threshold, double temperature, real *targets,
                   real *weights);

/* The same from probabilities p [n,classes], one-hot, with a threshold for each class [classes]: that of the class p is
 * largest for. */
void guesses_above_each(size_t n, size_t classes, const real *p, const double *thresholds, real *targets,
                        real *weights);

/* mean = (a + b) / 2, which may be either. */
void guesses_average(size_t count, const real *a, const real *b, real *mean);

/* p := p^(1/temperature), each row [classes] divided by its sum. */
void guesses_sharpen(size_t n, size_t classes, double temperature, real *p);

/* The running mean of guesses: mean [classes] := momentum * mean + (1 - momentum) * the rows' mean; the rows' mean
 * itself where it was zeros. */
void guesses_follow_mean(size_t n, size_t classes, const real *p, double momentum, double *mean);

/* Distribution alignment: p := p * (shares + 1e-6) / (mean + 1e-6), each row divided by its sum. */
void guesses_align(size_t n, size_t classes, const double *shares, const double *mean, real *p);

/* (1/n) sum over rows of w_i CE(t_i, softmax z_i), for targets whose rows sum to 1. dlogits = its gradient times scale:
 * from dCE/dz = softmax(z) - t follows scale w_i (softmax(z_i) - t_i) / n. */
double guesses_cross_entropy(size_t n, size_t classes, const real *logits, const real *targets, const real *weights,
                             double scale, real *dlogits);

/* (1 / n classes) sum of (softmax z_i - t_i)^2. dlogits = its gradient times scale: with p = softmax(z) and e = p - t,
 * dL/dz_j = 2 p_j (e_j - sum_c e_c p_c) / (n classes). */
double guesses_squared_error(size_t n, size_t classes, const real *logits, const real *targets, double scale,
                             real *dlogits);

#endif
