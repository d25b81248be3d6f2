/* The mean over pixels with the sums that backward needs, and the two small layers of the gate. */
#include "rmfer/ops/squeeze_excite.h"

#include "ops/kept_rows.h"
#include "rmfer/base/threads.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

/* One image's sums, a few rows at a time where they are to be widened. */
static void squeeze_image(const struct op_context *context, size_t pixels, const void *x, size_t first,
                          const struct batchnorm *bn, real *room, real *sums)
{
    size_t c = bn->channels, most = op_kept_rows(context, c);
    memset(sums, 0, 3 * c * sizeof *sums);
    for (size_t row = 0, count; row < pixels; row += count) {
        count = pixels - row < most ? pixels - row : most;
        struct rows size = {count, c};
        struct real_rows from = kept_rows(context, size, x, first + row * c, c, room, c);
        context->kernels->squeeze(size, from.at, from.ld, batchnorm_affine(bn), sums, c);
    }
}

void squeeze_forward(const struct op_context *context, size_t images, size_t pixels, const void *x,
                     const struct batchnorm *bn, real *sums, real *mean)
{
    size_t c = bn->channels;
#pragma omp parallel for schedule(static, 1) num_threads(context->threads)
    for (int worker = 0; worker < context->threads; worker++) {
        struct range mine = threads_share(images, worker, context->threads);
        for (size_t n = mine.begin; n < mine.end; n++) {
            real *own = sums + n * 3 * c;
            squeeze_image(context, pixels, x, n * pixels * c, bn, op_scratch(context, worker), own);
            for (size_t i = 0; i < c; i++) mean[n * c + i] = own[i] / (real)pixels;
        }
    }
}

/* dz = pixel_gradient[n] silu'(z) at every pixel, so its sums are the saved ones times pixel_gradient. */
void squeeze_backward(size_t images, size_t channels, const real *pixel_gradient, const real *sums, real *bn_sums)
{
    memset(bn_sums, 0, 2 * channels * sizeof *bn_sums);
    for (size_t n = 0; n < images; n++)
        for (size_t row = 0; row < 2; row++)
            for (size_t c = 0; c < channels; c++)
                bn_sums[row * channels + c] += pixel_gradient[n * channels + c] *
                                               sums[(n * 3 + row + 1) * channels + c];
}

static real sigmoid(real z)
{
    return (real)(1 / (1 + exp(-(double)z)));
}

void squeeze_excite_forward(const struct op_context *context, const struct squeeze_excite *se, size_t images,
                            const real *mean, struct squeeze_excite_saved saved)
{
    linear_forward(context, &se->reduce, images, mean, saved.reduced);
    for (size_t i = 0; i < images * se->squeezed; i++)
        saved.activated[i] = saved.reduced[i] * sigmoid(saved.reduced[i]);
    linear_forward(context, &se->expand, images, saved.activated, saved.gate);
    int64_t gates = (int64_t)(images * se->channels);
#pragma omp parallel for schedule(static) num_threads(context->threads)
    for (int64_t i = 0; i < gates; i++) saved.gate[i] = sigmoid(saved.gate[i]);
}

/* Through the sigmoid: dq = dgate g (1 - g); through SiLU: dr = dh s (1 + r (1 - s)), s = sigmoid(r). */
void squeeze_excite_backward(const struct squeeze_excite *se, size_t images, const real *mean,
                             struct squeeze_excite_saved saved, real *dgate, real *dmean, real *room)
{
    for (size_t i = 0; i < images * se->channels; i++) dgate[i] *= saved.gate[i] * (1 - saved.gate[i]);
    linear_backward(&se->expand, images, saved.activated, dgate, room);
    for (size_t i = 0; i < images * se->squeezed; i++) {
        real r = saved.reduced[i], s = sigmoid(r);
        room[i] *= s * (1 + r * (1 - s));
    }
    linear_backward(&se->reduce, images, mean, room, dmean);
}
