/* Drawing the contact sheet of a film: tiles of frames with grid, faces and areas. */
#ifndef RMFER_SRC_RMSET_PREVIEW_SHEET_H
#define RMFER_SRC_RMSET_PREVIEW_SHEET_H

#include "rmfer/rmset/preview.h"

/* A frame, scaled; its faces in pixels of the film. */
struct preview_tile {
    int64_t frame;
    double time; /* seconds */
    struct image image;
    struct detected_face *faces;
    size_t face_count;
};

status preview_tile_scale(struct preview_tile *tile, const struct image *frame, struct error *err) MUST_CHECK;
void preview_tile_free(struct preview_tile *tile);

struct preview_sheet {
    const char *film;
    const struct rmset_preview *preview; /* its sheet is not looked at */
    const struct rmset_notes *given;
    struct preview_tile *tiles; /* drawn into */
    size_t count;
};

status preview_sheet_draw(const struct preview_sheet *sheet, struct image *image, struct error *err) MUST_CHECK;

#endif
