/* Learning curves: panels of lines over epochs. */
#include "rmfer/base/memory.h"
#include "rmfer/plot/canvas.h"
#include "rmfer/plot/figures.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum {
    WIDTH = 900,
    LEFT = 76,
    LEGEND = 250,
    PLOT_HEIGHT = 200,
    PANEL_HEIGHT = 270,
    TOP = 44,
    BUCKETS = 300,
    MOST_LINES = 64
};

/* A group's series: the mean of its runs where all of them have a value, and their range. */
struct curve {
    double x[BUCKETS], y[BUCKETS], low[BUCKETS], high[BUCKETS];
    size_t count, runs;
};

struct line {
    const struct run_group *group;
    const struct series *sample; /* names what is drawn */
    size_t colour, dash;
    struct curve curve;
};

struct panel {
    const char *title;
    bool is_percent;
    struct line *lines; /* [MOST_LINES] */
    size_t count;
    double last_epoch, low, high;
};

/* ---- from series to curves ---------------------------------------------------------------------------------------
 */

struct buckets {
    double x[BUCKETS], sum[BUCKETS], n[BUCKETS];
};

static void fill_buckets(struct buckets *buckets, const struct series *series, double last_epoch)
{
    memset(buckets, 0, sizeof *buckets);
    for (size_t i = 0; i < series->count; i++) {
        double share = last_epoch > 0 ? series->epochs[i] / last_epoch : 0;
        if (!(share >= 0 && share <= 1)) continue;
        size_t at = share >= 1 ? BUCKETS - 1 : (size_t)(share * BUCKETS);
        buckets->x[at] += series->epochs[i];
        buckets->sum[at] += series->values[i];
        buckets->n[at]++;
    }
}

/* A long run has more points than a screen has pixels: the means of equal parts of the axis stand for them. */
static void make_curve(struct line *line, double last_epoch)
{
    struct buckets total = {0}, one;
    double low[BUCKETS], high[BUCKETS];
    size_t runs = 0;
    for (size_t r = 0; r < line->group->count; r++) {
        const struct series *series =
            run_series(&line->group->runs[r], line->sample->name, line->sample->is_evaluation);
        if (series == NULL) continue;
        fill_buckets(&one, series, last_epoch);
        for (size_t b = 0; b < BUCKETS; b++) {
            if (!(one.n[b] > 0)) continue;
            double value = one.sum[b] / one.n[b];
            low[b] = total.n[b] > 0 ? fmin(low[b], value) : value;
            high[b] = total.n[b] > 0 ? fmax(high[b], value) : value;
            total.x[b] += one.x[b] / one.n[b];
            total.sum[b] += value;
            total.n[b]++;
        }
        runs++;
    }
    struct curve *curve = &line->curve;
    curve->count = 0;
    curve->runs = runs;
    for (size_t b = 0; b < BUCKETS; b++) {
        if (total.n[b] < (double)runs || runs == 0) continue;
        curve->x[curve->count] = total.x[b] / (double)runs;
        curve->y[curve->count] = total.sum[b] / (double)runs;
        curve->low[curve->count] = low[b];
        curve->high[curve->count++] = high[b];
    }
}

/* ---- drawing -----------------------------------------------------------------------------------------------------
 */

/* 1, 2 or 5 times a power of ten, for at most eight ticks. */
static double tick_step(double span)
{
    static const double factors[] = {1, 2, 5, 10};
    double power = pow(10, floor(log10(span / 8)));
    for (size_t i = 0; i < 4; i++)
        if (span / (power * factors[i]) <= 8) return power * factors[i];
    return 10 * power;
}

static struct canvas_point place(const struct panel *panel, double top, double epoch, double value)
{
    double x = panel->last_epoch > 0 ? epoch / panel->last_epoch : 0;
    return (struct canvas_point){LEFT + x * (WIDTH - LEFT - LEGEND),
                                 top + PLOT_HEIGHT * (panel->high - value) / (panel->high - panel->low)};
}

