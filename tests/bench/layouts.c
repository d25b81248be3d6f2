/* Which memory layout? Times the 1x1 and depthwise convolutions of EfficientNet-B2 at 260x260, batch 16, forward, one
 * thread, in the layouts that were candidates:
 *   NHWC own      this program's kernels (src/kern)
 *   NHWC BLAS     one matrix product over all pixels
 *   CNHW BLAS     channels outermost, the batch joined
 *   NCHW BLAS     image by image
 *   blocked own   NC(16)HW16: the same tile loop, channels in blocks of 16 (AVX-512 only)
 * and the depthwise convolution with vectors along channels (NHWC), along a row of one plane (CNHW, NCHW), and blocked.
 * Prints GFLOP/s, the best of several runs. `make layouts` builds and runs it. */
#include "rmfer/base/memory.h"
#include "rmfer/kern/kernels.h"

#include <cblas.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#if defined(__AVX512F__)
#include <immintrin.h>
#endif

struct shape {
    int side, input, output; /* pixels a side; channels */
    int kernel;              /* of the depthwise convolution over `output` channels, 0 without one */
};

/* Expand (input -> output) of each stage with its depthwise, then the projections. */
static const struct shape shapes[] = {
    {130, 16, 96, 3},  {65, 24, 144, 3},  {33, 48, 288, 5},  {17, 88, 528, 3}, {17, 120, 720, 5},
    {9, 208, 1248, 5}, {9, 352, 2112, 3}, {65, 144, 24, 0},  {33, 288, 48, 0}, {17, 528, 88, 0},
    {17, 720, 120, 0}, {9, 1248, 208, 0}, {9, 2112, 352, 0},
};

enum { BATCH = 16, RUNS = 5 };

struct work {
    const struct kernels *kernels;
    struct shape shape;
    size_t pixels; /* of the batch */
    float *x, *w, *packed, *y;
};

static double seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static void nhwc_own(const struct work *work)
{
    size_t k = (size_t)work->shape.input, n = (size_t)work->shape.output;
    for (size_t at = 0; at < work->pixels; at += 168) {
        size_t rows = work->pixels - at < 168 ? work->pixels - at : 168;
        work->kernels->gemm(rows, n, k, work->x + at * k, k, work->packed, work->y + at * n, n, false);
    }
}

static void nhwc_blas(const struct work *work)
{
    int k = work->shape.input, n = work->shape.output;
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, (int)work->pixels, n, k, 1, work->x, k, work->w, k, 0, work->y,
                n);
}

static void cnhw_blas(const struct work *work)
{
    int k = work->shape.input, n = work->shape.output, pixels = (int)work->pixels;
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, n, pixels, k, 1, work->w, k, work->x, pixels, 0, work->y,
                pixels);
}

static void nchw_blas(const struct work *work)
{
    int k = work->shape.input, n = work->shape.output, plane = work->shape.side * work->shape.side;
    for (int i = 0; i < BATCH; i++)
        cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, n, plane, k, 1, work->w, k,
                    work->x + (size_t)i * (size_t)k * (size_t)plane, plane, 0,
                    work->y + (size_t)i * (size_t)n * (size_t)plane, plane);
}

#if defined(__AVX512F__)
/* 14 pixels x 32 outputs; input channels in blocks of 16, `plane` pixels apart. Assumes whole tiles: it only times. */
static void blocked_own(const struct work *work)
{
    size_t k = (size_t)work->shape.input, n = (size_t)work->shape.output, plane = work->pixels;
    for (size_t at = 0; at + 14 <= plane; at += 14)
        for (size_t first = 0; first < n; first += 32) {
            const float *b = work->packed + first * k;
            __m512 sum[14][2];
            for (int i = 0; i < 14; i++) sum[i][0] = sum[i][1] = _mm512_setzero_ps();
            for (size_t block = 0; block < k; block += 16) {
                const float *a = work->x + block * plane + at * 16;
                size_t depth = k - block < 16 ? k - block : 16;
                for (size_t l = 0; l < depth; l++, b += 32) {
                    __m512 b0 = _mm512_loadu_ps(b), b1 = _mm512_loadu_ps(b + 16);
                    _Pragma("GCC unroll 14") for (int i = 0; i < 14; i++)
                    {
                        __m512 factor = _mm512_set1_ps(a[i * 16 + (int)l]);
                        sum[i][0] = _mm512_fmadd_ps(factor, b0, sum[i][0]);
                        sum[i][1] = _mm512_fmadd_ps(factor, b1, sum[i][1]);
                    }
                }
            }
            for (int i = 0; i < 14; i++) {
                _mm512_storeu_ps(work->y + first * plane + (at + (size_t)i) * 16, sum[i][0]);
                if (first + 16 < n) _mm512_storeu_ps(work->y + (first + 16) * plane + (at + (size_t)i) * 16, sum[i][1]);
            }
        }
}
#endif

