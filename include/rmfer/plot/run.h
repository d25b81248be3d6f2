/* What a run folder tells: every number of metrics.jsonl as a series over epochs, and its evaluations.
 *
 * No name of a loss is known here: what stands in the file is what there is. The folder of a run that still goes on
 * may be read too; a last line that is not finished is left out. */
#ifndef RMFER_PLOT_RUN_H
#define RMFER_PLOT_RUN_H

#include "rmfer/base/text.h"

struct series {
    char *name;
    bool is_evaluation;      /* of the lines that are evaluations */
    double *epochs, *values; /* [count], all finite */
    size_t count, capacity;
};

/* Counts [classes, classes], rows are the truth; `names` may be shorter than `classes` where the folder does not
 * tell. */
struct run_confusion {
    size_t classes;
    double *counts;
};

struct run_evaluation {
    double epoch, overall, average; /* NaN where the file says null */
    /* Of features: mean cosine similarities of pairs, and the distance from the class centre, as `rmfer eval` has them;
     * NaN where the file has none. */
    double same_class_similarity, different_class_similarity, centre_distance;
    double overall_limits[2], average_limits[2]; /* of the 95 % intervals; NaN where the file has none */
    struct run_confusion confusion;
};

struct run {
    char *folder;
    struct series *series;
    size_t series_count;
    double phase_switch; /* the epoch at which phase 2 is first seen; NaN = never */
    double last_epoch, last_phase;
    size_t evaluation_count;
    struct run_evaluation best, last; /* by overall accuracy, the first of equals; empty without evaluations */
    char split[32];
    char dataset[32]; /* its kind, as a JSON file or config.ini has it; "" where neither tells */
    char **classes;   /* as config.ini names them */
    size_t class_count;
    int64_t seed; /* train.seed, as config.ini or a JSON file has it; -1 where neither they nor the name tell */
};

/* `folder` may also be a file that `rmfer eval --json` wrote, a name that ends in .json: a run with that one
 * evaluation. Otherwise reads FOLDER/metrics.jsonl and, where it is there, FOLDER/config.ini. The caller frees `run`
 * even after a failure. A damaged line is an error that names it. */
status run_read(struct run *run, const char *folder, struct error *err) MUST_CHECK;
void run_free(struct run *run);

/* The series of that name, NULL when the file has none. */
const struct series *run_series(const struct run *run, const char *name, bool is_evaluation);

/* Runs of one name: one configuration with several seeds. */
struct run_group {
    char *name;
    struct run *runs;
    size_t count;
};

/* Reads "NAME=RUN[,RUN...]", or "RUN[,RUN...]", whose name is its folder's without a last "-seedN" (of a JSON file: its
 * own, or its folder's where that ends in -seedN). Where there is a folder or file of the whole word's name, or of what
 * stands behind "NAME=", that is the one RUN. Those of one name become one group, where the first of them stands. A
 * word without a run and a run that is twice in one group are usage errors. The caller frees with run_groups_free even
 * after a failure. */
status run_groups_read(struct run_group **groups, size_t *count, const char *const *arguments, size_t argument_count,
                       struct error *err) MUST_CHECK;
void run_groups_free(struct run_group *groups, size_t count);

/* The number of all their runs. */
size_t run_groups_size(const struct run_group *groups, size_t count);

/* Refuses, as a usage error, an output that is one of the runs' files: of a folder its metrics, configuration, log
 * and checkpoints, read or not, else the JSON file. */
status run_groups_check_output(const struct run_group *groups, size_t count, const char *output,
                               struct error *err) MUST_CHECK;

#endif
