/* The trainer's parts, shared by the files trainer*.c:
 *   trainer.c             the loop: step, evaluate, write
 *   trainer_step.c        one optimizer step: accumulation, SAM, finite or not
 *   trainer_setup.c       everything a run needs, from its configuration
 *   trainer_checkpoint.c  what last.safetensors remembers besides the weights; resuming
 *   trainer_report.c      metrics.jsonl, TensorBoard, messages */
#ifndef RMFER_TRAIN_TRAINER_INTERNAL_H
#define RMFER_TRAIN_TRAINER_INTERNAL_H

#include "rmfer/ckpt/checkpoint.h"
#include "rmfer/data/loader.h"
#include "rmfer/data/rmset_index.h"
#include "rmfer/method/rmfer_step.h"
#include "rmfer/train/evaluation.h"
#include "rmfer/train/events.h"
#include "rmfer/train/phases.h"
#include "rmfer/train/schedule.h"
#include "rmfer/train/trainer.h"
#include "rmfer/train/weight_average.h"

#include "progress.h"
#include "run_folder.h"

/* Sums over the batches since the last line of metrics. Doubles only: a checkpoint keeps them as they stand. */
struct loss_window {
    double batches, images;
    double total, fer, ial, acl;
    double correct_fer, correct_ial;
    double same_class_similarity, different_class_similarity;
    double steps, gradient_norm;
};
enum { LOSS_WINDOW_DOUBLES = sizeof(struct loss_window) / sizeof(double) };

/* Where a run is: all that a checkpoint must remember besides tensors and the window. */
struct position {
    int64_t step;           /* optimizer steps done */
    int64_t evaluated_step; /* of the last evaluation, 0 = none */
    int64_t evaluations_without_better;
    int64_t best_overall_step, best_average_step;
    int64_t threads; /* that the run was made with */
};
enum { POSITION_INTEGERS = sizeof(struct position) / sizeof(int64_t) };

/* The best accuracies so far; NaN = none. */
struct bests {
    double overall, average;
};

/* A batch as a step needs it; the loader's own, or a copy. */
struct step_batch {
    int n, anchors;
    uint64_t number; /* over all epochs */
    const real *images, *targets, *contrastive_images;
    const int64_t *ids;
    const int64_t *contrastive_ids;
};

/* SAM meets the batches of an accumulated step twice: room to keep them. */
struct batch_store {
    struct arena arena;
    size_t count; /* batches there is room for; 0 = none are kept */
    real **images, **targets, **contrastive_images;
    int64_t **ids;
    int64_t **contrastive_ids;
};

/* Time of this session. */
struct stopwatch {
    double training_seconds, images; /* in steps */
    double window_seconds, window_images;
    double window_wait_begin; /* loader_wait_seconds when the window began */
};

/* The extra tensors of last.safetensors, named and shaped once. */
struct extra_tensors {
    struct tensor *items;
    void **targets; /* where their data live, for resuming */
    char (*names)[112];
    size_t count, capacity;
};

struct trainer {
    const struct trainer_options *options;
    const struct config *config;
    struct run_folder run;
    struct text config_text;

    struct dataset training, selection; /* what is learned; what chooses the best */
    struct rmset_index *index;
    struct rmset_source source;
    struct dataset_source labelled; /* the order of `training` */
    struct loader *loader;
    struct model model;
    struct train_step *step;
    struct objective objective; /* what phases do not change */
    real *class_weights;
    struct optimizer *optimizer;
    bool has_average;
    struct weight_average average;
    struct evaluator *evaluator;
    struct batch_store store;
    struct step_batch *group; /* [accumulate], of the present step */

    struct phase_table phases;
    struct schedule schedule;
    uint64_t batches_per_epoch, steps_per_epoch, last_step;
    uint64_t evaluation_steps, checkpoint_steps; /* between two of them */

    struct position position;
    int64_t checkpoint_step; /* of the last writing of last.safetensors in this session, -1 = none */
    struct bests best;
    struct loss_window window;
    struct text last_metrics; /* the last evaluation, a JSON object */
    struct checkpoint_info info;
    struct extra_tensors extra;

    struct event_writer *events;
    struct progress progress;
    struct stopwatch watch;
    struct text line;
};

/* ---- trainer_setup.c */

/* Opens the run folder, reads data and builds everything, from a checkpoint where the run resumes. */
status trainer_prepare(struct trainer *t, struct error *err) MUST_CHECK;
void trainer_release(struct trainer *t);

/* ---- trainer_step.c */

/* One optimizer step. Fails when data cannot be read or numbers are not finite; then nothing was updated. */
status trainer_step(struct trainer *t, struct error *err) MUST_CHECK;

/* The epoch that holds the step numbered `step` from 0, and epochs done after so many steps, with a fraction. */
uint64_t trainer_epoch(const struct trainer *t, uint64_t step);
double trainer_epochs_done(const struct trainer *t, uint64_t steps);
/* The first batch, within its epoch, of the step numbered `step`. */
uint64_t trainer_first_batch(const struct trainer *t, uint64_t step);

/* ---- trainer_checkpoint.c */

/* Names the extra tensors; everything they point at must exist. */
status trainer_plan_extra(struct trainer *t, struct error *err) MUST_CHECK;

status trainer_write_last(struct trainer *t, struct error *err) MUST_CHECK;
/* The weights that were evaluated, with the evaluation. */
status trainer_write_best(struct trainer *t, const char *path, struct error *err) MUST_CHECK;

/* Refuses a checkpoint whose run had other settings. */
status trainer_check_settings(const struct trainer *t, const struct checkpoint *checkpoint,
                              struct error *err) MUST_CHECK;
/* Reads everything that trainer_write_last wrote into a trainer that is built, but for its loader. */
status trainer_restore(struct trainer *t, const struct checkpoint *checkpoint, struct error *err) MUST_CHECK;

/* ---- trainer_report.c */

status trainer_report_data(struct trainer *t, struct error *err) MUST_CHECK;
status trainer_report_memory(struct trainer *t, struct error *err) MUST_CHECK;
void trainer_show_progress(struct trainer *t);
/* A line of metrics about the steps since the last one. */
status trainer_report_window(struct trainer *t, struct error *err) MUST_CHECK;
/* A line of metrics and a message about an evaluation; sets last_metrics. */
status trainer_report_evaluation(struct trainer *t, const struct evaluation *evaluation,
                                 struct error *err) MUST_CHECK;
/* The sentence on numbers that are not finite; names every picture in the log. */
status trainer_report_not_finite(struct trainer *t, const struct step_losses *losses, double norm,
                                 const struct step_batch *batches, size_t count, struct error *err);

#endif
