/* The report: one self-contained HTML page about runs. No network, light and dark, no script needed to read it. */
#ifndef RMFER_PLOT_REPORT_H
#define RMFER_PLOT_REPORT_H

#include "rmfer/plot/run.h"

/* Appends the page: the table of runs, learning curves laid over each other, and of each run the confusion of its
 * best evaluation (figure and table) and its configuration. Runs without lines or evaluations yet say so. */
status report_write(const struct run_group *groups, size_t count, struct text *out, struct error *err) MUST_CHECK;

#endif
