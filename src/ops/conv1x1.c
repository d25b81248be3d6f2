/* Tiles of pixels through the matrix kernels, the input prepared and the output's moments taken while they are in
 * cache; backward likewise, twice: for the data and for the weights. */
#include "rmfer/ops/conv1x1.h"

#include "ops/kept_rows.h"
#include "rmfer/base/threads.h"
#include "rmfer/ops/blocked.h"

#include <string.h>

size_t conv1x1_packed_reals(const struct op_context *context, const struct conv1x1 *conv)
{
    return kernels_packed_size(context->kernels, conv->input, conv->output);
}

size_t conv1x1_packed_transposed_reals(const struct op_context *context, const struct conv1x1 *conv)
{
    return kernels_packed_size(context->kernels, conv->output, conv->input);
}

void conv1x1_pack(const struct op_context *context, struct conv1x1 *conv)
{
    kernels_pack(context->kernels, conv->input, conv->output, conv->weight, 1, conv->input, conv->packed);
    if (conv->packed_transposed != NULL)
        kernels_pack(context->kernels, conv->output, conv->input, conv->weight, conv->input, 1,
                     conv->packed_transposed);
}

size_t conv1x1_scratch_reals(const struct conv1x1 *conv, const struct tiling *tiling)
{
    return tiling->tile_rows * (2 * conv->input + conv->output) + conv->output;
}

/* Rows of one image of a blocked input, gated, to rows of all channels. */
static void gather_blocks(const struct op_context *context, size_t channels, const struct tiling *tiling, size_t image,
                          struct range rows, struct conv1x1_input input, real *out)
{
    const real *gate = input.gate + image * channels;
    const real *x = (const real *)input.x + image * blocked_reals(tiling->image_rows, channels) +
                    rows.begin * BLOCK_CHANNELS;
    for (size_t block = 0; block < blocked_count(channels); block++) {
        size_t c = block * BLOCK_CHANNELS;
        struct rows size = {rows.end - rows.begin, blocked_channels(channels, block)};
        context->kernels->affine(size, out + c, channels, x + c * tiling->image_rows, BLOCK_CHANNELS, gate + c, NULL,
                                 NULL, 0);
    }
}

/* The tile of the convolution's input: in place where it is x itself, else made in `buffer`. */
static const real *input_tile(const struct op_context *context, size_t channels, const struct tiling *tiling,
                              const struct tile *tile, struct conv1x1_input input, real *buffer)
{
    size_t first = tile->first_row * channels;
    if (input.bn == NULL && input.gate == NULL) return (const real *)input.x + first;
    for (size_t i = 0; i < tile->images; i++) {
        struct tile_part part = tile_image(tiling, tile, i);
        struct rows size = {part.rows, channels};
        size_t at = part.first_row * channels;
        const real *gate = input.gate == NULL ? NULL : input.gate + (tile->first_image + i) * channels;
        if (input.blocked) {
            size_t row = (tile->first_row + part.first_row) % tiling->image_rows;
            gather_blocks(context, channels, tiling, tile->first_image + i, (struct range){row, row + part.rows}, input,
                          buffer + at);
        } else if (input.bn == NULL)
            context->kernels->affine(size, buffer + at, channels, (const real *)input.x + first + at, channels, gate,
                                     NULL, NULL, 0);
        else {
            struct real_rows x = kept_rows(context, size, input.x, first + at, channels, buffer + at, channels);
            context->kernels->activate(size, buffer + at, channels, x.at, x.ld, input.bn->scale, input.bn->shift, gate);
        }
    }
    return buffer;
}

