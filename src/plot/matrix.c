/* Cells, class names at two sides, titles: the room they take is measured first. */
#include "matrix.h"

#include "chart.h"

#include <math.h>
#include <stdio.h>

enum { CELL = 62, CAPTION = 44, RIGHT = 24 };

struct layout {
    double left, top, bottom, width, height;
};

static struct layout layout_of(const struct matrix *matrix)
{
    double side = (double)matrix->classes * CELL;
    double names = chart_names_width(matrix->names, matrix->name_count, matrix->classes);
    struct layout layout = {.left = 40 + names};
    double needed = layout.left + side + RIGHT, heading = chart_heading_width(matrix->title);
    layout.width = fmax(needed, heading);
    layout.top = CAPTION + chart_lines_height(layout.width - 24, matrix->caption);
    layout.bottom = layout.top + side;
    layout.height = layout.bottom + 0.71 * names + 58; /* the names below stand aslant */
    return layout;
}

static void draw_cell(struct canvas *canvas, const struct matrix *matrix, size_t row, size_t column, double x, double y)
{
    struct matrix_cell cell = matrix->cell(matrix->data, row, column);
    char colour[8], tip[4 * CHART_NAME], truth[CHART_NAME], other[CHART_NAME];
    palette_shade(cell.shade, colour);
    chart_class_name(matrix->names, matrix->name_count, row, truth);
    chart_class_name(matrix->names, matrix->name_count, column, other);
    snprintf(tip, sizeof tip, "%s, %s: %s, %s: %s (%s)", matrix->row_title, truth, matrix->column_title, other,
             cell.first, cell.second);
    canvas_rectangle(canvas, x + 1, y + 1, CELL - 2, CELL - 2, colour, tip);
    canvas_text(canvas, x + CELL / 2.0, y + CELL / 2.0, ANCHOR_MIDDLE, palette_ink(cell.shade), 0, cell.first);
    canvas_text(canvas, x + CELL / 2.0, y + CELL / 2.0 + 16, ANCHOR_MIDDLE, palette_ink(cell.shade), 0, cell.second);
}

static void draw_names(struct canvas *canvas, const struct matrix *matrix, const struct layout *layout)
{
    for (size_t i = 0; i < matrix->classes; i++) {
        char name[CHART_NAME];
        double middle = ((double)i + 0.5) * CELL;
        chart_class_name(matrix->names, matrix->name_count, i, name);
        canvas_text(canvas, layout->left - 8, layout->top + middle + 4, ANCHOR_END, NULL, 0, name);
        canvas_text(canvas, layout->left + middle + 6, layout->bottom + 16, ANCHOR_END, NULL, -45, name);
    }
}

status matrix_draw(const struct matrix *matrix, enum canvas_format format, struct text *out, struct error *err)
{
    struct layout layout = layout_of(matrix);
    struct canvas canvas = canvas_begin(out, layout.width, layout.height, matrix->title, format, err);
    double side = (double)matrix->classes * CELL;
    canvas_heading(&canvas, 12, 22, matrix->title);
    chart_lines(&canvas, 12, CAPTION - 2, layout.width - 24, matrix->caption);
    for (size_t r = 0; r < matrix->classes; r++)
        for (size_t c = 0; c < matrix->classes; c++)
            draw_cell(&canvas, matrix, r, c, layout.left + (double)c * CELL, layout.top + (double)r * CELL);
    draw_names(&canvas, matrix, &layout);
    canvas_text(&canvas, 18, layout.top + side / 2, ANCHOR_MIDDLE, NULL, -90, matrix->row_title);
    canvas_text(&canvas, layout.left + side / 2, layout.height - 12, ANCHOR_MIDDLE, NULL, 0, matrix->column_title);
    return canvas_end(&canvas);
}
