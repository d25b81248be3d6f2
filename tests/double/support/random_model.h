/* A shrunken EfficientNet whose every number is random, and the check of all its gradients. */
#ifndef TESTS_DOUBLE_SUPPORT_RANDOM_MODEL_H
#define TESTS_DOUBLE_SUPPORT_RANDOM_MODEL_H

#include "double/support/gradient.h"
#include "rmfer/nn/model.h"

/* Of `repeats` blocks a stage and 3 classes; the caller frees it with model_free. */
void make_model(struct workbench *bench, struct model *model, bool same_padding, int repeats, bool with_heads);

/* Makes the gradients random, so that a backward pass which sets instead of adding shows; returns a copy. */
real *stir_gradients(struct workbench *bench, struct model *model);

/* Every tensor of the groups first .. last. */
void assert_model_gradients(struct workbench *bench, struct gradient_check check, struct model *model,
                            const real *before, enum parameter_group first, enum parameter_group last);

/* Every tensor of the heads, of the backbone each whose number `every` divides; gradients [value_count]. */
void assert_sampled_gradients(struct workbench *bench, const struct gradient_check *check, struct model *model,
                              const real *gradients, size_t every);

/* The checks move numbers through a pointer that they keep: each loss is that of changed weights. */
void announce_change(struct model *model);

#endif
