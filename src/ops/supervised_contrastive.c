/* With l_ij = s_ij / tau and softmax_ij over j != i, the loss of row i is lse_i - 1/|P| sum_P l_ip, so
 *
 *   dL/ds_ij = (softmax_ij - [j in P(i)] / |P(i)|) / (n tau) = g_ij,    du_i = sum_j (g_ij + g_ji) u_j
 */
#include "rmfer/ops/supervised_contrastive.h"

#include "rmfer/ops/linear.h"
#include "rmfer/ops/rows.h"

#include <math.h>

/* Row i of l becomes `factor` times row i of (softmax - positives' shares), 0 on the diagonal. Returns the row's
 * loss. */
static double one_row(size_t n, size_t i, const int32_t *groups, double factor, real *l)
{
    double largest = -INFINITY, sum = 0, loss = 0;
    size_t positives = 0;
    for (size_t j = 0; j < n; j++) {
        if (j == i) continue;
        largest = larger_or_nan(largest, (double)l[j]);
        positives += groups[j] == groups[i];
    }
    for (size_t j = 0; j < n; j++)
        if (j != i) sum += exp((double)l[j] - largest);
    double lse = largest + log(sum);
    for (size_t j = 0; j < n; j++) {
        double share = positives > 0 && groups[j] == groups[i] ? 1 / (double)positives : 0;
        if (j == i || positives == 0) {
            l[j] = 0;
            continue;
        }
        loss += share * (lse - (double)l[j]);
        l[j] = (real)(factor * (exp((double)l[j] - lse) - share));
    }
    return loss;
}

double supervised_contrastive_loss(const struct supervised_contrastive *setup, const real *unit, const int32_t *groups,
                                   double scale, real *room, real *dunit)
{
    size_t n = setup->n, d = setup->d;
    double total = 0, factor = scale / ((double)n * setup->temperature);
    product_run((struct product){.m = n, .n = n, .k = d, .transpose_b = true}, unit, unit, room);
    for (size_t i = 0; i < n * n; i++) room[i] = (real)((double)room[i] / setup->temperature);
    for (size_t i = 0; i < n; i++) total += one_row(n, i, groups, factor, room + i * n);
    product_run((struct product){.m = n, .n = d, .k = n}, room, unit, dunit);
    product_run((struct product){.m = n, .n = d, .k = n, .transpose_a = true, .accumulate = true}, room, unit, dunit);
    return total / (double)n;
}