/* Depthwise over maps that are padded already; `output` channels. */
static void depthwise_nhwc(const struct work *work)
{
    size_t side = (size_t)work->shape.side, c = (size_t)work->shape.output, k = (size_t)work->shape.kernel;
    size_t width = side - k + 1;
    const float *row[5];
    for (size_t i = 0; i < BATCH; i++)
        for (size_t y = 0; y < width; y++) {
            for (size_t ky = 0; ky < k; ky++) row[ky] = work->x + ((i * side + y + ky) * side) * c;
            work->kernels->depthwise((int)k, 1, width, c, work->y + ((i * side + y) * side) * c, c, row, c, work->w, c);
        }
}

static void depthwise_blocked(const struct work *work)
{
    size_t side = (size_t)work->shape.side, c = (size_t)work->shape.output, k = (size_t)work->shape.kernel;
    size_t width = side - k + 1, plane = side * side * 16;
    const float *row[5];
    for (size_t i = 0; i < BATCH * c / 16; i++)
        for (size_t y = 0; y < width; y++) {
            for (size_t ky = 0; ky < k; ky++) row[ky] = work->x + i * plane + (y + ky) * side * 16;
            work->kernels->depthwise((int)k, 1, width, 16, work->y + i * plane + y * side * 16, 16, row, 16, work->w,
                                     16);
        }
}

static void depthwise_planar(const struct work *work)
{
    size_t side = (size_t)work->shape.side, c = (size_t)work->shape.output, k = (size_t)work->shape.kernel;
    size_t width = side - k + 1;
    for (size_t i = 0; i < BATCH * c; i++) {
        const float *x = work->x + i * side * side, *w = work->w + i % c * k * k;
        for (size_t row = 0; row < width; row++) {
            float *out = work->y + i * side * side + row * side;
            memset(out, 0, width * sizeof *out);
            for (size_t tap = 0; tap < k * k; tap++) {
                const float *in = x + (row + tap / k) * side + tap % k;
                for (size_t j = 0; j < width; j++) out[j] += in[j] * w[tap];
            }
        }
    }
}

static double best_gflops(void (*run)(const struct work *), const struct work *work, double operations)
{
    double best = 1e9;
    for (int i = 0; i < RUNS; i++) {
        double start = seconds();
        run(work);
        double took = seconds() - start;
        if (took < best) best = took;
    }
    return operations / best * 1e-9;
}

static void time_pointwise(struct work *work)
{
    size_t k = (size_t)work->shape.input, n = (size_t)work->shape.output;
    kernels_pack(work->kernels, k, n, work->w, 1, k, work->packed);
    double operations = 2.0 * (double)(work->pixels * k * n);
    printf("| 1x1 %4zu -> %4zu | %4d | %9.1f | %9.1f | %9.1f | %9.1f |", k, n, work->shape.side,
           best_gflops(nhwc_own, work, operations), best_gflops(nhwc_blas, work, operations),
           best_gflops(cnhw_blas, work, operations), best_gflops(nchw_blas, work, operations));
#if defined(__AVX512F__)
    printf(" %9.1f |\n", best_gflops(blocked_own, work, operations));
#else
    printf("         - |\n");
#endif
}

static void time_depthwise(struct work *work)
{
    int k = work->shape.kernel, width = work->shape.side - k + 1;
    double operations = 2.0 * BATCH * width * width * k * k * work->shape.output;
    double nhwc = best_gflops(depthwise_nhwc, work, operations);
    double planar = best_gflops(depthwise_planar, work, operations);
    printf("| %dx%d over %4d    | %4d | %9.1f |         - | %9.1f | %9.1f | %9.1f |\n", k, k, work->shape.output,
           work->shape.side, nhwc, planar, planar, best_gflops(depthwise_blocked, work, operations));
}

int main(void)
{
    struct error err = {0};
    size_t room = (size_t)BATCH * 130 * 130 * 96 + 4096;
    struct work work = {.kernels = kernels_best()};
    work.x = memory_allocate(room, sizeof(float), "x", &err);
    work.y = memory_allocate(room, sizeof(float), "y", &err);
    work.w = memory_allocate((size_t)2112 * 400, sizeof(float), "w", &err);
    work.packed = memory_allocate((size_t)2112 * 400, sizeof(float), "packed", &err);
    if (work.x == NULL || work.y == NULL || work.w == NULL || work.packed == NULL) return 1;
    for (size_t i = 0; i < room; i++) work.x[i] = (float)(i % 1013) * 1e-3f;
    for (size_t i = 0; i < (size_t)2112 * 400; i++) work.w[i] = (float)(i % 991) * 1e-3f;
    openblas_set_num_threads(1);
    printf("kernels: %s; OpenBLAS: %s; GFLOP/s of one thread\n\n", work.kernels->name, openblas_get_corename());
    printf("| convolution | side | NHWC own | NHWC BLAS | CNHW BLAS/planar | NCHW BLAS/planar | blocked own |\n");
    printf("| --- | --- | --- | --- | --- | --- | --- |\n");
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++) {
        work.shape = shapes[i];
        work.pixels = (size_t)BATCH * (size_t)shapes[i].side * (size_t)shapes[i].side;
        time_pointwise(&work);
        if (shapes[i].kernel > 0) time_depthwise(&work);
    }
    memory_free(work.x);
    memory_free(work.y);
    memory_free(work.w);
    memory_free(work.packed);
    return 0;
}
