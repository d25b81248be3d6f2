/* How alike features of one class and of different classes are: pairs counted by cosine, drawn as two curves. */
#include "rmfer/plot/figures.h"

#include "chart.h"

#include "rmfer/base/memory.h"
#include "rmfer/ops/cosine.h"

#include <cblas.h>
#include <math.h>
#include <stdio.h>

enum { WIDTH = 720, LEFT = 76, RIGHT = 20, TOP = 52, HEIGHT = 280, BLOCK = 256, MEAN_BYTES = 32 };

/* ---- counting ---------------------------------------------------------------------------------------------------- */

static status unit_rows(const struct answers *answers, float *rows, struct error *err)
{
    size_t d = answers->dimensions;
    for (size_t i = 0; i < answers->sampled; i++) {
        double square = 0;
        for (size_t k = 0; k < d; k++)
            square += (double)answers->features[i * d + k] * (double)answers->features[i * d + k];
        if (!isfinite(square))
            return error_set(err, "%s: the features of picture %zu are not finite numbers", answers->name, i);
        double length = fmax(sqrt(square), SMALLEST_NORM);
        for (size_t k = 0; k < d; k++) rows[i * d + k] = (float)((double)answers->features[i * d + k] / length);
    }
    return STATUS_OK;
}

static void count_pair(struct similarity_counts *counts, bool is_same, double cosine)
{
    double place = (cosine + 1) / 2 * SIMILARITY_BINS;
    size_t bin = place <= 0 ? 0 : place >= SIMILARITY_BINS ? SIMILARITY_BINS - 1 : (size_t)place;
    (is_same ? counts->same : counts->different)[bin]++;
    *(is_same ? &counts->same_pairs : &counts->different_pairs) += 1;
    *(is_same ? &counts->same_mean : &counts->different_mean) += cosine;
}

/* Rows `first` .. `first` + `rows` with all before them, so that every pair comes once. */
static void count_block(const struct answers *answers, struct similarity_counts *counts, const float *products,
                        size_t first, size_t rows)
{
    for (size_t i = first; i < first + rows; i++)
        for (size_t j = 0; j < i; j++)
            count_pair(counts, answers_label(answers, i) == answers_label(answers, j),
                       (double)products[(i - first) * answers->sampled + j]);
}

status similarity_count(const struct answers *answers, struct similarity_counts *counts, struct error *err)
{
    size_t n = answers->sampled, d = answers->dimensions;
    *counts = (struct similarity_counts){.same_pairs = 0};
    float *rows = memory_allocate(size_multiply(n, d), sizeof *rows, "features", err);
    float *products = memory_allocate(size_multiply(BLOCK, n), sizeof *products, "similarities", err);
    status result = rows == NULL || products == NULL ? STATUS_FAILED : unit_rows(answers, rows, err);
    for (size_t first = 0; first < n && result == STATUS_OK; first += BLOCK) {
        size_t block = n - first < BLOCK ? n - first : BLOCK;
        cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, (int)block, (int)n, (int)d, 1, rows + first * d, (int)d,
                    rows, (int)d, 0, products, (int)n);
        count_block(answers, counts, products, first, block);
    }
    counts->same_mean = counts->same_pairs > 0 ? counts->same_mean / counts->same_pairs : NAN;
    counts->different_mean = counts->different_pairs > 0 ? counts->different_mean / counts->different_pairs : NAN;
    memory_free(rows);
    memory_free(products);
    return result;
}

/* ---- drawing ----------------------------------------------------------------------------------------------------- */

static double bin_middle(size_t bin)
{
    return -1 + (2 * (double)bin + 1) / SIMILARITY_BINS;
}

struct kind {
    const char *name, *colour, *dash;
    const double *bins;
    double pairs, mean;
};