void conv1x1_forward(const struct op_context *context, const struct conv1x1 *conv, const struct tiling *tiling,
                     struct conv1x1_input input, void *y, real *moment_values, size_t *moment_counts)
{
    size_t k = conv->input, n = conv->output;
    bool streams = op_streams_kept(context, tiling->images * tiling->image_rows * n);
#pragma omp parallel for schedule(static, 1) num_threads(context->threads)
    for (int worker = 0; worker < context->threads; worker++) {
        struct range mine = threads_share(tiling->tiles, worker, context->threads);
        real *buffer = op_scratch(context, worker);
        for (size_t t = mine.begin; t < mine.end; t++) {
            struct tile tile = tiling_get(tiling, t);
            const real *x = input_tile(context, k, tiling, &tile, input, buffer);
            struct rows size = {tile.rows, n};
            real *out = kept_target(context, y, tile.first_row * n, streams, buffer + tiling->tile_rows * k);
            real *moments = moment_values + t * 2 * n;
            context->kernels->gemm(tile.rows, n, k, x, k, conv->packed, out, n, false);
            kept_write(context, size, y, tile.first_row * n, n, streams, out, n);
            context->kernels->moments(size, out, n, moments, moments + n);
            moment_counts[t] = tile.rows;
        }
    }
}

/* Whole panels of output columns that a worker's share of a tile makes. */
static struct range share_columns(const struct op_context *context, size_t columns, size_t share, size_t shares)
{
    size_t panel = context->kernels->panel, panels = (columns + panel - 1) / panel;
    struct range mine = threads_share(panels, (int)share, (int)shares);
    size_t end = mine.end * panel < columns ? mine.end * panel : columns;
    return (struct range){mine.begin * panel < end ? mine.begin * panel : end, end};
}

/* Columns of one tile of y. */
static void infer_tile(const struct op_context *context, const struct conv1x1 *conv, const struct tile *tile,
                       const real *x, struct conv1x1_after after, struct range columns, real *y)
{
    size_t k = conv->input, n = conv->output, first = tile->first_row * n + columns.begin;
    struct rows size = {tile->rows, columns.end - columns.begin};
    const real *scale = after.bn->scale + columns.begin, *shift = after.bn->shift + columns.begin;
    const real *residual = after.residual == NULL ? NULL : after.residual + first;
    real *out = y + first;
    context->kernels->gemm(tile->rows, size.channels, k, x, k, conv->packed + columns.begin * k, out, n, false);
    if (after.activates)
        context->kernels->activate(size, out, n, out, n, scale, shift, NULL);
    else
        context->kernels->affine(size, out, n, out, n, scale, shift, residual, n);
}

/* With fewer tiles than workers (one small map) a tile's columns are shared out too; its input is then made by each. */
void conv1x1_infer(const struct op_context *context, const struct conv1x1 *conv, const struct tiling *tiling,
                   struct conv1x1_input input, struct conv1x1_after after, real *y)
{
    size_t workers = (size_t)context->threads;
    size_t shares = tiling->tiles >= workers ? 1 : (workers + tiling->tiles - 1) / tiling->tiles;
#pragma omp parallel for schedule(static, 1) num_threads(context->threads)
    for (int worker = 0; worker < context->threads; worker++) {
        struct range mine = threads_share(tiling->tiles * shares, worker, context->threads);
        real *buffer = op_scratch(context, worker);
        for (size_t t = mine.begin; t < mine.end; t++) {
            struct tile tile = tiling_get(tiling, t / shares);
            struct range columns = share_columns(context, conv->output, t % shares, shares);
            const real *x = input_tile(context, conv->input, tiling, &tile, input, buffer);
            infer_tile(context, conv, &tile, x, after, columns, y);
        }
    }
}

/* The tile of dy, through what lies behind y. `scale` is room for a row of the batch-norm's scale times keep. */
static void upstream_tile(const struct op_context *context, size_t channels, const struct tiling *tiling,
                          const struct tile *tile, const struct conv1x1_upstream *upstream, real *scale, real *dy)
{
    for (size_t i = 0; i < tile->images; i++) {
        struct tile_part part = tile_image(tiling, tile, i);
        struct rows size = {part.rows, channels};
        size_t image = tile->first_image + i;
        size_t at = (tile->first_row + part.first_row) * channels;
        struct bn_backward bn = batchnorm_coefficients(upstream->bn);
        real *out = dy + part.first_row * channels;
        struct real_rows y = kept_rows(context, size, upstream->y, at, channels, out, channels);
        if (upstream->dy == NULL) {
            context->kernels->activated_bn_backward(size, out, channels, NULL, 0, y.at, y.ld, upstream->bn->shift, NULL,
                                                    upstream->pooled + image * channels, bn);
            continue;
        }
        if (upstream->keep != NULL) {
            for (size_t c = 0; c < channels; c++) scale[c] = bn.scale[c] * upstream->keep[image];
            bn.scale = scale;
        }
        context->kernels->bn_backward(size, out, channels, upstream->dy + at, channels, y.at, y.ld, bn);
    }
}

