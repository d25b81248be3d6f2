/* What augment_apply draws: how often, from which ranges, and only from its stream. The operations themselves are
 * held against torchvision in test_data_golden.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "rmfer/data/augment.h"

#include <math.h>
#include <string.h>

enum { SIDE = 8, BYTES = SIDE * SIDE * 3, DRAWS = 20000 };

static struct config_augment method(void)
{
    return (struct config_augment){.enabled = true,
                                   .mode = AUGMENT_ONE_OF,
                                   .grayscale_p = 0.1,
                                   .flip_p = 0.5,
                                   .brightness = 0.25,
                                   .contrast = 0.25,
                                   .saturation = 0.25,
                                   .hue = 0.125};
}

static struct image source(void)
{
    struct image image;
    assert_int_equal(image_create(&image, SIDE, SIDE, NULL), STATUS_OK);
    for (int i = 0; i < BYTES; i++) image.rgb[i] = (uint8_t)(40 + (i * 37) % 170);
    return image;
}

/* A fresh copy of the source, augmented by draw number `draw`. */
static struct pixel_box augmented(struct image *image, const struct config_augment *options, uint64_t draw)
{
    static struct augment_workspace workspace;
    struct image fresh = source();
    memcpy(image->rgb, fresh.rgb, BYTES);
    image_free(&fresh);
    struct random_stream stream = random_stream(3, RANDOM_AUGMENT, 0, draw);
    struct pixel_box erased;
    assert_int_equal(augment_apply(image, options, &stream, &workspace, &erased, NULL), STATUS_OK);
    if (draw == DRAWS - 1) augment_workspace_free(&workspace);
    return erased;
}

/* One third of the pictures meets each of the three; of those a tenth is gray and half is flipped. */
static void test_one_of_three(void **state)
{
    (void)state;
    struct config_augment options = method();
    struct image image = source(), plain = source(), gray = source(), flipped = source();
    augment_grayscale(&gray);
    augment_flip(&flipped);
    size_t same = 0, gray_count = 0, flip_count = 0, jitter_count = 0;
    for (uint64_t draw = 0; draw < DRAWS; draw++) {
        augmented(&image, &options, draw);
        if (memcmp(image.rgb, plain.rgb, BYTES) == 0)
            same++;
        else if (memcmp(image.rgb, gray.rgb, BYTES) == 0)
            gray_count++;
        else if (memcmp(image.rgb, flipped.rgb, BYTES) == 0)
            flip_count++;
        else
            jitter_count++;
    }
    /* Five standard deviations around 1/30, 1/6, 1/3 and the rest. */
    assert_in_range(gray_count, 540, 794);
    assert_in_range(flip_count, 3070, 3597);
    assert_in_range(jitter_count, 6333, 7000);
    assert_int_equal(same + gray_count + flip_count + jitter_count, DRAWS);
    image_free(&image);
    image_free(&plain);
    image_free(&gray);
    image_free(&flipped);
}

static void test_all_and_none(void **state)
{
    (void)state;
    struct config_augment options = method();
    struct image image = source(), plain = source();
    options.mode = AUGMENT_ALL;
    size_t gray_count = 0;
    for (uint64_t draw = 0; draw < DRAWS / 4; draw++) {
        augmented(&image, &options, draw);
        bool is_gray = true;
        for (int i = 0; i < BYTES; i += 3)
            is_gray &= image.rgb[i] == image.rgb[i + 1] && image.rgb[i] == image.rgb[i + 2];
        gray_count += is_gray;
    }
    assert_in_range(gray_count, 394, 606); /* a tenth, five standard deviations */
    options.mode = AUGMENT_NONE;
    augmented(&image, &options, 1);
    assert_memory_equal(image.rgb, plain.rgb, BYTES);
    options = method();
    options.enabled = false;
    options.rotation = 90;
    for (uint64_t draw = 0; draw < 20; draw++) {
        augmented(&image, &options, draw);
        assert_memory_equal(image.rgb, plain.rgb, BYTES);
    }
    image_free(&image);
    image_free(&plain);
}

