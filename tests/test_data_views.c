/* The weak and the strong view and that of a pair: what they draw, how often, and only from their stream. The
 * operations themselves are held against Pillow in test_data_golden.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "rmfer/data/views.h"

#include <math.h>
#include <string.h>

enum { SIDE = 16, BYTES = SIDE * SIDE * 3, DRAWS = 4000 };

static const struct config_augment options = {
    .weak = {.flip_p = 0.25, .shift = 0.13},
    .pair = {.crop = 0.3, .flip_p = 0.5, .jitter_p = 0.8, .jitter = 0.4, .grayscale_p = 0.2},
    .strong = {.operations = 3, .cutout = 0.5, .after_weak = true}};

static struct augment_workspace workspace;

static int free_workspace(void **state)
{
    (void)state;
    augment_workspace_free(&workspace);
    return 0;
}

static void fill(struct image *image)
{
    for (int i = 0; i < BYTES; i++) image->rgb[i] = (uint8_t)(40 + (i * 37) % 170);
}

static struct image source(void)
{
    struct image image;
    assert_int_equal(image_create(&image, SIDE, SIDE, NULL), STATUS_OK);
    fill(&image);
    return image;
}

/* View `kind` of the source by draw number `draw`. */
static void draw_view(struct image *image, enum view_kind kind, const struct config_augment *of, uint64_t draw)
{
    fill(image);
    struct random_stream stream = random_stream(3, RANDOM_AUGMENT, 7, draw);
    struct pixel_box erased = {1, 1, 1, 1};
    assert_int_equal(view_apply(kind, image, of, &stream, &workspace, &erased, NULL), STATUS_OK);
    assert_int_equal(erased.width, 0);
}

/* What a shift by (dx, dy) with a mirrored edge makes, written without the module. */
static int mirrored(int place)
{
    return place < 0 ? -place : place >= SIDE ? 2 * (SIDE - 1) - place : place;
}

static void shift_by_hand(const struct image *from, int dx, int dy, bool flipped, uint8_t *out)
{
    for (int y = 0; y < SIDE; y++)
        for (int x = 0; x < SIDE; x++) {
            int column = flipped ? SIDE - 1 - x : x;
            const uint8_t *pixel = from->rgb + (mirrored(y + dy) * SIDE + mirrored(column + dx)) * 3;
            memcpy(out + (y * SIDE + x) * 3, pixel, 3);
        }
}

/* Every weak view is one of 5 x 5 shifts (13 % of 16 pixels are 2), flipped or not, each about equally often. */
static void test_weak_views_are_shifts_and_flips(void **state)
{
    (void)state;
    static uint8_t wanted[50][BYTES];
    int seen[50] = {0}, flips = 0;
    struct image image = source(), plain = source();
    for (int i = 0; i < 50; i++) shift_by_hand(&plain, i % 5 - 2, i / 5 % 5 - 2, i >= 25, wanted[i]);
    for (uint64_t draw = 0; draw < DRAWS; draw++) {
        draw_view(&image, VIEW_WEAK, &options, draw);
        int which = 0;
        while (which < 50 && memcmp(image.rgb, wanted[which], BYTES) != 0) which++;
        assert_true(which < 50);
        seen[which]++;
        flips += which >= 25;
    }
    assert_in_range(flips, 863, 1137); /* a quarter, five standard deviations */
    for (int i = 0; i < 25; i++) assert_in_range(seen[i] + seen[i + 25], 98, 222);
    image_free(&image);
    image_free(&plain);
}

/* Without operations a strong view is a weak one with a gray square: at most half as wide, its centre anywhere. */
static void test_cutout(void **state)
{
    (void)state;
    struct config_augment square = options;
    square.strong.operations = 0;
    square.strong.after_weak = false;
    struct image image = source(), plain = source();
    int widest = 0, covered[BYTES / 3] = {0};
    for (uint64_t draw = 0; draw < DRAWS; draw++) {
        draw_view(&image, VIEW_STRONG, &square, draw);
        int left = SIDE, right = -1;
        for (int i = 0; i < SIDE * SIDE; i++) {
            if (memcmp(image.rgb + 3 * i, plain.rgb + 3 * i, 3) == 0) continue;
            assert_true(image.rgb[3 * i] == 125 && image.rgb[3 * i + 1] == 123 && image.rgb[3 * i + 2] == 114);
            covered[i]++;
            if (i % SIDE < left) left = i % SIDE;
            if (i % SIDE > right) right = i % SIDE;
        }
        if (right - left + 1 > widest) widest = right - left + 1;
    }
    assert_in_range(widest, SIDE / 2, SIDE / 2 + 1);
    for (int i = 0; i < SIDE * SIDE; i++) assert_in_range(covered[i], 30, DRAWS / 4);
    image_free(&image);
    image_free(&plain);
}

