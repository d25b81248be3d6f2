/* rmfer bench --roofline: what each block of the network attains beside what this machine could, and what bounds it. */
#ifndef RMFER_SRC_CMD_BENCH_ROOFLINE_H
#define RMFER_SRC_CMD_BENCH_ROOFLINE_H

#include "rmfer/base/json_writer.h"
#include "rmfer/nn/backbone.h"
#include "rmfer/nn/layers.h"

#include <stdbool.h>

/* What all threads together can do, measured here. */
struct machine_peaks {
    double multiply_adds; /* a second */
    double bytes;         /* a second: a triad of arrays beyond the caches, its two reads and one write counted */
    double activations;   /* SiLU evaluations a second, of numbers in the first cache */
};

/* Fills all but multiply_adds, which the caller has. Some tenths of a second. */
status machine_peaks_measure(struct machine_peaks *peaks, struct error *err) MUST_CHECK;

/* A piece of the network: the stem, a block, the head, or all layers of a kind. Per image. */
struct roofline_row {
    char name[LAYER_NAME_BYTES];
    double multiply_adds, bytes, activations, seconds;
};

enum { ROOFLINE_BLOCKS = MOST_BLOCKS + 2, ROOFLINE_KINDS = 6 };

struct roofline {
    struct machine_peaks peaks;
    struct roofline_row blocks[ROOFLINE_BLOCKS], kinds[ROOFLINE_KINDS];
    size_t block_count, kind_count;
};

/* Sums the layers. `times` are those of `images` images. Bytes are those of maps that are written in one pass of the
 * program and read in another, once each; what is computed again in a cache does not count (docs/performance.md). */
void roofline_of(struct roofline *roofline, const struct layers *layers, const struct layer_time *times, double images,
                 bool trains);

void roofline_print(const struct roofline *roofline);
void roofline_write(const struct roofline *roofline, struct json_writer *json);

#endif
