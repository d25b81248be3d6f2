/* Brightness at a grid of places, each a mean over a few pixels so that noise and compression do not count. */
#include "rmfer/faces/scene_cuts.h"

#include <stdlib.h>

enum { LEAST_DIFFERENCE = 25, PATCH = 4 };

static uint8_t brightness_at(const struct image *image, int x, int y)
{
    int sum = 0, count = 0;
    for (int j = y; j < y + PATCH && j < image->height; j++)
        for (int i = x; i < x + PATCH && i < image->width; i++, count++) {
            const uint8_t *pixel = image->rgb + ((size_t)j * (size_t)image->width + (size_t)i) * 3;
            sum += (299 * pixel[0] + 587 * pixel[1] + 114 * pixel[2]) / 1000;
        }
    return (uint8_t)(sum / count);
}

static bool is_ignored(double x, double y, const struct image_box *boxes, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (x >= boxes[i].x && x < boxes[i].x + boxes[i].width && y >= boxes[i].y && y < boxes[i].y + boxes[i].height)
            return true;
    return false;
}

bool scene_cut_seen(struct scene_samples *samples, const struct image *image, const struct image_box *ignored,
                    size_t ignored_count)
{
    int counted = 0, changed = 0;
    for (int row = 0; row < SCENE_ROWS; row++)
        for (int column = 0; column < SCENE_COLUMNS; column++) {
            int x = (int)((int64_t)column * image->width / SCENE_COLUMNS);
            int y = (int)((int64_t)row * image->height / SCENE_ROWS);
            uint8_t value = brightness_at(image, x, y), *kept = &samples->values[row][column];
            if (!is_ignored(x, y, ignored, ignored_count)) {
                counted++;
                changed += abs(value - *kept) > LEAST_DIFFERENCE;
            }
            *kept = value;
        }
    bool was_any = samples->any;
    samples->any = true;
    return was_any && 2 * changed >= counted;
}
