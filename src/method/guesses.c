/* Guesses made and held against. */
#include "method/guesses.h"

#include <math.h>

/* log of the sum of e^(z / temperature), and the largest z's place. */
static double log_sum(size_t classes, const real *z, double temperature, size_t *largest)
{
    size_t best = 0;
    double sum = 0;
    for (size_t c = 1; c < classes; c++)
        if (z[c] > z[best]) best = c;
    for (size_t c = 0; c < classes; c++) sum += exp(((double)z[c] - (double)z[best]) / temperature);
    *largest = best;
    return (double)z[best] / temperature + log(sum);
}

void guesses_softmax(size_t n, size_t classes, const real *logits, double temperature, real *p)
{
    for (size_t i = 0; i < n; i++) {
        const real *z = logits + i * classes;
        size_t largest;
        double all = log_sum(classes, z, temperature, &largest);
        for (size_t c = 0; c < classes; c++) p[i * classes + c] = (real)exp((double)z[c] / temperature - all);
    }
}

void guesses_above(size_t n, size_t classes, const real *logits, double threshold, double temperature, real *targets,
                   real *weights)
{
    if (temperature > 0) guesses_softmax(n, classes, logits, temperature, targets);
    for (size_t i = 0; i < n; i++) {
        const real *z = logits + i * classes;
        size_t largest;
        double all = log_sum(classes, z, 1, &largest);
        for (size_t c = 0; c < classes && temperature == 0; c++) targets[i * classes + c] = c == largest ? 1 : 0;
        weights[i] = exp((double)z[largest] - all) >= threshold ? 1 : 0;
    }
}

double guesses_cross_entropy(size_t n, size_t classes, const real *logits, const real *targets, const real *weights,
                             double scale, real *dlogits)
{
    double loss = 0;
    for (size_t i = 0; i < n; i++) {
        const real *z = logits + i * classes, *t = targets + i * classes;
        size_t largest;
        double all = log_sum(classes, z, 1, &largest), weight = (double)weights[i] / (double)n;
        for (size_t c = 0; c < classes; c++) {
            double log_p = (double)z[c] - all;
            if (weight > 0) loss -= weight * (double)t[c] * log_p;
            dlogits[i * classes + c] = (real)(scale * weight * (exp(log_p) - (double)t[c]));
        }
    }
    return loss;
}
