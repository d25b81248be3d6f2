/* The report: one self-contained HTML page about runs. No network, light and dark, no script needed to read it. */
#ifndef RMFER_PLOT_REPORT_H
#define RMFER_PLOT_REPORT_H

#include "rmfer/plot/answers.h"
#include "rmfer/plot/figures.h"
#include "rmfer/plot/run.h"

/* Appends the page: the table of runs and, of several names, their comparison; learning curves laid over each other;
 * and of each run its facts, the confusion of its best evaluation (figure and tables), its configuration and the end of
 * its log. `extras` [number of all runs, in order], markup to stand within each run's part, NULL = none. Runs without
 * lines or evaluations yet say so. `refresh`: seconds after which a browser loads the page again, 0 = never. */
status report_write(const struct run_group *groups, size_t count, const struct text *extras, int refresh,
                    struct text *out, struct error *err) MUST_CHECK;

/* A picture with its answer, as a thumbnail. */
struct report_picture {
    uint8_t *jpeg; /* memory_allocate'd */
    size_t size;
    size_t row;        /* of the answers */
    double confidence; /* of what was answered, a share */
    char name[128];    /* of its file */
};
void report_picture_free(struct report_picture *picture);

/* Appends a run's part that needs its data: calibration, similarities, features in a plane, attention where there is
 * some, each as figure and table. */
status report_answers(const struct answers *answers, const char *split, uint64_t seed, struct text *out,
                      struct error *err) MUST_CHECK;

/* Appends a list of pictures under a heading. */
status report_pictures(const char *heading, const struct answers *answers, const struct report_picture *pictures,
                       size_t count, struct text *out, struct error *err) MUST_CHECK;

/* Appends "<p>...</p>" with the text made harmless, and a table of two columns from pairs. */
status report_note(const char *text, struct text *out, struct error *err) MUST_CHECK;
struct report_fact {
    const char *name;
    char value[64];
};
status report_facts(const char *heading, const struct report_fact *facts, size_t count, struct text *out,
                    struct error *err) MUST_CHECK;

#endif