/* A worker's own sum of dweight: the first adds to the gradient itself. */
static real *own_weight_gradient(const struct conv1x1 *conv, real *partials, int worker)
{
    if (worker == 0) return conv->dweight;
    size_t count = conv->input * conv->output;
    real *own = partials + (size_t)(worker - 1) * count;
    memset(own, 0, count * sizeof *own);
    return own;
}

/* Derivation: y = W x, so dx = W^T dy and dW = sum over pixels of dy x^T. */
void conv1x1_backward(const struct op_context *context, const struct conv1x1 *conv, const struct tiling *tiling,
                      const real *x, struct conv1x1_upstream upstream, real *dx, bool accumulate, real *partials)
{
    size_t k = conv->input, n = conv->output;
#pragma omp parallel for schedule(static, 1) num_threads(context->threads)
    for (int worker = 0; worker < context->threads; worker++) {
        struct range mine = threads_share(tiling->tiles, worker, context->threads);
        real *dy = op_scratch(context, worker), *scale = dy + tiling->tile_rows * n;
        real *dweight = own_weight_gradient(conv, partials, worker);
        for (size_t t = mine.begin; t < mine.end; t++) {
            struct tile tile = tiling_get(tiling, t);
            upstream_tile(context, n, tiling, &tile, &upstream, scale, dy);
            context->kernels->gemm_transposed(n, k, tile.rows, dy, n, x + tile.first_row * k, k, dweight, k);
            context->kernels->gemm(tile.rows, k, n, dy, n, conv->packed_transposed, dx + tile.first_row * k, k,
                                   accumulate);
        }
    }
    partials_add(context, k * n, partials, conv->dweight);
}

void conv1x1_gated_backward(const struct op_context *context, const struct conv1x1 *conv, const struct tiling *tiling,
                            struct conv1x1_input input, struct conv1x1_upstream upstream, real *du, real *segment_sums,
                            real *partials)
{
    size_t k = conv->input, n = conv->output;
    bool streams = op_streams(context, tiling->images * tiling->image_rows * k);
    memset(segment_sums, 0, tiling->segments * 3 * k * sizeof *segment_sums);
#pragma omp parallel for schedule(static, 1) num_threads(context->threads)
    for (int worker = 0; worker < context->threads; worker++) {
        struct range mine = threads_share(tiling->tiles, worker, context->threads);
        real *dy = op_scratch(context, worker), *scale = dy + tiling->tile_rows * n;
        real *u = scale + n, *made = u + tiling->tile_rows * k;
        real *dweight = own_weight_gradient(conv, partials, worker);
        for (size_t t = mine.begin; t < mine.end; t++) {
            struct tile tile = tiling_get(tiling, t);
            upstream_tile(context, n, tiling, &tile, &upstream, scale, dy);
            real *to = du + tile.first_row * k, *out = streams ? made : to;
            context->kernels->gemm(tile.rows, k, n, dy, n, conv->packed_transposed, out, k, false);
            for (size_t i = 0; i < tile.images; i++) {
                struct tile_part part = tile_image(tiling, &tile, i);
                struct rows size = {part.rows, k};
                size_t at = part.first_row * k;
                struct real_rows x = kept_rows(context, size, input.x, tile.first_row * k + at, k, u + at, k);
                context->kernels->gate_backward(size, u + at, k, out + at, k, x.at, x.ld, batchnorm_affine(input.bn),
                                                input.gate + (tile.first_image + i) * k,
                                                segment_sums + (tile.first_segment + i) * 3 * k, k);
            }
            context->kernels->gemm_transposed(n, k, tile.rows, dy, n, u, k, dweight, k);
            if (streams) context->kernels->stream((struct rows){tile.rows, k}, to, k, out, k);
        }
    }
    partials_add(context, k * n, partials, conv->dweight);
}
