/* What a run will do, made once and never changed: phases, streams, how many steps, what falls due when. */
#ifndef RMFER_TRAIN_RUN_PLAN_H
#define RMFER_TRAIN_RUN_PLAN_H

#include "rmfer/dist/dist.h"
#include "rmfer/method/method.h"
#include "rmfer/train/schedule.h"

struct run_plan {
    const struct config *config; /* borrowed */
    const struct method *method;
    struct dist *dist; /* the processes that a batch is shared out over, borrowed; NULL = none */
    struct phase_table phases;
    struct stream_request streams[MOST_STREAMS];
    size_t stream_count;
    struct schedule schedule;
    uint64_t batches_per_epoch, steps_per_epoch, last_step;
    uint64_t evaluation_steps, checkpoint_steps; /* between two of them */
    bool sharpness_aware;                        /* a step meets its batches twice */
    int affect_term;                             /* of the method, what valence and arousal lose; -1 = none */
    bool adds_heads;                             /* the method has some of its own, in GROUP_METHOD */
};

/* The method and what it asks for; refuses an unknown one and settings that it cannot use. */
status run_plan_init(struct run_plan *plan, const struct config *config, struct dist *dist,
                     struct error *err) MUST_CHECK;

/* Whether a stream shows faces of an RMset; whether any stream of the plan does. */
bool stream_is_rmset(enum stream_source source);
bool run_plan_needs_rmset(const struct run_plan *plan);

/* Refuses augment.enabled = false, or rmset.augment = false, where there is no plain view that it would switch off:
 * whoever set it expects another run. Runs that were begun so before this was asked may go on. */
status run_plan_check_augmentation(const struct run_plan *plan, struct error *err) MUST_CHECK;

/* Whether this process writes the run's files and prints. */
bool run_plan_writes(const struct run_plan *plan);

/* The steps, once it is known how many labelled samples there are. */
void run_plan_count(struct run_plan *plan, uint64_t samples);

/* The epoch that holds the step numbered `step` from 0, and epochs done after so many steps, with a fraction. */
uint64_t run_plan_epoch(const struct run_plan *plan, uint64_t step);
double run_plan_epochs_done(const struct run_plan *plan, uint64_t steps);

/* The share of the run that is done after so many steps, and that was done when the phase of the step `step` began:
 * of its own steps, which train.max_steps may have made fewer than train.epochs says. */
double run_plan_progress(const struct run_plan *plan, uint64_t steps);
double run_plan_phase_begin(const struct run_plan *plan, uint64_t step);

/* The first batch, within its epoch, of a step; its batches: train.accumulate, fewer at an epoch's end. */
uint64_t run_plan_first_batch(const struct run_plan *plan, uint64_t step);
size_t run_plan_batches(const struct run_plan *plan, uint64_t step);
/* The most batches of any step. */
size_t run_plan_most_batches(const struct run_plan *plan);

/* The phase of a step, and its rates with the schedule's factor. */
const struct phase *run_plan_phase(const struct run_plan *plan, uint64_t step);
struct optimizer_rates run_plan_rates(const struct run_plan *plan, uint64_t step);

/* At these rates that of the heads beside the classifier, of attention or the method's own; NaN where none learns. */
double run_plan_head_rate(const struct run_plan *plan, const struct optimizer_rates *rates);

#endif
