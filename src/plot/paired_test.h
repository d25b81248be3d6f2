/* Whether a row of a table differs from another by more than the seeds do. */
#ifndef PLOT_PAIRED_TEST_H
#define PLOT_PAIRED_TEST_H

#include <stddef.h>

struct paired_test {
    size_t pairs;
    double mean;      /* of second - first */
    double p;         /* two-sided; NaN where there is no spread to judge by */
    double limits[2]; /* of the mean, 95 %: mean -+ t s / sqrt(n); NaN as p is */
};

/* The paired t-test (Student 1908): t = mean / (s / sqrt(n)) of the n differences, against Student's distribution with
 * n - 1 degrees of freedom. Fewer than two pairs, or differences that are all equal (two seeds on few pictures soon
 * are), tell nothing of a spread: no p. */
struct paired_test paired_t_test(const double *first, const double *second, size_t n);

/* P(|T| >= |t|) of Student's distribution with `freedom` degrees. */
double student_two_sided(double t, double freedom);

/* The t > 0 at which student_two_sided is `p`, 0 < p < 1, to about 12 digits. */
double student_quantile(double p, double freedom);

#endif
