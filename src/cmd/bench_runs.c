/* Times of runs in order. */
#include "cmd/bench_runs.h"

#include <stdlib.h>

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

void bench_sort_times(double *times, size_t count)
{
    qsort(times, count, sizeof *times, compare_doubles);
}
