/* The inner loops, one table an instruction set: portable C (the reference of the others), AVX2, AVX-512
 * and NEON.
 *
 * Maps are NHWC, so a "row" here is one pixel: `channels` numbers next to each other; `ld` is the distance from one
 * pixel to the next, in reals. Per-channel arguments are arrays of `channels`. Kernels know no threads, no errors and
 * no memory of their own. Loops that sum ADD to their outputs. */
#ifndef RMFER_KERN_KERNELS_H
#define RMFER_KERN_KERNELS_H

#include "rmfer/base/error.h"
#include "rmfer/base/real.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* How the numbers of a map lie in memory. What is computed with is always reals. */
enum storage { STORAGE_REAL, STORAGE_BFLOAT16, STORAGE_FLOAT16 };

/* Bytes of one number. */
static inline size_t storage_bytes(enum storage storage)
{
    return storage == STORAGE_REAL ? sizeof(real) : sizeof(uint16_t);
}

/* Rows of a map: `rows` pixels of `channels` numbers. */
struct rows {
    size_t rows, channels;
};

/* A batch-norm layer's numbers as the inner loops want them, per channel. */
struct affine {
    const real *scale; /* gamma / sqrt(var + eps) */
    const real *shift; /* beta - mean * scale */
    const real *mean;
};

/* The backward pass of batch-norm as a function of dy and x (Ioffe and Szegedy 2015, section 3):
 * dx = scale * dy + slope * (x - mean) + offset, where with m pixels and x^ = (x - mean) * rstd
 * slope = -scale * rstd * sum(dy x^) / m and offset = -scale * sum(dy) / m. */
struct bn_backward {
    const real *scale, *slope, *offset, *mean;
};

/* One row of `pixels` input pixels going back through a depthwise convolution, in one pass: gradients of the map and of
 * the weights. With padded pixel p = i + pad_left of pixel i, a = silu(z), z = x scale + shift, da[i] = sum over ky, kx
 * with p - kx = stride o of dy[ky][o] w[ky][kx], dw[ky][kx] += sum over the same of dy[ky][o] a[i], dz = da silu'(z),
 * and per channel sums[0] += dz, sums[1] += dz (x - mean); with bn.scale NULL (no batch-norm before the convolution) a
 * = x, dz = da + residual, and there are no sums. */
struct depthwise_row {
    int kernel, stride; /* 3 or 5, 1 or 2 */
    size_t pixels, pad_left, channels;
    const real *const
        *dy; /* of each row of taps the output row that reads this one by it, or NULL; lddy between pixels,
              * kernel-1 pixels of zeros before it and behind what the last input pixel could reach */
    size_t lddy;
    const real *w; /* [kernel*kernel][ldw] */
    real *dw;      /* the same, added to */
    size_t ldw;
    const real *x;
    size_t ldx;
    struct affine bn;
    const real *residual; /* as dz, may be dz; or NULL */
    real *dz;
    size_t lddz;
    real *sums; /* [2][ld_sums], added to */
    size_t ld_sums;
};

struct kernels {
    const char *name;
    size_t panel; /* columns of a packed panel of B */

    /* C[m,n] = A[m,k] B[k,n], or += when `accumulate`. B is packed: panels of `panel` columns, each [k][panel],
     * the last one filled up with zeros. */
    void (*gemm)(size_t m, size_t n, size_t k, const real *a, size_t lda, const real *b_packed, real *c, size_t ldc,
                 bool accumulate);

    /* C[p,q] += A[m,p]^T B[m,q], nothing packed: the weight gradients. */
    void (*gemm_transposed)(size_t p, size_t q, size_t m, const real *a, size_t lda, const real *b, size_t ldb, real *c,
                            size_t ldc);

    /* y = x past the caches: for maps so large that they are gone before they are read again. */
    void (*stream)(struct rows size, real *y, size_t ldy, const real *x, size_t ldx);

    /* y = x, which is stored as `storage`, one of the 16-bit ones. */
    void (*widen)(struct rows size, real *y, size_t ldy, const uint16_t *x, size_t ldx, enum storage storage);

    /* y = x rounded to `storage`, to nearest with ties to even, and x = what y now stands for; y past the caches where
     * it `streams`. What float16 cannot hold becomes infinite. */
    void (*narrow)(struct rows size, uint16_t *y, size_t ldy, real *x, size_t ldx, enum storage storage, bool streams);

