/* A checkpoint made ready to be evaluated on a split of a data set, for every command that does so: eval, plot,
 * report.
 *
 * The checkpoint says what its outputs are and how pictures become its input; the configuration (--config, or the
 * one in the checkpoint, or --dataset and --data) says which pictures. Classes are matched by name. */
#ifndef CMD_EVALUATE_H
#define CMD_EVALUATE_H

#include "rmfer/ckpt/checkpoint.h"
#include "rmfer/cmd/options.h"
#include "rmfer/train/evaluation.h"

/* Files of figures, and all that an evaluation may write. */
enum { EVALUATION_FIGURES = 10, EVALUATION_OUTPUTS = EVALUATION_FIGURES + 3 };

/* What the command line asks for; strings are borrowed, NULL where an option was not given. */
struct evaluation_request {
    const char *checkpoint, *config, *dataset, *data, *split;
    struct option_list overrides;
    bool flip, present_only;
    struct dist *dist;      /* the processes that share the pictures out; NULL = none */
    const char *calibrated; /* where to write the checkpoint with the temperature that fits this split */
    const char *outputs[EVALUATION_OUTPUTS]; /* files to be written, which no list or picture may be; or NULL */
};

/* Everything an evaluation stands on. */
struct evaluation_work {
    const struct evaluation_request *request;
    struct checkpoint checkpoint;
    struct model model;
    struct config config;
    bool names_classes;    /* data.classes is somebody's choice: given, or of a configuration */
    bool has_ial_settings; /* the configuration knows how the attention branch was trained */
    struct dataset dataset;
    bool *may_predict; /* [classes] */
    size_t unnamed;    /* samples of classes that the configuration does not name: not counted */
    struct evaluator *evaluator;
};

/* Opens checkpoint and data set and plans the evaluation. The caller closes `work` even after a failure; `request`
 * must outlive it. */
status evaluation_work_open(struct evaluation_work *work, const struct evaluation_request *request,
                            struct error *err) MUST_CHECK;
void evaluation_work_close(struct evaluation_work *work);

/* train.seed of the run that made the checkpoint; -1 where the checkpoint does not tell, or tells what is no
 * configuration. */
status evaluation_seed(const struct evaluation_work *work, int64_t *seed, struct error *err) MUST_CHECK;

#endif
