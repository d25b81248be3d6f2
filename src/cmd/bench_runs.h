/* What the modes of rmfer bench share: how often a thing is run, and which of the times count. */
#ifndef RMFER_SRC_CMD_BENCH_RUNS_H
#define RMFER_SRC_CMD_BENCH_RUNS_H

#include <stddef.h>

enum { BENCH_MOST_RUNS = 1000 };

/* Ascending, so that the first is the least, the middle the median, the last the most. */
void bench_sort_times(double *times, size_t count);

#endif
