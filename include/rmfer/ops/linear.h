/* Dense products: the linear layer y = x W^T + b, and the plain product for the heads. By OpenBLAS; a linear layer
 * whose weights are packed goes forward by the kernels' own product. */
#ifndef RMFER_OPS_LINEAR_H
#define RMFER_OPS_LINEAR_H

#include "rmfer/base/error.h"
#include "rmfer/ops/context.h"

/* C[m,n] = A B, or += when `accumulate`; A is [m,k] (or [k,m] read transposed), B is [k,n] (or [n,k] read transposed).
 */
struct product {
    size_t m, n, k;
    bool transpose_a, transpose_b;
    bool accumulate;
};

void product_run(struct product product, const real *a, const real *b, real *c);

/* Reserves what OpenBLAS needs, once before the first product; an error where memory is short. */
status product_reserve(struct error *err) MUST_CHECK;

struct linear {
    size_t input, output;
    const real *weight, *bias; /* [output,input], [output]; bias NULL: none */
    real *dweight, *dbias;     /* added to */
    const real *packed;        /* of linear_pack; NULL: none */
};

/* W^T for the kernels' product, for layers that go forward more often than they change: `packed` has room for
 * linear_packed_reals. */
size_t linear_packed_reals(const struct op_context *context, const struct linear *layer);
void linear_pack(const struct op_context *context, struct linear *layer, real *packed);

/* y [n,output] from x [n,input]. With packed weights the bits of a row do not depend on the rows beside it, as those of
 * BLAS's products do. */
void linear_forward(const struct op_context *context, const struct linear *layer, size_t n, const real *x, real *y);

/* dx [n,input] (overwritten; NULL where it is not needed), dweight += dy^T x, dbias += column sums of dy. */
void linear_backward(const struct linear *layer, size_t n, const real *x, const real *dy, real *dx);

#endif
