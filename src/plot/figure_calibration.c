/* The reliability diagram: bars of accuracy against the diagonal, and how many answers stand behind each. */
#include "rmfer/plot/figures.h"

#include "chart.h"

#include "rmfer/method/calibration.h"

#include <math.h>
#include <stdio.h>

enum { SIDE = 320, LEFT = 76, GAP = 100, TOP = 76, COUNTS = 90, COUNTS_GAP = 30, RIGHT = 24, CAPTION = 64 };

struct diagram {
    struct calibration_bin bins[CALIBRATION_BINS];
    struct calibration measures;
    double n, temperature;
};

static void bin_tip(const struct calibration_bin *bin, int b, char *out, size_t size)
{
    snprintf(out, size, "confidence %.1f to %.1f %%: %.0f answers, mean confidence %.1f %%, accuracy %.1f %%",
             100.0 * b / CALIBRATION_BINS, 100.0 * (b + 1) / CALIBRATION_BINS, bin->n, 100 * bin->confidence / bin->n,
             100 * bin->right / bin->n);
}

static void draw_bars(struct canvas *canvas, const struct canvas_plot *plot, const struct diagram *diagram)
{
    double width = (plot->right - plot->left) / CALIBRATION_BINS;
    for (int b = 0; b < CALIBRATION_BINS; b++) {
        const struct calibration_bin *bin = &diagram->bins[b];
        char tip[160];
        if (!(bin->n > 0)) continue;
        bin_tip(bin, b, tip, sizeof tip);
        double x = plot->left + b * width, y = chart_place(plot, 0, bin->right / bin->n).y;
        canvas_rectangle(canvas, x + 1, y, width - 2, plot->bottom - y, palette_colour(0), tip);
        struct canvas_point at = chart_place(plot, 100 * bin->confidence / bin->n, bin->right / bin->n);
        canvas_dot(canvas, at.x, at.y, 3.5, "#d55e00", 1, tip);
    }
    const struct canvas_point diagonal[2] = {chart_place(plot, 0, 0), chart_place(plot, 100, 1)};
    canvas_line(canvas, diagonal, 2, NULL, 1, "5 4", 0.8);
}

static void draw_counts(struct canvas *canvas, const struct canvas_plot *plot, const struct diagram *diagram)
{
    double width = (plot->right - plot->left) / CALIBRATION_BINS;
    for (int b = 0; b < CALIBRATION_BINS; b++) {
        const struct calibration_bin *bin = &diagram->bins[b];
        char tip[160], count[24];
        if (!(bin->n > 0)) continue;
        bin_tip(bin, b, tip, sizeof tip);
        double x = plot->left + b * width, y = chart_place(plot, 0, bin->n / diagram->n).y;
        canvas_rectangle(canvas, x + 1, y, width - 2, plot->bottom - y, "#808080", tip);
        snprintf(count, sizeof count, "%.0f", bin->n);
        canvas_text(canvas, x + width / 2 + 4, y - 4, ANCHOR_START, NULL, -90, count);
    }
}

static void draw_diagram(struct canvas *canvas, const struct diagram *diagram, double left)
{
    char text[160];
    struct canvas_plot plot = {left, left + SIDE, TOP, TOP + SIDE, 0, 100, 0, 1, "confidence", true};
    double most = 1e-9, top = TOP + SIDE + CAPTION + COUNTS_GAP;
    for (int b = 0; b < CALIBRATION_BINS; b++) most = fmax(most, diagram->bins[b].n / diagram->n);
    struct canvas_plot counts = {left, left + SIDE, top,        top + COUNTS, 0,
                                 100,  0,           1.5 * most, "confidence", true}; /* room above for the numbers */
    if (isnan(diagram->temperature))
        snprintf(text, sizeof text, "as the outputs are");
    else
        snprintf(text, sizeof text, "at temperature %.4f", diagram->temperature);
    canvas_heading(canvas, left, TOP - 30, text);
    snprintf(text, sizeof text, "expected calibration error %.2f %%, NLL %.4f",
             100 * diagram->measures.expected_calibration_error, diagram->measures.negative_log_likelihood);
    canvas_text(canvas, left, TOP - 12, ANCHOR_START, NULL, 0, text);
    chart_axes(canvas, &plot, 10, "confidence (%)", "accuracy (%)");
    draw_bars(canvas, &plot, diagram);
    chart_axes(canvas, &counts, 10, "confidence (%)", "answers (%)");
    draw_counts(canvas, &counts, diagram);
}

static bool measure(const struct answers *answers, double temperature, struct diagram *diagram)
{
    const struct scored_rows rows = {.logits = answers->logits,
                                     .labels = answers->labels,
                                     .n = answers->n,
                                     .classes = answers->classes,
                                     .may_predict = answers->may_predict};
    double used = isnan(temperature) ? 1 : temperature;
    *diagram = (struct diagram){.n = 0, .temperature = temperature, .measures = calibration_measure(&rows, used)};
    if (!calibration_bins(&rows, used, diagram->bins)) return false;
    for (int b = 0; b < CALIBRATION_BINS; b++) diagram->n += diagram->bins[b].n;
    return diagram->n > 0;
}

status figure_calibration(const struct answers *answers, const char *title, enum canvas_format format, struct text *out,
                          struct error *err)
{
    struct diagram diagrams[2];
    size_t count = isnan(answers->temperature) ? 1 : 2;
    for (size_t i = 0; i < count; i++)
        if (!measure(answers, i == 0 ? NAN : answers->temperature, &diagrams[i]))
            return error_set(err, "%s: the outputs are not finite numbers, or there are none", answers->name);
    double width = fmax(LEFT + (double)count * (SIDE + GAP) - GAP + RIGHT, chart_heading_width(title));
    double bottom = TOP + SIDE + CAPTION + COUNTS_GAP + COUNTS;
    const char *caption =
        "Bars: accuracy of the answers whose confidence is in the bin; dots: at their mean confidence. Below: "
        "how many answers each bin has. A calibrated classifier's dots stand on the dashed line.";
    struct canvas canvas = canvas_begin(out, width, bottom + CAPTION + chart_lines_height(width - 24, caption), title,
                                        format, err);
    canvas_heading(&canvas, 12, 24, title);
    for (size_t i = 0; i < count; i++) draw_diagram(&canvas, &diagrams[i], LEFT + (double)i * (SIDE + GAP));
    chart_lines(&canvas, 12, bottom + CAPTION, width - 24, caption);
    return canvas_end(&canvas);
}