static void test_ranges(void **state)
{
    (void)state;
    static const double wanted[RANDAUGMENT_COUNT][2] = {
        [RANDAUGMENT_SHEAR_X] = {-0.3, 0.3},     [RANDAUGMENT_SHEAR_Y] = {-0.3, 0.3},
        [RANDAUGMENT_TRANSLATE_X] = {-0.3, 0.3}, [RANDAUGMENT_TRANSLATE_Y] = {-0.3, 0.3},
        [RANDAUGMENT_ROTATE] = {-30, 30},        [RANDAUGMENT_BRIGHTNESS] = {0.05, 0.95},
        [RANDAUGMENT_COLOR] = {0.05, 0.95},      [RANDAUGMENT_CONTRAST] = {0.05, 0.95},
        [RANDAUGMENT_SHARPNESS] = {0.05, 0.95},  [RANDAUGMENT_POSTERIZE] = {4, 8},
        [RANDAUGMENT_SOLARIZE] = {0, 256},
    };
    for (int i = 0; i < RANDAUGMENT_COUNT; i++) {
        double low, high;
        strong_range((enum randaugment_operation)i, &low, &high);
        assert_true(low == wanted[i][0] && high == wanted[i][1]);
    }
}

/* One stream, one picture; another stream, another picture; fewer operations, other pictures. */
static void test_a_view_is_a_function_of_its_stream(void **state)
{
    (void)state;
    struct config_augment none = options;
    none.strong.operations = 0;
    struct image one = source(), two = source();
    size_t different = 0, changed = 0;
    for (uint64_t draw = 0; draw < 200; draw++) {
        draw_view(&one, VIEW_STRONG, &options, draw);
        draw_view(&two, VIEW_STRONG, &options, draw);
        assert_memory_equal(one.rgb, two.rgb, BYTES);
        draw_view(&two, VIEW_STRONG, &options, draw + 1000);
        different += memcmp(one.rgb, two.rgb, BYTES) != 0;
        draw_view(&two, VIEW_STRONG, &none, draw);
        changed += memcmp(one.rgb, two.rgb, BYTES) != 0;
    }
    assert_true(different > 198 && changed > 180);
    draw_view(&one, VIEW_AS_IS, NULL, 0);
    fill(&two);
    assert_memory_equal(one.rgb, two.rgb, BYTES);
    image_free(&one);
    image_free(&two);
}

/* The whole is as it was; the upper left quarter, twice as large: bilinear between pixel centres, edges repeated. */
static void test_zoom(void **state)
{
    (void)state;
    struct image image = source(), whole = source();
    assert_int_equal(augment_zoom(&image, 0, 0, SIDE, SIDE, &workspace, NULL), STATUS_OK);
    assert_memory_equal(image.rgb, whole.rgb, BYTES);
    assert_int_equal(augment_zoom(&image, 0, 0, SIDE / 2.0, SIDE / 2.0, &workspace, NULL), STATUS_OK);
    for (int y = 0; y < SIDE; y++)
        for (int x = 0; x < SIDE; x++) {
            double at[2] = {(x + 0.5) / 2 - 0.5, (y + 0.5) / 2 - 0.5}, wanted = 0;
            int left = (int)floor(at[0]), top = (int)floor(at[1]);
            for (int corner = 0; corner < 4; corner++) {
                int column = left + corner % 2, row = top + corner / 2;
                double share = (1 - fabs(at[0] - column)) * (1 - fabs(at[1] - row));
                wanted += share * whole.rgb[((row < 0 ? 0 : row) * SIDE + (column < 0 ? 0 : column)) * 3];
            }
            assert_true(fabs(image.rgb[(y * SIDE + x) * 3] - floor(wanted + 1e-9)) <= 1);
        }
    image_free(&image);
    image_free(&whole);
}

/* How often a pair's view flips, turns gray and leaves the colours alone, with the crop off; and that each is another.
 */
static void test_pairs(void **state)
{
    (void)state;
    struct config_augment still = options;
    still.pair.crop = 1;
    still.pair.jitter_p = 0;
    struct image one = source(), two = source(), plain = source(), mirrored_one = source();
    int flips = 0, grays = 0, same = 0;
    augment_flip(&mirrored_one);
    for (uint64_t draw = 0; draw < DRAWS; draw++) {
        draw_view(&one, VIEW_PAIR, &still, draw);
        bool gray = true;
        for (int i = 0; i < BYTES; i += 3) gray = gray && one.rgb[i] == one.rgb[i + 1] && one.rgb[i] == one.rgb[i + 2];
        grays += gray;
        flips += memcmp(one.rgb, mirrored_one.rgb, BYTES) == 0;
        same += memcmp(one.rgb, plain.rgb, BYTES) == 0;
    }
    /* Six standard deviations of 4,000 draws are at most 190. */
    assert_true(abs(grays - DRAWS / 5) < 190 && abs(flips - 2 * DRAWS / 5) < 190 && abs(same - 2 * DRAWS / 5) < 190);
    int different = 0;
    for (uint64_t draw = 0; draw < 200; draw++) {
        draw_view(&one, VIEW_PAIR, &options, draw);
        draw_view(&two, VIEW_PAIR, &options, draw);
        assert_memory_equal(one.rgb, two.rgb, BYTES);
        draw_view(&two, VIEW_PAIR, &options, draw + 1000);
        different += memcmp(one.rgb, two.rgb, BYTES) != 0;
    }
    assert_true(different > 198);
    image_free(&one);
    image_free(&two);
    image_free(&plain);
    image_free(&mirrored_one);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_weak_views_are_shifts_and_flips),
        cmocka_unit_test(test_cutout),
        cmocka_unit_test(test_ranges),
        cmocka_unit_test(test_a_view_is_a_function_of_its_stream),
        cmocka_unit_test(test_zoom),
        cmocka_unit_test(test_pairs),
    };
    return cmocka_run_group_tests(tests, NULL, free_workspace);
}
