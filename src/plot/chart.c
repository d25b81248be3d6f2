/* Axes, labels and wrapped captions. */
#include "chart.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { LINE_HEIGHT = 16, ROW_HEIGHT = 22 /* at least, between two grid lines */, TICK = 32 };

struct canvas_point chart_place(const struct canvas_plot *plot, double x, double y)
{
    double span = plot->last_x - plot->first_x, share = span > 0 ? (x - plot->first_x) / span : 0;
    return (struct canvas_point){plot->left + share * (plot->right - plot->left),
                                 plot->top + (plot->bottom - plot->top) * (plot->high - y) / (plot->high - plot->low)};
}

double chart_step(double span, int most)
{
    static const double factors[] = {1, 2, 5, 10};
    double power = pow(10, floor(log10(span / most)));
    for (size_t i = 0; i < 4; i++)
        if (span / (power * factors[i]) <= most) return power * factors[i];
    return 10 * power;
}

/* The nearest number to 0 is 0. */
static double clean(double value, double step)
{
    return fabs(value) < step / 1e6 ? 0 : value;
}

/* With as many digits as tell it from the next one. */
static void number_text(double value, double step, const char *unit, char out[TICK])
{
    double shown = clean(value, step);
    int digits = fabs(shown) > 0 ? (int)(floor(log10(fabs(shown))) - floor(log10(step))) + 1 : 1;
    snprintf(out, TICK, "%.*g%s", digits < 4 ? 4 : digits > 15 ? 15 : digits, shown, unit);
}

/* The grid lines across: from `first` on, `step` apart. */
struct rows {
    double first, step, last;
};

static struct rows rows_of(const struct canvas_plot *plot)
{
    int most = (int)((plot->bottom - plot->top) / ROW_HEIGHT);
    double step = chart_step(plot->high - plot->low, most < 2 ? 2 : most > 8 ? 8 : most);
    double last = plot->is_percent ? fmin(plot->high, 1 + step / 1e6) : plot->high;
    return (struct rows){ceil(plot->low / step) * step, step, last};
}

static void row_text(const struct canvas_plot *plot, double at, double step, char out[TICK])
{
    double unit = plot->is_percent ? 100 : 1;
    number_text(unit * at, unit * step, plot->is_percent ? " %" : "", out);
}

static void draw_rows(struct canvas *canvas, const struct canvas_plot *plot)
{
    char text[TICK];
    struct rows rows = rows_of(plot);
    for (double at = rows.first; at <= rows.last; at += rows.step) {
        double y = chart_place(plot, plot->first_x, at).y;
        canvas_line(canvas, (struct canvas_point[]){{plot->left, y}, {plot->right, y}}, 2, NULL, 1, NULL, 0.15);
        row_text(plot, at, rows.step, text);
        canvas_text(canvas, plot->left - 8, y + 4, ANCHOR_END, NULL, 0, text);
    }
}

double chart_numbers_width(const struct canvas_plot *plot)
{
    char text[TICK];
    double widest = 0;
    struct rows rows = rows_of(plot);
    for (double at = rows.first; at <= rows.last; at += rows.step) {
        row_text(plot, at, rows.step, text);
        widest = fmax(widest, canvas_text_width(text));
    }
    return widest;
}

double chart_heading_width(const char *heading)
{
    return canvas_text_width(heading) * 1.05 + 24;
}

static void draw_columns(struct canvas *canvas, const struct canvas_plot *plot, int most)
{
    char text[TICK];
    double span = plot->last_x - plot->first_x, step = chart_step(span, most);
    for (double at = ceil(plot->first_x / step - 1e-9) * step; at <= plot->last_x + 1e-9 * span; at += step) {
        double x = chart_place(plot, at, plot->low).x;
        canvas_line(canvas, (struct canvas_point[]){{x, plot->bottom}, {x, plot->bottom + 4}}, 2, NULL, 1, NULL, 0.8);
        number_text(at, step, "", text);
        canvas_text(canvas, x, plot->bottom + 18, ANCHOR_MIDDLE, NULL, 0, text);
    }
}

void chart_axes(struct canvas *canvas, const struct canvas_plot *plot, int most_x, const char *x_title,
                const char *y_title)
{
    const struct canvas_point corner[] = {
        {plot->left, plot->top}, {plot->left, plot->bottom}, {plot->right, plot->bottom}};
    double title_gap = fmax(58, chart_numbers_width(plot) + 12);
    draw_rows(canvas, plot);
    if (plot->last_x > plot->first_x) draw_columns(canvas, plot, most_x);
    canvas_line(canvas, corner, 3, NULL, 1, NULL, 0.8);
    canvas_text(canvas, (plot->left + plot->right) / 2, plot->bottom + 36, ANCHOR_MIDDLE, NULL, 0, x_title);
    canvas_text(canvas, plot->left - title_gap, (plot->top + plot->bottom) / 2, ANCHOR_MIDDLE, NULL, -90, y_title);
}

void chart_class_name(const char *const *names, size_t name_count, size_t class, char out[CHART_NAME])
{
    if (class < name_count)
        canvas_shorten(names[class], CHART_NAME_CHARACTERS, out, CHART_NAME);
    else
        snprintf(out, CHART_NAME, "class %zu", class);
}

double chart_names_width(const char *const *names, size_t name_count, size_t classes)
{
    double widest = 0;
    for (size_t c = 0; c < classes; c++) {
        char name[CHART_NAME];
        chart_class_name(names, name_count, c, name);
        widest = fmax(widest, canvas_text_width(name));
    }
    return widest;
}

/* The length of the first line of `text`: up to the last blank that fits, or the whole. */
static size_t line_length(const char *text, double width)
{
    char word[256];
    size_t fits = 0;
    for (size_t end = 1;; end++) {
        if (text[end - 1] != '\0' && text[end] != ' ' && text[end] != '\0') continue;
        if (end >= sizeof word) return fits > 0 ? fits : end;
        snprintf(word, sizeof word, "%.*s", (int)end, text);
        if (canvas_text_width(word) * 0.92 > width && fits > 0) return fits;
        fits = end;
        if (text[end - 1] == '\0' || text[end] == '\0') return end;
    }
}

static double walk_lines(struct canvas *canvas, double x, double y, double width, const char *text)
{
    while (*text != '\0') {
        char line[256];
        size_t length = line_length(text, width);
        snprintf(line, sizeof line, "%.*s", (int)length, text);
        if (canvas != NULL) canvas_text(canvas, x, y, ANCHOR_START, NULL, 0, line);
        y += LINE_HEIGHT;
        text += length;
        while (*text == ' ') text++;
    }
    return y;
}

double chart_lines(struct canvas *canvas, double x, double y, double width, const char *text)
{
    return walk_lines(canvas, x, y, width, text);
}

double chart_lines_height(double width, const char *text)
{
    return walk_lines(NULL, 0, 0, width, text);
}
