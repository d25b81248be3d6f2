/* 3x3 patches gathered into a matrix, tile by tile; the weights' gradient the same way round. */
#include "rmfer/ops/stem.h"

#include "ops/kept_rows.h"
#include "rmfer/base/threads.h"

#include <string.h>

size_t stem_packed_reals(const struct op_context *context, const struct stem *stem)
{
    return kernels_packed_size(context->kernels, STEM_PATCH, stem->output);
}

void stem_pack(const struct op_context *context, struct stem *stem)
{
    kernels_pack(context->kernels, STEM_PATCH, stem->output, stem->weight, 1, STEM_PATCH, stem->packed);
}

size_t stem_scratch_reals(const struct stem *stem, const struct tiling *tiling)
{
    return tiling->tile_rows * (STEM_PATCH + stem->output);
}

/* The 27 numbers under the window of output pixel (oy, ox), in the weight's order [channel][ky][kx]; zeros outside. */
static void gather_patch(const struct stem *stem, const real *image, size_t oy, size_t ox, real *patch)
{
    for (size_t ky = 0; ky < STEM_KERNEL; ky++)
        for (size_t kx = 0; kx < STEM_KERNEL; kx++) {
            size_t y = oy * STEM_STRIDE + ky - stem->pad_top; /* wraps to a huge number above the image */
            size_t x = ox * STEM_STRIDE + kx - stem->pad_left;
            bool inside = y < stem->height && x < stem->width;
            const real *pixel = inside ? image + (y * stem->width + x) * STEM_INPUT : NULL;
            for (size_t c = 0; c < STEM_INPUT; c++)
                patch[(c * STEM_KERNEL + ky) * STEM_KERNEL + kx] = inside ? pixel[c] : 0;
        }
}

static void gather_tile(const struct stem *stem, const real *images, const struct tile *tile, real *patches)
{
    size_t plane = stem->output_height * stem->output_width;
    size_t image_reals = stem->height * stem->width * STEM_INPUT;
    for (size_t r = 0; r < tile->rows; r++) {
        size_t row = tile->first_row + r, at = row % plane;
        gather_patch(stem, images + row / plane * image_reals, at / stem->output_width, at % stem->output_width,
                     patches + r * STEM_PATCH);
    }
}

void stem_forward(const struct op_context *context, const struct stem *stem, const struct tiling *tiling,
                  const real *images, const struct batchnorm *after, void *y, real *moment_values,
                  size_t *moment_counts)
{
    size_t n = stem->output;
#pragma omp parallel for schedule(static, 1) num_threads(context->threads)
    for (int worker = 0; worker < context->threads; worker++) {
        struct range mine = threads_share(tiling->tiles, worker, context->threads);
        real *patches = op_scratch(context, worker), *made = patches + tiling->tile_rows * STEM_PATCH;
        for (size_t t = mine.begin; t < mine.end; t++) {
            struct tile tile = tiling_get(tiling, t);
            struct rows size = {tile.rows, n};
            size_t at = tile.first_row * n;
            real *out = after != NULL ? (real *)y + at : kept_target(context, y, at, false, made);
            gather_tile(stem, images, &tile, patches);
            context->kernels->gemm(tile.rows, n, STEM_PATCH, patches, STEM_PATCH, stem->packed, out, n, false);
            if (after != NULL) {
                context->kernels->activate(size, out, n, out, n, after->scale, after->shift, NULL);
                continue;
            }
            kept_write(context, size, y, at, n, false, out, n);
            context->kernels->moments(size, out, n, moment_values + t * 2 * n, moment_values + t * 2 * n + n);
            moment_counts[t] = tile.rows;
        }
    }
}

void stem_backward(const struct op_context *context, const struct stem *stem, const struct tiling *tiling,
                   const real *images, const void *y, const struct batchnorm *bn, const real *dz, real *partials)
{
    size_t n = stem->output, count = n * STEM_PATCH;
#pragma omp parallel for schedule(static, 1) num_threads(context->threads)
    for (int worker = 0; worker < context->threads; worker++) {
        struct range mine = threads_share(tiling->tiles, worker, context->threads);
        real *patches = op_scratch(context, worker), *dy = patches + tiling->tile_rows * STEM_PATCH;
        real *dweight = worker == 0 ? stem->dweight : partials + (size_t)(worker - 1) * count;
        if (worker != 0) memset(dweight, 0, count * sizeof *dweight);
        for (size_t t = mine.begin; t < mine.end; t++) {
            struct tile tile = tiling_get(tiling, t);
            size_t at = tile.first_row * n;
            gather_tile(stem, images, &tile, patches);
            struct rows size = {tile.rows, n};
            struct real_rows kept = kept_rows(context, size, y, at, n, dy, n);
            context->kernels->bn_backward(size, dy, n, dz + at, n, kept.at, kept.ld, batchnorm_coefficients(bn));
            context->kernels->gemm_transposed(n, STEM_PATCH, tile.rows, dy, n, patches, STEM_PATCH, dweight,
                                              STEM_PATCH);
        }
    }
    partials_add(context, count, partials, stem->dweight);
}
