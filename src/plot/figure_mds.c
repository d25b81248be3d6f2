/* Features in a plane, checkpoints side by side: distances, scaling, one frame for all, dots and centres. */
#include "rmfer/plot/figures.h"

#include "chart.h"

#include "rmfer/base/memory.h"
#include "rmfer/plot/embedding.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { SIDE = 300, LEFT = 76, GAP = 96, TOP = 74, LEGEND = 190, CAPTION_TOP = 64, RIGHT_END = 16 };

/* ---- laying out -------------------------------------------------------------------------------------------------- */

static status embed(const struct answers *answers, double *positions, struct mds_measures *measures, struct error *err)
{
    size_t n = answers->sampled;
    double *distances = memory_allocate(size_multiply(n, n), sizeof *distances, "distances", err);
    double *room = memory_allocate(2 * n, sizeof *room, "positions", err);
    status result = distances == NULL || room == NULL ? STATUS_FAILED : STATUS_OK;
    if (result == STATUS_OK) result = embedding_distances(answers->features, n, answers->dimensions, distances, err);
    if (result == STATUS_OK) result = embedding_classical(distances, n, positions, NULL, err);
    if (result == STATUS_OK) {
        measures->classical_stress = embedding_stress(distances, n, positions);
        measures->rounds = embedding_refine(distances, n, positions, room, NULL);
        measures->stress = embedding_stress(distances, n, positions);
        embedding_normalise(positions, n);
    }
    memory_free(distances);
    memory_free(room);
    return result == STATUS_OK ? STATUS_OK : error_add_context(err, "%s", answers->name);
}

/* Turning one cloud onto another asks that point i is the same picture in both. */
static status check_same_pictures(const struct answers *first, const struct answers *other, struct error *err)
{
    bool same = first->sampled == other->sampled && first->classes == other->classes;
    for (size_t c = 0; same && c < first->classes; c++)
        same = strcmp(first->class_names[c], other->class_names[c]) == 0;
    for (size_t i = 0; same && i < first->sampled; i++) {
        size_t a = first->sample[i], b = other->sample[i];
        same = first->ids[a] == other->ids[b] && first->labels[a] == other->labels[b];
    }
    return same ? STATUS_OK
                : error_set(err,
                            "%s and %s were not evaluated on the same pictures with the same classes: nothing to lay "
                            "side by side",
                            first->name, other->name);
}

/* One cloud: its plane, turned onto the first one, and what is measured there. */
static status lay_out(struct mds_layout *layout, size_t i, struct error *err)
{
    const struct answers *answers = &layout->answers[i];
    size_t n = answers->sampled;
    double *positions = layout->positions + 2 * n * i;
    status result = check_same_pictures(&layout->answers[0], answers, err);
    if (result == STATUS_OK) result = embed(answers, positions, &layout->measures[i], err);
    if (result != STATUS_OK) return result;
    if (i > 0) embedding_align(layout->positions, positions, n);
    int32_t *labels = memory_allocate(n, sizeof *labels, "labels", err);
    if (labels == NULL) return STATUS_FAILED;
    for (size_t k = 0; k < n; k++) labels[k] = answers_label(answers, k);
    layout->measures[i].plane_centre_distance = embedding_centres(positions, labels, n, answers->classes,
                                                                  layout->centres + 2 * answers->classes * i);
    memory_free(labels);
    return STATUS_OK;
}

status mds_layout_init(struct mds_layout *layout, const struct answers *answers, size_t count, struct error *err)
{
    BUG_UNLESS(count > 0);
    size_t n = answers[0].sampled;
    *layout = (struct mds_layout){.answers = answers, .count = count};
    if (n > EMBEDDING_MOST_POINTS)
        return error_set_usage(err, "a plane of %zu pictures: at most %d", n, EMBEDDING_MOST_POINTS);
    layout->positions = memory_allocate(size_multiply(count, 2 * n), sizeof *layout->positions, "positions", err);
    layout->centres = memory_allocate(size_multiply(count, 2 * answers[0].classes), sizeof *layout->centres, "centres",
                                      err);
    layout->measures = memory_allocate(count, sizeof *layout->measures, "measures", err);
    if (layout->positions == NULL || layout->centres == NULL || layout->measures == NULL) return STATUS_FAILED;
    status result = STATUS_OK;
    for (size_t i = 0; i < count && result == STATUS_OK; i++) result = lay_out(layout, i, err);
    return result;
}

void mds_layout_free(struct mds_layout *layout)
{
    memory_free(layout->positions);
    memory_free(layout->centres);
    memory_free(layout->measures);
    *layout = (struct mds_layout){0};
}

/* ---- drawing ----------------------------------------------------------------------------------------------------- */

static void caption_of(const struct mds_layout *layout, size_t i, char *out, size_t size)
{
    const struct mds_measures *measures = &layout->measures[i];
    const struct answers *answers = &layout->answers[i];
    int used =
        snprintf(out, size,
                 "%zu pictures. Stress %.3f (classical %.3f; SMACOF, %zu rounds). Mean distance from the class "
                 "centre, in units of the cloud's radius (root mean square distance from its mean): %.3f in this plane",
                 answers->sampled, measures->stress, measures->classical_stress, measures->rounds,
                 measures->plane_centre_distance);
    if (!isnan(answers->centre_distance))
        snprintf(out + used, size - (size_t)used, ", %.3f among the features of all %zu.", answers->centre_distance,
                 answers->n);
}

