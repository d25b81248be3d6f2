/* Learning curves: panels of lines over epochs. */
#include "rmfer/base/memory.h"
#include "rmfer/plot/canvas.h"
#include "rmfer/plot/figures.h"

#include "chart.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum {
    WIDTH = 960,
    LEFT = 76,
    LEGEND = 310,
    PLOT_HEIGHT = 200,
    PANEL_MARGIN = 76,
    LEGEND_LINE = 18,
    TOP = 72,
    BUCKETS = WIDTH - LEFT - LEGEND, /* one a pixel */
    NAME = 128
};

/* A group's series: the mean of its runs, each a line through its own points, as far as all of them go, and their
 * range; of a single run the range of what falls on one pixel. */
struct curve {
    double x[BUCKETS], y[BUCKETS], low[BUCKETS], high[BUCKETS];
    size_t count, runs;
    bool has_range;
};

struct line {
    const struct run_group *group;
    const struct series *sample; /* names what is drawn */
    size_t colour, dash;
    struct curve curve;
};

enum naming { NAMED_BY_NUMBER, NAMED_BY_GROUP, NAMED_BY_BOTH };

struct panel {
    enum naming naming;
    const char *title, *unit; /* heading, and the title of the axis of y */
    bool is_percent;
    struct line *lines; /* room for those of any panel */
    size_t count;
    double last_epoch, low, high;
};

/* ---- from series to curves --------------------------------------------------------------------------------------- */

/* One run's values on each pixel of the axis. */
struct buckets {
    double x[BUCKETS], sum[BUCKETS], n[BUCKETS], low[BUCKETS], high[BUCKETS];
};

static void fill_buckets(struct buckets *buckets, const struct series *series, double last_epoch)
{
    memset(buckets, 0, sizeof *buckets);
    for (size_t i = 0; i < series->count; i++) {
        double share = last_epoch > 0 ? series->epochs[i] / last_epoch : 0, value = series->values[i];
        if (!(share >= 0 && share <= 1)) continue;
        size_t at = share >= 1 ? BUCKETS - 1 : (size_t)(share * BUCKETS);
        buckets->low[at] = buckets->n[at] > 0 ? fmin(buckets->low[at], value) : value;
        buckets->high[at] = buckets->n[at] > 0 ? fmax(buckets->high[at], value) : value;
        buckets->x[at] += series->epochs[i];
        buckets->sum[at] += value;
        buckets->n[at]++;
    }
}

/* The epochs of a further run's points. */
static void add_epochs(struct buckets *total, const struct buckets *one)
{
    for (size_t b = 0; b < BUCKETS; b++) {
        if (!(one->n[b] > 0)) continue;
        total->x[b] += one->x[b] / one->n[b];
        total->n[b]++;
    }
}

/* The mean of the run's points on the pixel, else what lies at `epoch` on the straight line between its neighbours; NaN
 * before its first point and after its last. */
static double value_at(const struct buckets *one, size_t pixel, double epoch)
{
    size_t before = pixel, after = pixel;
    if (one->n[pixel] > 0) return one->sum[pixel] / one->n[pixel];
    while (before > 0 && !(one->n[before] > 0)) before--;
    while (after < BUCKETS - 1 && !(one->n[after] > 0)) after++;
    if (!(one->n[before] > 0) || !(one->n[after] > 0)) return NAN;
    double first = one->x[before] / one->n[before], last = one->x[after] / one->n[after];
    double low = one->sum[before] / one->n[before], high = one->sum[after] / one->n[after];
    return low + (epoch - first) / (last - first) * (high - low);
}

/* A further run's values where any run has a point; their range is the band of several runs. */
static void add_run(struct buckets *total, const struct buckets *epochs, const struct buckets *one)
{
    for (size_t b = 0; b < BUCKETS; b++) {
        if (!(epochs->n[b] > 0)) continue;
        double epoch = epochs->x[b] / epochs->n[b], value = value_at(one, b, epoch);
        if (isnan(value)) continue;
        total->low[b] = total->n[b] > 0 ? fmin(total->low[b], value) : value;
        total->high[b] = total->n[b] > 0 ? fmax(total->high[b], value) : value;
        total->x[b] = epoch;
        total->sum[b] += value;
        total->n[b]++;
    }
}

static const struct series *series_of(const struct line *line, size_t run)
{
    return run_series(&line->group->runs[run], line->sample->name, line->sample->is_evaluation);
}

