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
    if (result == STATUS_OK)
        result = embedding_distances(answers->features, n, answers->dimensions, distances, err);
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
    bool same = first->sampled == other->sampled;
    for (size_t i = 0; same && i < first->sampled; i++) {
        size_t a = first->sample[i], b = other->sample[i];
        const char *name_a = first->class_names[first->labels[a]], *name_b = other->class_names[other->labels[b]];
        same = first->ids[a] == other->ids[b] && strcmp(name_a, name_b) == 0;
    }
    return same ? STATUS_OK
                : error_set(err, "%s and %s were not evaluated on the same pictures with the same classes: nothing to lay "
                                 "side by side", first->name, other->name);
}

/* positions [count][2 * sampled]. */
static status lay_out(const struct answers *answers, size_t count, double *positions, struct mds_measures *measures,
                      struct error *err)
{
    status result = STATUS_OK;
    size_t n = answers[0].sampled;
    for (size_t i = 0; i < count && result == STATUS_OK; i++) {
        if (answers[i].sampled > EMBEDDING_MOST_POINTS)
            return error_set_usage(err, "a plane of %zu pictures: at most %d", answers[i].sampled, EMBEDDING_MOST_POINTS);
        result = check_same_pictures(&answers[0], &answers[i], err);
        if (result == STATUS_OK) result = embed(&answers[i], positions + 2 * n * i, &measures[i], err);
        if (result == STATUS_OK && i > 0) embedding_align(positions, positions + 2 * n * i, n);
    }
    return result;
}

/* ---- drawing ----------------------------------------------------------------------------------------------------- */

struct scene {
    const struct answers *answers;
    size_t count;
    const double *positions;
    struct mds_measures *measures;
    int32_t *labels;  /* [sampled] */
    double *centres;  /* [classes, 2] */
    double reach;     /* the axes go from -reach to reach */
};

static void caption_of(const struct scene *scene, size_t i, char *out, size_t size)
{
    const struct mds_measures *measures = &scene->measures[i];
    const struct answers *answers = &scene->answers[i];
    int used = snprintf(out, size,
                        "%zu pictures. Stress %.3f (classical %.3f; SMACOF, %zu rounds). Mean distance from the class "
                        "centre, in units of the cloud's radius (root mean square distance from its mean): %.3f in this plane",
                        answers->sampled, measures->stress, measures->classical_stress, measures->rounds,
                        measures->plane_centre_distance);
    if (!isnan(answers->centre_distance))
        snprintf(out + used, size - (size_t)used, ", %.3f among the features of all %zu.", answers->centre_distance,
                 answers->n);
}

static void draw_centres(struct canvas *canvas, const struct canvas_plot *plot, const struct scene *scene,
                         const struct answers *answers)
{
    for (size_t c = 0; c < answers->classes; c++) {
        char number[24], tip[CHART_NAME + 40], name[CHART_NAME];
        if (isnan(scene->centres[2 * c])) continue;
        struct canvas_point at = chart_place(plot, scene->centres[2 * c], scene->centres[2 * c + 1]);
        chart_class_name((const char *const *)answers->class_names, answers->classes, c, name);
        snprintf(number, sizeof number, "%zu", c + 1);
        snprintf(tip, sizeof tip, "centre of %s", name);
        canvas_dot(canvas, at.x, at.y, 10, "#ffffff", 1, NULL);
        canvas_dot(canvas, at.x, at.y, 9, "#111111", 1, NULL);
        canvas_dot(canvas, at.x, at.y, 8, palette_colour(c), 1, tip);
        canvas_text(canvas, at.x, at.y + 4, ANCHOR_MIDDLE, "#ffffff", 0, number);
    }
}

