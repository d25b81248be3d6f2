/* Resizing's inner loops in plain C. Across is down in the transposed picture: 16 rows at a time are turned into
 * columns, so that the sums run over neighbouring bytes and the compiler makes vectors of them. */
#include "data/resize_loops.h"

#include <string.h>

enum {
    MOST_COLUMNS = 64, /* bytes summed side by side */
    TILE_ROWS = 16,    /* rows that are turned into columns at a time */
    TILE_STRIDE = 64,  /* bytes of a turned pixel column: 16 pixels and what a four-byte copy may spill over */
};

#define ALWAYS_INLINE static inline __attribute__((always_inline))

ALWAYS_INLINE uint8_t to_byte(int32_t sum)
{
    int32_t value = sum >> RESIZE_WEIGHT_BITS;
    value = value < 0 ? 0 : value;
    return (uint8_t)(value > 255 ? 255 : value);
}

/* Down, `columns` bytes side by side at a time: a sum of rows, whatever the rows are. `source` begins at row `first`
 * of the pass. */
ALWAYS_INLINE void down_rows(const struct resize_pass *pass, const uint8_t *source, int first, size_t from_stride,
                             size_t bytes, size_t columns, uint8_t *target, size_t to_stride)
{
    for (int i = 0; i < pass->outputs; i++, target += to_stride) {
        const int32_t *weights = pass->weights + (size_t)i * (size_t)pass->taps;
        const uint8_t *from = source + (size_t)(pass->bounds[2 * i] - first) * from_stride;
        int count = pass->bounds[2 * i + 1];
        size_t column = 0;
        for (; column + columns <= bytes; column += columns) {
            int32_t sums[MOST_COLUMNS];
            for (size_t j = 0; j < columns; j++) sums[j] = RESIZE_HALF;
            for (int t = 0; t < count; t++) {
                const uint8_t *row = from + (size_t)t * from_stride + column;
                for (size_t j = 0; j < columns; j++) sums[j] += row[j] * weights[t];
            }
            for (size_t j = 0; j < columns; j++) target[column + j] = to_byte(sums[j]);
        }
        for (; column < bytes; column++) {
            int32_t sum = RESIZE_HALF;
            for (int t = 0; t < count; t++) sum += from[(size_t)t * from_stride + column] * weights[t];
            target[column] = to_byte(sum);
        }
    }
}

static void down(const struct resize_pass *pass, const uint8_t *source, int first, size_t stride, uint8_t *target)
{
    down_rows(pass, source, first, stride, stride, MOST_COLUMNS, target, stride);
}

/* Pixels of `rows` rows to columns of `to`, one column a row; four bytes are moved for three, but for the last pixel,
 * behind which there may be nothing. */
static void rows_to_columns(const uint8_t *source, size_t from_stride, int rows, int pixels, uint8_t *to)
{
    for (int x = 0; x < pixels - 1; x++, to += TILE_STRIDE)
        for (int r = 0; r < rows; r++) memcpy(to + 3 * r, source + (size_t)r * from_stride + 3 * (size_t)x, 4);
    for (int r = 0; r < rows; r++) memcpy(to + 3 * r, source + (size_t)r * from_stride + 3 * (size_t)(pixels - 1), 3);
}

static void columns_to_rows(const uint8_t *from, int rows, int pixels, uint8_t *target, size_t to_stride)
{
    for (int x = 0; x < pixels - 1; x++, from += TILE_STRIDE)
        for (int r = 0; r < rows; r++) memcpy(target + (size_t)r * to_stride + 3 * (size_t)x, from + 3 * r, 4);
    for (int r = 0; r < rows; r++) memcpy(target + (size_t)r * to_stride + 3 * (size_t)(pixels - 1), from + 3 * r, 3);
}

static void across(const struct resize_pass *pass, const struct resize_rows *rows, uint8_t *target, size_t to_stride,
                   uint8_t *scratch)
{
    uint8_t *turned = scratch + (size_t)rows->pixels * TILE_STRIDE;
    for (int done = 0; done < rows->count; done += TILE_ROWS) {
        int count = rows->count - done < TILE_ROWS ? rows->count - done : TILE_ROWS;
        rows_to_columns(rows->from + (size_t)done * rows->stride, rows->stride, count, rows->pixels, scratch);
        down_rows(pass, scratch, 0, TILE_STRIDE, TILE_ROWS * 3, TILE_ROWS * 3, turned, TILE_STRIDE);
        columns_to_rows(turned, count, pass->outputs, target + (size_t)done * to_stride, to_stride);
    }
}

const struct resize_loops resize_loops_portable = {across, down};

/* The source's and the outputs' columns here; for AVX2 the weights once more, four taps in 16 bytes, and a row's copy
 * with what is read behind it. */
size_t resize_scratch_bytes(const struct resize_pass *pass, int pixels)
{
    size_t fours = ((size_t)pass->taps + 3) / 4;
    size_t columns = ((size_t)pixels + (size_t)pass->outputs) * TILE_STRIDE;
    size_t weights = (size_t)pass->outputs * fours * 16 + 3 * ((size_t)pixels + 4 * fours) + 16;
    return columns > weights ? columns : weights;
}
