/* What an evaluation says: the confusion matrix and what follows from it, and how close features of a class are. */
#ifndef RMFER_TRAIN_METRICS_H
#define RMFER_TRAIN_METRICS_H

#include "rmfer/base/error.h"
#include "rmfer/base/real.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* counts[truth * classes + predicted]. Zeroed is empty. */
struct confusion {
    size_t classes;
    uint64_t *counts;
};

status confusion_init(struct confusion *confusion, size_t classes, struct error *err) MUST_CHECK;
void confusion_free(struct confusion *confusion);
void confusion_clear(struct confusion *confusion);
void confusion_add(struct confusion *confusion, size_t truth, size_t predicted);

/* All samples, those on the diagonal, those of one class. */
uint64_t confusion_total(const struct confusion *confusion);
uint64_t confusion_correct(const struct confusion *confusion);
uint64_t confusion_class_total(const struct confusion *confusion, size_t truth);

/* correct / all; NaN without samples. */
double confusion_overall_accuracy(const struct confusion *confusion);

/* The mean of the recalls of the classes that have samples (METHOD, Metrics); NaN without samples. */
double confusion_average_accuracy(const struct confusion *confusion);

/* Of one class. recall: NaN without samples; precision: NaN when never predicted; f1 = 2 tp / (2 tp + fp + fn): NaN
 * without either. */
double confusion_recall(const struct confusion *confusion, size_t label);
double confusion_precision(const struct confusion *confusion, size_t label);
double confusion_f1(const struct confusion *confusion, size_t label);

/* Mean cosine similarity of the pairs of different samples that have the same class, and of those that have not,
 * exactly, from sums: sum over pairs i < j of u_i . u_j = (|sum u|^2 - n) / 2 for unit vectors u. */
struct similarity {
    size_t dimensions, classes;
    double *sums;     /* [classes, dimensions] of unit vectors */
    uint64_t *counts; /* [classes] */
    double *scratch;  /* [dimensions] */
};

status similarity_init(struct similarity *similarity, size_t dimensions, size_t classes, struct error *err) MUST_CHECK;
void similarity_free(struct similarity *similarity);
void similarity_clear(struct similarity *similarity);
/* One vector [dimensions] of class `label`; its length does not matter (a zero vector counts as similarity 0). */
void similarity_add(struct similarity *similarity, const real *vector, size_t label);
/* NaN where there is no pair. */
void similarity_means(const struct similarity *similarity, double *same_class, double *different_class);

/* The mean distance of points [n, dimensions] from the centre of their class, after the whole cloud was moved to its
 * mean and scaled to a mean squared length of 1, so that clouds of different models can be compared (METHOD,
 * Metrics). Points with a label outside 0 .. classes-1 are left out; NaN without points or when all are equal. */
status centre_distance(const real *points, const int32_t *labels, size_t n, size_t dimensions, size_t classes,
                       double *distance, struct error *err) MUST_CHECK;

/* How predicted valence and arousal agree with the true ones: Lin's concordance correlation coefficient
 * (ops/concordance.h) and the root of the mean squared error, in the order of nn/model.h. */
struct affect_agreement {
    size_t n;                       /* rows that have a truth */
    double concordance[2], rmse[2]; /* NaN where nothing can be said */
};

/* Of [n,2] predicted and true numbers; rows whose truth is NaN are passed over. */
struct affect_agreement affect_agreement(size_t n, const real *predicted, const real *truth);

#endif
