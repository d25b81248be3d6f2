/* A square table of classes by classes, its cells shaded and with two lines of numbers each. */
#ifndef PLOT_MATRIX_H
#define PLOT_MATRIX_H

#include "rmfer/plot/canvas.h"

struct matrix_cell {
    double shade; /* 0 .. 1 */
    char first[24], second[24];
};

struct matrix {
    const char *title, *caption, *row_title, *column_title;
    const char *const *names; /* [name_count], which may be fewer than classes */
    size_t name_count, classes;
    struct matrix_cell (*cell)(const void *data, size_t row, size_t column);
    const void *data;
};

status matrix_draw(const struct matrix *matrix, enum canvas_format format, struct text *out,
                   struct error *err) MUST_CHECK;

#endif
