/* What a network guesses of pictures without a label, and the loss that holds another view against it. Guesses carry no
 * gradient: they are numbers once they are made. */
#ifndef RMFER_METHOD_GUESSES_H
#define RMFER_METHOD_GUESSES_H

#include "rmfer/base/real.h"

#include <stddef.h>

/* p [n,classes] = softmax of each row of logits / temperature. */
void guesses_softmax(size_t n, size_t classes, const real *logits, double temperature, real *p);

/* From logits [n,classes]: targets [n,classes] = softmax of the logits / temperature, with a temperature of 0 its limit,
 * one-hot where the logits are largest (the first of equals); weights [n] = 1 where the largest of the softmax without
 * temperature is at least `threshold`, else 0. */
void guesses_above(size_t n, size_t classes, const real *logits, double threshold, double temperature, real *targets,
                   real *weights);

/* (1/n) sum over rows of w_i CE(t_i, softmax z_i), for targets whose rows sum to 1. dlogits = its gradient times scale:
 * from dCE/dz = softmax(z) - t follows scale w_i (softmax(z_i) - t_i) / n. */
double guesses_cross_entropy(size_t n, size_t classes, const real *logits, const real *targets, const real *weights,
                             double scale, real *dlogits);

#endif