    /* y = x * scale + shift, + residual where it is not NULL. y may be x or residual. shift may be NULL. */
    void (*affine)(struct rows size, real *y, size_t ldy, const real *x, size_t ldx, const real *scale,
                   const real *shift, const real *residual, size_t ldr);

    /* y = silu(x * scale + shift), * gate where it is not NULL. y may be x. */
    void (*activate)(struct rows size, real *y, size_t ldy, const real *x, size_t ldx, const real *scale,
                     const real *shift, const real *gate);

    /* Per channel: sums[0] += silu(z), sums[1] += silu'(z), sums[2] += silu'(z) (x - mean). sums is [3][ld_sums]. */
    void (*squeeze)(struct rows size, const real *x, size_t ldx, struct affine bn, real *sums, size_t ld_sums);

    /* Per channel: total += sum of x. */
    void (*sum)(struct rows size, const real *x, size_t ldx, real *total);

    /* Per channel: the mean of the rows and the sum of squared deviations from it (written, not added). */
    void (*moments)(struct rows size, const real *x, size_t ldx, real *mean, real *deviation);

    /* Per channel: sums[0] += dy, sums[1] += dy (x - mean). sums is [2][ld_sums]. */
    void (*gradient_sums)(struct rows size, const real *dy, size_t lddy, const real *x, size_t ldx, const real *mean,
                          real *sums, size_t ld_sums);

    /* dx of batch-norm, see struct bn_backward. dx may be dy or x. */
    void (*bn_backward)(struct rows size, real *dx, size_t lddx, const real *dy, size_t lddy, const real *x, size_t ldx,
                        struct bn_backward bn);

    /* The gated map u = silu(z) * gate, z = x * scale + shift, on its way back, for rows of one image:
     * y = u, and per channel, with du given: sums[0] += du silu(z), sums[1] += du silu'(z),
     * sums[2] += du silu'(z) (x - mean). sums is [3][ld_sums]. y may be x. */
    void (*gate_backward)(struct rows size, real *y, size_t ldy, const real *du, size_t lddu, const real *x, size_t ldx,
                          struct affine bn, const real *gate, real *sums, size_t ld_sums);

    /* Back through gate, SiLU and batch-norm at once, for rows of one image: dz = (du gate + mean_gradient) silu'(z),
     * then dx of batch-norm with dy = dz. du NULL counts as zero. dx may be x. */
    void (*activated_bn_backward)(struct rows size, real *dx, size_t lddx, const real *du, size_t lddu, const real *x,
                                  size_t ldx, const real *shift, const real *gate, const real *mean_gradient,
                                  struct bn_backward bn);

    /* One output row of a depthwise convolution: y[x] = sum over ky, kx of row[ky][x * stride + kx] * w[ky][kx].
     * `row` are kernel-many padded input rows of pixels `ld` apart; w is [kernel*kernel][ldw]. kernel 3 or 5. */
    void (*depthwise)(int kernel, int stride, size_t width, size_t channels, real *y, size_t ldy,
                      const real *const *row, size_t ld, const real *w, size_t ldw);

    /* One input row of its backward pass, with everything that lies on the row's way: see struct depthwise_row. */
    void (*depthwise_backward)(const struct depthwise_row *row);

    /* Runs about `rounds` times a block of independent multiply-adds; returns the floating-point operations done. */
    double (*multiply_add_loop)(size_t rounds);
};

/* The table that RMFER_ISA names (portable, avx2, avx512 or neon); where it names none that runs here, the fastest
 * that does. Looked up at every call: what computes keeps its own. */
const struct kernels *kernels_best(void);

/* A usage error that lists the tables of this processor where RMFER_ISA is set to something else. */
status kernels_check(struct error *err) MUST_CHECK;

/* The table of that name when it is built in and this processor runs it, else NULL. */
const struct kernels *kernels_find(const char *name);

extern const struct kernels kernels_portable;

/* Packs B[k,n] for gemm: B[i][j] = source[i * row_stride + j * column_stride]. `packed` has room for
 * packed_size(kernels, k, n) reals. Threaded. */
void kernels_pack(const struct kernels *kernels, size_t k, size_t n, const real *source, size_t row_stride,
                  size_t column_stride, real *packed);
size_t kernels_packed_size(const struct kernels *kernels, size_t k, size_t n);

#endif