static void test_a_draw_is_a_function_of_its_stream(void **state)
{
    (void)state;
    struct config_augment options = method();
    options.crop_padding = 2;
    options.rotation = 20;
    options.erasing_p = 0.5;
    options.randaugment_n = 2;
    options.randaugment_m = 9;
    struct image one = source(), two = source();
    size_t different = 0;
    for (uint64_t draw = 0; draw < 200; draw++) {
        struct pixel_box a = augmented(&one, &options, draw), b = augmented(&two, &options, draw);
        assert_memory_equal(one.rgb, two.rgb, BYTES);
        assert_memory_equal(&a, &b, sizeof a);
        augmented(&two, &options, draw + 1000);
        different += memcmp(one.rgb, two.rgb, BYTES) != 0;
    }
    assert_true(different > 190);
    augmented(&one, &options, DRAWS - 1);
    image_free(&one);
    image_free(&two);
}

static void test_erasing_and_normalising(void **state)
{
    (void)state;
    struct config_augment options = {.enabled = true, .mode = AUGMENT_NONE, .erasing_p = 0.3};
    struct image image = source();
    const float mean[3] = {0.5f, 0.25f, 0.125f}, std[3] = {0.5f, 0.2f, 0.1f};
    size_t erased_count = 0;
    for (uint64_t draw = 0; draw < 2000; draw++) {
        struct pixel_box box = augmented(&image, &options, draw);
        if (box.width == 0) continue;
        erased_count++;
        assert_true(box.x >= 0 && box.y >= 0 && box.x + box.width <= SIDE && box.y + box.height <= SIDE);
    }
    assert_in_range(erased_count, 450, 750);
    float out[BYTES];
    struct pixel_box box = {2, 3, 4, 1};
    image_normalise(image.rgb, SIDE, SIDE, mean, std, &box, out);
    for (int y = 0; y < SIDE; y++) {
        for (int x = 0; x < SIDE; x++) {
            bool inside = x >= 2 && x < 6 && y == 3;
            for (int c = 0; c < 3; c++) {
                int at = (y * SIDE + x) * 3 + c;
                double wanted = inside ? 0 : (image.rgb[at] / 255.0 - (double)mean[c]) / (double)std[c];
                assert_true(fabs((double)out[at] - wanted) < 2e-6);
            }
        }
    }
    image_free(&image);
}

/* Pillow's way to hue, saturation and value and back, in its mixture of single and double (its Convert.c). */
static void pillow_hue(const uint8_t rgb[3], int shift, uint8_t out[3])
{
    int r = rgb[0], g = rgb[1], b = rgb[2], most = r > g ? r : g, least = r < g ? r : g;
    most = most > b ? most : b;
    least = least < b ? least : b;
    uint8_t hue = 0, saturation = 0;
    if (most != least) {
        float spread = (float)(most - least);
        float from[3] = {(float)(most - r) / spread, (float)(most - g) / spread, (float)(most - b) / spread};
        float sixths = r == most   ? from[2] - from[1]
                       : g == most ? (float)(2.0 + (double)from[0] - (double)from[2])
                                   : (float)(4.0 + (double)from[1] - (double)from[0]);
        hue = (uint8_t)((double)(float)fmod((double)sixths / 6.0 + 1.0, 1.0) * 255.0);
        saturation = (uint8_t)((double)(spread / (float)most) * 255.0);
    }
    hue = (uint8_t)(hue + shift);
    double sixths = (double)((float)hue * 6.0f) / 255.0, value = most;
    int sector = (int)sixths;
    float rest = (float)(sixths - sector), share = (float)((double)(float)saturation / 255.0);
    uint8_t v = (uint8_t)most, p = (uint8_t)round(value * (1.0 - (double)share));
    uint8_t q = (uint8_t)round(value * (1.0 - (double)(share * rest)));
    uint8_t t = (uint8_t)round(value * (1.0 - (double)share * (1.0 - (double)rest)));
    const uint8_t sectors[6][3] = {{v, t, p}, {q, v, p}, {p, v, t}, {p, q, v}, {t, p, v}, {v, p, q}};
    for (int c = 0; c < 3; c++) out[c] = saturation == 0 ? v : sectors[sector % 6][c];
}

