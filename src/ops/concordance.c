/* With S = s_xy and D = s_x^2 + s_y^2 + (m_x - m_y)^2, all over 1/n:
 *
 *   dS/dx_i = (y_i - m_y) / n        dD/dx_i = 2 (x_i - m_x) / n + 2 (m_x - m_y) / n = 2 (x_i - m_y) / n
 *
 * so that of c = 2 S / D
 *
 *   dc/dx_i = 2 / (n D) ((y_i - m_y) - c (x_i - m_y))
 *
 * D is at least s_y^2: where the truths differ nothing is divided by zero, whatever is predicted. */
#include "rmfer/ops/concordance.h"

#include <math.h>
#include <stdbool.h>

/* Of one column. */
struct agreement {
    size_t count;       /* rows with a truth */
    double mean_truth;  /* m_y */
    double spread;      /* D */
    double coefficient; /* c */
    bool is_defined;
};

static struct agreement agreement_of(size_t n, size_t dimensions, const real *predicted, const real *truth)
{
    struct agreement a = {.coefficient = NAN};
    double mean = 0, common = 0, own = 0, true_spread = 0;
    for (size_t i = 0; i < n * dimensions; i += dimensions) {
        if (isnan(truth[i])) continue;
        a.count++;
        mean += (double)predicted[i];
        a.mean_truth += (double)truth[i];
    }
    if (a.count < 2) return a;
    mean /= (double)a.count;
    a.mean_truth /= (double)a.count;
    for (size_t i = 0; i < n * dimensions; i += dimensions) {
        if (isnan(truth[i])) continue;
        double x = (double)predicted[i] - mean, y = (double)truth[i] - a.mean_truth;
        common += x * y;
        own += x * x;
        true_spread += y * y;
    }
    double rows = (double)a.count;
    a.spread = (own + true_spread) / rows + (mean - a.mean_truth) * (mean - a.mean_truth);
    /* Means of equal numbers are rounded: what is left of their spread is no spread. */
    a.is_defined = true_spread > rows * 1e-12;
    if (a.is_defined) a.coefficient = 2 * common / rows / a.spread;
    return a;
}

double concordance(size_t n, size_t dimensions, size_t dimension, const real *predicted, const real *truth)
{
    return agreement_of(n, dimensions, predicted + dimension, truth + dimension).coefficient;
}

double concordance_loss(size_t n, size_t dimensions, const real *predicted, const real *truth, double scale,
                        real *dpredicted)
{
    double sum = 0;
    size_t defined = 0;
    for (size_t d = 0; d < dimensions; d++) {
        struct agreement a = agreement_of(n, dimensions, predicted + d, truth + d);
        defined += a.is_defined;
        if (a.is_defined) sum += a.coefficient;
    }
    for (size_t d = 0; d < dimensions; d++) {
        struct agreement a = agreement_of(n, dimensions, predicted + d, truth + d);
        double factor = a.is_defined ? -2 * scale / ((double)defined * (double)a.count * a.spread) : 0;
        for (size_t i = d; i < n * dimensions; i += dimensions) {
            bool counts = a.is_defined && !isnan(truth[i]);
            double y = (double)truth[i] - a.mean_truth, x = (double)predicted[i] - a.mean_truth;
            dpredicted[i] = counts ? (real)(factor * (y - a.coefficient * x)) : 0;
        }
    }
    return defined == 0 ? 0 : 1 - sum / (double)defined;
}
