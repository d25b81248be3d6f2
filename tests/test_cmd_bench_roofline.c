/* The roofline's sums: every multiply-add and every second of the layers is in one block and in one kind, blocks are as
 * many as the network has, and work grows with the picture as its maps do. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "cmd/bench_roofline.h"

#include <math.h>
#include <string.h>

static struct layers layers_at(int image_size)
{
    struct architecture architecture;
    struct layers layers;
    assert_int_equal(architecture_find(&architecture, "tf_efficientnet_b2", NULL), STATUS_OK);
    layers_describe(&layers, &architecture, image_size);
    return layers;
}

static struct roofline_row sum(const struct roofline_row *rows, size_t count)
{
    struct roofline_row all = {0};
    for (size_t i = 0; i < count; i++) {
        all.multiply_adds += rows[i].multiply_adds;
        all.bytes += rows[i].bytes;
        all.activations += rows[i].activations;
        all.seconds += rows[i].seconds;
    }
    return all;
}

static void assert_near(double a, double b)
{
    assert_true(fabs(a - b) <= 1e-9 * fabs(b));
}

static void test_blocks_and_kinds_are_the_layers(void **state)
{
    (void)state;
    struct layers layers = layers_at(260);
    struct layer_time times[LAYER_MOST];
    double forward = 0, seconds = 0;
    for (size_t i = 0; i < layers.count; i++) {
        times[i] = (struct layer_time){(double)(i + 1), 2 * (double)(i + 1)};
        forward += layers.items[i].multiply_adds;
        seconds += 3 * (double)(i + 1) / 4;
    }
    for (int trains = 0; trains < 2; trains++) {
        struct roofline roofline;
        roofline_of(&roofline, &layers, times, 4, trains);
        assert_int_equal(roofline.block_count, 25);
        assert_string_equal(roofline.blocks[0].name, "conv_stem");
        assert_string_equal(roofline.blocks[2].name, "blocks.0.1");
        assert_string_equal(roofline.blocks[24].name, "conv_head");
        struct roofline_row blocks = sum(roofline.blocks, roofline.block_count);
        struct roofline_row kinds = sum(roofline.kinds, roofline.kind_count);
        assert_near(kinds.multiply_adds, blocks.multiply_adds);
        assert_near(kinds.bytes, blocks.bytes);
        assert_near(kinds.activations, blocks.activations);
        assert_near(blocks.seconds, seconds);
        assert_near(kinds.seconds, seconds);
        assert_near(blocks.multiply_adds, trains ? 3 * forward - layers.items[0].multiply_adds : forward);
    }
}

/* SiLU is evaluated once for each number of an activated map in inference. */
static void test_activations_of_inference(void **state)
{
    (void)state;
    struct layers layers = layers_at(64);
    struct layer_time times[LAYER_MOST];
    memset(times, 0, sizeof times);
    double wanted = 0;
    for (size_t i = 0; i < layers.count; i++)
        if (layers.items[i].activates)
            wanted += (double)layer_output_pixels(&layers.items[i]) * (double)layers.items[i].output;
    struct roofline roofline;
    roofline_of(&roofline, &layers, times, 1, false);
    assert_near(sum(roofline.blocks, roofline.block_count).activations, wanted);
}

/* Four times the pixels are four times the bytes of maps, in both modes; training moves more than inference. */
static void test_bytes_follow_the_maps(void **state)
{
    (void)state;
    struct layers small = layers_at(64), large = layers_at(128);
    struct layer_time times[LAYER_MOST];
    memset(times, 0, sizeof times);
    double bytes[2][2];
    for (int trains = 0; trains < 2; trains++) {
        struct roofline roofline;
        roofline_of(&roofline, &small, times, 1, trains);
        bytes[trains][0] = sum(roofline.blocks, roofline.block_count).bytes;
        roofline_of(&roofline, &large, times, 1, trains);
        bytes[trains][1] = sum(roofline.blocks, roofline.block_count).bytes;
        assert_near(bytes[trains][1], 4 * bytes[trains][0]);
    }
    assert_true(bytes[1][0] > 3 * bytes[0][0]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_blocks_and_kinds_are_the_layers),
        cmocka_unit_test(test_activations_of_inference),
        cmocka_unit_test(test_bytes_follow_the_maps),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
