/* What every operation needs to run: kernels, threads, scratch memory, where one way of computing gives place to
 * another; and how pixels are cut into tiles.
 *
 * Work is cut into one share for each of `threads` workers, and each worker has its own scratch and its own partial
 * sums. Which thread runs which worker is OpenMP's affair: a team smaller than asked for (nested callers, OMP_DYNAMIC,
 * OMP_MAX_ACTIVE_LEVELS) runs several workers one after the other, to the same bits. */
#ifndef RMFER_OPS_CONTEXT_H
#define RMFER_OPS_CONTEXT_H

#include "rmfer/kern/kernels.h"
#include "rmfer/ops/machines.h"

#include <stddef.h>

/* Results do not hang on these but for rounding, so that a test can force every path with small maps. */
struct op_limits {
    /* Maps larger than this are written past the caches (kernels->stream): larger than what a shared last-level cache
     * keeps at best, writing them the usual way would read them first and drive out what is still needed. */
    size_t stream_bytes;
    size_t tile_rows;     /* pixels wanted in a tile of 1x1 convolutions and batch-norm */
    size_t band_pixels;   /* pixels wanted in a band of an expansion at inference */
    size_t moment_pixels; /* a depthwise convolution takes moments over this many output pixels at least */
};

/* A convolution's output before batch-norm is a kept map: what lies between forward and backward. It is a `void *`,
 * stored as the context says, in pixels of channels like every map; a map behind batch-norm is always reals. Operations
 * that take either (an input with a batch-norm or without) say so. */
struct op_context {
    const struct kernels *kernels;
    enum storage storage; /* of kept maps */
    int threads;          /* workers, and the team that is asked for */
    real *scratch;        /* `threads` pieces, planned by whoever owns the context */
    size_t scratch_reals; /* of one piece */
    struct op_limits limits;
    /* Batch-norm over processes: its sums are taken over all of them, in machine_sums [2 * channels + 1]. NULL: this
     * process's rows are the batch. */
    const struct machines *machines;
    double *machine_sums;
};

/* The limits that were measured to be good, and no scratch yet. */
struct op_context op_context_of(const struct kernels *kernels, int threads);

/* Whether a map of so many reals is written past the caches; the same of a kept map. */
static inline bool op_streams(const struct op_context *context, size_t reals)
{
    return reals * sizeof(real) > context->limits.stream_bytes;
}

static inline bool op_streams_kept(const struct op_context *context, size_t count)
{
    return count * storage_bytes(context->storage) > context->limits.stream_bytes;
}

/* Rows of a kept map that are looked at together where only sums are taken: of few channels so many that reading sums
 * costs little, of many so few that they stay in the first caches. */
static inline size_t op_kept_rows(const struct op_context *context, size_t channels)
{
    enum { REALS = 4096, LEAST = 8 };
    size_t rows = channels * LEAST < REALS ? REALS / channels : LEAST;
    return context->storage == STORAGE_REAL ? SIZE_MAX : rows;
}

/* Scratch of one worker for that, in reals, of images of so many pixels. */
static inline size_t op_kept_room(const struct op_context *context, size_t pixels, size_t channels)
{
    size_t most = op_kept_rows(context, channels);
    return context->storage == STORAGE_REAL ? 0 : (pixels < most ? pixels : most) * channels;
}

/* The scratch piece of a worker. */
static inline real *op_scratch(const struct op_context *context, int worker)
{
    return context->scratch + (size_t)worker * context->scratch_reals;
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

/* Tiles of about limits.tile_rows pixels. */
struct tiling tiling_of(const struct op_context *context, size_t images, size_t image_rows);

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

/* Adds the workers' own sums `partial` [threads-1][count] to `total` [count], in order. Every worker wrote its own. */
void partials_add(const struct op_context *context, size_t count, const real *partial, real *total);

#endif
