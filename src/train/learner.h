/* Who learns: the model, the method, the optimizer and the average of the weights; one optimizer step. */
#ifndef RMFER_TRAIN_LEARNER_H
#define RMFER_TRAIN_LEARNER_H

#include "rmfer/dist/gradients.h"
#include "rmfer/method/weight_average.h"
#include "rmfer/train/optimizer.h"

#include "pictures.h"
#include "run_state.h"

struct learner {
    const struct method *method;
    void *self; /* the method's */
    struct model model;
    struct optimizer *optimizer;
    struct dist_gradients *sums; /* of the backbone's gradients over processes; NULL with one */
    bool has_average;
    struct weight_average average;
    struct model average_view;   /* the model with the average's numbers, where there is one */
    real *class_weights;         /* [classes] or NULL */
    double *class_shares;        /* [classes] of the labelled samples */
    int64_t zero_gradient_steps; /* of this session */
    real *buffers_before;        /* running statistics when a step began */
    struct batch batch;          /* the present one; all of a step are in the pictures' store where there is one */
};

/* Builds everything; the weights are random, or train.init's, unless the run goes on from a checkpoint. Paths in
 * `plan` and numbers in `pictures` are read; both must outlive the learner. */
status learner_create(struct learner *learner, const struct run_plan *plan, const struct pictures *pictures,
                      bool resumes, struct error *err) MUST_CHECK;
void learner_free(struct learner *learner);

/* What evaluation looks at: the average where there is one, else the model. */
const struct model *learner_model(const struct learner *learner);

/* Numbers that were not finite. */
struct learner_failure {
    bool happened, is_loss;      /* a loss, or the gradient */
    struct step_outcome outcome; /* of a loss */
    double norm;                 /* of a gradient */
    const struct batch *batches; /* that made them, [count]; the pictures' */
    size_t count;
};

/* Before the first step of an epoch lets the method look at pictures, where it asks to; does nothing before any other
 * step. Fails when they cannot be read. A `stop` that is not 0 (NULL = never) cuts the looks short: then *interrupted,
 * no error, and no step may follow; whoever goes on from here begins the epoch anew. */
status learner_begin_epoch(struct learner *learner, const struct run_plan *plan, const struct pictures *pictures,
                           const struct run_state *state, const volatile sig_atomic_t *stop, bool *interrupted,
                           struct error *err) MUST_CHECK;

/* One optimizer step. Fails when data cannot be read or numbers are not finite (`failure` then says which): the
 * weights, the running statistics, the optimizer, `state` and what the method remembers are then as they were before.
 */
status learner_step(struct learner *learner, const struct run_plan *plan, struct pictures *pictures,
                    struct run_state *state, struct learner_failure *failure, struct error *err) MUST_CHECK;

#endif
