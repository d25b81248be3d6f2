/* The canvas's shapes as SVG elements; colours and anchors as canvas.h has them. */
#ifndef PLOT_CANVAS_SVG_H
#define PLOT_CANVAS_SVG_H

#include "rmfer/plot/canvas.h"

#include "stroke.h"

void svg_begin(struct canvas *canvas, double width, double height, const char *title);
void svg_end(struct canvas *canvas);
void svg_text(struct canvas *canvas, double x, double y, enum canvas_anchor anchor, const char *colour, double degrees,
              const char *text, bool is_bold);
void svg_line(struct canvas *canvas, const struct canvas_point *points, size_t count, const struct stroke *style);
void svg_area(struct canvas *canvas, const struct canvas_point *points, size_t count, const char *colour,
              double opacity);
void svg_rectangle(struct canvas *canvas, double x, double y, double width, double height, const char *colour,
                   const char *tip);
void svg_dot(struct canvas *canvas, double x, double y, double radius, const char *colour, double opacity,
             const char *tip);
void svg_plot_begin(struct canvas *canvas, const struct canvas_plot *plot);
void svg_plot_end(struct canvas *canvas);

#endif
