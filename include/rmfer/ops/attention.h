/* Inter-sample attention (METHOD, phase 1 steps 2 to 4): every sample of a batch looks at the others.
 * S = U U^T of unit rows U, A = softmax over rows of S / tau with the diagonal masked, V = A F. */
#ifndef RMFER_OPS_ATTENTION_H
#define RMFER_OPS_ATTENTION_H

#include "rmfer/ops/linear.h"

enum attention_mask {
    ATTENTION_EXCLUDE, /* a_ii = 0 exactly */
    ATTENTION_LITERAL, /* s_ii = 1e-6 */
    ATTENTION_PLAIN,   /* s_ii = 1 */
};

struct attention {
    size_t n, d;
    double temperature;
    enum attention_mask mask;
};

/* weights [n,n] = A, mixed [n,d] = A F, from unit [n,d] (rows of H(F), length one) and features [n,d]. */
void attention_forward(const struct attention *setup, const real *unit, const real *features, real *weights,
                       real *mixed);

/* From dmixed: dunit (overwritten) and dfeatures (added to: F is also an input in its own right). `room` is [n,n]. */
void attention_backward(const struct attention *setup, const real *unit, const real *features, const real *weights,
                        const real *dmixed, real *dunit, real *dfeatures, real *room);

#endif
