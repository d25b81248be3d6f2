/* Statistics of parts merged in double, in order; scale and shift from them; and the two numbers a channel that its
 * backward pass is (derived in docs/how-it-works.md). */
#include "rmfer/ops/batchnorm.h"

#include "ops/kept_rows.h"
#include "rmfer/base/threads.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

static void set_affine(struct batchnorm *bn, size_t c, double mean, double variance)
{
    double rstd = 1 / sqrt(variance + bn->epsilon);
    bn->mean[c] = (real)mean;
    bn->rstd[c] = (real)rstd;
    bn->scale[c] = (real)((double)bn->gamma[c] * rstd);
    bn->shift[c] = (real)((double)bn->beta[c] - mean * (double)bn->gamma[c] * rstd);
}

/* The channels begin .. begin + n-1, n at most MERGED: parts outside, so that memory is read along its lines. */
enum { MERGED = 64 };

/* What a channel's values are: how many, their mean, their sum of squared deviations. */
static void finish_channel(struct batchnorm *bn, size_t at, double total, double mean, double squares, double momentum)
{
    double unbiased = total > 1 ? squares / (total - 1) : squares;
    set_affine(bn, at, mean, squares / total);
    bn->running_mean[at] = (real)((1 - momentum) * (double)bn->running_mean[at] + momentum * mean);
    bn->running_var[at] = (real)((1 - momentum) * (double)bn->running_var[at] + momentum * unbiased);
}

static double values_of(const struct moments *moments)
{
    double total = 0;
    for (size_t p = 0; p < moments->parts; p++) total += (double)moments->counts[p];
    return total;
}

/* `sums` is NULL where the parts are the whole batch; else it gets what is summed over machines, [2][channels]. */
static void merge_channels(struct batchnorm *bn, const struct moments *moments, double momentum, size_t begin, size_t n,
                           double *sums)
{
    double mean[MERGED] = {0}, squares[MERGED] = {0}, total = values_of(moments);
    size_t stride = 2 * bn->channels;
    for (size_t p = 0; p < moments->parts; p++)
        for (size_t c = 0; c < n; c++)
            mean[c] += (double)moments->counts[p] * (double)moments->values[p * stride + begin + c];
    for (size_t c = 0; c < n; c++) mean[c] /= total;
    for (size_t p = 0; p < moments->parts; p++) {
        const real *part = moments->values + p * stride + begin;
        for (size_t c = 0; c < n; c++) {
            double away = (double)part[c] - mean[c];
            squares[c] += (double)part[bn->channels + c] + (double)moments->counts[p] * away * away;
        }
    }
    for (size_t c = 0; c < n; c++) {
        if (sums == NULL)
            finish_channel(bn, begin + c, total, mean[c], squares[c], momentum);
        else {
            sums[begin + c] = total * mean[c];
            sums[bn->channels + begin + c] = squares[c] + total * mean[c] * mean[c];
        }
    }
}

/* From this machine's sums to all machines' statistics. */
static void finish_over_machines(const struct op_context *context, struct batchnorm *bn, double own, double momentum)
{
    double *sums = context->machine_sums;
    size_t channels = bn->channels;
    sums[2 * channels] = own;
    context->machines->sum(context->machines->context, sums, 2 * channels + 1);
    double total = sums[2 * channels];
    for (size_t c = 0; c < channels; c++) {
        double mean = sums[c] / total, squares = sums[channels + c] - sums[c] * mean;
        finish_channel(bn, c, total, mean, squares > 0 ? squares : 0, momentum);
    }
}

void batchnorm_from_batch(const struct op_context *context, struct batchnorm *bn, const struct moments *moments,
                          double momentum)
{
    bool shared = machines_are_many(context->machines);
    double *sums = shared ? context->machine_sums : NULL;
    bn->stage = BATCHNORM_OF_BATCH;
    int64_t chunks = (int64_t)((bn->channels + MERGED - 1) / MERGED);
#pragma omp parallel for schedule(static) num_threads(context->threads)
    for (int64_t chunk = 0; chunk < chunks; chunk++) {
        size_t begin = (size_t)chunk * MERGED, rest = bn->channels - begin;
        merge_channels(bn, moments, momentum, begin, rest < MERGED ? rest : MERGED, sums);
    }
    if (shared) finish_over_machines(context, bn, values_of(moments), momentum);
}

void batchnorm_from_running(struct batchnorm *bn)
{
    bn->stage = BATCHNORM_OF_RUNNING;
    for (size_t c = 0; c < bn->channels; c++)
        set_affine(bn, c, (double)bn->running_mean[c], (double)bn->running_var[c]);
}

