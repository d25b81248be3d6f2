/* What every operation needs to run: kernels, threads, scratch memory; and how pixels are cut into tiles. */
#ifndef RMFER_OPS_CONTEXT_H
#define RMFER_OPS_CONTEXT_H

#include "rmfer/kern/kernels.h"

#include <stddef.h>

struct op_context {
    const struct kernels *kernels;
    int threads;
    real *scratch;         /* `threads` pieces, planned by whoever owns the context */
    size_t scratch_reals;  /* of one piece */
};

/* Whether a map of so many numbers is written past the caches (kernels->stream): when it is larger than what a shared
 * last-level cache keeps at best, writing it the usual way would read it first and drive out what is still needed. */
static inline bool op_streams(size_t reals)
{
    return reals * sizeof(real) > (size_t)24 << 20;
}

/* The scratch piece of thread `index`. */
static inline real *op_scratch(const struct op_context *context, int index)
{
    return context->scratch + (size_t)index * context->scratch_reals;
}

/* A map [N,H,W,C] seen as N*H*W rows, cut into tiles that fit the cache. A tile holds either whole images or a part of
 * one, so that per-image sums need no locks: sums are kept per segment (an image's share of one tile). */
struct tiling {
    size_t images, image_rows; /* N, H*W */
    size_t images_per_tile;    /* > 0 when tiles hold whole images */
    size_t tiles_per_image;    /* 1 when tiles hold whole images */
    size_t tile_rows;          /* the most rows of a tile */
    size_t tiles, segments;
};

enum { TILE_ROWS_WANTED = 168 }; /* divides by the row counts of the kernels' register tiles: 14, 7, 6, 4 */

struct tiling tiling_of(size_t images, size_t image_rows);

struct tile {
    size_t first_row, rows;
    size_t first_image, images; /* the images it touches: 1, or whole ones */
    size_t first_segment;       /* segment of first_image; the others follow */
};

struct tile tiling_get(const struct tiling *tiling, size_t index);

/* The rows of the tile's image `index` (0 .. images-1), relative to the tile. */
struct tile_part {
    size_t first_row, rows;
};
struct tile_part tile_image(const struct tiling *tiling, const struct tile *tile, size_t index);

/* out[image][count] = the sum of the image's segments, in order: in[segment][count]. */
void segments_sum(const struct op_context *context, const struct tiling *tiling, size_t count, const real *in,
                  real *out);

/* total[count] += the sum over n of in[n][count], in order of n. */
void rows_sum(const struct op_context *context, size_t n, size_t count, const real *in, real *total);

/* Adds the threads' private sums `partial` [threads-1][count] to `total` [count], in order. */
void partials_add(const struct op_context *context, size_t count, const real *partial, real *total);

#endif
