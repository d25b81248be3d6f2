/* Evaluation: a data set through a model, and what comes out of it, for `rmfer eval` and during training. */
#ifndef RMFER_TRAIN_EVALUATION_H
#define RMFER_TRAIN_EVALUATION_H

#include "rmfer/data/loader.h"
#include "rmfer/dist/dist.h"
#include "rmfer/nn/model.h"
#include "rmfer/method/rmfer.h"
#include "rmfer/method/calibration.h"
#include "rmfer/train/metrics.h"

#include <signal.h>

struct evaluation_setup {
    const struct dataset *dataset; /* borrowed; its classes are the model's outputs */
    int batch;
    int image_size;
    enum config_resize resize;
    double mean[3], std[3];
    bool flip;   /* logits: mean of the picture's and its mirror image's */
    int workers; /* as loader_options */
    int prefetch;
    size_t cache_bytes;
    enum config_on_error on_error;
    double max_bad;
    /* The attention branch beside f_FER, each sample looking at the others of its batch. Batches are then of samples
     * in a mixed order, the same every time, whatever the order of the list; all that is given back is in the list's
     * order. */
    bool with_attention;
    double ial_temperature;
    enum self_mask self_mask;
    bool keep_features;   /* evaluation.features and projections are wanted */
    bool fit_temperature; /* to these rows; else `temperature` is measured, 0 = there is none */
    double temperature;
    const bool *may_predict;           /* [classes], NULL = every output; every label is one that may be; borrowed */
    const volatile sig_atomic_t *stop; /* not 0: end soon; NULL = never */
    struct dist *
        dist; /* the processes that each batch is shared out over, borrowed: all get the same evaluation; NULL = none */
};

/* What a configuration says of an evaluation; the data set, and what differs, is the caller's to add. */
struct evaluation_setup evaluation_setup_from(const struct config *config);

struct evaluation {
    struct confusion confusion;
    uint64_t n;
    double loss; /* mean cross-entropy of f_FER over what may be predicted, without class weights and smoothing */
    double ial_accuracy; /* overall accuracy of f_IAL; NaN without attention */
    /* Mean cosine similarities of pairs (METHOD, Metrics): of features F, and of projections Z = H(F). NaN where
     * there is no pair, or no attention. */
    double same_class_similarity, different_class_similarity;
    double projected_same_class_similarity, projected_different_class_similarity;
    double centre_distance;               /* of the features; NaN unless they are kept */
    size_t unreadable;                    /* pictures left out */
    bool interrupted;                     /* `stop` ended it: nothing else counts */
    double temperature;                   /* the setup's, or fitted; NaN = none */
    struct calibration plain, calibrated; /* at temperature 1 and at `temperature` */
    struct affect_agreement affect;       /* n = 0 without the head, or without anything to hold against it */
    /* One row a counted sample: */
    const real *logits;                /* [n, classes] of f_FER */
    const int32_t *labels, *predicted; /* [n] */
    const int64_t *ids;                /* [n], places in the data set */
    /* When kept, likewise: */
    const real *features;    /* [n, D] */
    const real *projections; /* [n, D], Z = H(F) with rows of length one; NULL without attention */
};

struct evaluator;

/* Plans memory and starts the loader. `model` gives shapes only. */
status evaluator_create(struct evaluator **evaluator, const struct model *model, const struct evaluation_setup *setup,
                        struct error *err) MUST_CHECK;
void evaluator_free(struct evaluator *evaluator);

/* One pass over the data set with the model's present weights. *evaluation is the evaluator's, valid until the next
 * run. */
status evaluator_run(struct evaluator *evaluator, const struct model *model, const struct evaluation **evaluation,
                     struct error *err) MUST_CHECK;

/* Bytes reserved, and those that the loader will take beside them. */
size_t evaluator_bytes(const struct evaluator *evaluator);
size_t evaluator_bytes_to_come(const struct evaluator *evaluator);

/* Names around an evaluation's numbers. */
struct evaluation_names {
    const char *dataset, *split, *checkpoint;
    const char *const *classes; /* in output order */
    /* What is said of rows that were left out; NULL: nothing. `unnamed` of its samples are of a class that the
     * configuration does not name. */
    const struct dataset *rows;
    size_t unnamed;
    int64_t seed; /* of the run that made the checkpoint; -1 = not known */
};

/* Appends `eval --json`'s object: dataset, split, checkpoint, seed (where it is known), classes, n, overall_accuracy,
 * average_accuracy, loss, per_class, confusion (rows = truth), and after these what else is known, with names->rows
 * also how many rows were looked at and left out, and why. Numbers that do not exist are null. */
status evaluation_print_json(const struct evaluation *evaluation, const struct evaluation_names *names,
                             struct text *out, struct error *err) MUST_CHECK;

/* Appends the members that metrics.jsonl and rmfer.metrics have for an evaluation, without braces: "split": ...,
 * "n": ..., "loss": ..., "overall_accuracy": ..., "average_accuracy": ..., "recall": {...}, "confusion": [...], ...
 */
status evaluation_print_members(const struct evaluation *evaluation, const struct evaluation_names *names,
                                struct text *out, struct error *err) MUST_CHECK;

/* Appends a table for people. */
status evaluation_print_table(const struct evaluation *evaluation, const struct evaluation_names *names,
                              struct text *out, struct error *err) MUST_CHECK;

#endif