/* A long run has more points than a screen has pixels: each pixel shows the mean and the range of its points. */
static void make_curve(struct line *line, double last_epoch)
{
    struct buckets epochs = {0}, total = {0}, one = {0};
    struct curve *curve = &line->curve;
    *curve = (struct curve){.count = 0};
    for (size_t r = 0; r < line->group->count; r++) {
        if (series_of(line, r) == NULL) continue;
        fill_buckets(&one, series_of(line, r), last_epoch);
        add_epochs(&epochs, &one);
        curve->runs++;
    }
    for (size_t r = 0; r < line->group->count; r++) {
        if (series_of(line, r) == NULL) continue;
        fill_buckets(&one, series_of(line, r), last_epoch);
        add_run(&total, &epochs, &one);
    }
    const struct buckets *range = curve->runs == 1 ? &one : &total;
    for (size_t b = 0; b < BUCKETS; b++) {
        if (curve->runs == 0 || total.n[b] < (double)curve->runs) continue;
        curve->x[curve->count] = total.x[b];
        curve->y[curve->count] = total.sum[b] / (double)curve->runs;
        curve->low[curve->count] = range->low[b];
        curve->high[curve->count] = range->high[b];
        curve->has_range = curve->has_range || range->high[b] > range->low[b];
        curve->count++;
    }
}

/* ---- drawing ----------------------------------------------------------------------------------------------------- */

static const char *const dashes[] = {NULL, "6 3", "2 3", "8 3 2 3", "12 4", "1 4"};

static const char *dash_of(const struct line *line)
{
    return dashes[line->dash % (sizeof dashes / sizeof dashes[0])];
}

/* "GROUP: eval loss", or the group alone where every line shows the same number. */
static void line_name(const struct line *line, enum naming naming, char out[NAME])
{
    char group[64], series[48];
    canvas_shorten(line->group->name, naming == NAMED_BY_GROUP ? 28 : 14, group, sizeof group);
    canvas_shorten(line->sample->name, 22, series, sizeof series);
    const char *kind = line->sample->is_evaluation ? "eval " : "";
    if (naming == NAMED_BY_GROUP)
        snprintf(out, NAME, "%s%s", group, line->sample->is_evaluation ? ", eval" : "");
    else if (naming == NAMED_BY_NUMBER)
        snprintf(out, NAME, "%s%s", kind, series);
    else
        snprintf(out, NAME, "%s: %s%s", group, kind, series);
}

/* Long numbers take room from the curves. */
static struct canvas_plot plot_of(const struct panel *panel, double top)
{
    struct canvas_plot plot = {LEFT,       WIDTH - LEGEND, top,     top + PLOT_HEIGHT, 0, panel->last_epoch,
                               panel->low, panel->high,    "epoch", panel->is_percent};
    plot.left = fmax(LEFT, chart_numbers_width(&plot) + 26);
    return plot;
}

static void draw_band(struct canvas *canvas, const struct canvas_plot *plot, const struct line *line)
{
    struct canvas_point points[2 * BUCKETS];
    const struct curve *curve = &line->curve;
    if (!curve->has_range) return;
    for (size_t i = 0; i < curve->count; i++) {
        points[i] = chart_place(plot, curve->x[i], curve->high[i]);
        points[2 * curve->count - 1 - i] = chart_place(plot, curve->x[i], curve->low[i]);
    }
    canvas_area(canvas, points, 2 * curve->count, palette_colour(line->colour), 0.14);
}

static void draw_curve(struct canvas *canvas, const struct canvas_plot *plot, const struct line *line, const char *name)
{
    struct canvas_point points[BUCKETS];
    const struct curve *curve = &line->curve;
    const char *colour = palette_colour(line->colour);
    for (size_t i = 0; i < curve->count; i++) points[i] = chart_place(plot, curve->x[i], curve->y[i]);
    canvas_curve(canvas, points, curve->count, colour, 2, dash_of(line), name);
    if (curve->count == 1) canvas_dot(canvas, points[0].x, points[0].y, 3, colour, 1, name);
}

static void draw_legend(struct canvas *canvas, const struct line *line, double y, const char *name)
{
    char text[NAME], whole[NAME + 48];
    double x = WIDTH - LEGEND + 14;
    if (line->curve.runs > 1)
        snprintf(whole, sizeof whole, "%s (%zu runs)", name, line->curve.runs);
    else
        snprintf(whole, sizeof whole, "%s", name);
    canvas_shorten(whole, 36, text, sizeof text);
    canvas_line(canvas, (struct canvas_point[]){{x, y}, {x + 26, y}}, 2, palette_colour(line->colour), 2, dash_of(line),
                1);
    canvas_text(canvas, x + 32, y + 4, ANCHOR_START, NULL, 0, text);
}

