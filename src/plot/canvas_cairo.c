/* Shapes through cairo into memory, and the memory as PNG. Without cairo (-DRMFER_HAVE_CAIRO) a clear refusal. */
#include "canvas_cairo.h"

#ifdef RMFER_HAVE_CAIRO

#include "rmfer/base/memory.h"

#include <cairo.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const double LARGEST_SIDE = 16000; /* pixels; cairo's own limit is 32767 */

bool cairo_picture_is_there(void)
{
    return true;
}

static status cairo_error(cairo_status_t code, struct error *err)
{
    return error_set(err, "cairo: %s", cairo_status_to_string(code));
}

status cairo_picture_begin(void **picture, double width, double height, struct error *err)
{
    *picture = NULL;
    double scale = CANVAS_PNG_SCALE;
    if (!(fmax(width, height) * scale <= LARGEST_SIDE))
        return error_set(err, "a picture of %.0f x %.0f pixels is too large: SVG has no such limit", width * scale,
                         height * scale);
    cairo_surface_t *surface = cairo_image_surface_create(CAIRO_FORMAT_RGB24, (int)ceil(width * scale),
                                                          (int)ceil(height * scale));
    cairo_t *drawing = cairo_create(surface);
    cairo_surface_destroy(surface); /* the drawing holds it */
    if (cairo_status(drawing) != CAIRO_STATUS_SUCCESS) {
        status result = cairo_error(cairo_status(drawing), err);
        cairo_destroy(drawing);
        return result;
    }
    cairo_set_source_rgb(drawing, 1, 1, 1);
    cairo_paint(drawing);
    cairo_scale(drawing, scale, scale);
    cairo_set_font_size(drawing, 12);
    cairo_set_line_join(drawing, CAIRO_LINE_JOIN_ROUND);
    *picture = drawing;
    return STATUS_OK;
}

struct destination {
    struct text *out;
    struct error *err;
};

static cairo_status_t append_bytes(void *closure, const unsigned char *bytes, unsigned length)
{
    struct destination *to = closure;
    status result = text_append(to->out, (const char *)bytes, length, to->err);
    return result == STATUS_OK ? CAIRO_STATUS_SUCCESS : CAIRO_STATUS_NO_MEMORY;
}

status cairo_picture_end(void *picture, status so_far, struct text *out, struct error *err)
{
    cairo_t *drawing = picture;
    struct destination to = {out, err};
    if (drawing == NULL) return so_far;
    cairo_status_t code = cairo_status(drawing);
    if (so_far == STATUS_OK && code == CAIRO_STATUS_SUCCESS)
        code = cairo_surface_write_to_png_stream(cairo_get_target(drawing), append_bytes, &to);
    cairo_destroy(drawing);
    if (so_far != STATUS_OK || code == CAIRO_STATUS_SUCCESS) return so_far;
    return cairo_error(code, err);
}

static void set_colour(cairo_t *drawing, const char *colour, double opacity)
{
    unsigned long rgb = colour == NULL ? 0x1a1a1a : strtoul(colour + 1, NULL, 16);
    cairo_set_source_rgba(drawing, (double)(rgb >> 16 & 255) / 255, (double)(rgb >> 8 & 255) / 255,
                          (double)(rgb & 255) / 255, opacity);
}

void cairo_picture_text(void *picture, double x, double y, enum canvas_anchor anchor, const char *colour,
                        double degrees, const char *text, bool is_bold)
{
    cairo_t *drawing = picture;
    cairo_text_extents_t extents;
    char *copy = drawing == NULL ? NULL : memory_copy_string(text, NULL);
    if (copy == NULL) return;
    text_make_printable(copy); /* cairo takes valid UTF-8 only */
    cairo_save(drawing);
    cairo_select_font_face(drawing, "DejaVu Sans", CAIRO_FONT_SLANT_NORMAL,
                           is_bold ? CAIRO_FONT_WEIGHT_BOLD : CAIRO_FONT_WEIGHT_NORMAL);
    set_colour(drawing, colour, 1);
    cairo_text_extents(drawing, copy, &extents);
    cairo_translate(drawing, x, y);
    cairo_rotate(drawing, degrees * acos(-1.0) / 180);
    cairo_move_to(drawing, -extents.x_advance * (double)anchor / 2, 0);
    cairo_show_text(drawing, copy);
    cairo_restore(drawing);
    memory_free(copy);
}

static void set_path(cairo_t *drawing, const struct canvas_point *points, size_t count)
{
    cairo_new_path(drawing);
    for (size_t i = 0; i < count; i++) cairo_line_to(drawing, points[i].x, points[i].y);
}

void cairo_picture_line(void *picture, const struct canvas_point *points, size_t count, const struct stroke *style)
{
    cairo_t *drawing = picture;
    double lengths[8];
    int length_count = 0;
    if (drawing == NULL) return;
    for (const char *at = style->dash; at != NULL && *at != '\0' && length_count < 8;) {
        char *end;
        lengths[length_count++] = strtod(at, &end);
        at = end;
    }
    set_path(drawing, points, count);
    cairo_set_dash(drawing, lengths, length_count, 0);
    cairo_set_line_width(drawing, style->width);
    set_colour(drawing, style->colour, style->opacity);
    cairo_stroke(drawing);
}

void cairo_picture_area(void *picture, const struct canvas_point *points, size_t count, const char *colour,
                        double opacity)
{
    cairo_t *drawing = picture;
    if (drawing == NULL) return;
    set_path(drawing, points, count);
    set_colour(drawing, colour, opacity);
    cairo_fill(drawing);
}

void cairo_picture_dot(void *picture, double x, double y, double radius, const char *colour, double opacity)
{
    cairo_t *drawing = picture;
    if (drawing == NULL) return;
    cairo_new_path(drawing);
    cairo_arc(drawing, x, y, radius, 0, 2 * acos(-1.0));
    set_colour(drawing, colour, opacity);
    cairo_fill(drawing);
}

#else

bool cairo_picture_is_there(void)
{
    return false;
}

status cairo_picture_begin(void **picture, double width, double height, struct error *err)
{
    (void)width;
    (void)height;
    *picture = NULL;
    return error_set(err,
                     "this build has no cairo, which draws PNG: install libcairo2-dev and build again, or write SVG");
}

status cairo_picture_end(void *picture, status so_far, struct text *out, struct error *err)
{
    (void)picture;
    (void)out;
    (void)err;
    return so_far;
}

void cairo_picture_text(void *picture, double x, double y, enum canvas_anchor anchor, const char *colour,
                        double degrees, const char *text, bool is_bold)
{
    (void)picture, (void)x, (void)y, (void)anchor, (void)colour, (void)degrees, (void)text, (void)is_bold;
}

void cairo_picture_line(void *picture, const struct canvas_point *points, size_t count, const struct stroke *style)
{
    (void)picture, (void)points, (void)count, (void)style;
}

void cairo_picture_area(void *picture, const struct canvas_point *points, size_t count, const char *colour,
                        double opacity)
{
    (void)picture, (void)points, (void)count, (void)colour, (void)opacity;
}

void cairo_picture_dot(void *picture, double x, double y, double radius, const char *colour, double opacity)
{
    (void)picture, (void)x, (void)y, (void)radius, (void)colour, (void)opacity;
}

#endif