static void draw_centres(struct canvas *canvas, const struct canvas_plot *plot, const struct answers *answers,
                         const double *centres)
{
    for (size_t c = 0; c < answers->classes; c++) {
        char number[24], tip[CHART_NAME + 40], name[CHART_NAME];
        if (isnan(centres[2 * c])) continue;
        struct canvas_point at = chart_place(plot, centres[2 * c], centres[2 * c + 1]);
        chart_class_name((const char *const *)answers->class_names, answers->classes, c, name);
        snprintf(number, sizeof number, "%zu", c + 1);
        snprintf(tip, sizeof tip, "centre of %s", name);
        canvas_dot(canvas, at.x, at.y, 10, "#ffffff", 1, NULL);
        canvas_dot(canvas, at.x, at.y, 9, "#111111", 1, NULL);
        canvas_dot(canvas, at.x, at.y, 8, palette_colour(c), 1, tip);
        canvas_text(canvas, at.x, at.y + 4, ANCHOR_MIDDLE, "#ffffff", 0, number);
    }
}

static void draw_cloud(struct canvas *canvas, const struct mds_layout *layout, size_t i, double reach)
{
    const struct answers *answers = &layout->answers[i];
    const double *positions = layout->positions + 2 * answers->sampled * i;
    double left = LEFT + (double)i * (SIDE + GAP);
    char heading[CHART_NAME], caption[512];
    struct canvas_plot plot = {left, left + SIDE, TOP, TOP + SIDE, -reach, reach, -reach, reach, "dimension 1", false};
    canvas_shorten(answers->name, 40, heading, sizeof heading);
    canvas_heading(canvas, left, TOP - 14, heading);
    chart_axes(canvas, &plot, 6, "dimension 1 (radii of the cloud)", "dimension 2 (radii)");
    for (size_t k = 0; k < answers->sampled; k++) {
        struct canvas_point at = chart_place(&plot, positions[2 * k], positions[2 * k + 1]);
        canvas_dot(canvas, at.x, at.y, 1.8, palette_colour((size_t)answers_label(answers, k)), 0.7, NULL);
    }
    draw_centres(canvas, &plot, answers, layout->centres + 2 * answers->classes * i);
    caption_of(layout, i, caption, sizeof caption);
    chart_lines(canvas, left, TOP + SIDE + CAPTION_TOP, SIDE + GAP - 32, caption);
}

static void draw_legend(struct canvas *canvas, const struct mds_layout *layout)
{
    const struct answers *answers = &layout->answers[0];
    double x = LEFT + (double)layout->count * SIDE + (double)(layout->count - 1) * GAP + 24;
    canvas_text(canvas, x, TOP + 4, ANCHOR_START, NULL, 0, "class (pictures),");
    canvas_text(canvas, x, TOP + 20, ANCHOR_START, NULL, 0, "numbers: centres");
    for (size_t c = 0; c < answers->classes; c++) {
        char name[CHART_NAME], text[CHART_NAME + 48];
        size_t members = 0;
        double y = TOP + 44 + 20 * (double)c;
        for (size_t k = 0; k < answers->sampled; k++) members += answers_label(answers, k) == (int32_t)c;
        chart_class_name((const char *const *)answers->class_names, answers->classes, c, name);
        snprintf(text, sizeof text, "%zu %s (%zu)", c + 1, name, members);
        canvas_dot(canvas, x + 5, y, 5, palette_colour(c), 1, NULL);
        canvas_text(canvas, x + 18, y + 4, ANCHOR_START, NULL, 0, text);
    }
}

/* The furthest point of all clouds, with a margin. */
static double reach_of(const double *positions, size_t count)
{
    double reach = 1;
    for (size_t i = 0; i < count; i++) reach = fmax(reach, fabs(positions[i]));
    return 1.05 * reach;
}

status figure_mds(const struct mds_layout *layout, const char *title, enum canvas_format format, struct text *out,
                  struct error *err)
{
    double clouds = LEFT + (double)layout->count * (SIDE + GAP) - GAP;
    double width = fmax(clouds + LEGEND + RIGHT_END, chart_heading_width(title));
    double legend_height = TOP + 44 + 20 * (double)layout->answers[0].classes;
    double height = fmax(TOP + SIDE + CAPTION_TOP + 7 * 16, legend_height);
    double reach = reach_of(layout->positions, 2 * layout->answers[0].sampled * layout->count);
    struct canvas canvas = canvas_begin(out, width, height, title, format, err);
    canvas_heading(&canvas, 12, 24, title);
    for (size_t i = 0; i < layout->count; i++) draw_cloud(&canvas, layout, i, reach);
    draw_legend(&canvas, layout);
    return canvas_end(&canvas);
}
