/* Student's distribution through the incomplete beta function: P(|T| >= t) = I_x(v/2, 1/2), x = v / (v + t^2). */
#include "paired_test.h"

#include <math.h>

enum { MOST_TERMS = 500 };

static double away_from_zero(double value)
{
    return fabs(value) < 1e-300 ? 1e-300 : value;
}

/* The continued fraction of I_x(a, b) by Lentz's method (Abramowitz and Stegun 26.5.8). */
static double beta_fraction(double a, double b, double x)
{
    double c = 1, d = 1 / away_from_zero(1 - (a + b) * x / (a + 1)), h = d;
    for (int m = 1; m <= MOST_TERMS; m++) {
        double even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m));
        double odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1));
        d = 1 / away_from_zero(1 + even * d);
        c = away_from_zero(1 + even / c);
        h *= d * c;
        d = 1 / away_from_zero(1 + odd * d);
        c = away_from_zero(1 + odd / c);
        h *= d * c;
        if (fabs(d * c - 1) < 1e-15) break;
    }
    return h;
}

static double incomplete_beta(double a, double b, double x)
{
    if (x <= 0 || x >= 1) return x <= 0 ? 0 : 1;
    double front = exp(lgamma(a + b) - lgamma(a) - lgamma(b) + a * log(x) + b * log1p(-x));
    return x < (a + 1) / (a + b + 2) ? front * beta_fraction(a, b, x) / a : 1 - front * beta_fraction(b, a, 1 - x) / b;
}

double student_two_sided(double t, double freedom)
{
    return incomplete_beta(freedom / 2, 0.5, freedom / (freedom + t * t));
}

double student_quantile(double p, double freedom)
{
    double low = 0, high = 1;
    while (student_two_sided(high, freedom) > p) high *= 2;
    while (high - low > 1e-13 * high) {
        double middle = (low + high) / 2;
        *(student_two_sided(middle, freedom) > p ? &low : &high) = middle;
    }
    return (low + high) / 2;
}

struct paired_test paired_t_test(const double *first, const double *second, size_t n)
{
    struct paired_test test = {n, 0, NAN, {NAN, NAN}};
    double squares = 0, largest = 0;
    for (size_t i = 0; i < n; i++) largest = fmax(largest, fmax(fabs(first[i]), fabs(second[i])));
    for (size_t i = 0; i < n; i++) test.mean += (second[i] - first[i]) / (double)n;
    for (size_t i = 0; i < n; i++) squares += pow(second[i] - first[i] - test.mean, 2);
    if (n < 2) return test;
    double error = sqrt(squares / (double)(n - 1) / (double)n);
    /* What rounding leaves of equal differences is no spread; its size is that of the values, however little
     * they differ. */
    if (error <= 1e-13 * largest) return test;
    double reach = student_quantile(0.05, (double)(n - 1)) * error;
    test.p = student_two_sided(test.mean / error, (double)(n - 1));
    test.limits[0] = test.mean - reach;
    test.limits[1] = test.mean + reach;
    return test;
}
