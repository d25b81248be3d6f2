/* The inner loops of the optimizers, over one piece of the slabs: plain C that the compiler vectorises.
 * `w` values, `g` gradients, the rest state; no two arrays overlap. */
#ifndef RMFER_TRAIN_OPTIMIZER_RULES_H
#define RMFER_TRAIN_OPTIMIZER_RULES_H

#include "rmfer/base/real.h"

#include <stdbool.h>
#include <stddef.h>

struct optimizer_update {
    size_t count;
    double gradient_scale, learning_rate, weight_decay;
    double momentum;
    bool nesterov;
    double beta1, beta2, epsilon;
    double correction1, correction2; /* 1 - beta^t, of the t-th step */
};

/* g' = scale g + decay w;  w := w - rate g' */
void optimizer_update_sgd(const struct optimizer_update *update, real *restrict w, const real *restrict g);

/* m := momentum m + g';  w := w - rate m, with Nesterov w := w - rate (g' + momentum m) */
void optimizer_update_momentum(const struct optimizer_update *update, real *restrict w, const real *restrict g,
                               real *restrict m);

/* m := beta1 m + (1 - beta1) g';  v := beta2 v + (1 - beta2) g'^2;
 * w := w - rate / correction1 * m / (sqrt(v) / sqrt(correction2) + epsilon) */
void optimizer_update_adam(const struct optimizer_update *update, real *restrict w, const real *restrict g,
                           real *restrict m, real *restrict v);

/* The same with g' = scale g, after w := (1 - rate decay) w */
void optimizer_update_adamw(const struct optimizer_update *update, real *restrict w, const real *restrict g,
                            real *restrict m, real *restrict v);

/* SAM: before := w;  w := w + scale g */
void optimizer_climb(size_t count, real scale, real *restrict w, const real *restrict g, real *restrict before);

#endif
