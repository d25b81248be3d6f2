/* The sheet: a heading, then tiles in reading order, each with its frame's number below. */
#include "rmset/preview_sheet.h"

#include "rmfer/base/memory.h"
#include "rmfer/base/text.h"
#include "rmfer/data/draw.h"
#include "rmfer/data/resize.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

enum {
    COLUMNS = 3,
    TILE_WIDTH = 640,
    GAP = 12,
    CAPTION = 22, /* below a tile */
    HEADING = 30,
    MOST_LINES = 12, /* of the grid, side by side */
    DASH = 3,
    TEXT = 2 /* scale of the font */
};

static const struct color paper = {250, 250, 250}, ink = {30, 30, 30}, white = {255, 255, 255}, black = {0, 0, 0};
static const struct color found_color = {0, 230, 118}, hidden_color = {150, 150, 150};
static const struct color given_color = {86, 180, 233}, suggested_color = {230, 159, 0};

void preview_tile_free(struct preview_tile *tile)
{
    image_free(&tile->image);
    memory_free(tile->faces);
    *tile = (struct preview_tile){0};
}

status preview_tile_scale(struct preview_tile *tile, const struct image *frame, struct error *err)
{
    int height = (int)lround((double)frame->height * TILE_WIDTH / frame->width);
    return image_resize(frame, NULL, RESIZE_BILINEAR, TILE_WIDTH, height < 1 ? 1 : height, &tile->image, err);
}

/* ---- a tile ------------------------------------------------------------------------------------------------------ */

/* Text on a plate, so that it can be read on anything; moved to the left where it would reach over the edge. */
static void draw_plate(struct image *image, int x, int y, int scale, const char *text, struct color color)
{
    int width = draw_text_width(text, scale) + scale, room = image->width - width;
    if (x > room) x = room > 0 ? room : 0;
    draw_rectangle(image, x, y, width, FONT_HEIGHT * scale + 1, black);
    draw_text(image, x + scale, y + 1, scale, text, color);
}

/* 1, 2 or 5 times a power of ten, so that at most MOST_LINES lines stand side by side. */
static int grid_step(int width)
{
    int power = 1;
    while (5 * power * MOST_LINES < width) power *= 10;
    return power * MOST_LINES >= width ? power : 2 * power * MOST_LINES >= width ? 2 * power : 5 * power;
}

/* Every `step` pixels of the film a dashed line, with its number where it begins. */
static void draw_grid(struct image *tile, int width, int height, double scale)
{
    int step = grid_step(width);
    char number[16];
    for (int x = step; x < width; x += step) {
        int at = (int)lround(x * scale);
        for (int y = 0; y < tile->height; y += 2 * DASH) draw_rectangle(tile, at, y, 1, DASH, white);
    }
    for (int y = step; y < height; y += step) {
        int at = (int)lround(y * scale);
        for (int x = 0; x < tile->width; x += 2 * DASH) draw_rectangle(tile, x, at, DASH, 1, white);
    }
    for (int x = step; x < width; x += step) {
        snprintf(number, sizeof number, "%d", x);
        draw_plate(tile, (int)lround(x * scale) + 1, 0, 1, number, white);
    }
    for (int y = step; y < height; y += step) {
        snprintf(number, sizeof number, "%d", y);
        draw_plate(tile, 0, (int)lround(y * scale) + 1, 1, number, white);
    }
}

static struct image_box scaled(const struct image_box *box, double scale)
{
    return (struct image_box){box->x * scale, box->y * scale, box->width * scale, box->height * scale};
}

static void draw_faces(struct preview_tile *tile, const struct preview_sheet *sheet, double scale)
{
    for (size_t i = tile->face_count; i-- > 0;) {
        const struct image_box *face = &tile->faces[i].shape.box;
        bool is_hidden = rmset_notes_hide(sheet->given, tile->frame, face) ||
                         (sheet->given->area_count == 0 &&
                          rmset_notes_hide(&sheet->preview->suggested, tile->frame, face));
        struct color color = is_hidden ? hidden_color : found_color;
        struct image_box box = scaled(face, scale);
        char score[16];
        snprintf(score, sizeof score, "%.2f", tile->faces[i].score);
        draw_frame(&tile->image, &box, 2, color);
        draw_plate(&tile->image, (int)lround(box.x), (int)lround(box.y + box.height), 1, score, color);
    }
}

