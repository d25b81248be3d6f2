/* Pillow's resampling (Image.resize, 8 bits a channel), computed the same way to the last bit: weights in double,
 * normalised, rounded to 22 bits; first across, then down; 8 bits in between. Integer sums make every instruction set
 * agree, so the inner loops are plain C that is compiled twice: for any processor and for AVX2. */
#include "rmfer/data/resize.h"
#include "rmfer/base/memory.h"

#include <math.h>
#include <string.h>

enum {
    WEIGHT_BITS = 22, /* 32 - 8 of the pixel - 2 for overshoot */
    HALF = 1 << (WEIGHT_BITS - 1),
    MOST_COLUMNS = 64, /* bytes summed side by side */
    TILE_ROWS = 16,    /* rows that are turned into columns at a time */
    TILE_STRIDE = 64,  /* bytes of a turned pixel column: 16 pixels and what a four-byte copy may spill over */
};

/* One axis: for each output, `taps` weights and which source pixels they belong to. */
struct pass {
    const int32_t *weights;
    const int *bounds;
    int outputs, taps;
};

static double triangle(double x)
{
    x = fabs(x);
    return x < 1.0 ? 1.0 - x : 0.0;
}

/* Keys' cubic with a = -0.5. */
static double cubic(double x)
{
    const double a = -0.5;
    x = fabs(x);
    if (x < 1.0) return ((a + 2.0) * x - (a + 3.0)) * x * x + 1.0;
    return x < 2.0 ? (((x - 5.0) * x + 8.0) * x - 4.0) * a : 0.0;
}

/* One axis of the box, in whole source pixels: where it begins, how many there are, and the box within them. */
struct span {
    int first, pixels;
    double begin, length;
};

/* Filter support in source pixels: it grows with the reduction. */
static double support_of(const struct span *span, enum config_resize filter, int outputs)
{
    double scale = span->length / outputs;
    return (filter == RESIZE_BICUBIC ? 2.0 : 1.0) * (scale < 1.0 ? 1.0 : scale);
}

static int taps_of(const struct span *span, enum config_resize filter, int outputs)
{
    return (int)ceil(support_of(span, filter, outputs)) * 2 + 1;
}

static int32_t fixed_point(double weight)
{
    double scaled = weight * (1 << WEIGHT_BITS);
    return (int32_t)(scaled < 0 ? scaled - 0.5 : scaled + 0.5);
}

static void compute_pass(const struct span *span, enum config_resize filter, int outputs, int taps, int32_t *weights,
                         int *bounds)
{
    double scale = span->length / outputs, shrink = scale < 1.0 ? 1.0 : 1.0 / scale;
    double support = support_of(span, filter, outputs);
    for (int i = 0; i < outputs; i++) {
        double centre = span->begin + (i + 0.5) * scale;
        int low = (int)(centre - support + 0.5), high = (int)(centre + support + 0.5);
        if (low < 0) low = 0;
        if (high > span->pixels) high = span->pixels;
        int count = high - low < taps ? high - low : taps;
        int32_t *row = weights + (size_t)i * (size_t)taps;
        /* Twice, so that no third buffer is needed: the sum first, then the normalised weights. */
        double sum = 0.0;
        for (int t = 0; t < count; t++) {
            double x = (t + low - centre + 0.5) * shrink;
            sum += filter == RESIZE_BICUBIC ? cubic(x) : triangle(x);
        }
        for (int t = 0; t < count; t++) {
            double x = (t + low - centre + 0.5) * shrink;
            double exact = filter == RESIZE_BICUBIC ? cubic(x) : triangle(x);
            row[t] = fixed_point(sum != 0.0 ? exact / sum : exact);
        }
        bounds[2 * i] = low;
        bounds[2 * i + 1] = count;
    }
}

#define ALWAYS_INLINE static inline __attribute__((always_inline))

ALWAYS_INLINE uint8_t to_byte(int32_t sum)
{
    int32_t value = sum >> WEIGHT_BITS;
    value = value < 0 ? 0 : value;
    return (uint8_t)(value > 255 ? 255 : value);
}

/* Down, `columns` bytes side by side at a time: a sum of rows, whatever the rows are. `source` begins at row `first`
 * of the pass. */
ALWAYS_INLINE void down_body(const struct pass *pass, const uint8_t *source, int first, size_t from_stride,
                             size_t bytes, size_t columns, uint8_t *target, size_t to_stride)
{
    for (int i = 0; i < pass->outputs; i++, target += to_stride) {
        const int32_t *weights = pass->weights + (size_t)i * (size_t)pass->taps;
        const uint8_t *from = source + (size_t)(pass->bounds[2 * i] - first) * from_stride;
        int count = pass->bounds[2 * i + 1];
        size_t column = 0;
        for (; column + columns <= bytes; column += columns) {
            int32_t sums[MOST_COLUMNS];
            for (size_t j = 0; j < columns; j++) sums[j] = HALF;
            for (int t = 0; t < count; t++) {
                const uint8_t *row = from + (size_t)t * from_stride + column;
                for (size_t j = 0; j < columns; j++) sums[j] += row[j] * weights[t];
            }
            for (size_t j = 0; j < columns; j++) target[column + j] = to_byte(sums[j]);
        }
        for (; column < bytes; column++) {
            int32_t sum = HALF;
            for (int t = 0; t < count; t++) sum += from[(size_t)t * from_stride + column] * weights[t];
            target[column] = to_byte(sum);
        }
    }
}

