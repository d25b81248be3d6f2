/* Mutual contrastive loss over moments: everybody who reacts to a moment is an anchor, and everybody else who reacts to
 * it a positive; faces of other moments are negatives. What the rows are features of is the caller's. */
#ifndef RMFER_OPS_MUTUAL_CONTRASTIVE_H
#define RMFER_OPS_MUTUAL_CONTRASTIVE_H

#include "rmfer/base/real.h"

#include <stddef.h>

struct mutual_contrastive {
    size_t n, d, classes;
    size_t persons;     /* rows that belong together: 0 .. persons-1 are the first moment; at least 2, divides n */
    double temperature; /* tau */
    double hardness;    /* beta: 0 = all negatives count alike */
    double chance;      /* tau+, below 1: how probable it is that a negative shows the anchor's expression; 0 = no
                           correction */
};

/* What the loss saw: mean similarities, 0 where there is no pair. */
struct mutual_similarities {
    double same, other; /* within moments; between an anchor and its negatives */
};

/* [n,n] each. */
struct mutual_room {
    real *similarity, *slopes;
};

/*   L = -(tau/n) sum_i sum_{p in P(i)} w_ip log( e^{s_ip/tau} / (e^{s_ip/tau} + G_i) )
 *   w_ip = max(.05, sum_c q_i(c) q_p(c)) / sum over P(i) of the same: attention as a soft weight, without gradient
 *   G_i = max( N e^{-1/tau}, (sum_n omega_n e^{s_in/tau} - tau+ N mean_p e^{s_ip/tau}) / (1 - tau+) )
 *   omega_n = e^{beta s_in/tau} over its mean: hard negatives (Robinson et al. 2021); the rest of G takes off what
 *   positives among the negatives are expected to add (Chuang et al. 2020)
 *
 * with s the inner products of unit rows [n,d]: L_out of supervised contrastive learning (Khosla et al. 2020), other
 * positives left out of the denominator. q = guesses [n,classes], rows that sum to 1. apart [n,n] (NULL: everybody): 0
 * where faces of two moments are too near in time to be negatives. An anchor without a negative is left out of the sum
 * and of n. dunit = the gradient times `scale` (overwritten). */
double mutual_contrastive_loss(const struct mutual_contrastive *setup, const real *unit, const real *guesses,
                               const unsigned char *apart, double scale, real *dunit, struct mutual_room room,
                               struct mutual_similarities *similarities);

#endif
