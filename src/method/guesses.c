/* Guesses made and held against. */
#include "method/guesses.h"

#include "rmfer/ops/rows.h"

#include <math.h>

void guesses_softmax(size_t n, size_t classes, const real *logits, double temperature, real *p)
{
    for (size_t i = 0; i < n; i++) {
        const real *z = logits + i * classes;
        double all = row_log_sum_exp(classes, z, temperature);
        for (size_t c = 0; c < classes; c++) p[i * classes + c] = (real)exp((double)z[c] / temperature - all);
    }
}

void guesses_above(size_t n, size_t classes, const real *logits, double threshold, double temperature, real *targets,
                   real *weights)
{
    if (temperature > 0) guesses_softmax(n, classes, logits, temperature, targets);
    for (size_t i = 0; i < n; i++) {
        const real *z = logits + i * classes;
        size_t largest = row_largest(classes, z);
        double all = row_log_sum_exp(classes, z, 1);
        for (size_t c = 0; c < classes && temperature == 0; c++) targets[i * classes + c] = c == largest ? 1 : 0;
        weights[i] = exp((double)z[largest] - all) >= threshold ? 1 : 0;
    }
}

void guesses_above_each(size_t n, size_t classes, const real *p, const double *thresholds, real *targets, real *weights)
{
    for (size_t i = 0; i < n; i++) {
        size_t largest = row_largest(classes, p + i * classes);
        for (size_t c = 0; c < classes; c++) targets[i * classes + c] = c == largest ? 1 : 0;
        weights[i] = (double)p[i * classes + largest] >= thresholds[largest] ? 1 : 0;
    }
}

void guesses_average(size_t count, const real *a, const real *b, real *mean)
{
    for (size_t i = 0; i < count; i++) mean[i] = (a[i] + b[i]) / 2;
}

/* A row over its sum. */
static void normalise(size_t classes, real *p)
{
    double sum = 0;
    for (size_t c = 0; c < classes; c++) sum += (double)p[c];
    for (size_t c = 0; c < classes; c++) p[c] = (real)((double)p[c] / sum);
}

void guesses_sharpen(size_t n, size_t classes, double temperature, real *p)
{
    for (size_t i = 0; i < n; i++) {
        real *row = p + i * classes;
        /* Over the largest first: a low temperature would take all powers to 0. */
        double largest = (double)row[row_largest(classes, row)];
        for (size_t c = 0; c < classes; c++) row[c] = (real)pow((double)row[c] / largest, 1 / temperature);
        normalise(classes, row);
    }
}

void guesses_follow_mean(size_t n, size_t classes, const real *p, double momentum, double *mean)
{
    double before = 0;
    for (size_t c = 0; c < classes; c++) before += mean[c];
    double kept = before > 0 ? momentum : 0;
    for (size_t c = 0; c < classes; c++) {
        double sum = 0;
        for (size_t i = 0; i < n; i++) sum += (double)p[i * classes + c];
        mean[c] = kept * mean[c] + (1 - kept) * sum / (double)n;
    }
}

void guesses_align(size_t n, size_t classes, const double *shares, const double *mean, real *p)
{
    const double smallest = 1e-6; /* a class that is never guessed, or has no label, stays finite and possible */
    for (size_t i = 0; i < n; i++) {
        real *row = p + i * classes;
        for (size_t c = 0; c < classes; c++)
            row[c] = (real)((double)row[c] * (shares[c] + smallest) / (mean[c] + smallest));
        normalise(classes, row);
    }
}

double guesses_cross_entropy(size_t n, size_t classes, const real *logits, const real *targets, const real *weights,
                             double scale, real *dlogits)
{
    double loss = 0;
    for (size_t i = 0; i < n; i++) {
        const real *z = logits + i * classes, *t = targets + i * classes;
        double all = row_log_sum_exp(classes, z, 1), weight = (double)weights[i] / (double)n;
        for (size_t c = 0; c < classes; c++) {
            double log_p = (double)z[c] - all;
            if (weight > 0) loss -= weight * (double)t[c] * log_p;
            dlogits[i * classes + c] = (real)(scale * weight * (exp(log_p) - (double)t[c]));
        }
    }
    return loss;
}

double guesses_squared_error(size_t n, size_t classes, const real *logits, const real *targets, double scale,
                             real *dlogits)
{
    double loss = 0, share = 1 / ((double)n * (double)classes);
    for (size_t i = 0; i < n; i++) {
        const real *z = logits + i * classes, *t = targets + i * classes;
        double all = row_log_sum_exp(classes, z, 1), along = 0;
        for (size_t c = 0; c < classes; c++) {
            double p = exp((double)z[c] - all), error = p - (double)t[c];
            loss += share * error * error;
            along += error * p;
        }
        for (size_t c = 0; c < classes; c++) {
            double p = exp((double)z[c] - all);
            dlogits[i * classes + c] = (real)(scale * share * 2 * p * (p - (double)t[c] - along));
        }
    }
    return loss;
}