/* Pixels of `rows` rows to columns of `to`, one column a row; four bytes are moved for three, but for the last pixel,
 * behind which there may be nothing. */
ALWAYS_INLINE void rows_to_columns(const uint8_t *source, size_t from_stride, int rows, int pixels, uint8_t *to)
{
    for (int x = 0; x < pixels - 1; x++, to += TILE_STRIDE)
        for (int r = 0; r < rows; r++) memcpy(to + 3 * r, source + (size_t)r * from_stride + 3 * (size_t)x, 4);
    for (int r = 0; r < rows; r++) memcpy(to + 3 * r, source + (size_t)r * from_stride + 3 * (size_t)(pixels - 1), 3);
}

ALWAYS_INLINE void columns_to_rows(const uint8_t *from, int rows, int pixels, uint8_t *target, size_t to_stride)
{
    for (int x = 0; x < pixels - 1; x++, from += TILE_STRIDE)
        for (int r = 0; r < rows; r++) memcpy(target + (size_t)r * to_stride + 3 * (size_t)x, from + 3 * r, 4);
    for (int r = 0; r < rows; r++) memcpy(target + (size_t)r * to_stride + 3 * (size_t)(pixels - 1), from + 3 * r, 3);
}

/* Across is down in the transposed picture: 16 rows at a time are turned into columns, so that the sums run over
 * neighbouring bytes. `tile` has room for the source's and the outputs' columns. */
ALWAYS_INLINE void across_body(const struct pass *pass, const uint8_t *source, size_t from_stride, int pixels,
                               uint8_t *target, size_t to_stride, int rows, uint8_t *tile)
{
    uint8_t *turned = tile + (size_t)pixels * TILE_STRIDE;
    for (int done = 0; done < rows; done += TILE_ROWS) {
        int count = rows - done < TILE_ROWS ? rows - done : TILE_ROWS;
        rows_to_columns(source + (size_t)done * from_stride, from_stride, count, pixels, tile);
        down_body(pass, tile, 0, TILE_STRIDE, TILE_ROWS * 3, TILE_ROWS * 3, turned, TILE_STRIDE);
        columns_to_rows(turned, count, pass->outputs, target + (size_t)done * to_stride, to_stride);
    }
}

struct loops {
    void (*across)(const struct pass *pass, const uint8_t *source, size_t from_stride, int pixels, uint8_t *target,
                   size_t to_stride, int rows, uint8_t *tile);
    void (*down)(const struct pass *pass, const uint8_t *source, int first, size_t stride, uint8_t *target);
};

#define DEFINE_LOOPS(name, attributes)                                                                           \
    attributes static void across_##name(const struct pass *pass, const uint8_t *source, size_t from_stride,     \
                                         int pixels, uint8_t *target, size_t to_stride, int rows, uint8_t *tile) \
    {                                                                                                            \
        across_body(pass, source, from_stride, pixels, target, to_stride, rows, tile);                           \
    }                                                                                                            \
    attributes static void down_##name(const struct pass *pass, const uint8_t *source, int first, size_t stride, \
                                       uint8_t *target)                                                          \
    {                                                                                                            \
        down_body(pass, source, first, stride, stride, MOST_COLUMNS, target, stride);                            \
    }                                                                                                            \
    static const struct loops loops_##name = {across_##name, down_##name};

DEFINE_LOOPS(portable, )
#if defined(__x86_64__)
DEFINE_LOOPS(avx2, __attribute__((target("avx2"))))
#endif

static const struct loops *choose_loops(void)
{
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx2")) return &loops_avx2;
#endif
    return &loops_portable;
}

/* Cuts an edge pair to the picture and to whole pixels. */
static status clamp_span(double begin, double length, int pixels, struct span *span, struct error *err)
{
    double end = begin + length;
    if (begin < 0) begin = 0;
    if (end > pixels) end = pixels;
    if (!(end - begin > 1e-6)) return error_set(err, "the box has no part in the picture");
    span->first = (int)begin;
    span->pixels = (int)ceil(end) - span->first;
    span->begin = begin - span->first;
    span->length = end - begin;
    return STATUS_OK;
}

/* The block, or a larger one in its place; NULL when memory is short. What was in it is not kept. */
static void *at_least(void *block, size_t *capacity, size_t count, size_t size, struct error *err)
{
    if (count <= *capacity) return block;
    void *larger = memory_allocate(count, size, "a resize buffer", err);
    if (larger == NULL) return NULL;
    memory_free(block);
    *capacity = count;
    return larger;
}

