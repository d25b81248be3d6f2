/* Similarities, masked softmax and mixing, and back. Two matrix products by BLAS, the softmax by hand: B is small. */
#include "rmfer/ops/attention.h"

#include "rmfer/ops/rows.h"

#include <math.h>

static double masked_similarity(const struct attention *setup, const real *similarities, size_t i, size_t j)
{
    if (i != j) return (double)similarities[i * setup->n + j];
    return setup->mask == ATTENTION_LITERAL ? 1e-6 : 1;
}

/* The row softmax in place: the largest exponent is taken off first. */
static void softmax_row(const struct attention *setup, real *weights, size_t i)
{
    double largest = -INFINITY, total = 0;
    for (size_t j = 0; j < setup->n; j++) {
        if (i == j && setup->mask == ATTENTION_EXCLUDE) continue;
        largest = larger_or_nan(largest, masked_similarity(setup, weights, i, j));
    }
    for (size_t j = 0; j < setup->n; j++) {
        bool excluded = i == j && setup->mask == ATTENTION_EXCLUDE;
        double e = excluded ? 0 : exp((masked_similarity(setup, weights, i, j) - largest) / setup->temperature);
        weights[i * setup->n + j] = (real)e;
        total += e;
    }
    for (size_t j = 0; j < setup->n; j++) weights[i * setup->n + j] = (real)((double)weights[i * setup->n + j] / total);
}

void attention_forward(const struct attention *setup, const real *unit, const real *features, real *weights,
                       real *mixed)
{
    size_t n = setup->n, d = setup->d;
    product_run((struct product){.m = n, .n = n, .k = d, .transpose_b = true}, unit, unit, weights);
    for (size_t i = 0; i < n; i++) softmax_row(setup, weights, i);
    product_run((struct product){.m = n, .n = d, .k = n}, weights, features, mixed);
}

/* V = A F: dA = dV F^T, dF = A^T dV. Softmax: dS_ij = a_ij (dA_ij - sum_k a_ik dA_ik) / tau; the diagonal of S is a
 * constant in every mask. S = U U^T: dU = (dS + dS^T) U. */
void attention_backward(const struct attention *setup, const real *unit, const real *features, const real *weights,
                        const real *dmixed, real *dunit, real *dfeatures, real *room)
{
    size_t n = setup->n, d = setup->d;
    product_run((struct product){.m = n, .n = d, .k = n, .transpose_a = true, .accumulate = true}, weights, dmixed,
                dfeatures);
    product_run((struct product){.m = n, .n = n, .k = d, .transpose_b = true}, dmixed, features, room);
    for (size_t i = 0; i < n; i++) {
        double inner = 0;
        for (size_t j = 0; j < n; j++) inner += (double)weights[i * n + j] * (double)room[i * n + j];
        for (size_t j = 0; j < n; j++) {
            double slope = (double)weights[i * n + j] * ((double)room[i * n + j] - inner) / setup->temperature;
            room[i * n + j] = i == j ? 0 : (real)slope;
        }
    }
    product_run((struct product){.m = n, .n = d, .k = n}, room, unit, dunit);
    product_run((struct product){.m = n, .n = d, .k = n, .transpose_a = true, .accumulate = true}, room, unit, dunit);
}
