/* Whether a row of a table differs from another by more than the seeds do. */
#ifndef PLOT_PAIRED_TEST_H
#define PLOT_PAIRED_TEST_H

#include <stddef.h>

struct paired_test {
    size_t pairs;
    double mean; /* of second - first */
    double p;    /* two-sided; NaN with fewer than two pairs */
};

/* The paired t-test (Student 1908): t = mean / (s / sqrt(n)) of the n differences, against Student's distribution with
 * n - 1 degrees of freedom. All differences equal: p is 0, or 1 where they are 0. */
struct paired_test paired_t_test(const double *first, const double *second, size_t n);

/* P(|T| >= |t|) of Student's distribution with `freedom` degrees. */
double student_two_sided(double t, double freedom);

#endif
