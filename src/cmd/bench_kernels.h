/* rmfer bench --mode kernels: every inner loop beside its plain C, which defines it. */
#ifndef RMFER_SRC_CMD_BENCH_KERNELS_H
#define RMFER_SRC_CMD_BENCH_KERNELS_H

#include "rmfer/base/error.h"
#include "rmfer/base/real.h"

#include <stdbool.h>
#include <stddef.h>

/* Times one thread of each kernel of the fastest table and of the portable one, on maps as EfficientNet-B2 has them in
 * the middle, and compares what the two write. Prints a table, or one JSON object. Fails where two differ by more than
 * the order of their sums explains. */
status bench_kernels(int runs, bool json, struct error *err) MUST_CHECK;

/* The largest difference between two outputs, beside the largest number of `b` where that is not 0; INFINITY where a
 * difference is none, as of NaN. */
double bench_kernels_difference(const real *a, const real *b, size_t count);

#endif
