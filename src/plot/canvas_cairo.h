/* The canvas's shapes as a picture, drawn by cairo where the build has it; else only a message. A NULL picture is drawn
 * on without effect, so that a failed beginning is reported once, at the end. */
#ifndef PLOT_CANVAS_CAIRO_H
#define PLOT_CANVAS_CAIRO_H

#include "rmfer/plot/canvas.h"

#include "stroke.h"

bool cairo_picture_is_there(void);
status cairo_picture_begin(void **picture, double width, double height, struct error *err) MUST_CHECK;
/* Appends the PNG's bytes to `out` unless `so_far` is a failure, which is then the result; frees the picture. */
status cairo_picture_end(void *picture, status so_far, struct text *out, struct error *err) MUST_CHECK;

void cairo_picture_text(void *picture, double x, double y, enum canvas_anchor anchor, const char *colour,
                        double degrees, const char *text, bool is_bold);
void cairo_picture_line(void *picture, const struct canvas_point *points, size_t count, const struct stroke *style);
void cairo_picture_area(void *picture, const struct canvas_point *points, size_t count, const char *colour,
                        double opacity);
void cairo_picture_dot(void *picture, double x, double y, double radius, const char *colour, double opacity);

#endif
