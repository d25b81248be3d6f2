/* Attention-based contrastive loss (METHOD, phase 2): choose the candidates that matter, then NT-Xent with several
 * positives. One anchor at a time. */
#ifndef RMFER_OPS_CONTRASTIVE_H
#define RMFER_OPS_CONTRASTIVE_H

#include "rmfer/base/real.h"

#include <stdbool.h>
#include <stddef.h>

/* round(share * drawn), at least 1 and at most drawn. */
size_t contrastive_kept(double share, size_t drawn);

/* Writes to `chosen` the indices of the `kept` candidates most similar to the anchor (least similar when `least`), in
 * that order; of equals the lower index first. anchor [d], candidates [count,d] have length one. `scores` is [count] of
 * room, left holding the similarities. */
void contrastive_choose(size_t d, size_t count, const real *anchor, const real *candidates, bool least, size_t kept,
                        size_t *chosen, real *scores);

struct contrastive {
    size_t d, positives, negatives; /* kept ones */
    double temperature;
};

/* -log( sum_P e^{s/tau} / (sum_P e^{s/tau} + sum_N e^{s/tau}) ) with s the inner products with the anchor, for unit
 * rows [1 + positives + negatives, d] in that order; and dunit, its gradient times `scale` (overwritten). */
double contrastive_loss(const struct contrastive *setup, const real *unit, double scale, real *dunit);

#endif
