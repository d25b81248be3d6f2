/* Axes of a chart: ticks, grid, titles, and where a value lies. */
#ifndef PLOT_CHART_H
#define PLOT_CHART_H

#include "rmfer/plot/canvas.h"

/* Where a point of the values lies on the canvas. */
struct canvas_point chart_place(const struct canvas_plot *plot, double x, double y);

/* Grid lines and numbers at 1, 2 or 5 times a power of ten, at most `most_x` steps across, and the axes' titles with
 * their units; none above a share of 100 %. Nothing of the axis of x where first_x = last_x. */
void chart_axes(struct canvas *canvas, const struct canvas_plot *plot, int most_x, const char *x_title,
                const char *y_title);

/* How wide the widest number beside the axis of y is. */
double chart_numbers_width(const struct canvas_plot *plot);

/* How wide a canvas has to be for its heading. */
double chart_heading_width(const char *heading);

/* 1, 2 or 5 times a power of ten, for at most `most` steps in `span`. */
double chart_step(double span, int most);

/* A class's name: of `names`, else "class N"; cut to what a label has room for. */
enum { CHART_NAME = 64, CHART_NAME_CHARACTERS = 18 };
void chart_class_name(const char *const *names, size_t name_count, size_t class, char out[CHART_NAME]);

/* The width of the widest of the first `classes` names. */
double chart_names_width(const char *const *names, size_t name_count, size_t classes);

/* `text` in lines of at most `width` pixels, 16 pixels apart, from x, y on; returns the y of the line after the last.
 */
double chart_lines(struct canvas *canvas, double x, double y, double width, const char *text);

/* How many pixels chart_lines would take. */
double chart_lines_height(double width, const char *text);

#endif