void batchnorm_backward(struct batchnorm *bn, const real *sums, size_t pixels)
{
    BUG_UNLESS(bn->stage == BATCHNORM_OF_BATCH);
    bn->stage = BATCHNORM_GONE_BACK;
    for (size_t c = 0; c < bn->channels; c++) {
        real sum = sums[c], product = sums[bn->channels + c] * bn->rstd[c];
        bn->dbeta[c] += sum;
        bn->dgamma[c] += product;
        bn->slope[c] = -bn->scale[c] * bn->rstd[c] * product / (real)pixels;
        bn->offset[c] = -bn->scale[c] * sum / (real)pixels;
    }
}

void batchnorm_backward_shared(const struct op_context *context, struct batchnorm *bn, const real *sums, size_t pixels)
{
    size_t channels = bn->channels;
    double *all = context->machine_sums;
    batchnorm_backward(bn, sums, pixels);
    if (!machines_are_many(context->machines)) return;
    for (size_t i = 0; i < 2 * channels; i++) all[i] = (double)sums[i];
    all[2 * channels] = (double)pixels;
    context->machines->sum(context->machines->context, all, 2 * channels + 1);
    for (size_t c = 0; c < channels; c++) {
        double scale = -(double)bn->scale[c] / all[2 * channels], rstd = (double)bn->rstd[c];
        bn->slope[c] = (real)(scale * rstd * rstd * all[channels + c]);
        bn->offset[c] = (real)(scale * all[c]);
    }
}

void batchnorm_apply(const struct op_context *context, const struct tiling *tiling, const struct batchnorm *bn,
                     const void *x, const real *keep, const real *residual, real *y)
{
    size_t c = bn->channels;
#pragma omp parallel for schedule(static, 1) num_threads(context->threads)
    for (int worker = 0; worker < context->threads; worker++) {
        struct range mine = threads_share(tiling->tiles, worker, context->threads);
        real *scale = op_scratch(context, worker), *shift = scale + c;
        for (size_t t = mine.begin; t < mine.end; t++) {
            struct tile tile = tiling_get(tiling, t);
            for (size_t i = 0; i < tile.images; i++) {
                struct tile_part part = tile_image(tiling, &tile, i);
                size_t at = (tile.first_row + part.first_row) * c;
                real factor = keep == NULL ? 1 : keep[tile.first_image + i];
                for (size_t j = 0; j < c; j++) {
                    scale[j] = bn->scale[j] * factor;
                    shift[j] = bn->shift[j] * factor;
                }
                struct rows size = {part.rows, c};
                struct real_rows from = kept_rows(context, size, x, at, c, y + at, c);
                context->kernels->affine(size, y + at, c, from.at, from.ld, scale, shift,
                                         residual == NULL ? NULL : residual + at, c);
            }
        }
    }
}

/* Sums of dy and dy (x - mean) over rows of one image, added to sums [2][channels]. */
static void sum_gradients(const struct op_context *context, const struct batchnorm *bn, const void *x, const real *dy,
                          struct range rows, real *room, real *sums)
{
    size_t c = bn->channels, most = op_kept_rows(context, c);
    for (size_t row = rows.begin, count; row < rows.end; row += count) {
        count = rows.end - row < most ? rows.end - row : most;
        struct rows size = {count, c};
        struct real_rows from = kept_rows(context, size, x, row * c, c, room, c);
        context->kernels->gradient_sums(size, dy + row * c, c, from.at, from.ld, bn->mean, sums, c);
    }
}

void batchnorm_apply_backward(const struct op_context *context, const struct tiling *tiling, struct batchnorm *bn,
                              const void *x, const real *keep, const real *dy, real *segment_sums, real *image_sums,
                              real *sums)
{
    size_t c = bn->channels;
    memset(segment_sums, 0, tiling->segments * 2 * c * sizeof *segment_sums);
#pragma omp parallel for schedule(static, 1) num_threads(context->threads)
    for (int worker = 0; worker < context->threads; worker++) {
        struct range mine = threads_share(tiling->tiles, worker, context->threads);
        for (size_t t = mine.begin; t < mine.end; t++) {
            struct tile tile = tiling_get(tiling, t);
            for (size_t i = 0; i < tile.images; i++) {
                struct tile_part part = tile_image(tiling, &tile, i);
                struct range rows = {tile.first_row + part.first_row, tile.first_row + part.first_row + part.rows};
                sum_gradients(context, bn, x, dy, rows, op_scratch(context, worker),
                              segment_sums + (tile.first_segment + i) * 2 * c);
            }
        }
    }
    segments_sum(context, tiling, 2 * c, segment_sums, image_sums);
    if (keep != NULL)
        for (size_t n = 0; n < tiling->images; n++)
            for (size_t i = 0; i < 2 * c; i++) image_sums[n * 2 * c + i] *= keep[n];
    memset(sums, 0, 2 * c * sizeof *sums);
    rows_sum(context, tiling->images, 2 * c, image_sums, sums);
}
