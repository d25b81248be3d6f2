/* Squeeze-and-excitation (Hu et al. 2018): gate = sigmoid(W2 silu(W1 s + b1) + b2), s = the mean over pixels of
 * a = silu(bn(x)). Also the network's last pooling, which is the same mean. */
#ifndef RMFER_OPS_SQUEEZE_EXCITE_H
#define RMFER_OPS_SQUEEZE_EXCITE_H

#include "rmfer/ops/batchnorm.h"
#include "rmfer/ops/linear.h"

/* Of a kept map x, per image: sums [N][3][C] over pixels of silu(z), silu'(z) and silu'(z) (x - mean), z = bn(x); and
 * their first row divided by the number of pixels, mean [N][C]. The other two rows are what a backward pass needs.
 * Scratch: op_kept_room. */
void squeeze_forward(const struct op_context *context, size_t images, size_t pixels, const void *x,
                     const struct batchnorm *bn, real *sums, real *mean);

/* The gradient sums for batchnorm_backward of a bn behind which stands only silu and the mean: [2][C], from
 * pixel_gradient [N][C] (gradient of a at every pixel) and squeeze_forward's sums. */
void squeeze_backward(size_t images, size_t channels, const real *pixel_gradient, const real *sums, real *bn_sums);

struct squeeze_excite {
    size_t channels, squeezed;
    struct linear reduce, expand; /* fc1: channels -> squeezed, fc2: squeezed -> channels */
};

/* What a forward pass leaves behind: [N][squeezed] before and after SiLU, and the gate [N][channels]. */
struct squeeze_excite_saved {
    real *reduced, *activated, *gate;
};

void squeeze_excite_forward(const struct op_context *context, const struct squeeze_excite *se, size_t images,
                            const real *mean, struct squeeze_excite_saved saved);

/* dgate [N][C] in (overwritten), dmean [N][C] out; parameter gradients added. `room` has images * squeezed reals. */
void squeeze_excite_backward(const struct squeeze_excite *se, size_t images, const real *mean,
                             struct squeeze_excite_saved saved, real *dgate, real *dmean, real *room);

#endif
