/* A shrunken network with its training step and random pictures: what the engine's tests run. */
#ifndef TESTS_SUPPORT_ENGINE_CASE_H
#define TESTS_SUPPORT_ENGINE_CASE_H

#include "rmfer/method/rmfer_step.h"

#include <stdbool.h>

struct engine_case {
    struct model model;
    struct train_step *step;
    struct train_step_shape shape;
    struct objective objective;
    struct labelled_batch labelled;
    struct contrastive_batch contrastive;
    struct step_losses losses; /* of the last engine_step */
    real *images, *targets, *contrastive_images;
};

enum { ENGINE_CLASSES = 5 };

/* Kernels and threads are those of the moment: RMFER_ISA and threads_set. Everything here fails the test when it does
 * not work. */
void engine_start(struct engine_case *c, bool same_padding, struct train_step_shape shape);
void engine_stop(struct engine_case *c);

/* A phase of usual size: 48 pixels, 6 labelled images, and 2 anchors of 9 pictures in phase 2. */
struct train_step_shape engine_shape(bool contrasts);

/* With every mask and every smoothing a training run has. */
struct objective engine_whole_objective(void);

/* Gradients from zero. */
void engine_step(struct engine_case *c, uint64_t draw);

/* The slab of values, for writing every group. */
real *engine_write_values(struct model *model);

/* values -= rate * gradients. */
void engine_descend(struct model *model, double rate);

/* |a - b| / |b| over `count` numbers, 0 for two times nothing. */
double engine_distance(const real *a, const real *b, size_t count);

/* The largest distance over the parameter tensors' gradients, measured against the whole gradient where a tensor's
 * own is but rounding errors. */
double engine_gradient_distance(const struct model *a, const struct model *b);

/* Zeroed, and copied, numbers of the caller (memory_free). */
real *engine_take(size_t count);
real *engine_copy(const real *values, size_t count);

bool all_finite(const real *values, size_t count);

#endif
