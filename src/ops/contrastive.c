/* The choice of candidates, and the loss by log-sum-exp with its gradient: the kept positives' shares of the
 * numerator minus everybody's shares of the denominator. */
#include "rmfer/ops/contrastive.h"

#include "rmfer/ops/rows.h"

#include <math.h>
#include <string.h>

size_t contrastive_kept(double share, size_t drawn)
{
    double wanted = floor(share * (double)drawn + 0.5);
    size_t kept = wanted < 1 ? 1 : (size_t)wanted;
    return kept < drawn ? kept : drawn;
}

void contrastive_choose(size_t d, size_t count, const real *anchor, const real *candidates, bool least, size_t kept,
                        size_t *chosen, real *scores)
{
    for (size_t i = 0; i < count; i++) scores[i] = (real)row_product(d, anchor, candidates + i * d);
    /* Insertion into a short sorted list: a strict comparison keeps the lower index first among equals. */
    size_t held = 0;
    for (size_t i = 0; i < count; i++) {
        size_t at = held;
        while (at > 0 && (least ? scores[i] < scores[chosen[at - 1]] : scores[i] > scores[chosen[at - 1]])) at--;
        if (at >= kept) continue;
        if (held < kept) held++;
        memmove(chosen + at + 1, chosen + at, (held - at - 1) * sizeof *chosen);
        chosen[at] = i;
    }
}

/* Log-sum-exp of s / tau over rows begin .. end-1, their similarities to row 0. */
static double log_sum(const struct contrastive *setup, const real *unit, size_t begin, size_t end)
{
    double largest = -INFINITY, total = 0;
    for (int pass = 0; pass < 2; pass++)
        for (size_t i = begin; i < end; i++) {
            double s = row_product(setup->d, unit, unit + i * setup->d) / setup->temperature;
            if (pass == 0) largest = larger_or_nan(largest, s);
            if (pass == 1) total += exp(s - largest);
        }
    return largest + log(total);
}

/* L = lse(all) - lse(P), so dL/ds_i = (softmax over all of s_i - [i in P] softmax over P of s_i) / tau, and every s_i
 * is the inner product of row i with row 0. */
double contrastive_loss(const struct contrastive *setup, const real *unit, double scale, real *dunit)
{
    size_t d = setup->d, rows = 1 + setup->positives + setup->negatives;
    double positives = log_sum(setup, unit, 1, 1 + setup->positives), all = log_sum(setup, unit, 1, rows);
    memset(dunit, 0, rows * d * sizeof *dunit);
    for (size_t i = 1; i < rows; i++) {
        double s = row_product(d, unit, unit + i * d) / setup->temperature;
        double slope = exp(s - all) - (i <= setup->positives ? exp(s - positives) : 0);
        real factor = (real)(scale * slope / setup->temperature);
        for (size_t j = 0; j < d; j++) {
            dunit[j] += factor * unit[i * d + j];
            dunit[i * d + j] = factor * unit[j];
        }
    }
    return all - positives;
}
