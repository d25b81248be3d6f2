/* What is asked of one row of numbers again and again: its largest place, its log-sum-exp, its product with another.
 * Sums are made in double, in order. A NaN is never hidden: what is made of a row that has one is NaN. */
#ifndef RMFER_OPS_ROWS_H
#define RMFER_OPS_ROWS_H

#include "rmfer/base/real.h"

#include <math.h>
#include <stddef.h>

/* The place of the largest value, the first of equals; count > 0. */
static inline size_t row_largest(size_t count, const real *values)
{
    size_t best = 0;
    for (size_t i = 1; i < count; i++)
        if (values[i] > values[best]) best = i;
    return best;
}

/* log sum_i e^(values[i] / temperature); count > 0. */
static inline double row_log_sum_exp(size_t count, const real *values, double temperature)
{
    double largest = (double)values[row_largest(count, values)], total = 0;
    for (size_t i = 0; i < count; i++) total += exp(((double)values[i] - largest) / temperature);
    return largest / temperature + log(total);
}

/* sum_i a[i] b[i] */
static inline double row_product(size_t count, const real *a, const real *b)
{
    double sum = 0;
    for (size_t i = 0; i < count; i++) sum += (double)a[i] * (double)b[i];
    return sum;
}

/* The larger of what was the largest so far and a value; NaN once either is: for the exponents of a sum whose terms
 * are not in one row. */
static inline double larger_or_nan(double largest, double value)
{
    return value > largest || isnan(value) ? value : largest;
}

#endif
