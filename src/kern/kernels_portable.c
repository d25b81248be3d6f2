/* The reference: plain C without instruction-set flags. It defines the result of every kernel. */
#include "rmfer/kern/kernels.h"

#include "rmfer/base/half.h"

#include <math.h>
#include <string.h>

enum { PANEL = 16 };

static void gemm_portable(size_t m, size_t n, size_t k, const real *a, size_t lda, const real *b, real *c, size_t ldc,
                          bool accumulate)
{
    for (size_t j0 = 0; j0 < n; j0 += PANEL, b += k * PANEL) {
        size_t width = n - j0 < PANEL ? n - j0 : PANEL;
        for (size_t i = 0; i < m; i++) {
            real total[PANEL] = {0};
            for (size_t l = 0; l < k; l++)
                for (size_t j = 0; j < PANEL; j++) total[j] += a[i * lda + l] * b[l * PANEL + j];
            real *out = c + i * ldc + j0;
            for (size_t j = 0; j < width; j++) out[j] = accumulate ? out[j] + total[j] : total[j];
        }
    }
}

static void gemm_transposed_portable(size_t p, size_t q, size_t m, const real *a, size_t lda, const real *b, size_t ldb,
                                     real *c, size_t ldc)
{
    for (size_t l = 0; l < m; l++)
        for (size_t i = 0; i < p; i++) {
            real factor = a[l * lda + i];
            for (size_t j = 0; j < q; j++) c[i * ldc + j] += factor * b[l * ldb + j];
        }
}

static void stream_portable(struct rows size, real *y, size_t ldy, const real *x, size_t ldx)
{
    for (size_t r = 0; r < size.rows; r++) memcpy(y + r * ldy, x + r * ldx, size.channels * sizeof *y);
}

static void widen_portable(struct rows size, real *y, size_t ldy, const uint16_t *x, size_t ldx, enum storage storage)
{
    for (size_t r = 0; r < size.rows; r++)
        for (size_t c = 0; c < size.channels; c++) {
            uint16_t kept = x[r * ldx + c];
            y[r * ldy + c] = (real)(storage == STORAGE_FLOAT16 ? half_to_float(kept) : bfloat16_to_float(kept));
        }
}

static void narrow_portable(struct rows size, uint16_t *y, size_t ldy, real *x, size_t ldx, enum storage storage,
                            bool streams)
{
    (void)streams;
    for (size_t r = 0; r < size.rows; r++) {
        for (size_t c = 0; c < size.channels; c++) {
            float value = (float)x[r * ldx + c];
            y[r * ldy + c] = storage == STORAGE_FLOAT16 ? half_from_float(value) : bfloat16_from_float(value);
        }
        widen_portable((struct rows){1, size.channels}, x + r * ldx, ldx, y + r * ldy, ldy, storage);
    }
}

static real sigmoid(real z)
{
    return 1 / (1 + (real)exp((double)-z));
}

/* d/dz (z s) = s + z s (1 - s), s = sigmoid(z) */
static real silu_slope(real z, real s)
{
    return s * (1 + z * (1 - s));
}

static void affine_portable(struct rows size, real *y, size_t ldy, const real *x, size_t ldx, const real *scale,
                            const real *shift, const real *residual, size_t ldr)
{
    for (size_t r = 0; r < size.rows; r++)
        for (size_t c = 0; c < size.channels; c++) {
            real value = x[r * ldx + c] * scale[c];
            if (shift != NULL) value += shift[c];
            if (residual != NULL) value += residual[r * ldr + c];
            y[r * ldy + c] = value;
        }
}

static void activate_portable(struct rows size, real *y, size_t ldy, const real *x, size_t ldx, const real *scale,
                              const real *shift, const real *gate)
{
    for (size_t r = 0; r < size.rows; r++)
        for (size_t c = 0; c < size.channels; c++) {
            real z = x[r * ldx + c] * scale[c] + shift[c];
            real value = z * sigmoid(z);
            y[r * ldy + c] = gate == NULL ? value : value * gate[c];
        }
}

static void squeeze_portable(struct rows size, const real *x, size_t ldx, struct affine bn, real *sums, size_t ld_sums)
{
    for (size_t r = 0; r < size.rows; r++)
        for (size_t c = 0; c < size.channels; c++) {
            real value = x[r * ldx + c];
            real z = value * bn.scale[c] + bn.shift[c];
            real s = sigmoid(z);
            real slope = silu_slope(z, s);
            sums[c] += z * s;
            sums[ld_sums + c] += slope;
            sums[2 * ld_sums + c] += slope * (value - bn.mean[c]);
        }
}

static void sum_portable(struct rows size, const real *x, size_t ldx, real *total)
{
    for (size_t r = 0; r < size.rows; r++)
        for (size_t c = 0; c < size.channels; c++) total[c] += x[r * ldx + c];
}

static void moments_portable(struct rows size, const real *x, size_t ldx, real *mean, real *deviation)
{
    for (size_t c = 0; c < size.channels; c++) {
        real total = 0, squares = 0;
        for (size_t r = 0; r < size.rows; r++) total += x[r * ldx + c];
        mean[c] = total / (real)size.rows;
        for (size_t r = 0; r < size.rows; r++) {
            real d = x[r * ldx + c] - mean[c];
            squares += d * d;
        }
        deviation[c] = squares;
    }
}

static void gradient_sums_portable(struct rows size, const real *dy, size_t lddy, const real *x, size_t ldx,
                                   const real *mean, real *sums, size_t ld_sums)
{
    for (size_t r = 0; r < size.rows; r++)
        for (size_t c = 0; c < size.channels; c++) {
            sums[c] += dy[r * lddy + c];
            sums[ld_sums + c] += dy[r * lddy + c] * (x[r * ldx + c] - mean[c]);
        }
}

