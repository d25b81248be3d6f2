/* Tiles that fit a core's cache and never straddle more images than needed; sums of segments and rows in a fixed order.
 */
#include "rmfer/ops/context.h"

#include <stdint.h>
#include <string.h>

struct op_context op_context_of(const struct kernels *kernels, int threads)
{
    return (struct op_context){
        .kernels = kernels,
        .threads = threads,
        .limits = {.stream_bytes = (size_t)24 << 20,
                   .tile_rows = 168, /* divides by the row counts of the kernels' register tiles: 14, 7, 6, 4 */
                   .band_pixels = 168,
                   .moment_pixels = 64},
    };
}

struct tiling tiling_of(const struct op_context *context, size_t images, size_t image_rows)
{
    size_t rows = context->limits.tile_rows;
    struct tiling t = {.images = images, .image_rows = image_rows, .tiles_per_image = 1};
    if (image_rows <= rows) {
        t.images_per_tile = rows / image_rows;
        t.tile_rows = t.images_per_tile * image_rows;
        t.tiles = (images + t.images_per_tile - 1) / t.images_per_tile;
        t.segments = images;
        return t;
    }
    enum { STEP = 14 };
    size_t wanted = (image_rows + rows - 1) / rows;
    size_t even = (image_rows + wanted - 1) / wanted;
    t.tile_rows = (even + STEP - 1) / STEP * STEP;
    t.tiles_per_image = (image_rows + t.tile_rows - 1) / t.tile_rows;
    t.tiles = images * t.tiles_per_image;
    t.segments = t.tiles;
    return t;
}

struct tile tiling_get(const struct tiling *t, size_t index)
{
    if (t->images_per_tile > 0) {
        size_t first = index * t->images_per_tile;
        size_t images = t->images - first < t->images_per_tile ? t->images - first : t->images_per_tile;
        return (struct tile){first * t->image_rows, images * t->image_rows, first, images, first};
    }
    size_t image = index / t->tiles_per_image;
    size_t begin = index % t->tiles_per_image * t->tile_rows;
    size_t rows = t->image_rows - begin < t->tile_rows ? t->image_rows - begin : t->tile_rows;
    return (struct tile){image * t->image_rows + begin, rows, image, 1, index};
}

struct tile_part tile_image(const struct tiling *t, const struct tile *tile, size_t index)
{
    if (t->images_per_tile == 0) return (struct tile_part){0, tile->rows};
    return (struct tile_part){index * t->image_rows, t->image_rows};
}

void segments_sum(const struct op_context *context, const struct tiling *tiling, size_t count, const real *in,
                  real *out)
{
    size_t per_image = tiling->tiles_per_image;
    int64_t images = (int64_t)tiling->images;
#pragma omp parallel for schedule(static) num_threads(context->threads)
    for (int64_t n = 0; n < images; n++) {
        real *to = out + (size_t)n * count;
        const real *from = in + (size_t)n * per_image * count;
        memcpy(to, from, count * sizeof *to);
        for (size_t s = 1; s < per_image; s++)
            for (size_t i = 0; i < count; i++) to[i] += from[s * count + i];
    }
}

void rows_sum(const struct op_context *context, size_t n, size_t count, const real *in, real *total)
{
    enum { CHUNK = 256 };
    int64_t chunks = (int64_t)((count + CHUNK - 1) / CHUNK);
#pragma omp parallel for schedule(static) num_threads(context->threads)
    for (int64_t chunk = 0; chunk < chunks; chunk++) {
        size_t begin = (size_t)chunk * CHUNK, end = begin + CHUNK < count ? begin + CHUNK : count;
        for (size_t r = 0; r < n; r++)
            for (size_t i = begin; i < end; i++) total[i] += in[r * count + i];
    }
}

void partials_add(const struct op_context *context, size_t count, const real *partial, real *total)
{
    rows_sum(context, (size_t)context->threads - 1, count, partial, total);
}