static void draw_kind(struct canvas *canvas, const struct canvas_plot *plot, const struct kind *kind, double legend_y)
{
    struct canvas_point points[SIMILARITY_BINS + 2];
    char text[120], mean[32] = "";
    size_t count = 0;
    for (size_t b = 0; b < SIMILARITY_BINS; b++) {
        double x = bin_middle(b);
        if (x < plot->first_x || x > plot->last_x) continue;
        points[count++] = chart_place(plot, x, kind->pairs > 0 ? kind->bins[b] / kind->pairs : 0);
    }
    canvas_curve(canvas, points, count, kind->colour, 2, kind->dash, kind->name);
    points[count] = (struct canvas_point){points[count - 1].x, plot->bottom};
    points[count + 1] = (struct canvas_point){points[0].x, plot->bottom};
    canvas_area(canvas, points, count + 2, kind->colour, 0.15);
    if (kind->pairs > 0) {
        double x = chart_place(plot, kind->mean, 0).x;
        canvas_line(canvas, (struct canvas_point[]){{x, plot->top}, {x, plot->bottom}}, 2, kind->colour, 1, "4 3", 1);
    }
    if (kind->pairs > 0) snprintf(mean, sizeof mean, ", mean %.3f", kind->mean);
    snprintf(text, sizeof text, "%s: %.0f pairs%s", kind->name, kind->pairs, mean);
    canvas_line(canvas, (struct canvas_point[]){{LEFT + 14, legend_y}, {LEFT + 40, legend_y}}, 2, kind->colour, 2,
                kind->dash, 1);
    canvas_text(canvas, LEFT + 48, legend_y + 4, ANCHOR_START, NULL, 0, text);
}

static double highest_share(const struct kind *kind)
{
    double highest = 0;
    for (size_t b = 0; b < SIMILARITY_BINS; b++) highest = fmax(highest, kind->bins[b]);
    return kind->pairs > 0 ? highest / kind->pairs : 0;
}

/* The part of -1 .. 1 where pairs are, to tenths. */
static void find_range(const struct similarity_counts *counts, struct canvas_plot *plot)
{
    size_t first = SIMILARITY_BINS, last = 0;
    for (size_t b = 0; b < SIMILARITY_BINS; b++) {
        if (!(counts->same[b] + counts->different[b] > 0)) continue;
        if (first == SIMILARITY_BINS) first = b;
        last = b;
    }
    if (first > last) return;
    plot->first_x = fmax(-1, floor(10 * (bin_middle(first) - 0.05)) / 10);
    plot->last_x = fmin(1, ceil(10 * (bin_middle(last) + 0.05)) / 10);
}

/* A mean over no pair is told as such. */
static void mean_text(double mean, char text[MEAN_BYTES])
{
    if (isnan(mean))
        snprintf(text, MEAN_BYTES, "no pair");
    else
        snprintf(text, MEAN_BYTES, "%.4f", mean);
}

static status draw(const struct answers *answers, const struct similarity_counts *counts, const char *title,
                   enum canvas_format format, struct text *out, struct error *err)
{
    const struct kind kinds[2] = {
        {"same class", palette_colour(0), NULL, counts->same, counts->same_pairs, counts->same_mean},
        {"different classes", palette_colour(1), "6 3", counts->different, counts->different_pairs,
         counts->different_mean}};
    char caption[256], same[MEAN_BYTES], different[MEAN_BYTES];
    mean_text(answers->same_class_similarity, same);
    mean_text(answers->different_class_similarity, different);
    snprintf(
        caption, sizeof caption,
        "Pairs of %zu pictures by the cosine similarity of their features, each kind's shares in bins %.3g wide; dashed: "
        "means. All %zu pictures: same class %s, different classes %s.",
        answers->sampled, 2.0 / SIMILARITY_BINS, answers->n, same, different);
    double width = WIDTH - 24, top = TOP + 44;
    struct canvas_plot plot = {LEFT,
                               WIDTH - RIGHT,
                               top,
                               top + HEIGHT,
                               -1,
                               1,
                               0,
                               1.08 * fmax(fmax(highest_share(&kinds[0]), highest_share(&kinds[1])), 1e-6),
                               "cosine similarity",
                               true};
    find_range(counts, &plot);
    struct canvas canvas = canvas_begin(out, fmax(WIDTH, chart_heading_width(title)),
                                        plot.bottom + 64 + chart_lines_height(width, caption), title, format, err);
    canvas_heading(&canvas, 12, 24, title);
    chart_axes(&canvas, &plot, 10, "cosine similarity of two pictures' features", "share of pairs (%)");
    canvas_plot_begin(&canvas, &plot);
    for (size_t i = 0; i < 2; i++) draw_kind(&canvas, &plot, &kinds[i], TOP + 20 * (double)i);
    canvas_plot_end(&canvas);
    chart_lines(&canvas, 12, plot.bottom + 62, width, caption);
    return canvas_end(&canvas);
}

status figure_similarity(const struct answers *answers, const char *title, enum canvas_format format, struct text *out,
                         struct error *err)
{
    struct similarity_counts counts;
    status result = similarity_count(answers, &counts, err);
    return result == STATUS_OK ? draw(answers, &counts, title, format, out, err) : result;
}
