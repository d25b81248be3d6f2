/* InfoNCE against a queue of keys, momentum contrast's loss (He et al. 2020): a query is to be told from all that the
 * queue remembers, as the one of its own key. Keys carry no gradient. */
#ifndef RMFER_OPS_QUEUE_CONTRASTIVE_H
#define RMFER_OPS_QUEUE_CONTRASTIVE_H

#include "rmfer/base/real.h"

#include <stddef.h>

struct queue_contrastive {
    size_t n, d, queued;
    double temperature; /* tau */
};

/* The mean over rows i of -log( e^{q_i.k_i/tau} / (e^{q_i.k_i/tau} + sum_j e^{q_i.m_j/tau}) ), of unit rows: queries q
 * and keys k [n,d], the queue m [queued,d]. dqueries [n,d] = its gradient times `scale` (overwritten). `room`
 * [n,queued]. */
double queue_contrastive_loss(const struct queue_contrastive *setup, const real *queries, const real *keys,
                              const real *queue, double scale, real *room, real *dqueries);

#endif
