/* Loss and gradient together, in double within a row: softmax minus target, weighted and smoothed. */
#include "rmfer/ops/softmax_cross_entropy.h"

#include "rmfer/ops/rows.h"

#include <math.h>

int count_correct(size_t n, size_t classes, const real *logits, const real *targets)
{
    int correct = 0;
    for (size_t i = 0; i < n; i++)
        correct += row_largest(classes, logits + i * classes) == row_largest(classes, targets + i * classes);
    return correct;
}

/* What the sum of the images' losses is divided by. */
static double divisor(const struct cross_entropy *setup, const real *targets)
{
    if (setup->class_weights == NULL || setup->soft_targets) return (double)setup->n;
    double total = 0;
    for (size_t i = 0; i < setup->n; i++)
        total += (double)setup->class_weights[row_largest(setup->classes, targets + i * setup->classes)];
    return total > 0 ? total : (double)setup->n; /* only classes of weight 0: a loss of 0, not 0 / 0 */
}

/* With q_c = w_c t_c: loss = sum_c q_c (lse - logit_c), d/dlogit_j = (sum_c q_c) softmax_j - q_j. */
static double one_image(const struct cross_entropy *setup, const real *logits, const real *targets, double scale,
                        real *dlogits)
{
    size_t classes = setup->classes;
    double lse = row_log_sum_exp(classes, logits, 1), loss = 0, mass = 0;
    double smoothing = setup->label_smoothing;
    for (int pass = 0; pass < 2; pass++) {
        for (size_t c = 0; c < classes; c++) {
            double target = (1 - smoothing) * (double)targets[c] + smoothing / (double)classes;
            double q = setup->class_weights == NULL ? target : target * (double)setup->class_weights[c];
            if (pass == 0) {
                loss += q * (lse - (double)logits[c]);
                mass += q;
            } else {
                dlogits[c] = (real)(scale * (mass * exp((double)logits[c] - lse) - q));
            }
        }
        if (dlogits == NULL) break;
    }
    return loss;
}

double cross_entropy(const struct cross_entropy *setup, const real *logits, const real *targets, double scale,
                     real *dlogits)
{
    double total = 0, by = divisor(setup, targets);
    for (size_t i = 0; i < setup->n; i++) {
        size_t at = i * setup->classes;
        total += one_image(setup, logits + at, targets + at, scale / by, dlogits == NULL ? NULL : dlogits + at);
    }
    return total / by;
}