static status reserve(struct resize_workspace *work, size_t weights, size_t bounds, size_t rows, struct error *err)
{
    void *block = at_least(work->weights, &work->weight_capacity, weights, sizeof(int32_t), err);
    if (block == NULL) return STATUS_FAILED;
    work->weights = block;
    block = at_least(work->bounds, &work->bound_capacity, bounds, sizeof(int), err);
    if (block == NULL) return STATUS_FAILED;
    work->bounds = block;
    block = at_least(work->rows, &work->row_capacity, rows, 1, err);
    if (block == NULL) return STATUS_FAILED;
    work->rows = block;
    return STATUS_OK;
}

/* Pillow leaves a pass out that would copy. */
static bool is_identity(const struct span *span, int outputs)
{
    return span->pixels == outputs && span->begin == 0.0 && span->length == outputs;
}

/* Across for every row that the vertical pass will read. */
static void run_across(const struct image *source, const struct span *x, const struct pass *pass, int first_row,
                       int row_count, bool copy, uint8_t *rows, uint8_t *tile)
{
    size_t stride = (size_t)source->width * 3, to_stride = (size_t)pass->outputs * 3;
    const uint8_t *from = source->rgb + (size_t)first_row * stride + (size_t)x->first * 3;
    if (!copy) choose_loops()->across(pass, from, stride, x->pixels, rows, to_stride, row_count, tile);
    for (int i = 0; copy && i < row_count; i++)
        memcpy(rows + (size_t)i * to_stride, from + (size_t)i * stride, to_stride);
}

static status run_passes(const struct image *source, const struct span *x, const struct span *y,
                         enum config_resize filter, int width, int height, uint8_t *rgb,
                         struct resize_workspace *work, struct error *err)
{
    int x_taps = taps_of(x, filter, width), y_taps = taps_of(y, filter, height);
    size_t x_weights = size_multiply((size_t)width, (size_t)x_taps);
    size_t weights = size_add(x_weights, size_multiply((size_t)height, (size_t)y_taps));
    size_t bounds = 2 * ((size_t)width + (size_t)height);
    size_t stride = (size_t)width * 3, row_bytes = size_multiply((size_t)y->pixels, stride);
    size_t bytes = size_add(row_bytes, ((size_t)x->pixels + (size_t)width) * TILE_STRIDE);
    status result = reserve(work, weights, bounds, bytes, err);
    if (result != STATUS_OK) return result;
    compute_pass(x, filter, width, x_taps, work->weights, work->bounds);
    compute_pass(y, filter, height, y_taps, work->weights + x_weights, work->bounds + 2 * width);
    struct pass across = {work->weights, work->bounds, width, x_taps};
    struct pass down = {work->weights + x_weights, work->bounds + 2 * width, height, y_taps};
    bool copy_down = is_identity(y, height);
    int first = copy_down ? 0 : down.bounds[0];
    int last = copy_down ? height : down.bounds[2 * (height - 1)] + down.bounds[2 * (height - 1) + 1];
    run_across(source, x, &across, y->first + first, last - first, is_identity(x, width), work->rows,
               work->rows + row_bytes);
    if (copy_down)
        memcpy(rgb, work->rows, stride * (size_t)height);
    else
        choose_loops()->down(&down, work->rows, first, stride, rgb);
    return STATUS_OK;
}

void resize_workspace_free(struct resize_workspace *workspace)
{
    memory_free(workspace->weights);
    memory_free(workspace->bounds);
    memory_free(workspace->rows);
    *workspace = (struct resize_workspace){0};
}

status image_resize_into(const struct image *source, const struct image_box *box, enum config_resize filter,
                         int width, int height, uint8_t *rgb, struct resize_workspace *workspace, struct error *err)
{
    struct image_box whole = {0, 0, source->width, source->height};
    if (box == NULL) box = &whole;
    struct span x = {0}, y = {0};
    status result = clamp_span(box->x, box->width, source->width, &x, err);
    if (result == STATUS_OK) result = clamp_span(box->y, box->height, source->height, &y, err);
    if (result != STATUS_OK) return result;
    return run_passes(source, &x, &y, filter, width, height, rgb, workspace, err);
}

status image_resize(const struct image *source, const struct image_box *box, enum config_resize filter, int width,
                    int height, struct image *result, struct error *err)
{
    struct resize_workspace workspace = {0};
    status outcome = image_create(result, width, height, err);
    if (outcome == STATUS_OK)
        outcome = image_resize_into(source, box, filter, width, height, result->rgb, &workspace, err);
    if (outcome != STATUS_OK) image_free(result);
    resize_workspace_free(&workspace);
    return outcome;
}

static const char *const filter_names[] = {[RESIZE_BILINEAR] = "bilinear", [RESIZE_BICUBIC] = "bicubic"};

const char *resize_filter_name(enum config_resize filter)
{
    return filter_names[filter];
}

status resize_filter_find(const char *name, enum config_resize *filter, struct error *err)
{
    for (int i = 0; i < 2; i++) {
        if (strcmp(name, filter_names[i]) != 0) continue;
        *filter = (enum config_resize)i;
        return STATUS_OK;
    }
    return error_set(err, "resize filter '%s' is not known (bilinear, bicubic)", name);
}