static void bn_backward_portable(struct rows size, real *dx, size_t lddx, const real *dy, size_t lddy, const real *x,
                                 size_t ldx, struct bn_backward bn)
{
    for (size_t r = 0; r < size.rows; r++)
        for (size_t c = 0; c < size.channels; c++)
            dx[r * lddx + c] = bn.scale[c] * dy[r * lddy + c] + bn.slope[c] * (x[r * ldx + c] - bn.mean[c]) +
                               bn.offset[c];
}

static void gate_backward_portable(struct rows size, real *y, size_t ldy, const real *du, size_t lddu, const real *x,
                                   size_t ldx, struct affine bn, const real *gate, real *sums, size_t ld_sums)
{
    for (size_t r = 0; r < size.rows; r++)
        for (size_t c = 0; c < size.channels; c++) {
            real value = x[r * ldx + c], gradient = du[r * lddu + c];
            real z = value * bn.scale[c] + bn.shift[c];
            real s = sigmoid(z);
            real through = gradient * silu_slope(z, s);
            y[r * ldy + c] = z * s * gate[c];
            sums[c] += gradient * z * s;
            sums[ld_sums + c] += through;
            sums[2 * ld_sums + c] += through * (value - bn.mean[c]);
        }
}

static void activated_bn_backward_portable(struct rows size, real *dx, size_t lddx, const real *du, size_t lddu,
                                           const real *x, size_t ldx, const real *shift, const real *gate,
                                           const real *mean_gradient, struct bn_backward bn)
{
    for (size_t r = 0; r < size.rows; r++)
        for (size_t c = 0; c < size.channels; c++) {
            real value = x[r * ldx + c];
            real z = value * bn.scale[c] + shift[c];
            real upper = mean_gradient[c] + (du == NULL ? 0 : du[r * lddu + c] * gate[c]);
            real dz = upper * silu_slope(z, sigmoid(z));
            dx[r * lddx + c] = bn.scale[c] * dz + bn.slope[c] * (value - bn.mean[c]) + bn.offset[c];
        }
}

static void depthwise_portable(int kernel, int stride, size_t width, size_t channels, real *y, size_t ldy,
                               const real *const *row, size_t ld, const real *w, size_t ldw)
{
    size_t k = (size_t)kernel, s = (size_t)stride;
    for (size_t x = 0; x < width; x++) {
        for (size_t c = 0; c < channels; c++) y[x * ldy + c] = 0;
        for (size_t ky = 0; ky < k; ky++)
            for (size_t kx = 0; kx < k; kx++)
                for (size_t c = 0; c < channels; c++)
                    y[x * ldy + c] += row[ky][(x * s + kx) * ld + c] * w[(ky * k + kx) * ldw + c];
    }
}

/* Gradient of one number of the activated row, at pixel i and channel c, whose value is `a`; the taps' changes beside
 * it. */
static real back_through_taps(const struct depthwise_row *row, size_t i, size_t c, real a)
{
    size_t k = (size_t)row->kernel, s = (size_t)row->stride, padded = i + row->pad_left;
    real da = 0;
    for (size_t ky = 0; ky < k; ky++)
        for (size_t kx = 0; row->dy[ky] != NULL && kx < k && kx <= padded; kx++) {
            if ((padded - kx) % s != 0) continue;
            real gradient = row->dy[ky][(padded - kx) / s * row->lddy + c];
            da += gradient * row->w[(ky * k + kx) * row->ldw + c];
            row->dw[(ky * k + kx) * row->ldw + c] += gradient * a;
        }
    return da;
}

static void depthwise_backward_portable(const struct depthwise_row *row)
{
    for (size_t i = 0; i < row->pixels; i++)
        for (size_t c = 0; c < row->channels; c++) {
            real value = row->x[i * row->ldx + c], *dz = &row->dz[i * row->lddz + c];
            if (row->bn.scale == NULL) {
                *dz = back_through_taps(row, i, c, value) +
                      (row->residual == NULL ? 0 : row->residual[i * row->lddz + c]);
                continue;
            }
            real z = value * row->bn.scale[c] + row->bn.shift[c], s = sigmoid(z);
            *dz = back_through_taps(row, i, c, z * s) * silu_slope(z, s);
            row->sums[c] += *dz;
            row->sums[row->ld_sums + c] += *dz * (value - row->bn.mean[c]);
        }
}

static double multiply_add_loop_portable(size_t rounds)
{
    enum { LANES = 32 };
    volatile real seed = (real)1e-9;
    real total[LANES], factor = seed, term = seed;
    for (int i = 0; i < LANES; i++) total[i] = (real)i;
    for (size_t r = 0; r < rounds; r++)
        for (int i = 0; i < LANES; i++) total[i] = total[i] * factor + term;
    for (int i = 0; i < LANES; i++) seed = total[i];
    return 2.0 * LANES * (double)rounds;
}

const struct kernels kernels_portable = {
    .name = "portable",
    .panel = PANEL,
    .gemm = gemm_portable,
    .gemm_transposed = gemm_transposed_portable,
    .stream = stream_portable,
    .widen = widen_portable,
    .narrow = narrow_portable,
    .affine = affine_portable,
    .activate = activate_portable,
    .squeeze = squeeze_portable,
    .sum = sum_portable,
    .moments = moments_portable,
    .gradient_sums = gradient_sums_portable,
    .bn_backward = bn_backward_portable,
    .gate_backward = gate_backward_portable,
    .activated_bn_backward = activated_bn_backward_portable,
    .depthwise = depthwise_portable,
    .depthwise_backward = depthwise_backward_portable,
    .multiply_add_loop = multiply_add_loop_portable,
};
