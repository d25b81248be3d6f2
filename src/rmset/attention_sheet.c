/* The sheet of an anchor and its candidates: a heading with the anchor and the checkpoints' colours, then a block of
 * tiles for P and one for N. Nothing is computed here but places. */
#include "rmfer/rmset/attention.h"

#include "rmfer/base/memory.h"
#include "rmfer/data/draw.h"
#include "rmfer/data/resize.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    COLUMNS = 10, /* of a block */
    TILE = 96,
    ANCHOR = 192,
    GAP = 6,
    MARGIN = 16,
    FRAME = 4, /* of one checkpoint; the next one's lies inside */
    LINE = FONT_HEIGHT + 1,
    TEXT = 2, /* scale of the heading's font */
    HEADING_LINE = TEXT * FONT_HEIGHT + 4,
    BLOCK = COLUMNS * (TILE + GAP) - GAP,
};

static const struct color paper = {250, 250, 250}, ink = {30, 30, 30};

/* Okabe and Ito's, dark enough to be read on paper first. */
static const struct color checkpoint_colors[MOST_ATTENTION_CHECKPOINTS] = {
    {213, 94, 0}, {0, 114, 178}, {0, 158, 115}, {204, 121, 167}, {230, 159, 0}, {86, 180, 233}, {90, 90, 90},
};

struct sheet {
    const struct rmset_attention *attention;
    struct image *image;
    struct resize_workspace workspace;
    uint8_t rgb[ANCHOR * ANCHOR * 3];
    int tile_height; /* with its lines */
};

/* ---- the order --------------------------------------------------------------------------------------------------- */

struct place {
    size_t candidate; /* 0 .. positives + negatives - 1 */
    double key;       /* ascending */
};

static int compare_places(const void *a, const void *b)
{
    const struct place *x = a, *y = b;
    if (x->key != y->key) return x->key < y->key ? -1 : 1;
    return x->candidate < y->candidate ? -1 : x->candidate > y->candidate;
}

/* Candidates first .. first + count - 1, what the last checkpoint keeps first: P by falling similarity, N by rising. */
static void order_block(const struct rmset_attention *attention, size_t first, size_t count, struct place *places)
{
    const struct attention_of *last = attention->view_count == 0 ? NULL : &attention->views[attention->view_count - 1];
    for (size_t i = 0; i < count; i++) {
        double key = last == NULL ? 0 : last->similarities[first + i];
        places[i] = (struct place){first + i, first == 0 ? -key : key};
    }
    qsort(places, count, sizeof *places, compare_places);
}

/* ---- a tile ------------------------------------------------------------------------------------------------------ */

static status draw_picture(struct sheet *sheet, const struct image *picture, int x, int y, int side, struct error *err)
{
    struct image *image = sheet->image;
    status result = image_resize_into(picture, NULL, RESIZE_BILINEAR, side, side, sheet->rgb, &sheet->workspace, err);
    for (int row = 0; row < side && result == STATUS_OK; row++)
        memcpy(image->rgb + 3 * ((size_t)(y + row) * (size_t)image->width + (size_t)x),
               sheet->rgb + 3 * (size_t)row * (size_t)side, 3 * (size_t)side);
    return result;
}

static status draw_tile(struct sheet *sheet, size_t candidate, int x, int y, struct error *err)
{
    const struct rmset_attention *attention = sheet->attention;
    const struct attention_face *face = &attention->faces[1 + candidate];
    char line[48];
    status result = draw_picture(sheet, &face->picture, x, y, TILE, err);
    if (result != STATUS_OK) return result;
    snprintf(line, sizeof line, "%" PRIu32 ":%" PRIu32, face->who.frame, face->who.person);
    draw_text(sheet->image, x, y + TILE + 2, 1, line, ink);
    for (size_t i = 0; i < attention->view_count; i++) {
        const struct attention_of *view = &attention->views[i];
        int inset = (int)i * FRAME, side = TILE - 2 * inset;
        struct image_box box = {x + inset, y + inset, side, side};
        if (view->kept[candidate]) draw_frame(sheet->image, &box, FRAME, checkpoint_colors[i]);
        snprintf(line, sizeof line, "%.2f%% %.3f", 100 * view->weights[candidate], view->similarities[candidate]);
        draw_text(sheet->image, x, y + TILE + 2 + (int)(1 + i) * LINE, 1, line, checkpoint_colors[i]);
    }
    return STATUS_OK;
}

