/* Softmax cross-entropy with soft targets, label smoothing and class weights, as torch.nn.functional.cross_entropy
 * computes it for class probabilities. */
#ifndef RMFER_OPS_SOFTMAX_CROSS_ENTROPY_H
#define RMFER_OPS_SOFTMAX_CROSS_ENTROPY_H

#include "rmfer/base/real.h"

#include <stdbool.h>
#include <stddef.h>

struct cross_entropy {
    size_t n, classes;
    double label_smoothing;    /* target := (1 - s) target + s / classes */
    const real *class_weights; /* [classes] or NULL */
    bool soft_targets;         /* beside class weights: rows may be shares of several classes, else each is one-hot */
};

/* The loss, and dlogits [n,classes] = its gradient times `scale` (NULL: no gradient). Mean over the batch: the sum over
 * images and classes of -w_c t_c log softmax_c, divided by n; with class weights, unless targets are soft, by the sum
 * of the images' class weights instead, as PyTorch does for class indices. Which it is, the caller says once for all
 * batches: soft targets that all happen to be certain are divided by n like any others. */
double cross_entropy(const struct cross_entropy *setup, const real *logits, const real *targets, double scale,
                     real *dlogits);

/* Rows whose largest logit stands where the largest target does (the first of equals). */
int count_correct(size_t n, size_t classes, const real *logits, const real *targets);

#endif