static void mark_phase(struct canvas *canvas, const struct canvas_plot *plot, const struct run_group *group)
{
    double epoch = group->count > 0 ? group->runs[0].phase_switch : NAN;
    if (isnan(epoch) || epoch > plot->last_x) return;
    double x = chart_place(plot, epoch, plot->low).x;
    canvas_line(canvas, (struct canvas_point[]){{x, plot->top - 4}, {x, plot->bottom}}, 2, NULL, 1, "4 4", 0.6);
    canvas_text(canvas, x + 4, plot->top - 2, ANCHOR_START, NULL, 0, "phase 2");
}

/* One mark for all groups that switch at the same epoch: marks over each other cannot be read. */
static void mark_phases(struct canvas *canvas, const struct canvas_plot *plot, const struct panel *panel)
{
    double last = NAN;
    for (size_t i = 0; i < panel->count; i++) {
        const struct run_group *group = panel->lines[i].group;
        double epoch = group->count > 0 ? group->runs[0].phase_switch : NAN;
        if (isnan(epoch) || (!isnan(last) && fabs(epoch - last) < 0.1 * panel->last_epoch)) continue;
        mark_phase(canvas, plot, group);
        last = epoch;
    }
}

/* The range of what is drawn, with a margin. */
static void find_range(struct panel *panel)
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
}

static double panel_height(const struct panel *panel)
{
    return fmax(PLOT_HEIGHT, LEGEND_LINE * (double)panel->count) + PANEL_MARGIN;
}

static void draw_panel(struct canvas *canvas, struct panel *panel, double top)
{
    find_range(panel);
    struct canvas_plot plot = plot_of(panel, top);
    canvas_heading(canvas, LEFT, top - 18, panel->title);
    chart_axes(canvas, &plot, 8, "epoch", panel->unit);
    canvas_plot_begin(canvas, &plot);
    mark_phases(canvas, &plot, panel);
    for (size_t i = 0; i < panel->count; i++) draw_band(canvas, &plot, &panel->lines[i]);
    for (size_t i = 0; i < panel->count; i++) {
        char name[NAME];
        line_name(&panel->lines[i], panel->naming, name);
        draw_curve(canvas, &plot, &panel->lines[i], name);
        draw_legend(canvas, &panel->lines[i], top + 12 + LEGEND_LINE * (double)i, name);
    }
    canvas_plot_end(canvas);
}

/* ---- what a panel shows ------------------------------------------------------------------------------------------ */

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

/* What the panels are about, one after the other. */
static const struct {
    const char *title, *unit;
    bool is_percent;
    bool (*belongs)(const struct series *);
} kinds[] = {
    {"Loss: the sum and every term, means of the steps between two points", "loss (nats)", false, is_loss},
    {"Accuracy", "accuracy (%)", true, is_accuracy},
    {"Learning rate", "learning rate", false, is_rate},
    {"Speed", "images/s", false, is_speed},
};

enum { KINDS = sizeof kinds / sizeof kinds[0] };

static size_t kinds_of(const char *key)
{
    return key != NULL ? 1 : KINDS;
}

static bool is_wanted(const struct run *run, const struct series *series, size_t kind, const char *key)
{
    if (series->count == 0) return false;
    return key != NULL ? is_asked_for(run, series, key) : kinds[kind].belongs(series) && !is_silent(series);
}

/* Whether a run before run `r` shows the series already. */
static bool came_before(const struct run_group *group, size_t r, const struct series *series, size_t kind,
                        const char *key)
{
    for (size_t q = 0; q < r; q++) {
        const struct series *same = run_series(&group->runs[q], series->name, series->is_evaluation);
        if (same != NULL && is_wanted(&group->runs[q], same, kind, key)) return true;
    }
    return false;
}

/* Lines of a group: the series of any of its runs that belong into the panel. From place `run`, `at` on; NULL behind
 * the last. */
static const struct series *next_line(const struct run_group *group, size_t kind, const char *key, size_t *run,
                                      size_t *at)
{
    for (; *run < group->count; ++*run, *at = 0)
        while (*at < group->runs[*run].series_count) {
            const struct series *series = &group->runs[*run].series[(*at)++];
            if (is_wanted(&group->runs[*run], series, kind, key) && !came_before(group, *run, series, kind, key))
                return series;
        }
    return NULL;
}

static size_t count_lines(const struct run_group *group, size_t kind, const char *key)
{
    size_t lines = 0, run = 0, at = 0;
    while (next_line(group, kind, key, &run, &at) != NULL) lines++;
    return lines;
}