static status draw_block(struct sheet *sheet, size_t first, size_t count, int left, int top, struct error *err)
{
    struct place *places = memory_allocate(count, sizeof *places, "the sheet", err);
    status result = places == NULL ? STATUS_FAILED : STATUS_OK;
    if (result == STATUS_OK) order_block(sheet->attention, first, count, places);
    for (size_t i = 0; i < count && result == STATUS_OK; i++)
        result = draw_tile(sheet, places[i].candidate, left + (int)(i % COLUMNS) * (TILE + GAP),
                           top + (int)(i / COLUMNS) * (sheet->tile_height + GAP), err);
    memory_free(places);
    return result;
}

/* ---- the heading ------------------------------------------------------------------------------------------------- */

static size_t count_kept(const struct attention_of *view, size_t first, size_t count)
{
    size_t kept = 0;
    for (size_t i = first; i < first + count; i++) kept += view->kept[i];
    return kept;
}

/* "run/last.safetensors": runs call their checkpoints alike. */
static const char *last_two_parts(const char *path)
{
    const char *name = path_name(path);
    if (name == path) return path;
    const char *begin = name - 1;
    while (begin > path && begin[-1] != '/') begin--;
    return begin;
}

static status draw_heading(struct sheet *sheet, struct error *err)
{
    const struct rmset_attention *attention = sheet->attention;
    const struct attention_face *anchor = &attention->faces[0];
    int x = MARGIN + ANCHOR + MARGIN, y = MARGIN;
    char line[128];
    snprintf(line, sizeof line, "%.70s  frame %" PRIu32 "  face %" PRIu32, text_string(&attention->video),
             anchor->who.frame, anchor->who.person);
    draw_text(sheet->image, x, y, TEXT, line, ink);
    for (size_t i = 0; i < attention->view_count; i++) {
        const struct attention_of *view = &attention->views[i];
        y += HEADING_LINE;
        snprintf(line, sizeof line, "%.70s: frames %zu of P, %zu of N", last_two_parts(view->checkpoint),
                 count_kept(view, 0, attention->positives),
                 count_kept(view, attention->positives, attention->negatives));
        draw_text(sheet->image, x, y, TEXT, line, checkpoint_colors[i]);
    }
    if (attention->view_count > 0)
        draw_text(sheet->image, x, y + HEADING_LINE, 1,
                  "below a face: frame:face, then the attention of each checkpoint and its cosine similarity", ink);
    return draw_picture(sheet, &anchor->picture, MARGIN, MARGIN, ANCHOR, err);
}

static void draw_block_names(const struct sheet *sheet, int top)
{
    const struct rmset_attention *attention = sheet->attention;
    char line[96];
    snprintf(line, sizeof line, "P: %zu of other persons, within %" PRId64 " frames", attention->positives,
             attention->near);
    draw_text(sheet->image, MARGIN, top, TEXT, line, ink);
    snprintf(line, sizeof line, "N: %zu of the same person, more than %" PRId64 " frames away", attention->negatives,
             attention->far);
    draw_text(sheet->image, MARGIN + BLOCK + 2 * MARGIN, top, TEXT, line, ink);
}

static int rows_of(size_t count)
{
    return ((int)count + COLUMNS - 1) / COLUMNS;
}

static status draw_sheet(struct sheet *sheet, struct error *err)
{
    const struct rmset_attention *attention = sheet->attention;
    size_t most = attention->positives > attention->negatives ? attention->positives : attention->negatives;
    int names = MARGIN + ANCHOR + MARGIN, tiles = names + HEADING_LINE;
    sheet->tile_height = TILE + 2 + (int)(1 + attention->view_count) * LINE;
    status result = image_create(sheet->image, 2 * BLOCK + 4 * MARGIN,
                                 tiles + rows_of(most) * (sheet->tile_height + GAP) + MARGIN, err);
    if (result != STATUS_OK) return result;
    draw_rectangle(sheet->image, 0, 0, sheet->image->width, sheet->image->height, paper);
    draw_block_names(sheet, names);
    result = draw_heading(sheet, err);
    if (result == STATUS_OK) result = draw_block(sheet, 0, attention->positives, MARGIN, tiles, err);
    if (result == STATUS_OK)
        result = draw_block(sheet, attention->positives, attention->negatives, MARGIN + BLOCK + 2 * MARGIN, tiles, err);
    if (result != STATUS_OK) image_free(sheet->image);
    return result;
}

status rmset_attention_sheet(const struct rmset_attention *attention, struct image *image, struct error *err)
{
    struct sheet *sheet = memory_allocate(1, sizeof *sheet, "the sheet", err);
    if (sheet == NULL) return STATUS_FAILED;
    sheet->attention = attention;
    sheet->image = image;
    status result = draw_sheet(sheet, err);
    resize_workspace_free(&sheet->workspace);
    memory_free(sheet);
    return result;
}
