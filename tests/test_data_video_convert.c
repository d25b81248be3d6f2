/* Luma and chroma to RGB beside the formulas in floating point: both ranges, odd sizes, strides, and chroma that lies
 * between. */
#include "data/video_convert.h"

#include "rmfer/base/memory.h"
#include "rmfer/base/random.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

enum { SIDE = 75, STRIDE = 80 };

/* ITU-R BT.601 and BT.709 as FFmpeg tables them: 1.402 and 1.772 of full-range chroma, times 255 / 224, in 16.16. */
static const int bt601[4] = {104597, 132201, 25675, 53279}, bt709[4] = {117489, 138438, 13975, 34925};

struct planes {
    uint8_t luma[SIDE * STRIDE], blue[SIDE * STRIDE], red[SIDE * STRIDE];
};

static double chroma_at(const uint8_t *plane, int columns, int rows, double x, double y)
{
    double left = floor(x), top = floor(y), sum = 0;
    for (int j = 0; j < 2; j++)
        for (int i = 0; i < 2; i++) {
            int column = (int)left + i, row = (int)top + j;
            column = column < 0 ? 0 : column >= columns ? columns - 1 : column;
            row = row < 0 ? 0 : row >= rows ? rows - 1 : row;
            sum += (i == 0 ? 1 - (x - left) : x - left) * (j == 0 ? 1 - (y - top) : y - top) *
                   plane[row * STRIDE + column];
        }
    return sum - 128;
}

static double clamp(double value)
{
    return value < 0 ? 0 : value > 255 ? 255 : value;
}

static double largest_error(const struct planes *planes, int width, int height, bool full, const int *given,
                            const uint8_t *rgb)
{
    double worst = 0, scale = full ? 224.0 / 255 / 65536 : 1.0 / 65536;
    int columns = (width + 1) / 2, rows = (height + 1) / 2;
    for (int y = 0; y < height; y++)
        for (int x = 0; x < width; x++) {
            double luma = planes->luma[y * STRIDE + x];
            luma = full ? luma : (luma - 16) * 255 / 219;
            double u = chroma_at(planes->blue, columns, rows, x / 2.0 - 0.25, y / 2.0 - 0.25) * scale;
            double v = chroma_at(planes->red, columns, rows, x / 2.0 - 0.25, y / 2.0 - 0.25) * scale;
            const double wanted[3] = {luma + given[0] * v, luma - given[2] * u - given[3] * v, luma + given[1] * u};
            for (int c = 0; c < 3; c++) worst = fmax(worst, fabs(clamp(wanted[c]) - rgb[(y * width + x) * 3 + c]));
        }
    return worst;
}

static void test_colours_are_those_of_the_formulas(void **state)
{
    (void)state;
    struct planes *planes = memory_allocate(1, sizeof *planes, "planes", NULL);
    uint8_t *rgb = memory_allocate((size_t)SIDE * SIDE * 3 + 1, 1, "a picture", NULL);
    int16_t *room = memory_allocate(yuv_room(SIDE), sizeof *room, "room", NULL);
    struct random_stream stream = random_stream(3, RANDOM_TEST, 0, 0);
    assert_non_null(planes);
    assert_non_null(rgb);
    assert_non_null(room);
    for (size_t i = 0; i < sizeof planes->luma; i++) {
        planes->luma[i] = (uint8_t)random_below(&stream, 256);
        planes->blue[i] = (uint8_t)random_below(&stream, 256);
        planes->red[i] = (uint8_t)random_below(&stream, 256);
    }
    static const int sizes[][2] = {{1, 1}, {2, 2}, {3, 2}, {2, 3}, {5, 7}, {16, 16}, {33, 4}, {64, 63}, {SIDE, SIDE}};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        for (int way = 0; way < 4; way++) {
            const int *given = way % 2 == 0 ? bt601 : bt709;
            int width = sizes[i][0], height = sizes[i][1];
            const struct yuv_picture picture = {planes->luma, planes->blue, planes->red, STRIDE,   STRIDE,
                                                STRIDE,       width,        height,      way >= 2, given};
            size_t end = (size_t)width * (size_t)height * 3;
            rgb[end] = 77;
            yuv_to_rgb(&picture, rgb, room);
            assert_int_equal(rgb[end], 77);
            assert_true(largest_error(planes, width, height, way >= 2, given, rgb) <= 0.51);
        }
    memory_free(planes);
    memory_free(rgb);
    memory_free(room);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_colours_are_those_of_the_formulas),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
