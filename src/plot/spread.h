/* A number of each run, over the runs of a name: mean, deviation, and the difference from another name's. */
#ifndef PLOT_SPREAD_H
#define PLOT_SPREAD_H

#include "paired_test.h"

#include "rmfer/plot/run.h"

/* What an evaluation tells, in the order of columns. Accuracies are in percent. */
enum run_value {
    VALUE_OVERALL,
    VALUE_AVERAGE,
    VALUE_SAME_CLASS, /* mean cosine similarity of features */
    VALUE_DIFFERENT_CLASS,
    VALUE_CLASS_DIFFERENCE, /* the one less the other */
    VALUE_CENTRE_DISTANCE,
    VALUE_RECALL, /* of one class */
};

struct run_measure {
    enum run_value value;
    const char *class_name; /* of VALUE_RECALL, as the run's files name it */
};

/* The value of a run's best evaluation, or of its last; NaN where there is none. */
double run_value(const struct run *run, bool last, const struct run_measure *measure);

/* Deviation: of the sample, NaN of fewer than two; limits: of the accuracies' 95 % intervals, means over the runs, NaN
 * where not every run has them. Runs without the value do not count. */
struct spread {
    size_t n;
    double mean, deviation, limits[2];
};
struct spread spread_of(const struct run_group *group, bool last, const struct run_measure *measure);

/* The differences group - reference of runs with the same seed, where both have the value. `deviation` is theirs, NaN
 * of fewer than two. */
struct gain {
    struct paired_test test;
    double deviation;
};
struct gain gain_of(const struct run_group *reference, const struct run_group *group, bool last,
                    const struct run_measure *measure);

/* "***", "**", "*" for p below .001, .01, .05; else "". */
const char *significance_mark(double p);

#endif
