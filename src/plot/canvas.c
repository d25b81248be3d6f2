/* The canvas: shapes as SVG elements. */
#include "rmfer/plot/canvas.h"

#include "rmfer/base/memory.h"

#include <stdio.h>
#include <string.h>

/* Okabe and Ito 2008, without black and without the yellow that vanishes on white. */
static const char *const palette[] = {"#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#808080"};

const char *palette_colour(size_t number)
{
    return palette[number % (sizeof palette / sizeof palette[0])];
}

status markup_append(struct text *out, const char *text, struct error *err)
{
    char *copy = memory_copy_string(text, err);
    if (copy == NULL) return STATUS_FAILED;
    text_make_printable(copy);
    status result = STATUS_OK;
    for (const char *at = copy; *at != '\0' && result == STATUS_OK; at++) {
        switch (*at) {
        case '&': result = text_append(out, "&amp;", 5, err); break;
        case '<': result = text_append(out, "&lt;", 4, err); break;
        case '>': result = text_append(out, "&gt;", 4, err); break;
        case '"': result = text_append(out, "&quot;", 6, err); break;
        case '\'': result = text_append(out, "&#39;", 5, err); break;
        default: result = text_append(out, at, 1, err);
        }
    }
    memory_free(copy);
    return result;
}

static void put(struct canvas *canvas, const char *text)
{
    if (canvas->result == STATUS_OK) canvas->result = text_append(canvas->out, text, strlen(text), canvas->err);
}

static void put_escaped(struct canvas *canvas, const char *text)
{
    if (canvas->result == STATUS_OK) canvas->result = markup_append(canvas->out, text, canvas->err);
}

static void put_numbers(struct canvas *canvas, const char *format, double a, double b)
{
    char text[160];
    snprintf(text, sizeof text, format, a, b);
    put(canvas, text);
}

static void put_attribute(struct canvas *canvas, const char *name, const char *value)
{
    put(canvas, " ");
    put(canvas, name);
    put(canvas, "=\"");
    put_escaped(canvas, value);
    put(canvas, "\"");
}

struct canvas canvas_begin(struct text *out, double width, double height, const char *title, bool alone,
                           struct error *err)
{
    struct canvas canvas = {out, err, STATUS_OK};
    put_numbers(&canvas, "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %.0f %.0f\"", width, height);
    if (alone) put_numbers(&canvas, " width=\"%.0f\" height=\"%.0f\"", width, height);
    put_attribute(&canvas, "role", "img");
    put_attribute(&canvas, "aria-label", title);
    put(&canvas, " font-family=\"DejaVu Sans, Helvetica, Arial, sans-serif\" font-size=\"12\">\n<title>");
    put_escaped(&canvas, title);
    put(&canvas, "</title>\n");
    if (alone) put(&canvas, "<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n");
    return canvas;
}

status canvas_end(struct canvas *canvas)
{
    put(canvas, "</svg>\n");
    return canvas->result;
}

void canvas_text(struct canvas *canvas, double x, double y, enum canvas_anchor anchor, const char *colour,
                 double degrees, const char *text)
{
    static const char *const anchors[] = {"start", "middle", "end"};
    put_numbers(canvas, "<text x=\"%.1f\" y=\"%.1f\"", x, y);
    put_attribute(canvas, "text-anchor", anchors[anchor]);
    put_attribute(canvas, "fill", colour == NULL ? "currentColor" : colour);
    if (degrees < 0 || degrees > 0) {
        put_numbers(canvas, " transform=\"rotate(%.0f %.1f", degrees, x);
        put_numbers(canvas, " %.1f)\"", y, 0);
    }
    put(canvas, ">");
    put_escaped(canvas, text);
    put(canvas, "</text>\n");
}

void canvas_heading(struct canvas *canvas, double x, double y, const char *text)
{
    put_numbers(canvas, "<text x=\"%.1f\" y=\"%.1f\" font-weight=\"bold\" fill=\"currentColor\">", x, y);
    put_escaped(canvas, text);
    put(canvas, "</text>\n");
}

static void put_path(struct canvas *canvas, const struct canvas_point *points, size_t count)
{
    put(canvas, "<path d=\"");
    for (size_t i = 0; i < count; i++)
        put_numbers(canvas, i == 0 ? "M%.1f %.1f" : "L%.1f %.1f", points[i].x, points[i].y);
}

void canvas_line(struct canvas *canvas, const struct canvas_point *points, size_t count, const char *colour,
                 double width, const char *dash, double opacity)
{
    put_path(canvas, points, count);
    put(canvas, "\" fill=\"none\"");
    put_attribute(canvas, "stroke", colour == NULL ? "currentColor" : colour);
    put_numbers(canvas, " stroke-width=\"%.1f\" stroke-opacity=\"%.2f\" stroke-linejoin=\"round\"", width, opacity);
    if (dash != NULL) put_attribute(canvas, "stroke-dasharray", dash);
    put(canvas, "/>\n");
}

void canvas_area(struct canvas *canvas, const struct canvas_point *points, size_t count, const char *colour,
                 double opacity)
{
    put_path(canvas, points, count);
    put(canvas, "Z\"");
    put_attribute(canvas, "fill", colour);
    put_numbers(canvas, " fill-opacity=\"%.2f\"/>\n", opacity, 0);
}

void canvas_rectangle(struct canvas *canvas, double x, double y, double width, double height, const char *colour,
                      const char *tip)
{
    put_numbers(canvas, "<rect x=\"%.1f\" y=\"%.1f\"", x, y);
    put_numbers(canvas, " width=\"%.1f\" height=\"%.1f\"", width, height);
    put_attribute(canvas, "fill", colour);
    put(canvas, ">");
    if (tip != NULL) {
        put(canvas, "<title>");
        put_escaped(canvas, tip);
        put(canvas, "</title>");
    }
    put(canvas, "</rect>\n");
}