/* All reds and greens beside some blues; rows of every length, so that no tail is left out. */
static void test_hue_is_pillows_for_every_colour(void **state)
{
    (void)state;
    static const double turns[] = {0, 0.125, -0.125, 0.37, -0.5};
    enum { WIDTH = 256 * 257 };
    struct image image;
    assert_int_equal(image_create(&image, 257, 256, NULL), STATUS_OK);
    for (int blue = 0; blue < 256; blue += blue < 4 || blue > 250 ? 1 : 13) {
        for (size_t turn = 0; turn < sizeof turns / sizeof turns[0]; turn++) {
            for (int i = 0; i < WIDTH; i++) {
                const uint8_t rgb[3] = {(uint8_t)(i % 256), (uint8_t)(i / 256), (uint8_t)blue};
                memcpy(image.rgb + 3 * i, rgb, 3);
            }
            augment_hue(&image, turns[turn]);
            size_t wrong = 0;
            for (int i = 0; i < WIDTH; i++) {
                const uint8_t rgb[3] = {(uint8_t)(i % 256), (uint8_t)(i / 256), (uint8_t)blue};
                uint8_t wanted[3];
                pillow_hue(rgb, (uint8_t)(int)(turns[turn] * 255.0), wanted);
                wrong += memcmp(wanted, image.rgb + 3 * i, 3) != 0;
            }
            assert_int_equal(wrong, 0);
        }
    }
    image_free(&image);
}

/* Flipping swaps the pixels of every row, whatever its width. */
static void test_flip_at_every_width(void **state)
{
    (void)state;
    for (int width = 1; width < 300; width += width < 12 ? 1 : 41) {
        struct image image;
        assert_int_equal(image_create(&image, width, 2, NULL), STATUS_OK);
        for (int i = 0; i < width * 6; i++) image.rgb[i] = (uint8_t)(i * 7);
        augment_flip(&image);
        for (int y = 0; y < 2; y++)
            for (int x = 0; x < width; x++)
                for (int c = 0; c < 3; c++)
                    assert_int_equal(image.rgb[(y * width + x) * 3 + c],
                                     (uint8_t)(((y * width + width - 1 - x) * 3 + c) * 7));
        image_free(&image);
    }
}

/* The very floats of the formula, for every byte, many means and deviations, and every tail. */
static void test_normalising_to_the_bit(void **state)
{
    (void)state;
    enum { MOST = 300 };
    uint8_t rgb[3 * MOST];
    float out[3 * MOST];
    struct random_stream stream = random_stream(5, RANDOM_TEST, 0, 0);
    for (int i = 0; i < 3 * MOST; i++) rgb[i] = (uint8_t)(i / 3);
    for (int round = 0; round < 200; round++) {
        float mean[3], std[3];
        for (int c = 0; c < 3; c++) {
            mean[c] = (float)random_uniform(&stream);
            std[c] = (float)random_between(&stream, 1e-3, 1);
        }
        int width = round < 50 ? round + 1 : MOST;
        image_normalise(rgb, width, 1, mean, std, NULL, out);
        for (int i = 0; i < 3 * width; i++) {
            volatile float share = (float)rgb[i] / 255.0f, difference = share - mean[i % 3];
            float wanted = difference / std[i % 3];
            assert_memory_equal(&out[i], &wanted, sizeof wanted);
        }
    }
}

static void test_randaugment_magnitudes(void **state)
{
    (void)state;
    assert_true(randaugment_magnitude(RANDAUGMENT_SHEAR_X, 30, 260, 100) == 0.3);
    assert_true(fabs(randaugment_magnitude(RANDAUGMENT_TRANSLATE_X, 15, 331, 100) - 75) < 1e-9);
    assert_true(fabs(randaugment_magnitude(RANDAUGMENT_TRANSLATE_Y, 30, 100, 331) - 150) < 1e-9);
    assert_true(randaugment_magnitude(RANDAUGMENT_ROTATE, 10, 9, 9) == 10);
    assert_true(randaugment_magnitude(RANDAUGMENT_POSTERIZE, 0, 9, 9) == 8);
    assert_true(randaugment_magnitude(RANDAUGMENT_POSTERIZE, 30, 9, 9) == 4);
    assert_true(randaugment_magnitude(RANDAUGMENT_SOLARIZE, 0, 9, 9) == 255);
    assert_true(randaugment_magnitude(RANDAUGMENT_SOLARIZE, 30, 9, 9) == 0);
    assert_true(randaugment_magnitude(RANDAUGMENT_IDENTITY, 30, 9, 9) == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_of_three),
        cmocka_unit_test(test_all_and_none),
        cmocka_unit_test(test_a_draw_is_a_function_of_its_stream),
        cmocka_unit_test(test_erasing_and_normalising),
        cmocka_unit_test(test_hue_is_pillows_for_every_colour),
        cmocka_unit_test(test_flip_at_every_width),
        cmocka_unit_test(test_normalising_to_the_bit),
        cmocka_unit_test(test_randaugment_magnitudes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
