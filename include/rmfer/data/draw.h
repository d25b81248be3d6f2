/* Drawing on pictures: frames, dots and text in a small bitmap font of its own, so that it works everywhere. */
#ifndef RMFER_DATA_DRAW_H
#define RMFER_DATA_DRAW_H

#include "rmfer/data/image.h"

struct color {
    uint8_t red, green, blue;
};

/* Everything outside of the picture is cut off. */

/* A frame of `thickness` pixels whose outer edge is the box, rounded to pixels. */
void draw_frame(struct image *image, const struct image_box *box, int thickness, struct color color);

/* A filled rectangle of pixels. */
void draw_rectangle(struct image *image, int x, int y, int width, int height, struct color color);

/* A filled circle about x, y. */
void draw_dot(struct image *image, double x, double y, double radius, struct color color);

/* Printable ASCII from the pixel x, y (top left) on; other characters become '?'. `scale` is the side of a dot of the
 * font in pixels. */
void draw_text(struct image *image, int x, int y, int scale, const char *text, struct color color);

/* Size of a text at scale 1, in pixels. */
enum { FONT_ADVANCE = 6, FONT_HEIGHT = 9 };
int draw_text_width(const char *text, int scale);

#endif
