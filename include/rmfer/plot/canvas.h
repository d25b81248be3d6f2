/* A figure being drawn: a few shapes, as SVG text or (with cairo) as a PNG picture, from the same calls. Any text may
 * be hostile: it is escaped.
 *
 * Units are pixels at a scale of 1, y grows downward. Lines and texts without a colour are drawn in `currentColor`,
 * so that a figure inside a page follows its light or dark scheme. A failure is remembered and asked for once, at the
 * end. */
#ifndef RMFER_PLOT_CANVAS_H
#define RMFER_PLOT_CANVAS_H

#include "rmfer/base/text.h"

enum canvas_format {
    CANVAS_INLINE, /* an <svg> element of a page, with what the page's script shows under the pointer */
    CANVAS_SVG,    /* a file of its own, on a white ground */
    CANVAS_PNG,    /* the same as a picture, CANVAS_PNG_SCALE pixels a unit */
};

enum { CANVAS_PNG_SCALE = 2 };

enum canvas_anchor { ANCHOR_START, ANCHOR_MIDDLE, ANCHOR_END };

struct canvas {
    struct text *out;
    struct error *err;
    status result;
    enum canvas_format format;
    void *picture; /* canvas_cairo.h's, NULL for SVG */
};

struct canvas_point {
    double x, y;
};

/* Begins a figure in `out`; `title` is what a screen reader says. CANVAS_PNG without cairo is an error that says so. */
struct canvas canvas_begin(struct text *out, double width, double height, const char *title, enum canvas_format format,
                           struct error *err);
/* Ends the figure; the first failure of all that was drawn. Always to be called: it gives memory back. */
status canvas_end(struct canvas *canvas) MUST_CHECK;

/* Whether this build can draw CANVAS_PNG. */
bool canvas_has_png(void);

/* `colour` is "#rrggbb", NULL = the ink of the page; `degrees` turns about the point. */
void canvas_text(struct canvas *canvas, double x, double y, enum canvas_anchor anchor, const char *colour,
                 double degrees, const char *text);
void canvas_heading(struct canvas *canvas, double x, double y, const char *text);
/* `dash` in pixels ("6 3"), NULL = a whole line. */
void canvas_line(struct canvas *canvas, const struct canvas_point *points, size_t count, const char *colour,
                 double width, const char *dash, double opacity);
/* The same, of numbers: a page shows `label` and the point's values under the pointer (canvas_plot_begin). */
void canvas_curve(struct canvas *canvas, const struct canvas_point *points, size_t count, const char *colour,
                  double width, const char *dash, const char *label);
/* Filled, without an edge; the `tip` is shown where the pointer rests, NULL = nothing. */
void canvas_area(struct canvas *canvas, const struct canvas_point *points, size_t count, const char *colour,
                 double opacity);
void canvas_rectangle(struct canvas *canvas, double x, double y, double width, double height, const char *colour,
                      const char *tip);
void canvas_dot(struct canvas *canvas, double x, double y, double radius, const char *colour, double opacity,
                const char *tip);

/* The rectangle of a chart and what its edges mean, for the values under the pointer; draws nothing. Charts are not
 * nested. */
struct canvas_plot {
    double left, right, top, bottom;   /* pixels */
    double first_x, last_x, low, high; /* the values there: of y at the bottom and at the top */
    const char *x_name;
    bool is_percent; /* y is a share */
};
void canvas_plot_begin(struct canvas *canvas, const struct canvas_plot *plot);
void canvas_plot_end(struct canvas *canvas);

/* About how wide a text is, pixels: for margins. */
double canvas_text_width(const char *text);

/* `name` in at most `most` characters, the last one an ellipsis where it is cut; [size] bytes. */
void canvas_shorten(const char *name, size_t most, char *out, size_t size);

/* Appends `text` with &, <, >, quotes and control characters made harmless for HTML and SVG. */
status markup_append(struct text *out, const char *text, struct error *err) MUST_CHECK;

/* The colour of a line or class by its number: Okabe and Ito's palette, told apart by colour-blind people too. */
enum { PALETTE_COLOURS = 8 }; /* then they begin anew */
const char *palette_colour(size_t number);

/* White to Okabe and Ito's blue, for a share of 0 .. 1, and the ink that is read on it. */
void palette_shade(double share, char colour[8]);
const char *palette_ink(double share);

#endif
