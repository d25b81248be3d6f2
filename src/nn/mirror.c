/* Mirror images and means. */
#include "rmfer/nn/mirror.h"

#include <string.h>

static void mirror_row(size_t side, const real *row, real *mirrored)
{
    for (size_t x = 0; x < side; x++) memcpy(mirrored + x * 3, row + (side - 1 - x) * 3, 3 * sizeof *row);
}

void mirror_images(size_t n, size_t side, const real *images, real *mirrored)
{
    for (size_t row = 0; row < n * side; row++) mirror_row(side, images + row * side * 3, mirrored + row * side * 3);
}

void mirror_average(size_t count, real *values, const real *mirrored)
{
    for (size_t i = 0; i < count; i++) values[i] = (values[i] + mirrored[i]) / 2;
}
