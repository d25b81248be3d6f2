/* The parts of the detector: packed weights, the forward pass over one picture, and decoding its cells. */
#ifndef RMFER_NN_DETECTOR_INTERNAL_H
#define RMFER_NN_DETECTOR_INTERNAL_H

#include "rmfer/kern/kernels.h"
#include "rmfer/nn/detector.h"

/* A cell's numbers: class, object, box (4), landmarks (10), as the joined heads give them. */
enum { CELL_CLASS = 0, CELL_OBJECT = 1, CELL_BOX = 2, CELL_LANDMARKS = 6, CELL_CHANNELS = 16 };

enum { DETECTOR_STEM_PATCH = 27, DETECTOR_LARGEST_STRIDE = 32, DETECTOR_TAPS = 9 };

/* Pixels of a side as the network sees it. */
static inline size_t detector_padded(size_t side)
{
    return (side + DETECTOR_LARGEST_STRIDE - 1) / DETECTOR_LARGEST_STRIDE * DETECTOR_LARGEST_STRIDE;
}

struct detector_unit {
    size_t input, output;
    real *pointwise;      /* packed for y = x W^T */
    real *pointwise_bias; /* [output] */
    real *depthwise;      /* [9][output] */
    real *depthwise_bias; /* [output] */
};

struct detector {
    const struct kernels *kernels;
    size_t stem_output;
    real *stem, *stem_bias; /* packed [27][output]: taps by row, column, red-green-blue */
    struct detector_unit backbone[DETECTOR_BACKBONE_UNITS];
    struct detector_unit lateral[DETECTOR_LEVELS], shared[DETECTOR_LEVELS];
    struct detector_unit heads[DETECTOR_LEVELS]; /* the four heads of a level joined to one unit */
    void *memory;                                /* owns every number above */
};

/* The cells of one picture, row by row. */
struct detector_cells {
    size_t rows, columns;
    const real *values; /* [rows, columns, CELL_CHANNELS] */
};

/* Runs the network on a picture of `width` x `height`, [height, width, 3] RGB, filled up with zeros at the right and
 * the bottom to a multiple of 32. The cells stay valid until the workspace is used again. */
status detector_forward(const struct detector *detector, struct detector_workspace *workspace, const uint8_t *rgb,
                        size_t width, size_t height, int threads, struct detector_cells cells[DETECTOR_LEVELS],
                        struct error *err) MUST_CHECK;

/* Faces above min_score, best first, overlaps removed, in pixels of the network's picture. */
status detector_decode(const struct detector_cells cells[DETECTOR_LEVELS], double min_score, double overlap,
                       struct detected_face **faces, size_t *count, struct error *err) MUST_CHECK;

#endif
