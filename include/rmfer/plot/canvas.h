/* A figure being drawn, as SVG text: a few shapes, and texts in which anything hostile is escaped.
 *
 * Units are pixels at a scale of 1, y grows downward. Lines and texts without a colour are drawn in `currentColor`,
 * so that a figure inside a page follows its light or dark scheme. A failure is remembered and asked for once, at the
 * end. */
#ifndef RMFER_PLOT_CANVAS_H
#define RMFER_PLOT_CANVAS_H

#include "rmfer/base/text.h"

enum canvas_anchor { ANCHOR_START, ANCHOR_MIDDLE, ANCHOR_END };

struct canvas {
    struct text *out;
    struct error *err;
    status result;
};

struct canvas_point {
    double x, y;
};

/* Begins a figure in `out`; `title` is what a screen reader says. `alone`: a file of its own, with a white ground. */
struct canvas canvas_begin(struct text *out, double width, double height, const char *title, bool alone,
                           struct error *err);
/* Ends the figure; the first failure of all that was drawn. */
status canvas_end(struct canvas *canvas) MUST_CHECK;

/* `colour` is a CSS colour of the program's own, NULL = the ink of the page; `degrees` turns about the point. */
void canvas_text(struct canvas *canvas, double x, double y, enum canvas_anchor anchor, const char *colour,
                 double degrees, const char *text);
void canvas_heading(struct canvas *canvas, double x, double y, const char *text);
/* `dash` in pixels, NULL = a whole line. */
void canvas_line(struct canvas *canvas, const struct canvas_point *points, size_t count, const char *colour,
                 double width, const char *dash, double opacity);
/* Filled, without an edge; the `tip` of a rectangle is shown where the pointer rests, NULL = nothing. */
void canvas_area(struct canvas *canvas, const struct canvas_point *points, size_t count, const char *colour,
                 double opacity);
void canvas_rectangle(struct canvas *canvas, double x, double y, double width, double height, const char *colour,
                      const char *tip);

/* Appends `text` with &, <, >, quotes and control characters made harmless for HTML and SVG. */
status markup_append(struct text *out, const char *text, struct error *err) MUST_CHECK;

/* The colour of a line by its number: Okabe and Ito's palette, told apart by colour-blind people too. */
const char *palette_colour(size_t number);

#endif