static void draw_axes(struct canvas *canvas, const struct panel *panel, double top)
{
    char text[32];
    double step = tick_step(panel->high - panel->low), right = WIDTH - LEGEND, bottom = top + PLOT_HEIGHT;
    for (double at = ceil(panel->low / step) * step; at <= panel->high; at += step) {
        double y = place(panel, top, 0, at).y, shown = fabs(at) < step / 1e6 ? 0 : at;
        canvas_line(canvas, (struct canvas_point[]){{LEFT, y}, {right, y}}, 2, NULL, 1, NULL, 0.15);
        snprintf(text, sizeof text, panel->is_percent ? "%.4g %%" : "%.4g", panel->is_percent ? 100 * shown : shown);
        canvas_text(canvas, LEFT - 8, y + 4, ANCHOR_END, NULL, 0, text);
    }
    double last = panel->last_epoch > 0 ? panel->last_epoch : 1;
    step = tick_step(last);
    for (double at = 0; at <= last * (1 + 1e-9) && panel->last_epoch > 0; at += step) {
        snprintf(text, sizeof text, "%.4g", at);
        canvas_text(canvas, place(panel, top, at, 0).x, bottom + 18, ANCHOR_MIDDLE, NULL, 0, text);
    }
    canvas_line(canvas, (struct canvas_point[]){{LEFT, top}, {LEFT, bottom}, {right, bottom}}, 3, NULL, 1, NULL, 0.8);
    canvas_text(canvas, (LEFT + right) / 2, bottom + 36, ANCHOR_MIDDLE, NULL, 0, "epoch");
    canvas_heading(canvas, LEFT, top - 10, panel->title);
}

static void draw_curve(struct canvas *canvas, const struct panel *panel, const struct line *line, double top)
{
    static const char *const dashes[] = {NULL, "6 3", "2 3", "8 3 2 3"};
    struct canvas_point points[2 * BUCKETS];
    const struct curve *curve = &line->curve;
    const char *colour = palette_colour(line->colour);
    if (curve->runs > 1) {
        for (size_t i = 0; i < curve->count; i++) {
            points[i] = place(panel, top, curve->x[i], curve->high[i]);
            points[2 * curve->count - 1 - i] = place(panel, top, curve->x[i], curve->low[i]);
        }
        canvas_area(canvas, points, 2 * curve->count, colour, 0.2);
    }
    for (size_t i = 0; i < curve->count; i++) points[i] = place(panel, top, curve->x[i], curve->y[i]);
    canvas_line(canvas, points, curve->count, colour, 2, dashes[line->dash % 4], 1);
    if (curve->count == 1) canvas_rectangle(canvas, points[0].x - 3, points[0].y - 3, 6, 6, colour, NULL);
}

static void draw_legend(struct canvas *canvas, const struct panel *panel, const struct line *line, double y,
                        bool several)
{
    static const char *const dashes[] = {NULL, "6 3", "2 3", "8 3 2 3"};
    char text[64];
    double x = WIDTH - LEGEND + 14;
    const char *kind = line->sample->is_evaluation ? "eval " : "";
    if (several)
        snprintf(text, sizeof text, "%.16s: %s%.18s", line->group->name, kind, line->sample->name);
    else
        snprintf(text, sizeof text, "%s%.32s", kind, line->sample->name);
    (void)panel;
    canvas_line(canvas, (struct canvas_point[]){{x, y - 4}, {x + 22, y - 4}}, 2, palette_colour(line->colour), 3,
                dashes[line->dash % 4], 1);
    canvas_text(canvas, x + 28, y, ANCHOR_START, NULL, 0, text);
}

static void mark_phase(struct canvas *canvas, const struct panel *panel, const struct run_group *group, double top)
{
    double epoch = group->count > 0 ? group->runs[0].phase_switch : NAN;
    if (isnan(epoch) || epoch > panel->last_epoch) return;
    double x = place(panel, top, epoch, 0).x;
    canvas_line(canvas, (struct canvas_point[]){{x, top}, {x, top + PLOT_HEIGHT}}, 2, NULL, 1, "4 4", 0.6);
    canvas_text(canvas, x + 4, top + 12, ANCHOR_START, NULL, 0, "phase 2");
}

static void draw_panel(struct canvas *canvas, struct panel *panel, double top, bool several)
{
    panel->low = INFINITY;
    panel->high = -INFINITY;
    for (size_t i = 0; i < panel->count; i++) {
        make_curve(&panel->lines[i], panel->last_epoch);
        for (size_t k = 0; k < panel->lines[i].curve.count; k++) {
            panel->low = fmin(panel->low, panel->lines[i].curve.low[k]);
            panel->high = fmax(panel->high, panel->lines[i].curve.high[k]);
        }
    }
    if (!(panel->low <= panel->high)) panel->low = panel->high = 0;
    double margin = 0.05 * (panel->high - panel->low);
    if (!(margin > 1e-12 * fabs(panel->high))) margin = fmax(0.05 * fabs(panel->high), 1e-9);
    panel->low -= margin;
    panel->high += margin;
    draw_axes(canvas, panel, top);
    for (size_t i = 0; i < panel->count; i++) {
        if (i == 0 || panel->lines[i].group != panel->lines[i - 1].group)
            mark_phase(canvas, panel, panel->lines[i].group, top);
        draw_curve(canvas, panel, &panel->lines[i], top);
        if (i < 11) draw_legend(canvas, panel, &panel->lines[i], top + 12 + 18 * (double)i, several);
    }
}

