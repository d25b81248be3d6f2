/* The exponential moving average of a model's weights and running statistics: what evaluation can look at instead, and
 * what teachers are.
 *
 * It is kept in double: with a decay of 0.9999 a step's share is lost to the rounding of a float as soon as weights
 * move by less than some 1e-3 of themselves, and the average would stand still. */
#ifndef RMFER_METHOD_WEIGHT_AVERAGE_H
#define RMFER_METHOD_WEIGHT_AVERAGE_H

#include "rmfer/nn/model.h"

struct weight_average {
    struct arena arena;
    double *values;                         /* [value_count] of the registry */
    double *buffers;                        /* [buffer_count] */
    real *rounded_values, *rounded_buffers; /* the same, for the view */
};

/* Starts as a copy of the present weights. */
status weight_average_init(struct weight_average *average, const struct parameters *parameters,
                           struct error *err) MUST_CHECK;
void weight_average_free(struct weight_average *average);

/* average := decay * average + (1 - decay) * present, running statistics too. */
void weight_average_update(struct weight_average *average, const struct parameters *parameters, double decay);

/* Rounds anew, after somebody wrote `values` and `buffers` (resuming). */
void weight_average_round(struct weight_average *average, const struct parameters *parameters);

/* The decay of the step numbered `step` (from 1): min(decay, (1 + step) / (10 + step)), so that the random start is
 * soon forgotten (tf.train.ExponentialMovingAverage's num_updates). */
double weight_average_decay(double decay, uint64_t step);

/* `model` with the average's numbers in place of its own. Owns nothing: valid while both live, never freed; it follows
 * every update. */
struct model weight_average_view(const struct weight_average *average, const struct model *model);

#endif
