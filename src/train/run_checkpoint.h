/* last.safetensors and best_*.safetensors: what they hold besides the model, and going on from the former. */
#ifndef RMFER_TRAIN_RUN_CHECKPOINT_H
#define RMFER_TRAIN_RUN_CHECKPOINT_H

#include "rmfer/ckpt/checkpoint.h"
#include "rmfer/ops/arithmetic.h"

#include "learner.h"
#include "run_folder.h"

/* What the numbers of a tensor may be when they come back. */
struct value_limits {
    double low, high;    /* both included; NaN is not between them */
    bool is_any;         /* anything, NaN too */
    bool may_be_missing; /* earlier programs did not write it: what is there stays */
};

/* The tensors besides the model's, named and shaped once. */
struct extra_tensors {
    struct tensor *items;
    struct value_limits *limits;
    void **targets; /* where their data live, for resuming */
    char (*names)[112];
    size_t count, capacity;
};

/* What a run learns from and is chosen by. */
enum { TRAINING_PICTURES, SELECTION_PICTURES, UNLABELLED_PICTURES, RMSET_FACES, DATA_COUNTS };

struct run_checkpoint {
    struct extra_tensors extra;
    struct checkpoint_info info;
    char arithmetic[ARITHMETIC_TEXT]; /* of this process */
    int64_t step;                     /* of last.safetensors as it is now, -1 = there is none */
    bool is_stale;                    /* it does not know that its step was evaluated since */
    int64_t data_counts[DATA_COUNTS];
};

/* Names the tensors; `learner`, `state` and the checkpoint itself must stay where they are. `config_text` is
 * borrowed. */
status run_checkpoint_init(struct run_checkpoint *checkpoint, const struct run_plan *plan,
                           const struct pictures *pictures, struct learner *learner, struct run_state *state,
                           const char *config_text, struct error *err) MUST_CHECK;
void run_checkpoint_free(struct run_checkpoint *checkpoint);

/* What no run could go on from: the name of the first parameter, running statistic or other number of the run that is
 * NaN or infinite and may not be; NULL = there is none. */
const char *run_checkpoint_not_finite(const struct run_checkpoint *checkpoint, const struct parameters *parameters);

/* The whole run, to go on from, after the lines of metrics that led to it have reached the disk. `metrics` is the last
 * evaluation as JSON. The checkpoint before this one stays, as previous.safetensors. */
status run_checkpoint_write_last(struct run_checkpoint *checkpoint, const struct run_folder *folder,
                                 const struct learner *learner, double epochs, int64_t step, const char *metrics,
                                 struct error *err) MUST_CHECK;
/* The weights that were evaluated, with the evaluation and the split that chose them. */
status run_checkpoint_write_best(struct run_checkpoint *checkpoint, const char *path, const struct learner *learner,
                                 double epochs, int64_t step, const char *metrics, const char *split,
                                 struct error *err) MUST_CHECK;

/* Refuses a checkpoint of another method, or of a run that had other settings. */
status run_checkpoint_check(const struct run_plan *plan, const struct checkpoint *checkpoint, const char *folder,
                            struct error *err) MUST_CHECK;

/* Reads everything that run_checkpoint_write_last wrote. Refuses a checkpoint whose step stands at another epoch now,
 * as there are more or fewer pictures; warns of others, and where it will not go on to the same bits. */
status run_checkpoint_restore(struct run_checkpoint *checkpoint, const struct run_plan *plan,
                              const struct checkpoint *from, struct learner *learner, struct run_state *state,
                              struct error *err) MUST_CHECK;

#endif