/* ---- what a panel shows ------------------------------------------------------------------------------------------
 */

static bool is_loss(const struct series *series)
{
    return strncmp(series->name, "loss", 4) == 0;
}

static bool is_accuracy(const struct series *series)
{
    size_t length = strlen(series->name);
    return length >= 8 && strcmp(series->name + length - 8, "accuracy") == 0;
}

static bool is_rate(const struct series *series)
{
    return !series->is_evaluation && strncmp(series->name, "lr", 2) == 0;
}

static bool is_speed(const struct series *series)
{
    return !series->is_evaluation && strcmp(series->name, "images_per_s") == 0;
}

/* A term that never was anything but 0 is off. */
static bool is_silent(const struct series *series)
{
    for (size_t i = 0; i < series->count; i++)
        if (series->values[i] < 0 || series->values[i] > 0) return false;
    return true;
}

static bool is_asked_for(const struct run *run, const struct series *series, const char *key)
{
    if (strcmp(series->name, key) != 0) return false;
    return series->is_evaluation || run_series(run, key, true) == NULL || strncmp(key, "loss", 4) == 0;
}

/* Lines of a group: the series of its first run that belong into the panel. */
static void add_lines(struct panel *panel, const struct run_group *group, size_t number, bool several,
                      bool (*belongs)(const struct series *), const char *key)
{
    size_t place_in_group = 0;
    for (size_t i = 0; group->count > 0 && i < group->runs[0].series_count && panel->count < MOST_LINES; i++) {
        const struct series *series = &group->runs[0].series[i];
        bool wanted =
            key != NULL ? is_asked_for(&group->runs[0], series, key) : belongs(series) && !is_silent(series);
        if (!wanted || series->count == 0) continue;
        struct line *line = &panel->lines[panel->count++];
        line->group = group;
        line->sample = series;
        line->colour = several ? number : place_in_group;
        line->dash = several ? place_in_group : 0;
        place_in_group++;
        panel->last_epoch = fmax(panel->last_epoch, series->epochs[series->count - 1]);
    }
}

static const struct {
    const char *title;
    bool is_percent;
    bool (*belongs)(const struct series *);
} kinds[] = {
    {"loss (means of the steps between two points)", false, is_loss},
    {"accuracy", true, is_accuracy},
    {"learning rate", false, is_rate},
    {"speed, images/s", false, is_speed},
};

enum { KINDS = sizeof kinds / sizeof kinds[0] };

static struct panel panel_of(size_t kind, const char *key, const struct run_group *groups, size_t count,
                             struct line *lines)
{
    struct panel panel = {.title = kinds[kind].title, .is_percent = kinds[kind].is_percent, .lines = lines};
    if (key != NULL) {
        panel.title = key;
        panel.is_percent = strstr(key, "accuracy") != NULL;
    }
    for (size_t g = 0; g < count; g++) add_lines(&panel, &groups[g], g, count > 1, kinds[kind].belongs, key);
    return panel;
}

status figure_curves(const struct run_group *groups, size_t count, const char *key, const char *title, bool alone,
                     struct text *out, struct error *err)
{
    struct line *lines = memory_allocate(MOST_LINES, sizeof *lines, "curves", err);
    if (lines == NULL) return STATUS_FAILED;
    size_t kind_count = key != NULL ? 1 : KINDS, shown = 0;
    for (size_t k = 0; k < kind_count; k++) shown += panel_of(k, key, groups, count, lines).count > 0;
    status result = STATUS_OK;
    if (shown == 0) {
        result = key != NULL ? error_set(err, "no run has a line with the number '%s'", key)
                             : error_set(err, "the runs have no line of metrics yet");
    } else {
        struct canvas canvas = canvas_begin(out, WIDTH, TOP + 20 + PANEL_HEIGHT * (double)shown, title, alone, err);
        double top = TOP + 24;
        canvas_heading(&canvas, 12, 22, title);
        for (size_t k = 0; k < kind_count; k++) {
            struct panel panel = panel_of(k, key, groups, count, lines);
            if (panel.count == 0) continue;
            draw_panel(&canvas, &panel, top, count > 1);
            top += PANEL_HEIGHT;
        }
        result = canvas_end(&canvas);
    }
    memory_free(lines);
    return result;
}
