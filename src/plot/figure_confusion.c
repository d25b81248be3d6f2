/* The confusion matrix as a table of coloured cells. */
#include "rmfer/plot/canvas.h"
#include "rmfer/plot/figures.h"

#include <math.h>
#include <stdio.h>

enum { CELL = 62, LEFT = 130, TOP = 56, BOTTOM = 100, RIGHT = 20 };

/* White to Okabe and Ito's blue. */
static void cell_colour(double share, char colour[8])
{
    static const double full[3] = {0x00, 0x72, 0xb2};
    int rgb[3];
    for (int i = 0; i < 3; i++) rgb[i] = (int)lround(255 + (full[i] - 255) * share);
    snprintf(colour, 8, "#%02x%02x%02x", (unsigned)rgb[0] & 255u, (unsigned)rgb[1] & 255u, (unsigned)rgb[2] & 255u);
}

static void class_name(char *const *names, size_t name_count, size_t class, char *out, size_t size)
{
    if (class < name_count)
        snprintf(out, size, "%s", names[class]);
    else
        snprintf(out, size, "class %zu", class);
}

static void draw_row(struct canvas *canvas, const struct run_confusion *confusion, size_t truth, double y)
{
    const double *row = confusion->counts + truth * confusion->classes;
    double total = 0;
    for (size_t i = 0; i < confusion->classes; i++) total += row[i];
    for (size_t i = 0; i < confusion->classes; i++) {
        double share = total > 0 ? row[i] / total : 0, x = LEFT + (double)i * CELL;
        char colour[8], percent[16], count[24];
        cell_colour(share, colour);
        snprintf(count, sizeof count, "%.0f", row[i]);
        snprintf(percent, sizeof percent, total > 0 ? "%.1f %%" : "\xe2\x80\x93", 100 * share);
        const char *ink = share > 0.62 ? "#ffffff" : "#111111";
        canvas_rectangle(canvas, x + 1, y + 1, CELL - 2, CELL - 2, colour, NULL);
        canvas_text(canvas, x + CELL / 2.0, y + CELL / 2.0, ANCHOR_MIDDLE, ink, 0, percent);
        canvas_text(canvas, x + CELL / 2.0, y + CELL / 2.0 + 16, ANCHOR_MIDDLE, ink, 0, count);
    }
}

status figure_confusion(const struct run_confusion *confusion, char *const *names, size_t name_count,
                        const char *title, bool alone, struct text *out, struct error *err)
{
    double side = (double)confusion->classes * CELL, bottom = TOP + side;
    struct canvas canvas = canvas_begin(out, LEFT + side + RIGHT, bottom + BOTTOM, title, alone, err);
    canvas_heading(&canvas, 12, 22, title);
    canvas_text(&canvas, 12, 42, ANCHOR_START, NULL, 0, "share of the true class, number of pictures below");
    for (size_t i = 0; i < confusion->classes; i++) {
        char name[40];
        double middle = ((double)i + 0.5) * CELL;
        class_name(names, name_count, i, name, sizeof name);
        draw_row(&canvas, confusion, i, TOP + (double)i * CELL);
        canvas_text(&canvas, LEFT - 8, TOP + middle + 4, ANCHOR_END, NULL, 0, name);
        canvas_text(&canvas, LEFT + middle + 6, bottom + 16, ANCHOR_END, NULL, -45, name);
    }
    canvas_text(&canvas, 16, TOP + side / 2, ANCHOR_MIDDLE, NULL, -90, "true class");
    canvas_text(&canvas, LEFT + side / 2, bottom + BOTTOM - 10, ANCHOR_MIDDLE, NULL, 0, "predicted class");
    return canvas_end(&canvas);
}
