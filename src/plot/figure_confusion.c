/* The confusion matrix as a table of coloured cells. */
#include "rmfer/plot/figures.h"

#include "matrix.h"

#include <stdio.h>

static struct matrix_cell cell_of(const void *data, size_t truth, size_t predicted)
{
    const struct run_confusion *confusion = data;
    const double *row = confusion->counts + truth * confusion->classes;
    struct matrix_cell cell = {0};
    double total = 0;
    for (size_t i = 0; i < confusion->classes; i++) total += row[i];
    cell.shade = total > 0 ? row[predicted] / total : 0;
    snprintf(cell.first, sizeof cell.first, total > 0 ? "%.1f %%" : "\xe2\x80\x93", 100 * cell.shade);
    snprintf(cell.second, sizeof cell.second, "%.0f", row[predicted]);
    return cell;
}

status figure_confusion(const struct run_confusion *confusion, const char *const *names, size_t name_count,
                        const char *title, enum canvas_format format, struct text *out, struct error *err)
{
    struct matrix matrix = {
        .title = title,
        .caption = "share of the true class, number of pictures below",
        .row_title = "true class",
        .column_title = "predicted class",
        .names = names,
        .name_count = name_count,
        .classes = confusion->classes,
        .cell = cell_of,
        .data = confusion,
    };
    return matrix_draw(&matrix, format, out, err);
}
