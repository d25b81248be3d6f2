/* The list of layers: its names and windows where they are easy to get wrong, the registry made from it, and that what
 * it says is kept for backward is what a pass plans. */
#include "rmfer/nn/backbone.h"
#include "rmfer/nn/layers.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static struct layers list_of(const char *name, int image_size)
{
    struct architecture architecture;
    struct layers layers;
    assert_int_equal(architecture_find(&architecture, name, NULL), STATUS_OK);
    layers_describe(&layers, &architecture, image_size);
    return layers;
}

/* A block without expansion numbers its batch-norms from the depthwise convolution on, and calls its projection as
 * other blocks call their expansion. */
static void test_names_are_those_of_timm(void **state)
{
    (void)state;
    static const struct {
        size_t at;
        const char *name, *norm;
    } wanted[] = {{0, "conv_stem", "bn1"},
                  {1, "blocks.0.0.conv_dw", "blocks.0.0.bn1"},
                  {2, "blocks.0.0.se", ""},
                  {3, "blocks.0.0.conv_pw", "blocks.0.0.bn2"},
                  {4, "blocks.1.0.conv_pw", "blocks.1.0.bn1"},
                  {5, "blocks.1.0.conv_dw", "blocks.1.0.bn2"},
                  {6, "blocks.1.0.se", ""},
                  {7, "blocks.1.0.conv_pwl", "blocks.1.0.bn3"},
                  {64, "conv_head", "bn2"}};
    struct layers layers = list_of("tf_efficientnet_b0", 224);
    assert_int_equal(layers.count, 65);
    for (size_t i = 0; i < sizeof wanted / sizeof wanted[0]; i++) {
        assert_string_equal(layers.items[wanted[i].at].name, wanted[i].name);
        assert_string_equal(layers.items[wanted[i].at].norm, wanted[i].norm);
    }
}

/* Every map is the next layer's input, and padding and window make the output's side. */
static void test_maps_fit_together(void **state)
{
    (void)state;
    static const char *const names[] = {"tf_efficientnet_b2", "efficientnet_b3"};
    for (int i = 0; i < 2; i++) {
        for (int side = 260; side < 264; side++) {
            struct layers layers = list_of(names[i], side);
            size_t pixels = (size_t)side, channels = 3;
            for (size_t l = 0; l < layers.count; l++) {
                const struct layer *row = &layers.items[l];
                assert_int_equal(row->side_in, pixels);
                assert_int_equal(row->input, channels);
                if (row->operation == LAYER_SQUEEZE_EXCITE) continue;
                size_t reach = row->side_in + row->pad_before + row->pad_after - (size_t)row->kernel;
                assert_int_equal(reach / (size_t)row->stride + 1, row->side_out);
                pixels = row->side_out;
                channels = row->output;
            }
        }
    }
}

/* A residual needs the block's input to have its output's shape. */
static void test_only_equal_shapes_are_added(void **state)
{
    (void)state;
    struct layers layers = list_of("tf_efficientnet_b2", 260);
    size_t adding = 0, side = 0, channels = 0;
    for (size_t l = 0; l < layers.count; l++) {
        const struct layer *row = &layers.items[l];
        bool begins = l > 0 && row->block != layers.items[l - 1].block;
        if (begins) {
            side = row->side_in;
            channels = row->input;
        }
        if (!row->adds_input) continue;
        assert_int_equal(row->role, ROLE_PROJECT);
        assert_int_equal(row->side_out, side);
        assert_int_equal(row->output, channels);
        adding++;
    }
    assert_int_equal(adding, 16); /* 23 blocks, of which the 7 that begin a stage change the shape */
}

static void test_the_registry_is_the_list(void **state)
{
    (void)state;
    struct architecture architecture;
    struct model model;
    struct layer_tensor tensors[LAYER_MOST_TENSORS];
    assert_int_equal(architecture_find(&architecture, "tf_efficientnet_b1", NULL), STATUS_OK);
    assert_int_equal(model_create(&model, &architecture, 7, false, NULL), STATUS_OK);
    struct layers layers = list_of("tf_efficientnet_b1", 240);
    const struct parameter *next = model.parameters.items;
    for (size_t l = 0; l < layers.count; l++) {
        size_t count = layer_tensors(&layers.items[l], tensors), learned = 0;
        for (size_t t = 0; t < count; t++, next++) {
            assert_string_equal(next->name, tensors[t].name);
            assert_int_equal(next->is_buffer, tensors[t].is_buffer);
            assert_int_equal(next->decays, tensors[t].rank == 4);
            if (!next->is_buffer) learned += next->count;
        }
        assert_int_equal(learned, layers.items[l].parameters);
    }
    assert_string_equal(next->name, "classifier.weight");
    model_free(&model);
}

/* What `rmfer info` says is kept is what a pass plans, but for the rounding of each piece to 64 bytes. */
static void test_what_is_kept_is_what_is_planned(void **state)
{
    (void)state;
    enum { ROWS = 3, SIDE = 65 };
    struct architecture architecture;
    struct model model;
    struct backbone *backbone;
    struct backbone_pass *pass;
    struct layers layers;
    assert_int_equal(architecture_tiny(&architecture, true, 8, 2, NULL), STATUS_OK);
    assert_int_equal(model_create(&model, &architecture, 3, false, NULL), STATUS_OK);
    assert_int_equal(backbone_create(&backbone, &model, ROWS, SIDE, NULL), STATUS_OK);
    assert_int_equal(backbone_pass_create(&pass, backbone, PASS_TRAINS, ROWS, NULL), STATUS_OK);
    layers_describe(&layers, &architecture, SIDE);
    size_t said = 0;
    for (size_t l = 0; l < layers.count; l++) said += ROWS * layers.items[l].saved_reals * sizeof(real);
    size_t planned = backbone_pass_map_bytes(pass);
    assert_true(planned >= said && planned < said + layers.count * 5 * 64);
    backbone_pass_free(pass);
    backbone_free(backbone);
    model_free(&model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names_are_those_of_timm),         cmocka_unit_test(test_maps_fit_together),
        cmocka_unit_test(test_only_equal_shapes_are_added),     cmocka_unit_test(test_the_registry_is_the_list),
        cmocka_unit_test(test_what_is_kept_is_what_is_planned),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
