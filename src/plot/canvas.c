/* The canvas: one call a shape, handed to whoever draws the format. */
#include "rmfer/plot/canvas.h"

#include "canvas_cairo.h"
#include "canvas_svg.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* Okabe and Ito 2008, without the yellow that vanishes on white; black, which vanishes on dark, is gray. */
static const char *const palette[PALETTE_COLOURS] = {"#0072b2", "#d55e00", "#009e73", "#cc79a7",
                                                     "#56b4e9", "#e69f00", "#808080", "#8c510a"};

const char *palette_colour(size_t number)
{
    return palette[number % PALETTE_COLOURS];
}

void palette_shade(double share, char colour[8])
{
    static const double full[3] = {0x00, 0x72, 0xb2};
    int rgb[3];
    share = share > 0 ? fmin(share, 1) : 0;
    for (int i = 0; i < 3; i++) rgb[i] = (int)lround(255 + (full[i] - 255) * share);
    snprintf(colour, 8, "#%02x%02x%02x", (unsigned)rgb[0] & 255u, (unsigned)rgb[1] & 255u, (unsigned)rgb[2] & 255u);
}

const char *palette_ink(double share)
{
    return share > 0.85 ? "#ffffff" : "#111111";
}

double canvas_text_width(const char *text)
{
    return 7.2 * (double)text_characters(text);
}

void canvas_shorten(const char *name, size_t most, char *out, size_t size)
{
    size_t characters = 0, kept = 0, length = 0;
    for (const char *at = name; *at != '\0'; at++) {
        if (((unsigned char)*at & 0xc0) == 0x80) continue;
        if (characters == most - 1) kept = (size_t)(at - name);
        characters++;
    }
    length = strlen(name);
    bool cut = characters > most || length >= size;
    if (cut && (characters <= most || kept + 4 > size)) kept = size - 4;
    if (cut)
        snprintf(out, size, "%.*s\xe2\x80\xa6", (int)kept, name);
    else
        snprintf(out, size, "%s", name);
}

/* ---- shapes ------------------------------------------------------------------------------------------------------ */

bool canvas_has_png(void)
{
    return cairo_picture_is_there();
}

struct canvas canvas_begin(struct text *out, double width, double height, const char *title, enum canvas_format format,
                           struct error *err)
{
    struct canvas canvas = {out, err, STATUS_OK, format, NULL};
    if (format == CANVAS_PNG)
        canvas.result = cairo_picture_begin(&canvas.picture, width, height, err);
    else
        svg_begin(&canvas, width, height, title);
    return canvas;
}

status canvas_end(struct canvas *canvas)
{
    if (canvas->format == CANVAS_PNG)
        canvas->result = cairo_picture_end(canvas->picture, canvas->result, canvas->out, canvas->err);
    else
        svg_end(canvas);
    canvas->picture = NULL;
    return canvas->result;
}

void canvas_text(struct canvas *canvas, double x, double y, enum canvas_anchor anchor, const char *colour,
                 double degrees, const char *text)
{
    if (canvas->format == CANVAS_PNG)
        cairo_picture_text(canvas->picture, x, y, anchor, colour, degrees, text, false);
    else
        svg_text(canvas, x, y, anchor, colour, degrees, text, false);
}

void canvas_heading(struct canvas *canvas, double x, double y, const char *text)
{
    if (canvas->format == CANVAS_PNG)
        cairo_picture_text(canvas->picture, x, y, ANCHOR_START, NULL, 0, text, true);
    else
        svg_text(canvas, x, y, ANCHOR_START, NULL, 0, text, true);
}

static void stroke(struct canvas *canvas, const struct canvas_point *points, size_t count, const struct stroke *style)
{
    if (count == 0) return;
    if (canvas->format == CANVAS_PNG)
        cairo_picture_line(canvas->picture, points, count, style);
    else
        svg_line(canvas, points, count, style);
}

void canvas_line(struct canvas *canvas, const struct canvas_point *points, size_t count, const char *colour,
                 double width, const char *dash, double opacity)
{
    stroke(canvas, points, count, &(struct stroke){colour, width, dash, opacity, NULL});
}

void canvas_curve(struct canvas *canvas, const struct canvas_point *points, size_t count, const char *colour,
                  double width, const char *dash, const char *label)
{
    stroke(canvas, points, count, &(struct stroke){colour, width, dash, 1, label});
}

void canvas_area(struct canvas *canvas, const struct canvas_point *points, size_t count, const char *colour,
                 double opacity)
{
    if (count == 0) return;
    if (canvas->format == CANVAS_PNG)
        cairo_picture_area(canvas->picture, points, count, colour, opacity);
    else
        svg_area(canvas, points, count, colour, opacity);
}

void canvas_rectangle(struct canvas *canvas, double x, double y, double width, double height, const char *colour,
                      const char *tip)
{
    const struct canvas_point corners[] = {{x, y}, {x + width, y}, {x + width, y + height}, {x, y + height}};
    if (canvas->format == CANVAS_PNG)
        cairo_picture_area(canvas->picture, corners, 4, colour, 1);
    else
        svg_rectangle(canvas, x, y, width, height, colour, tip);
}

void canvas_dot(struct canvas *canvas, double x, double y, double radius, const char *colour, double opacity,
                const char *tip)
{
    if (canvas->format == CANVAS_PNG)
        cairo_picture_dot(canvas->picture, x, y, radius, colour, opacity);
    else
        svg_dot(canvas, x, y, radius, colour, opacity, tip);
}

void canvas_plot_begin(struct canvas *canvas, const struct canvas_plot *plot)
{
    if (canvas->format == CANVAS_INLINE) svg_plot_begin(canvas, plot);
}

void canvas_plot_end(struct canvas *canvas)
{
    if (canvas->format == CANVAS_INLINE) svg_plot_end(canvas);
}
