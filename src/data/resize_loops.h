/* The two passes of resizing: sums of pixels times weights of 22 bits, rounded to bytes. Integer sums make every
 * instruction set agree; what is written once in plain C defines them. */
#ifndef DATA_RESIZE_LOOPS_H
#define DATA_RESIZE_LOOPS_H

#include <stddef.h>
#include <stdint.h>

enum {
    RESIZE_WEIGHT_BITS = 22, /* 32 - 8 of the pixel - 2 for overshoot */
    RESIZE_HALF = 1 << (RESIZE_WEIGHT_BITS - 1),
};

/* One axis: for each output, `taps` weights and which source pixels they belong to. */
struct resize_pass {
    const int32_t *weights; /* [outputs, taps] */
    const int *bounds;      /* [outputs, 2]: the first pixel, and how many of the taps count */
    int outputs, taps;
};

/* Rows of pixels. */
struct resize_rows {
    const uint8_t *from;
    size_t stride;   /* bytes from row to row */
    size_t readable; /* bytes that may be read from `from` on: to the picture's end */
    int pixels;      /* of a row */
    int count;
};

struct resize_loops {
    /* Across: each row of `rows` becomes a row of pass->outputs pixels at `target`, to_stride bytes apart. `scratch`,
     * aligned to 64 bytes, has resize_scratch_bytes. */
    void (*across)(const struct resize_pass *pass, const struct resize_rows *rows, uint8_t *target, size_t to_stride,
                   uint8_t *scratch);
    /* Down: rows of `stride` bytes without gaps, the first of them row `first` of the pass, become pass->outputs rows.
     */
    void (*down)(const struct resize_pass *pass, const uint8_t *source, int first, size_t stride, uint8_t *target);
};

extern const struct resize_loops resize_loops_portable;
#if defined(__x86_64__) && defined(__GNUC__)
extern const struct resize_loops resize_loops_avx2; /* only where the processor has it */
#endif

/* What `across` needs for rows of so many pixels. */
size_t resize_scratch_bytes(const struct resize_pass *pass, int pixels);

#endif
