/* Runs as a table: one row a name, mean and spread over its runs. Accuracies are those of each run's best evaluation
 * on the split that its file names; classes without pictures are left out of the average, as evaluation does. */
#ifndef RMFER_PLOT_TABLE_H
#define RMFER_PLOT_TABLE_H

#include "rmfer/plot/run.h"

#include <stdbool.h>

enum table_format { TABLE_MARKDOWN, TABLE_CSV, TABLE_LATEX, TABLE_HTML };

/* Appends the table: runs with an evaluation, overall and average accuracy in percent as mean ± sample standard
 * deviation (of two runs or more). Names are escaped for the format. `last`: of each run's last evaluation. */
status table_runs(const struct run_group *groups, size_t count, bool last, enum table_format format, struct text *out,
                  struct error *err) MUST_CHECK;

#endif
