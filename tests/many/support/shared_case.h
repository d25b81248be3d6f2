/* What the tests over several processes share: each is started by mpirun, and every process runs all of it. A check is
 * of what all processes saw, so that one that fails does not leave the others waiting. Prints on rank 0 alone, as
 * tests/run_one.sh reads it. */
#ifndef TESTS_MANY_SHARED_CASE_H
#define TESTS_MANY_SHARED_CASE_H

#include "rmfer/dist/dist.h"
#include "rmfer/dist/gradients.h"
#include "rmfer/nn/model.h"

struct many {
    struct dist *dist;
    int passed, failed;
};

void many_begin(struct many *many);
/* Prints the counts; returns the exit status. */
int many_end(struct many *many);

/* Counts a check that every process must pass. */
void many_check(struct many *many, const char *what, bool own);

/* Normal numbers, the same in every process for the same seed; release with memory_free. */
real *many_normal(size_t count, uint64_t seed);

/* max |a - b| / max |a| over `count` numbers. */
double many_distance(const real *a, const real *b, size_t count);

/* How far a sum taken in another order may be: 1e-10 in double. In float each of some thirty layers' batch-norms
 * divides by a spread that was rounded to 2^-24 of sums of 10^3 terms, sqrt(10^3) 2^-24 = 2e-6 where roundings are
 * independent, and what cancels in the gradient of a bias before a batch-norm is a hundred times what stays: 1e-3
 * bounds it, 1.5e-4 was seen. */
double many_tolerance(void);

#endif
