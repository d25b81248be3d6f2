/* Whether a frame begins another scene: most of the picture is not what it was. */
#ifndef RMFER_FACES_SCENE_CUTS_H
#define RMFER_FACES_SCENE_CUTS_H

#include "rmfer/data/image.h"

enum { SCENE_COLUMNS = 64, SCENE_ROWS = 36 };

/* The last frame as a few brightness values; zeroed before the first. */
struct scene_samples {
    uint8_t values[SCENE_ROWS][SCENE_COLUMNS];
    bool any;
};

/* Takes the frame's brightness at 64 x 36 places and compares it with the frame before: a cut when at least half of
 * the places differ by more than a tenth of the range. Panels of a mashup that cut one by one, or a film's window that
 * does, are not a cut. `ignored` are boxes that do not count (a film's window); where they leave no place to compare,
 * nothing of the frame before is known to have stayed: a cut. */
bool scene_cut_seen(struct scene_samples *samples, const struct image *image, const struct image_box *ignored,
                    size_t ignored_count);

#endif
