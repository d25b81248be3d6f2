/* The supervised contrastive loss (Khosla et al. 2020, their L_out) among all rows: who shares a group is pulled
 * together, everybody else is pushed apart. Each group its own picture's views: NT-Xent (SimCLR). */
#ifndef RMFER_OPS_SUPERVISED_CONTRASTIVE_H
#define RMFER_OPS_SUPERVISED_CONTRASTIVE_H

#include "rmfer/base/real.h"

#include <stddef.h>
#include <stdint.h>

struct supervised_contrastive {
    size_t n, d;
    double temperature; /* tau */
};

/* The mean over rows i of -1/|P(i)| sum over p in P(i) of log( e^{s_ip/tau} / sum over a != i of e^{s_ia/tau} ), with s
 * the inner products of unit rows [n,d] and P(i) the other rows of i's group; a row that is alone in its group adds
 * nothing. dunit [n,d] = its gradient times `scale` (overwritten). `room` [n,n]. */
double supervised_contrastive_loss(const struct supervised_contrastive *setup, const real *unit, const int32_t *groups,
                                   double scale, real *room, real *dunit);

#endif
