/* The linear layer and its gradients as products of OpenBLAS, or forward of the kernels; biases by hand. */
#include "rmfer/ops/linear.h"

#include "rmfer/base/memory.h"
#include "rmfer/base/threads.h"

#include <cblas.h>

void product_run(struct product p, const real *a, const real *b, real *c)
{
    if (p.m == 0 || p.n == 0) return;
    /* One thread: the products of the heads are a thousandth of a step, and BLAS's own threads wait for ever where
     * memory is short. */
    openblas_set_num_threads(1);
    enum CBLAS_TRANSPOSE ta = p.transpose_a ? CblasTrans : CblasNoTrans, tb = p.transpose_b ? CblasTrans : CblasNoTrans;
    int m = (int)p.m, n = (int)p.n, k = (int)p.k;
    int lda = p.transpose_a ? m : k, ldb = p.transpose_b ? k : n;
#ifdef RMFER_DOUBLE
    cblas_dgemm(CblasRowMajor, ta, tb, m, n, k, 1, a, lda, b, ldb, p.accumulate ? 1 : 0, c, n);
#else
    cblas_sgemm(CblasRowMajor, ta, tb, m, n, k, 1, a, lda, b, ldb, p.accumulate ? 1 : 0, c, n);
#endif
}

/* OpenBLAS takes 128 MiB of addresses at its first product and keeps them. Where there are none it asks again for
 * ever, so we ask first. With AVX-512 its products below 100 x 100 x 100 do without: the first must be larger. */
status product_reserve(struct error *err)
{
    enum { SIDE = 128 };
    static const size_t BLAS_BUFFER = (size_t)129 << 20;
    struct arena probe;
    status result = arena_reserve(&probe, BLAS_BUFFER, "the products of the heads", err);
    if (result != STATUS_OK) return result;
    arena_free(&probe);
    real zeros[SIDE * SIDE] = {0}, product[SIDE * SIDE];
    product_run((struct product){.m = SIDE, .n = SIDE, .k = SIDE}, zeros, zeros, product);
    return STATUS_OK;
}

size_t linear_packed_reals(const struct op_context *context, const struct linear *layer)
{
    return kernels_packed_size(context->kernels, layer->input, layer->output);
}

void linear_pack(const struct op_context *context, struct linear *layer, real *packed)
{
    kernels_pack(context->kernels, layer->input, layer->output, layer->weight, 1, layer->input, packed);
    layer->packed = packed;
}

/* y += x W^T, the panels of W shared out among the threads. */
static void multiply_packed(const struct op_context *context, const struct linear *layer, size_t n, const real *x,
                            real *y)
{
    static const size_t ALONE = 65536; /* multiply-adds that are done before a team has woken up */
    const struct kernels *kernels = context->kernels;
    size_t output = layer->output, panels = (output + kernels->panel - 1) / kernels->panel;
#pragma omp parallel for schedule(static, 1) num_threads(context->threads) if (n * layer->input * output > ALONE)
    for (int worker = 0; worker < context->threads; worker++) {
        struct range mine = threads_share(panels, worker, context->threads);
        size_t first = mine.begin * kernels->panel, end = mine.end * kernels->panel;
        if (end > output) end = output;
        if (first < end)
            kernels->gemm(n, end - first, layer->input, x, layer->input, layer->packed + first * layer->input,
                          y + first, output, true);
    }
}

void linear_forward(const struct op_context *context, const struct linear *layer, size_t n, const real *x, real *y)
{
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < layer->output; j++) y[i * layer->output + j] = layer->bias == NULL ? 0 : layer->bias[j];
    if (layer->packed != NULL) {
        multiply_packed(context, layer, n, x, y);
        return;
    }
    product_run((struct product){.m = n,
                                 .n = layer->output,
                                 .k = layer->input,
                                 .transpose_b = true,
                                 .accumulate = true},
                x, layer->weight, y);
}

/* y = x W^T + b, so dx = dy W, dW = dy^T x, db = sum of dy over the batch. */
void linear_backward(const struct linear *layer, size_t n, const real *x, const real *dy, real *dx)
{
    if (dx != NULL) product_run((struct product){.m = n, .n = layer->input, .k = layer->output}, dy, layer->weight, dx);
    product_run((struct product){.m = layer->output,
                                 .n = layer->input,
                                 .k = n,
                                 .transpose_a = true,
                                 .accumulate = true},
                dy, x, layer->dweight);
    for (size_t i = 0; i < n && layer->bias != NULL; i++)
        for (size_t j = 0; j < layer->output; j++) layer->dbias[j] += dy[i * layer->output + j];
}
