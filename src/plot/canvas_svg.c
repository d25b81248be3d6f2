/* Shapes as SVG elements, foreign text escaped. */
#include "canvas_svg.h"

#include "rmfer/base/memory.h"

#include <stdio.h>
#include <string.h>

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

/* Ends an element that may hold a tip. */
static void put_end(struct canvas *canvas, const char *element, const char *tip)
{
    if (tip == NULL) {
        put(canvas, "/>\n");
        return;
    }
    put(canvas, "><title>");
    put_escaped(canvas, tip);
    put(canvas, "</title></");
    put(canvas, element);
    put(canvas, ">\n");
}

void svg_begin(struct canvas *canvas, double width, double height, const char *title)
{
    bool alone = canvas->format == CANVAS_SVG;
    put_numbers(canvas, "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %.0f %.0f\"", width, height);
    if (alone)
        put_numbers(canvas, " width=\"%.0f\" height=\"%.0f\"", width, height);
    else
        put_numbers(canvas, " style=\"width: %.0fpx\"", width, height);
    put_attribute(canvas, "role", "img");
    put_attribute(canvas, "aria-label", title);
    put(canvas, " font-family=\"DejaVu Sans, Helvetica, Arial, sans-serif\" font-size=\"12\">\n<title>");
    put_escaped(canvas, title);
    put(canvas, "</title>\n");
    if (alone) put(canvas, "<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n");
}

void svg_end(struct canvas *canvas)
{
    put(canvas, "</svg>\n");
}

void svg_text(struct canvas *canvas, double x, double y, enum canvas_anchor anchor, const char *colour, double degrees,
              const char *text, bool is_bold)
{
    static const char *const anchors[] = {"start", "middle", "end"};
    put_numbers(canvas, "<text x=\"%.1f\" y=\"%.1f\"", x, y);
    if (anchor != ANCHOR_START) put_attribute(canvas, "text-anchor", anchors[anchor]);
    if (is_bold) put_attribute(canvas, "font-weight", "bold");
    put_attribute(canvas, "fill", colour == NULL ? "currentColor" : colour);
    if (degrees < 0 || degrees > 0) {
        put_numbers(canvas, " transform=\"rotate(%.0f %.1f", degrees, x);
        put_numbers(canvas, " %.1f)\"", y, 0);
    }
    put(canvas, ">");
    put_escaped(canvas, text);
    put(canvas, "</text>\n");
}

static void put_path(struct canvas *canvas, const struct canvas_point *points, size_t count)
{
    put(canvas, "<path d=\"");
    for (size_t i = 0; i < count; i++)
        put_numbers(canvas, i == 0 ? "M%.1f %.1f" : "L%.1f %.1f", points[i].x, points[i].y);
}

void svg_line(struct canvas *canvas, const struct canvas_point *points, size_t count, const struct stroke *style)
{
    put_path(canvas, points, count);
    put(canvas, "\" fill=\"none\"");
    put_attribute(canvas, "stroke", style->colour == NULL ? "currentColor" : style->colour);
    put_numbers(canvas, " stroke-width=\"%.1f\" stroke-opacity=\"%.2f\" stroke-linejoin=\"round\"", style->width,
                style->opacity);
    if (style->dash != NULL) put_attribute(canvas, "stroke-dasharray", style->dash);
    if (style->label != NULL && canvas->format == CANVAS_INLINE) put_attribute(canvas, "data-label", style->label);
    put_end(canvas, "path", NULL);
}

void svg_area(struct canvas *canvas, const struct canvas_point *points, size_t count, const char *colour,
              double opacity)
{
    put_path(canvas, points, count);
    put(canvas, "Z\"");
    put_attribute(canvas, "fill", colour == NULL ? "currentColor" : colour);
    put_numbers(canvas, " fill-opacity=\"%.2f\"", opacity, 0);
    put_end(canvas, "path", NULL);
}

void svg_rectangle(struct canvas *canvas, double x, double y, double width, double height, const char *colour,
                   const char *tip)
{
    put_numbers(canvas, "<rect x=\"%.1f\" y=\"%.1f\"", x, y);
    put_numbers(canvas, " width=\"%.1f\" height=\"%.1f\"", width, height);
    put_attribute(canvas, "fill", colour);
    put_end(canvas, "rect", tip);
}

void svg_dot(struct canvas *canvas, double x, double y, double radius, const char *colour, double opacity,
             const char *tip)
{
    put_numbers(canvas, "<circle cx=\"%.1f\" cy=\"%.1f\"", x, y);
    put_numbers(canvas, " r=\"%.1f\"", radius, 0);
    put_attribute(canvas, "fill", colour == NULL ? "currentColor" : colour);
    if (opacity < 1) put_numbers(canvas, " fill-opacity=\"%.2f\"", opacity, 0);
    put_end(canvas, "circle", tip);
}

void svg_plot_begin(struct canvas *canvas, const struct canvas_plot *plot)
{
    put_numbers(canvas, "<g data-left=\"%.1f\" data-right=\"%.1f\"", plot->left, plot->right);
    put_numbers(canvas, " data-top=\"%.1f\" data-bottom=\"%.1f\"", plot->top, plot->bottom);
    put_numbers(canvas, " data-first=\"%.9g\" data-last=\"%.9g\"", plot->first_x, plot->last_x);
    put_numbers(canvas, " data-low=\"%.9g\" data-high=\"%.9g\"", plot->low, plot->high);
    put_attribute(canvas, "data-x", plot->x_name);
    if (plot->is_percent) put(canvas, " data-percent=\"1\"");
    put(canvas, ">\n");
}

void svg_plot_end(struct canvas *canvas)
{
    put(canvas, "</g>\n");
}
