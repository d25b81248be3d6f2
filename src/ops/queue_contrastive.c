/* With l the similarities over tau and p their softmax, the key's among them, the gradient by q_i is
 *
 *   ( (p_key - 1) k_i + sum_j p_j m_j ) / (n tau)
 */
#include "rmfer/ops/queue_contrastive.h"

#include "rmfer/ops/linear.h"
#include "rmfer/ops/rows.h"

#include <math.h>

/* Row i of the similarities to the queue becomes `factor` times its softmax; *own the same of the key's, less 1.
 * Returns the row's loss. */
static double one_row(const struct queue_contrastive *setup, double key, double factor, real *row, double *own)
{
    double largest = key / setup->temperature, sum = 0;
    for (size_t j = 0; j < setup->queued; j++) largest = larger_or_nan(largest, (double)row[j] / setup->temperature);
    sum = exp(key / setup->temperature - largest);
    for (size_t j = 0; j < setup->queued; j++) sum += exp((double)row[j] / setup->temperature - largest);
    double lse = largest + log(sum);
    for (size_t j = 0; j < setup->queued; j++) row[j] = (real)(factor * exp((double)row[j] / setup->temperature - lse));
    *own = factor * (exp(key / setup->temperature - lse) - 1);
    return lse - key / setup->temperature;
}

double queue_contrastive_loss(const struct queue_contrastive *setup, const real *queries, const real *keys,
                              const real *queue, double scale, real *room, real *dqueries)
{
    size_t n = setup->n, d = setup->d;
    double total = 0, factor = scale / ((double)n * setup->temperature);
    product_run((struct product){.m = n, .n = setup->queued, .k = d, .transpose_b = true}, queries, queue, room);
    for (size_t i = 0; i < n; i++) {
        double own;
        total += one_row(setup, row_product(d, queries + i * d, keys + i * d), factor, room + i * setup->queued, &own);
        for (size_t k = 0; k < d; k++) dqueries[i * d + k] = (real)(own * (double)keys[i * d + k]);
    }
    product_run((struct product){.m = n, .n = d, .k = setup->queued, .accumulate = true}, room, queue, dqueries);
    return total / (double)n;
}
