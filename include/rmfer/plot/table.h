/* Runs as a table: one row a name, mean and spread over its runs. Accuracies are those of each run's best evaluation
 * on the split that its file names; classes without pictures are left out of the average, as evaluation does. */
#ifndef RMFER_PLOT_TABLE_H
#define RMFER_PLOT_TABLE_H

#include "rmfer/plot/run.h"

#include <stdbool.h>

enum table_format { TABLE_MARKDOWN, TABLE_CSV, TABLE_LATEX, TABLE_HTML };

struct table_options {
    bool last; /* of each run's last evaluation, not of that of its best overall accuracy */
    bool gain; /* the difference in overall and average accuracy from the first row, over runs with the same seed, with
                  marks for what the paired t-test says: * p < .05, ** p < .01, *** p < .001, and its mean's 95 %
                  interval */
    bool features; /* similarities of features of one class, of different classes, their difference; distance from the
                      class centre */
    bool recalls;  /* the recall of every class that a run names, in percent */
};

/* What the marks of a table with gains mean, a sentence. */
extern const char table_marks[];

/* Appends the table: runs with an evaluation, overall and average accuracy in percent as mean ± sample standard
 * deviation (of two runs or more), in brackets the 95 % interval that the number of pictures allows. Names are
 * escaped for the format. Which split of which data set the numbers are of stands below it, in LaTeX as a comment, or
 * in CSV's last two columns. Runs of one name on different splits or data sets are a usage error; gains across them
 * are warned of. */
status table_runs(const struct run_group *groups, size_t count, const struct table_options *options,
                  enum table_format format, struct text *out, struct error *err) MUST_CHECK;

#endif
