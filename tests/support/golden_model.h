/* A model beside what PyTorch made of the same one: every gradient and running statistic of a golden file. */
#ifndef TESTS_SUPPORT_GOLDEN_MODEL_H
#define TESTS_SUPPORT_GOLDEN_MODEL_H

#include "rmfer/nn/model.h"
#include "support/golden.h"

/* Relative error allowed: PyTorch worked in double, the engine in float. */
#define GOLDEN_BOUND 1e-4
/* Losses are one number each: absolute and relative alike. */
#define GOLDEN_LOSS_BOUND 2e-5

struct golden_comparison {
    const struct golden *golden;
    double worst_gradient, worst_buffer;
    char worst_name[64]; /* of the gradients */
    bool agrees;         /* begin with true */
};

/* The generated weights and running statistics, by name. */
void golden_fill_model(struct model *model, double running_variance);

/* Tensors PREFIX and the parameter's name. A parameter that the file has none of must have no gradient. */
void golden_compare_gradients(struct golden_comparison *comparison, const struct model *model, const char *prefix,
                              double bound);

/* Tensors "buffer." and the name, those that the file has. */
void golden_compare_buffers(struct golden_comparison *comparison, const struct model *model, double bound);

/* Number `index` of the tensor "losses" beside `got`, told as `name` of `step`. */
void golden_compare_loss(struct golden_comparison *comparison, size_t index, int step, const char *name, double got);

#endif