/* Of the panel that has most. */
static size_t most_lines(const struct run_group *groups, size_t count, const char *key)
{
    size_t most = 0;
    for (size_t k = 0; k < kinds_of(key); k++) {
        size_t lines = 0;
        for (size_t g = 0; g < count; g++) lines += count_lines(&groups[g], k, key);
        most = lines > most ? lines : most;
    }
    return most;
}

/* Of the run that goes furthest. */
static double last_epoch_of(const struct line *line)
{
    double last = 0;
    for (size_t r = 0; r < line->group->count; r++) {
        const struct series *series = series_of(line, r);
        if (series != NULL && series->count > 0) last = fmax(last, series->epochs[series->count - 1]);
    }
    return last;
}

static void add_lines(struct panel *panel, const struct run_group *group, size_t first_dash, size_t kind,
                      const char *key)
{
    size_t place_in_group = 0, run = 0, at = 0;
    for (const struct series *series; (series = next_line(group, kind, key, &run, &at)) != NULL;) {
        struct line *line = &panel->lines[panel->count++];
        line->group = group;
        line->sample = series;
        line->colour = place_in_group;
        line->dash = first_dash + place_in_group; /* of one run too: its colours may lie over each other */
        place_in_group++;
        panel->last_epoch = fmax(panel->last_epoch, last_epoch_of(line));
    }
}

/* A colour for each of several groups; where colours begin anew, dashes go on behind those in use. */
static void add_groups(struct panel *panel, const struct run_group *groups, size_t count, size_t kind, const char *key)
{
    size_t widest = 0;
    for (size_t g = 0; g < count; g++) {
        size_t lines = count_lines(&groups[g], kind, key);
        widest = lines > widest ? lines : widest;
    }
    for (size_t g = 0; g < count; g++) {
        size_t first = panel->count;
        add_lines(panel, &groups[g], g / PALETTE_COLOURS * widest, kind, key);
        for (size_t i = first; i < panel->count && count > 1; i++) panel->lines[i].colour = g;
    }
}

static struct panel panel_of(size_t kind, const char *key, const struct run_group *groups, size_t count,
                             struct line *lines)
{
    struct panel panel = {
        .title = kinds[kind].title, .unit = kinds[kind].unit, .is_percent = kinds[kind].is_percent, .lines = lines};
    if (key != NULL) {
        panel.title = panel.unit = key;
        panel.is_percent = strstr(key, "accuracy") != NULL;
        if (strncmp(key, "loss", 4) == 0) panel.unit = kinds[0].unit;
        if (panel.is_percent) panel.unit = kinds[1].unit;
    }
    panel.naming = count == 1 ? NAMED_BY_NUMBER : key != NULL ? NAMED_BY_GROUP : NAMED_BY_BOTH;
    add_groups(&panel, groups, count, kind, key);
    return panel;
}

/* How high the panels are together; 0 = there is nothing to show. */
static double panels_height(const char *key, const struct run_group *groups, size_t count, struct line *lines)
{
    double height = 0;
    for (size_t k = 0; k < kinds_of(key); k++) {
        struct panel panel = panel_of(k, key, groups, count, lines);
        if (panel.count > 0) height += panel_height(&panel);
    }
    return height;
}

static status draw_panels(const struct run_group *groups, size_t count, const char *key, const char *title,
                          enum canvas_format format, struct line *lines, struct text *out, struct error *err)
{
    double height = panels_height(key, groups, count, lines), top = TOP;
    struct canvas canvas = canvas_begin(out, fmax(WIDTH, chart_heading_width(title)), TOP + height, title, format, err);
    canvas_heading(&canvas, 12, 24, title);
    for (size_t k = 0; k < kinds_of(key); k++) {
        struct panel panel = panel_of(k, key, groups, count, lines);
        if (panel.count == 0) continue;
        draw_panel(&canvas, &panel, top);
        top += panel_height(&panel);
    }
    return canvas_end(&canvas);
}

status figure_curves(const struct run_group *groups, size_t count, const char *key, const char *title,
                     enum canvas_format format, struct text *out, struct error *err)
{
    struct line *lines = memory_allocate(most_lines(groups, count, key), sizeof *lines, "curves", err);
    if (lines == NULL) return STATUS_FAILED;
    status result = STATUS_OK;
    if (panels_height(key, groups, count, lines) > 0)
        result = draw_panels(groups, count, key, title, format, lines, out, err);
    else if (key != NULL)
        result = error_set(err, "no run has a line with the number '%s'", key);
    else
        result = error_set(err, "the runs have no line of metrics yet");
    memory_free(lines);
    return result;
}
