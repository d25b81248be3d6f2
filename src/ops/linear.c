/* The linear layer and its gradients as products of OpenBLAS; biases by hand. */
#include "rmfer/ops/linear.h"

#include <cblas.h>

void product_run(const struct op_context *context, struct product p, const real *a, const real *b, real *c)
{
    if (p.m == 0 || p.n == 0) return;
    double work = (double)p.m * (double)p.n * (double)p.k;
    openblas_set_num_threads(work < context->limits.threaded_work ? 1 : context->threads);
    enum CBLAS_TRANSPOSE ta = p.transpose_a ? CblasTrans : CblasNoTrans, tb = p.transpose_b ? CblasTrans : CblasNoTrans;
    int m = (int)p.m, n = (int)p.n, k = (int)p.k;
    int lda = p.transpose_a ? m : k, ldb = p.transpose_b ? k : n;
#ifdef RMFER_DOUBLE
    cblas_dgemm(CblasRowMajor, ta, tb, m, n, k, 1, a, lda, b, ldb, p.accumulate ? 1 : 0, c, n);
#else
    cblas_sgemm(CblasRowMajor, ta, tb, m, n, k, 1, a, lda, b, ldb, p.accumulate ? 1 : 0, c, n);
#endif
}

void linear_forward(const struct op_context *context, const struct linear *layer, size_t n, const real *x, real *y)
{
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < layer->output; j++) y[i * layer->output + j] = layer->bias[j];
    product_run(context,
                (struct product){.m = n, .n = layer->output, .k = layer->input, .transpose_b = true, .accumulate = true},
                x, layer->weight, y);
}

/* y = x W^T + b, so dx = dy W, dW = dy^T x, db = sum of dy over the batch. */
void linear_backward(const struct op_context *context, const struct linear *layer, size_t n, const real *x,
                     const real *dy, real *dx)
{
    if (dx != NULL)
        product_run(context, (struct product){.m = n, .n = layer->input, .k = layer->output}, dy, layer->weight, dx);
    product_run(context,
                (struct product){.m = layer->output, .n = layer->input, .k = n, .transpose_a = true, .accumulate = true},
                dy, x, layer->dweight);
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < layer->output; j++) layer->dbias[j] += dy[i * layer->output + j];
}
