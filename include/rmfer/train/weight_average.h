/* The exponential moving average of a model's weights and running statistics, which evaluation can use instead. */
#ifndef RMFER_TRAIN_WEIGHT_AVERAGE_H
#define RMFER_TRAIN_WEIGHT_AVERAGE_H

#include "rmfer/nn/model.h"

struct weight_average {
    struct arena arena;
    real *values;  /* [value_count] of the registry */
    real *buffers; /* [buffer_count] */
};

/* Starts as a copy of the present weights. */
status weight_average_init(struct weight_average *average, const struct parameters *parameters,
                           struct error *err) MUST_CHECK;
void weight_average_free(struct weight_average *average);

/* average := decay * average + (1 - decay) * present, running statistics too. */
void weight_average_update(struct weight_average *average, const struct parameters *parameters, double decay);

/* The decay of the step numbered `step` (from 1): min(decay, (1 + step) / (10 + step)), so that the random start is
 * soon forgotten (tf.train.ExponentialMovingAverage's num_updates). */
double weight_average_decay(double decay, uint64_t step);

/* `model` with the average's numbers in place of its own. Owns nothing: valid while both live, never freed. */
struct model weight_average_view(const struct weight_average *average, const struct model *model);

#endif
