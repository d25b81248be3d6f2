/* The trainer: a configuration to a run folder (both phases, evaluation, checkpoints, resuming).
 *
 * What a run does is a function of the configuration, the seed and the number of threads: a run that was stopped at
 * any step, by a signal or by force, and goes on with `resume` ends with the same bits as one that never stopped. Its
 * best_* files are always of the steps that last.safetensors names as its best, or, where it was killed between the
 * two, are written as it goes on.
 *
 * Over several processes train.batch is that of all: what is learned is what one process would learn, within rounding,
 * and equal to the bit from run to run. All hold the same weights; rank 0 writes and prints. What fails somewhere, or a
 * signal anywhere, ends all after the same step, with last.safetensors written.
 *
 * Choices where METHOD leaves them open: batch-norm's running statistics move in SAM's first pass only, the one at
 * the weights that are kept. Batches of one accumulated step keep their own batch statistics and attention; the last
 * step of an epoch may have fewer of them, each then counts more. With an average of the weights (ema_decay) that
 * average is what is evaluated and what the best_* files hold. */
#ifndef RMFER_TRAIN_TRAINER_H
#define RMFER_TRAIN_TRAINER_H

#include "rmfer/config/config.h"

#include <signal.h>

struct dist;

struct trainer_options {
    const struct config *config;       /* borrowed; output.dir is the run folder */
    bool resume;                       /* go on where last.safetensors stands; anew where nothing was chosen yet */
    const char *config_file;           /* that `config` was read from, which the run must not write; NULL = any */
    const char *command;               /* the command line, for log.txt; NULL = not said */
    struct dist *dist;                 /* the processes that a batch is shared out over, borrowed; NULL = none */
    const volatile sig_atomic_t *stop; /* not 0: finish the step, write last.safetensors, end; NULL = never */
};

enum training_end {
    TRAINING_COMPLETE,
    TRAINING_STOPPED_EARLY, /* train.early_stopping */
    TRAINING_INTERRUPTED,   /* `stop` */
};

struct training_best {
    double accuracy; /* NaN before the first evaluation */
    int64_t step;
};

struct training_summary {
    enum training_end end;
    int64_t steps;
    double epochs;
    const char *selected_on; /* "valid" or "test" */
    struct training_best overall, average;
    double images_per_second; /* of training, evaluations and checkpoints left out; 0 when no step was made */
    double data_wait_share;   /* of the training time, spent waiting for pictures */
};

/* Trains. Leaves in the run folder config.ini, metrics.jsonl, log.txt, last.safetensors, best_overall.safetensors and
 * best_average.safetensors. Fails with a message on data, files and settings, and when the loss, the gradient or a
 * number that the next checkpoint would hold is not finite: the message names step, pictures or tensor and the last
 * good checkpoint, and nothing is overwritten. */
status trainer_run(const struct trainer_options *options, struct training_summary *summary,
                   struct error *err) MUST_CHECK;

#endif
