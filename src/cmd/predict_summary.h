/* How far predict is, while it runs, and what it has seen, at its end; all on standard error. */
#ifndef RMFER_CMD_PREDICT_SUMMARY_H
#define RMFER_CMD_PREDICT_SUMMARY_H

#include "cmd/predict_output.h"
#include "rmfer/base/status_line.h"

struct predict_progress {
    struct status_line line;
    double begin;
    double share; /* the largest so far: it never goes back */
    bool shares_terminal,
        is_shown; /* results go to the same terminal: the line makes room for each and comes back at once */
};

struct predict_progress predict_progress_begin(void);

/* `share` of the work is done, or NaN. */
void predict_progress_show(struct predict_progress *progress, const struct output_counts *counts, double share);

/* Before results are printed. */
void predict_progress_make_room(const struct predict_progress *progress);

/* "12 files, 310 pictures, 295 faces in 9.8 s (30.1 faces/s)", and below it each expression's share of the faces. Of
 * one picture there is nothing to sum up. */
status predict_summary_print(const struct output_counts *counts, const char *const *classes, size_t class_count,
                             double seconds, struct error *err) MUST_CHECK;

#endif
