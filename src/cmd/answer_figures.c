/* Which figure is which, their titles, and the folder of eval --plots. */
#include "cmd/answer_figures.h"

#include "rmfer/base/file.h"
#include "rmfer/base/file_write.h"
#include "rmfer/base/memory.h"

#include <stdio.h>
#include <string.h>

static status draw_mds(const struct answer_figure *figure, const char *title, enum canvas_format format,
                       struct text *out, struct error *err)
{
    return figure_mds(figure->layout, title, format, out, err);
}

static status draw_similarity(const struct answer_figure *figure, const char *title, enum canvas_format format,
                              struct text *out, struct error *err)
{
    return figure_similarity(figure->answers, title, format, out, err);
}

static status draw_calibration(const struct answer_figure *figure, const char *title, enum canvas_format format,
                               struct text *out, struct error *err)
{
    return figure_calibration(figure->answers, title, format, out, err);
}

static status draw_attention(const struct answer_figure *figure, const char *title, enum canvas_format format,
                             struct text *out, struct error *err)
{
    struct class_attention attention;
    status result = class_attention_init(&attention, figure->answers, figure->seed, err);
    if (result == STATUS_OK) result = figure_attention(figure->answers, &attention, title, format, out, err);
    class_attention_free(&attention);
    return result;
}

static status draw_confusion(const struct answer_figure *figure, const char *title, enum canvas_format format,
                             struct text *out, struct error *err)
{
    const struct answers *answers = figure->answers;
    size_t classes = answers->classes;
    struct run_confusion confusion = {
        classes, memory_allocate(size_multiply(classes, classes), sizeof(double), "the confusion matrix", err)};
    if (confusion.counts == NULL) return STATUS_FAILED;
    for (size_t i = 0; i < answers->n; i++)
        confusion.counts[(size_t)answers->labels[i] * classes + (size_t)answers->predicted[i]]++;
    status result = figure_confusion(&confusion, (const char *const *)answers->class_names, classes, title, format, out,
                                     err);
    memory_free(confusion.counts);
    return result;
}

static const struct kind {
    const char *name, *heading;
    status (*draw)(const struct answer_figure *figure, const char *title, enum canvas_format format, struct text *out,
                   struct error *err);
} kinds[] = {
    {"confusion", "Confusion", draw_confusion},
    {"calibration", "Calibration", draw_calibration},
    {"similarity", "Similarity of features", draw_similarity},
    {"mds", "Features in a plane (MDS)", draw_mds},
    {"attention", "Attention by class", draw_attention},
};

enum { KINDS = sizeof kinds / sizeof kinds[0] };

static const struct kind *kind_of(const char *name)
{
    for (size_t i = 0; i < KINDS; i++)
        if (strcmp(kinds[i].name, name) == 0) return &kinds[i];
    return NULL;
}

bool answer_figure_is_kind(const char *kind)
{
    return kind_of(kind) != NULL;
}

status answer_figure_draw(const void *data, enum canvas_format format, struct text *out, struct error *err)
{
    const struct answer_figure *figure = data;
    const struct kind *kind = kind_of(figure->kind);
    char title[256], name[96];
    BUG_UNLESS(kind != NULL && figure->count > 0);
    canvas_shorten(figure->answers[0].name, 40, name, sizeof name);
    if (figure->count > 1)
        snprintf(title, sizeof title, "%s, %s split", kind->heading, figure->split);
    else
        snprintf(title, sizeof title, "%s: %s, %s split, overall accuracy %.2f %% of %zu", kind->heading, name,
                 figure->split, 100 * figure->answers[0].overall, figure->answers[0].n);
    return kind->draw(figure, figure->title != NULL ? figure->title : title, format, out, err);
}

status answer_figure_write(const char *path, bool also_png, struct answer_figure *figure, FILE *listing,
                           struct error *err)
{
    struct mds_layout layout = {0};
    status result = STATUS_OK;
    figure->layout = &layout;
    if (strcmp(figure->kind, "mds") == 0) result = mds_layout_init(&layout, figure->answers, figure->count, err);
    if (result == STATUS_OK) result = figure_file_write(path, also_png, answer_figure_draw, figure, listing, err);
    mds_layout_free(&layout);
    figure->layout = NULL;
    return result;
}

static char *figure_path(const char *folder, const struct kind *kind, struct error *err)
{
    char name[32];
    snprintf(name, sizeof name, "%s.svg", kind->name);
    return path_join(folder, name, err);
}

status answer_figures_paths(const char *folder, bool also_png, char *paths[EVALUATION_FIGURES], struct error *err)
{
    _Static_assert(2 * KINDS == EVALUATION_FIGURES, "an SVG and a PNG of every kind");
    status result = STATUS_OK;
    for (size_t i = 0; i < EVALUATION_FIGURES; i++) paths[i] = NULL;
    for (size_t i = 0; i < KINDS && result == STATUS_OK; i++) {
        paths[2 * i] = figure_path(folder, &kinds[i], err);
        result = paths[2 * i] == NULL ? STATUS_FAILED
                                      : figure_file_beside(paths[2 * i], also_png, &paths[2 * i + 1], err);
    }
    return result;
}

void answer_figures_paths_free(char *paths[EVALUATION_FIGURES])
{
    for (size_t i = 0; i < EVALUATION_FIGURES; i++) memory_free(paths[i]);
}

status answer_figures_try(const char *folder, char *const paths[EVALUATION_FIGURES], struct error *err)
{
    status result = folder_create(folder, err);
    for (size_t i = 0; i < EVALUATION_FIGURES && result == STATUS_OK; i++)
        if (paths[i] != NULL) result = atomic_file_try(paths[i], err);
    return result;
}

static status write_kind(const char *folder, bool also_png, const struct kind *kind, struct answer_figure *figure,
                         struct error *err)
{
    figure->kind = kind->name;
    char *path = figure_path(folder, kind, err);
    status result = path == NULL ? STATUS_FAILED : answer_figure_write(path, also_png, figure, NULL, err);
    memory_free(path);
    return result;
}

status answer_figures_write(const char *folder, bool also_png, const struct answers *answers, const char *split,
                            uint64_t seed, struct error *err)
{
    struct answer_figure figure = {.split = split, .answers = answers, .count = 1, .seed = seed};
    status result = STATUS_OK;
    for (size_t i = 0; i < KINDS && result == STATUS_OK; i++) {
        bool is_attention = strcmp(kinds[i].name, "attention") == 0;
        if (is_attention && (answers->projections == NULL || answers->sampled < 2 || answers->attention_batch < 2))
            continue;
        result = write_kind(folder, also_png, &kinds[i], &figure, err);
    }
    return result;
}
