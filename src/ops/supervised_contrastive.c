/* With l_ij = s_ij / tau and softmax_ij over j != i, the loss of row i is lse_i - 1/|P| sum_P l_ip, so
 *
 *   dL/ds_ij = (softmax_ij - [j in P(i)] / |P(i)|) / (n tau) = g_ij,    du_i = sum_j (g_ij + g_ji) u_j
 */
#include "rmfer/ops/supervised_contrastive.h"

#include <math.h>
#include <string.h>

static double inner_product(size_t d, const real *a, const real *b)
{
    double total = 0;
    for (size_t i = 0; i < d; i++) total += (double)a[i] * (double)b[i];
    return total;
}

/* Row i of l becomes row i of (softmax - positives' shares), 0 on the diagonal. Returns the row's loss. */
static double one_row(size_t n, size_t i, const int32_t *groups, real *l)
{
    double largest = -INFINITY, sum = 0, loss = 0;
    size_t positives = 0;
    for (size_t j = 0; j < n; j++) {
        if (j == i) continue;
        if ((double)l[j] > largest || isnan(l[j])) largest = (double)l[j];
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
        l[j] = (real)(exp((double)l[j] - lse) - share);
    }
    return loss;
}

double supervised_contrastive_loss(const struct supervised_contrastive *setup, const real *unit, const int32_t *groups,
                                   double scale, real *room, real *dunit)
{
    size_t n = setup->n, d = setup->d;
    double total = 0;
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < n; j++)
            room[i * n + j] = (real)(inner_product(d, unit + i * d, unit + j * d) / setup->temperature);
    for (size_t i = 0; i < n; i++) total += one_row(n, i, groups, room + i * n);
    memset(dunit, 0, n * d * sizeof *dunit);
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < n; j++) {
            double slope = ((double)room[i * n + j] + (double)room[j * n + i]) / ((double)n * setup->temperature);
            real factor = (real)(scale * slope);
            for (size_t k = 0; k < d; k++) dunit[i * d + k] += factor * unit[j * d + k];
        }
    return total / (double)n;
}
