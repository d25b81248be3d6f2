/* Optimizers over the registry's slabs: sgd, adam, adamw as torch.optim defines them, and SAM over any of them.
 *
 * A step runs through the slabs once, in pieces that threads share; the pieces, and so every sum, are the same for
 * any number of threads. State is one slab a moment, in an arena of the optimizer's own; nothing is allocated in a
 * step.
 *
 * The order of one training step:
 *   gradients at w;  SAM: optimizer_sharpen, gradients there;  optimizer_gradient_norm;  optimizer_step. */
#ifndef RMFER_TRAIN_OPTIMIZER_H
#define RMFER_TRAIN_OPTIMIZER_H

#include "rmfer/config/config.h"
#include "rmfer/nn/parameters.h"
#include "rmfer/nn/rates.h"

struct optimizer_options {
    enum config_optimizer rule; /* OPTIMIZER_SGD, _ADAM or _ADAMW: with SAM, what it stands on */
    bool sharpness_aware;       /* SAM (Foret et al. 2021) */
    double sam_rho;
    double momentum; /* sgd */
    bool nesterov;
    double beta1, beta2, epsilon; /* adam, adamw */
    double weight_decay; /* of parameters that decay: added to the gradient in sgd and adam, decoupled in adamw */
};

/* What [train] asks for. */
struct optimizer_options optimizer_options_of(const struct config_train *train);

struct optimizer;

/* `parameters` must be allocated and outlive the optimizer. */
status optimizer_create(struct optimizer **optimizer, struct parameters *parameters,
                        const struct optimizer_options *options, struct error *err) MUST_CHECK;
void optimizer_free(struct optimizer *optimizer);

/* |g| over all parameters that are not frozen together. Infinite or NaN when any gradient is. */
double optimizer_gradient_norm(const struct optimizer *optimizer, const struct optimizer_rates *rates);

/* min(1, longest / (norm + 1e-6)), torch.nn.utils.clip_grad_norm_'s factor; 1 when `longest` is 0. */
double optimizer_clip_factor(double norm, double longest);

/* SAM's first half: remembers w, moves to w + rho g / (norm + 1e-12) and sets the gradients to zero. */
void optimizer_sharpen(struct optimizer *optimizer, const struct optimizer_rates *rates, double norm);

/* Goes back to where optimizer_sharpen left, if it was called, without a step. */
void optimizer_restore(struct optimizer *optimizer, const struct optimizer_rates *rates);

/* One step with the gradients times `gradient_scale` (clipping), from w where optimizer_sharpen left. */
void optimizer_step(struct optimizer *optimizer, const struct optimizer_rates *rates, double gradient_scale);

/* The state a checkpoint keeps: slabs in registry order, [value_count] each, under the names "momentum" (sgd),
 * "first_moment" and "second_moment" (adam, adamw). */
enum { OPTIMIZER_MOST_SLABS = 2 };
struct optimizer_slab {
    const char *name;
    real *values;
};
size_t optimizer_slabs(struct optimizer *optimizer, struct optimizer_slab slabs[OPTIMIZER_MOST_SLABS]);

/* Steps each group has made (Adam's bias correction; a frozen group makes none): GROUP_COUNT numbers, also state. */
uint64_t *optimizer_group_steps(struct optimizer *optimizer);

/* Bytes reserved for state and SAM's copy. */
size_t optimizer_bytes(const struct optimizer *optimizer);

#endif
