/* A run's part of the report page. */
#ifndef PLOT_REPORT_RUN_H
#define PLOT_REPORT_RUN_H

#include "html.h"

#include "rmfer/plot/run.h"

/* The part with the heading "run`number`"; `extra` is markup to stand behind the evaluation, NULL = none. */
void report_run_put(struct html *html, const struct run *run, size_t number, const struct text *extra);

#endif
