/* Heads of self-supervised methods: linear layers with ReLU between them, and batch-norm before it where asked for, in
 * the registry under the names of PyTorch's nn.Sequential. Batch-norm uses the batch's own statistics always
 * (batchnorm_rows.h); a layer before batch-norm has no bias, which the mean would take away again. */
#ifndef RMFER_METHOD_MLP_H
#define RMFER_METHOD_MLP_H

#include "rmfer/base/plan.h"
#include "rmfer/nn/model.h"
#include "rmfer/ops/batchnorm_rows.h"
#include "rmfer/ops/linear.h"

enum { MLP_LAYERS = 3 };

struct mlp_shape {
    const char *name;
    size_t layers, widths[MLP_LAYERS + 1]; /* widths[0] is the input's */
    bool normalises_hidden, normalises_output;
};

struct mlp {
    struct mlp_shape shape;
    const struct op_context *context;
    struct linear linear[MLP_LAYERS];
    struct batchnorm_rows norm[MLP_LAYERS];
    real *raw[MLP_LAYERS], *out[MLP_LAYERS]; /* [rows,width]: behind the linear layer; what the next one reads */
    real *slopes[2];                         /* [rows, the widest] */
};

/* Writes the head's parameters. Returns how many. */
size_t mlp_entries(const struct mlp_shape *shape, struct parameter *entries);

/* Points at the parameters of `model`, which has the entries (of a view of other numbers: forward only). */
void mlp_bind(struct mlp *mlp, const struct mlp_shape *shape, const struct op_context *context,
              const struct model *model);
/* Room for `rows`, after binding. */
void mlp_place(struct mlp *mlp, size_t rows, struct plan *plan);

/* The output [rows, last width] of x [rows, first width], valid until the next call. */
real *mlp_forward(struct mlp *mlp, size_t rows, const real *x);
/* Of the forward pass before it: adds the parameters' gradients; dx (overwritten). */
void mlp_backward(struct mlp *mlp, size_t rows, const real *x, const real *dy, real *dx);

#endif
