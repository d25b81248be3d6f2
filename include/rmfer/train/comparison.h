/* Whether one classifier is better than another on the same pictures, or only luckier: the difference with a paired
 * bootstrap's interval, and McNemar's test. Both look at the pictures on which the two disagree; neither says anything
 * about other seeds of the same training. */
#ifndef RMFER_TRAIN_COMPARISON_H
#define RMFER_TRAIN_COMPARISON_H

#include "rmfer/train/intervals.h"

enum { BOOTSTRAP_RESAMPLES = 10000, MCNEMAR_EXACT_BELOW = 25 };

/* Who was right about which picture. Borrowed. */
struct paired_rows {
    const int32_t *labels;                  /* [n], 0 .. classes-1 */
    const bool *first_right, *second_right; /* [n] */
    size_t n, classes;
};

/* Differences are second - first, shares; intervals are from the 2.5 % to the 97.5 % quantile of BOOTSTRAP_RESAMPLES
 * draws of n pictures with replacement, both classifiers on the same ones (B. Efron, R. Tibshirani, An Introduction to
 * the Bootstrap, 1993, percentile interval). The average is over the classes that a draw has. NaN without pictures. */
struct comparison {
    uint64_t both_right, only_first_right, only_second_right, neither_right;
    double overall_difference, average_difference;
    struct interval overall_interval, average_interval;
    /* McNemar's test of "both are right equally often" (Q. McNemar, Psychometrika 12, 1947), two-sided, on the d
     * pictures that one of them alone has right: below MCNEMAR_EXACT_BELOW of them exactly, from the binomial
     * distribution with d draws at 1/2; else (|b - c| - 1)^2 / d as chi-square of one degree of freedom (A. L. Edwards,
     * Psychometrika 13, 1948). */
    bool is_exact;
    double statistic; /* NaN when exact */
    double p;
};

/* The same `seed` gives the same draws, whatever the threads. */
status comparison_run(struct comparison *comparison, const struct paired_rows *rows, uint64_t seed,
                      struct error *err) MUST_CHECK;

#endif
