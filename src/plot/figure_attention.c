/* Mean attention from class to class, as a matrix. */
#include "rmfer/plot/figures.h"

#include "matrix.h"

#include <math.h>
#include <stdio.h>

struct scene {
    const struct class_attention *attention;
    size_t classes;
};

static struct matrix_cell cell_of(const void *data, size_t from, size_t to)
{
    const struct scene *scene = data;
    double share = scene->attention->share[from * scene->classes + to];
    double lift = scene->attention->lift[from * scene->classes + to];
    struct matrix_cell cell = {.shade = isnan(share) ? 0 : share};
    snprintf(cell.first, sizeof cell.first, isnan(share) ? "\xe2\x80\x93" : "%.1f %%", 100 * share);
    if (!isnan(lift)) snprintf(cell.second, sizeof cell.second, "\xc3\x97%.2f", lift);
    return cell;
}

status figure_attention(const struct answers *answers, const struct class_attention *attention, const char *title,
                        enum canvas_format format, struct text *out, struct error *err)
{
    struct scene scene = {attention, answers->classes};
    char caption[256];
    size_t looked = 0;
    for (size_t c = 0; c < answers->classes; c++) looked += attention->counts[c];
    snprintf(
        caption, sizeof caption,
        "share of a picture's attention, mean over %zu pictures in batches of %zu; below: how many times what equal "
        "attention to the batch would give",
        looked, answers->attention_batch < answers->sampled ? answers->attention_batch : answers->sampled);
    struct matrix matrix = {
        .title = title,
        .caption = caption,
        .row_title = "class that looks",
        .column_title = "class looked at",
        .names = (const char *const *)answers->class_names,
        .name_count = answers->classes,
        .classes = answers->classes,
        .cell = cell_of,
        .data = &scene,
    };
    return matrix_draw(&matrix, format, out, err);
}
