/* Data sets: which pictures, with which labels. Readers for AffectNet (both releases), RAF-DB, FERPlus, class folders
 * and lists; the split into training and validation; the choice of labelled samples.
 *
 * No pixels are read here but FERPlus's, which stand in its list. What is left out is counted by its reason. */
#ifndef RMFER_DATA_DATASET_H
#define RMFER_DATA_DATASET_H

#include "rmfer/base/error.h"
#include "rmfer/base/text.h"
#include "rmfer/config/config.h"
#include "rmfer/data/image.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum dataset_split {
    SPLIT_TRAIN,       /* training without the validation share; only the labelled ones where data.labelled says so */
    SPLIT_VALID,       /* the set's own validation split, else a seeded, stratified share of training */
    SPLIT_TEST,        /* the official test split (AffectNet: its validation list) */
    SPLIT_TRAIN_WHOLE, /* training with the validation share (eval.select = test) */
    SPLIT_UNLABELLED,  /* training without the validation share and without the labelled ones */
    SPLIT_TRAIN_WHOLE_UNLABELLED, /* the rest of SPLIT_TRAIN_WHOLE, likewise */
};

enum { NO_PIXELS = -1 };

struct dataset_sample {
    size_t path;          /* place in dataset.names of the file's path (or of "fer2013.csv:18" for pixels) */
    int64_t pixels;       /* place in dataset.pixels of gray bytes, PIXEL_SIDE squared; NO_PIXELS = in a file */
    struct image_box box; /* face box with its margin, in the full-size picture; width 0 = the whole picture */
    uint32_t list, row;   /* dataset.lists, line in it from 1; for messages */
    int32_t label;        /* output index; of soft targets the largest, first on ties; -1 = unlabelled */
};

enum { PIXEL_SIDE = 48 }; /* FERPlus */

/* Why rows are not samples: "expression 8, 9 or 10", "BMP is not supported", ... */
struct dataset_note {
    char *reason;
    size_t count;
    char *example; /* the first row: "training.csv:18: 1/a.bmp" */
};

struct dataset {
    char kind[16];  /* "affectnet", ... */
    char split[16]; /* "train", "valid", "test", "unlabelled" */
    char **classes; /* names in output order, [class_count] */
    int class_count;
    struct dataset_sample *samples;
    size_t count, capacity;
    float *targets; /* soft targets [count, class_count], rows sum to 1; NULL = one-hot by label */
    float *affect;  /* valence and arousal [count, 2], from -1 to 1, a NaN where the list says none; NULL = not wanted,
                       or of no row */
    size_t *class_counts;               /* [class_count], by label */
    struct text names;                  /* pool of NUL-terminated strings */
    uint8_t *pixels;                    /* pool of gray pictures */
    size_t pixel_count, pixel_capacity; /* bytes */
    char **lists;                       /* paths of the lists and folders that rows came from */
    size_t list_count;
    struct dataset_note *notes; /* what was left out, in order of first appearance */
    size_t note_count;
    struct text
        mappings; /* "1 = Surprise, 2 = Fear": what the class folders, or the numbers of a list, became; else empty */
    const char *remark;      /* what else one should know of these rows, a constant; NULL = nothing */
    size_t validation_share; /* train: rows that belong to the share kept for validation */
    size_t listed;           /* rows looked at for this split */
    size_t unreadable;       /* pictures that are missing or empty (left out with on_error = skip) */
};

/* Reads what `options` names. Lists and files are checked: a list that is missing or malformed, a label that the kind
 * does not know, and a file of a label or a box that is there and cannot be read are errors naming it; pictures that
 * are missing or empty are an error with on_error = fail, otherwise they are named in the log, counted and left out,
 * and an error once they are more than max_bad of the split. The caller frees `dataset` even after a failure. */
status dataset_open(struct dataset *dataset, const struct config_data *options, enum dataset_split split,
                    struct error *err) MUST_CHECK;

void dataset_free(struct dataset *dataset);

/* "train", "valid" (also val, validation), "test", "unlabelled". */
status dataset_split_find(const char *name, enum dataset_split *split, struct error *err) MUST_CHECK;

/* A sample's path, for messages and for reading. */
const char *dataset_path(const struct dataset *dataset, size_t sample);

/* Writes the sample's target row [class_count]: its soft target, or one-hot (zeros when unlabelled). */
void dataset_target(const struct dataset *dataset, size_t sample, float *target);

/* How many samples have valence and arousal. */
size_t dataset_affect_count(const struct dataset *dataset);

/* One line a class and a note, for the log: counts by class, what was left out and why. Appended to `out`. */
status dataset_describe(const struct dataset *dataset, struct text *out, struct error *err) MUST_CHECK;

/* Tests in parallel whether each sample's file is there and not empty; bad[i] is set for the others. A name that is
 * only there with its extension in the other case is corrected. Returns the number of bad ones. */
size_t dataset_check_files(struct dataset *dataset, bool *bad);

#endif
