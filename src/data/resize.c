/* Pillow's resampling (Image.resize, 8 bits a channel), computed the same way to the last bit: weights in double,
 * normalised, rounded to 22 bits; first across, then down; 8 bits in between. The inner loops are in resize_loops.c and
 * resize_avx2.c. */
#include "rmfer/data/resize.h"
#include "data/resize_loops.h"
#include "rmfer/base/memory.h"

#include <math.h>
#include <string.h>

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
    double scaled = weight * (1 << RESIZE_WEIGHT_BITS);
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

/* The fastest that this processor runs. */
static const struct resize_loops *best_loops(void)
{
#if defined(__x86_64__) && defined(__GNUC__)
    if (__builtin_cpu_supports("avx2")) return &resize_loops_avx2;
#endif
    return &resize_loops_portable;
}

/* Pillow leaves a pass out that would copy. */
static bool is_identity(const struct span *span, int outputs)
{
    return span->pixels == outputs && span->begin == 0.0 && span->length == outputs;
}

/* Across for every row that the vertical pass will read. */
static void run_across(const struct image *source, const struct span *x, const struct resize_pass *pass, int first_row,
                       int row_count, bool copy, uint8_t *rows, uint8_t *scratch)
{
    size_t stride = (size_t)source->width * 3, to_stride = (size_t)pass->outputs * 3;
    size_t begin = (size_t)first_row * stride + (size_t)x->first * 3;
    struct resize_rows from = {source->rgb + begin, stride, stride * (size_t)source->height - begin, x->pixels,
                               row_count};
    if (!copy) best_loops()->across(pass, &from, rows, to_stride, scratch);
    for (int i = 0; copy && i < row_count; i++)
        memcpy(rows + (size_t)i * to_stride, from.from + (size_t)i * stride, to_stride);
}

static status run_passes(const struct image *source, const struct span *x, const struct span *y,
                         enum config_resize filter, int width, int height, uint8_t *rgb, struct resize_workspace *work,
                         struct error *err)
{
    struct resize_pass across = {.outputs = width, .taps = taps_of(x, filter, width)};
    struct resize_pass down = {.outputs = height, .taps = taps_of(y, filter, height)};
    size_t x_weights = size_multiply((size_t)width, (size_t)across.taps);
    size_t weights = size_add(x_weights, size_multiply((size_t)height, (size_t)down.taps));
    size_t bounds = 2 * ((size_t)width + (size_t)height);
    size_t stride = (size_t)width * 3, row_bytes = arena_rounded(size_multiply((size_t)y->pixels, stride));
    size_t bytes = size_add(row_bytes, resize_scratch_bytes(&across, x->pixels));
    status result = reserve(work, weights, bounds, bytes, err);
    if (result != STATUS_OK) return result;
    compute_pass(x, filter, width, across.taps, work->weights, work->bounds);
    compute_pass(y, filter, height, down.taps, work->weights + x_weights, work->bounds + 2 * width);
    across.weights = work->weights;
    across.bounds = work->bounds;
    down.weights = work->weights + x_weights;
    down.bounds = work->bounds + 2 * width;
    bool copy_down = is_identity(y, height);
    int first = copy_down ? 0 : down.bounds[0];
    int last = copy_down ? height : down.bounds[2 * (height - 1)] + down.bounds[2 * (height - 1) + 1];
    run_across(source, x, &across, y->first + first, last - first, is_identity(x, width), work->rows,
               work->rows + row_bytes);
    if (copy_down)
        memcpy(rgb, work->rows, stride * (size_t)height);
    else
        best_loops()->down(&down, work->rows, first, stride, rgb);
    return STATUS_OK;
}

void resize_workspace_free(struct resize_workspace *workspace)
{
    memory_free(workspace->weights);
    memory_free(workspace->bounds);
    memory_free(workspace->rows);
    *workspace = (struct resize_workspace){0};
}

status image_resize_into(const struct image *source, const struct image_box *box, enum config_resize filter, int width,
                         int height, uint8_t *rgb, struct resize_workspace *workspace, struct error *err)
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

status resize_filter_find(const char *name, enum config_resize *filter, struct error *err)
{
    for (int i = 0; i < 2; i++) {
        if (strcmp(name, filter_names[i]) != 0) continue;
        *filter = (enum config_resize)i;
        return STATUS_OK;
    }
    return error_set(err, "resize filter '%s' is not known (bilinear, bicubic)", name);
}