static void draw_cloud(struct canvas *canvas, struct scene *scene, size_t i, double width)
{
    const struct answers *answers = &scene->answers[i];
    const double *positions = scene->positions + 2 * answers->sampled * i;
    double left = LEFT + (double)i * (SIDE + GAP);
    char heading[CHART_NAME], caption[512];
    struct canvas_plot plot = {left, left + SIDE, TOP, TOP + SIDE, -scene->reach, scene->reach, -scene->reach, scene->reach,
                               "dimension 1", false};
    scene->measures[i].plane_centre_distance =
        embedding_centres(positions, scene->labels, answers->sampled, answers->classes, scene->centres);
    canvas_shorten(answers->name, 40, heading, sizeof heading);
    canvas_heading(canvas, left, TOP - 14, heading);
    chart_axes(canvas, &plot, 6, "dimension 1 (radii of the cloud)", "dimension 2 (radii)");
    for (size_t k = 0; k < answers->sampled; k++) {
        struct canvas_point at = chart_place(&plot, positions[2 * k], positions[2 * k + 1]);
        canvas_dot(canvas, at.x, at.y, 1.8, palette_colour((size_t)scene->labels[k]), 0.6, NULL);
    }
    draw_centres(canvas, &plot, scene, answers);
    caption_of(scene, i, caption, sizeof caption);
    chart_lines(canvas, left, TOP + SIDE + CAPTION_TOP, width, caption);
}

static void draw_legend(struct canvas *canvas, const struct scene *scene)
{
    const struct answers *answers = &scene->answers[0];
    double x = LEFT + (double)scene->count * SIDE + (double)(scene->count - 1) * GAP + 24;
    canvas_text(canvas, x, TOP + 4, ANCHOR_START, NULL, 0, "class (pictures),");
    canvas_text(canvas, x, TOP + 20, ANCHOR_START, NULL, 0, "numbers: centres");
    for (size_t c = 0; c < answers->classes; c++) {
        char name[CHART_NAME], text[CHART_NAME + 48];
        size_t members = 0;
        double y = TOP + 44 + 20 * (double)c;
        for (size_t k = 0; k < answers->sampled; k++) members += scene->labels[k] == (int32_t)c;
        chart_class_name((const char *const *)answers->class_names, answers->classes, c, name);
        snprintf(text, sizeof text, "%zu %s (%zu)", c + 1, name, members);
        canvas_dot(canvas, x + 5, y, 5, palette_colour(c), 1, NULL);
        canvas_text(canvas, x + 18, y + 4, ANCHOR_START, NULL, 0, text);
    }
}

static status draw(struct scene *scene, const char *title, enum canvas_format format, struct text *out,
                   struct error *err)
{
    double width = SIDE + GAP - 32, clouds = LEFT + (double)scene->count * (SIDE + GAP) - GAP;
    double legend_height = TOP + 44 + 20 * (double)scene->answers[0].classes;
    double height = fmax(TOP + SIDE + CAPTION_TOP + 7 * 16, legend_height);
    struct canvas canvas = canvas_begin(out, clouds + LEGEND + RIGHT_END, height, title, format, err);
    canvas_heading(&canvas, 12, 24, title);
    for (size_t i = 0; i < scene->count; i++) draw_cloud(&canvas, scene, i, width);
    draw_legend(&canvas, scene);
    return canvas_end(&canvas);
}

/* The furthest point of all clouds, with a margin. */
static double reach_of(const double *positions, size_t count)
{
    double reach = 1;
    for (size_t i = 0; i < count; i++) reach = fmax(reach, fabs(positions[i]));
    return 1.05 * reach;
}

status figure_mds(const struct answers *answers, size_t count, const char *title, enum canvas_format format,
                  struct mds_measures *measures, struct text *out, struct error *err)
{
    BUG_UNLESS(count > 0);
    size_t n = answers[0].sampled;
    double *positions = memory_allocate(size_multiply(count, 2 * n), sizeof *positions, "positions", err);
    struct mds_measures *all = memory_allocate(count, sizeof *all, "measures", err);
    struct scene scene = {answers, count, positions, all, NULL, NULL, 1};
    scene.labels = memory_allocate(n, sizeof *scene.labels, "labels", err);
    scene.centres = memory_allocate(2 * answers[0].classes, sizeof *scene.centres, "class centres", err);
    bool ready = positions != NULL && all != NULL && scene.labels != NULL && scene.centres != NULL;
    status result = ready ? lay_out(answers, count, positions, all, err) : STATUS_FAILED;
    if (result == STATUS_OK) {
        for (size_t i = 0; i < n; i++) scene.labels[i] = answers_label(&answers[0], i);
        scene.reach = reach_of(positions, 2 * n * count);
        result = draw(&scene, title, format, out, err);
    }
    if (result == STATUS_OK && measures != NULL) memcpy(measures, all, count * sizeof *all);
    memory_free(positions);
    memory_free(all);
    memory_free(scene.labels);
    memory_free(scene.centres);
    return result;
}