static void draw_areas(struct preview_tile *tile, const struct rmset_notes *notes, double scale, const char *what,
                       struct color color)
{
    for (size_t i = 0; i < notes->area_count; i++) {
        const struct rmset_area *area = &notes->areas[i];
        if (tile->frame < area->from || tile->frame > area->to) continue;
        struct image_box box = scaled(&area->box, scale);
        char label[96];
        snprintf(label, sizeof label, "%s %g,%g,%g,%g", what, area->box.x, area->box.y, area->box.width,
                 area->box.height);
        draw_frame(&tile->image, &box, 3, color);
        draw_plate(&tile->image, (int)lround(box.x) + 4, (int)lround(box.y + box.height) - TEXT * FONT_HEIGHT - 5, TEXT,
                   label, color);
    }
}

/* ---- the sheet --------------------------------------------------------------------------------------------------- */

static void copy_tile(struct image *sheet, const struct image *tile, int x, int y)
{
    for (int row = 0; row < tile->height; row++)
        memcpy(sheet->rgb + 3 * ((size_t)(y + row) * (size_t)sheet->width + (size_t)x),
               tile->rgb + 3 * (size_t)row * (size_t)tile->width, 3 * (size_t)tile->width);
}

static status draw_heading(const struct preview_sheet *sheet, struct image *image, struct error *err)
{
    const struct rmset_preview *preview = sheet->preview;
    struct text line = {0};
    const char *name = sheet->film + rmset_film_stem(sheet->film).begin;
    size_t length = strcspn(name, "/"); /* a folder may have been named with one */
    status result = text_append_format(&line, err, "%.*s  %d x %d", (int)(length < 60 ? length : 60), name,
                                       preview->width, preview->height);
    if (result == STATUS_OK && preview->frames > 0)
        result = text_append_format(&line, err, ", %" PRId64 " frames", preview->frames);
    if (result == STATUS_OK && preview->rate > 0)
        result = text_append_format(&line, err, ", %.4g a second", preview->rate);
    if (result == STATUS_OK)
        result = text_append_format(&line, err, "   suggested: %s",
                                    preview->suggested.area_count == 0 ? "nothing" : "");
    if (result == STATUS_OK) result = rmset_notes_print_areas(&preview->suggested, &line, err);
    if (result == STATUS_OK) draw_text(image, GAP, GAP, TEXT, text_string(&line), ink);
    text_free(&line);
    return result;
}

/* The frame's number, its time where it is known, and how many faces. */
static void draw_caption(const struct preview_tile *tile, struct image *image, int x, int y)
{
    char caption[64], time[24] = "";
    if (!isnan(tile->time)) snprintf(time, sizeof time, "  %.2f s", tile->time);
    snprintf(caption, sizeof caption, "frame %" PRId64 "%s  %zu faces", tile->frame, time, tile->face_count);
    draw_text(image, x, y, TEXT, caption, ink);
}

status preview_sheet_draw(const struct preview_sheet *sheet, struct image *image, struct error *err)
{
    if (sheet->count == 0) return error_set(err, "%s: no frames", sheet->film);
    const struct rmset_preview *preview = sheet->preview;
    int rows = ((int)sheet->count + COLUMNS - 1) / COLUMNS, tall = sheet->tiles[0].image.height;
    double scale = (double)TILE_WIDTH / preview->width;
    status result = image_create(image, COLUMNS * (TILE_WIDTH + GAP) + GAP,
                                 HEADING + GAP + rows * (tall + CAPTION + GAP), err);
    if (result != STATUS_OK) return result;
    draw_rectangle(image, 0, 0, image->width, image->height, paper);
    result = draw_heading(sheet, image, err);
    for (size_t i = 0; i < sheet->count && result == STATUS_OK; i++) {
        struct preview_tile *tile = &sheet->tiles[i];
        int x = GAP + (int)(i % COLUMNS) * (TILE_WIDTH + GAP);
        int y = HEADING + GAP + (int)(i / COLUMNS) * (tall + CAPTION + GAP);
        draw_grid(&tile->image, preview->width, preview->height, scale);
        draw_faces(tile, sheet, scale);
        draw_areas(tile, &preview->suggested, scale, "suggested", suggested_color);
        draw_areas(tile, sheet->given, scale, "given", given_color);
        copy_tile(image, &tile->image, x, y);
        draw_caption(tile, image, x, y + tall + 4);
    }
    if (result != STATUS_OK) image_free(image);
    return result;
}
