/* The whole backbone by central differences: every parameter tensor of a shrunken EfficientNet in both flavours, at
 * even and odd sizes. */
#include "double/support/random_model.h"
#include "rmfer/nn/backbone.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

struct backbone_case {
    struct model *model;
    struct backbone *backbone;
    struct backbone_pass *pass;
    struct forward_options options;
    int n;
    real *images, *features, *out_weights;
    size_t features_count;
};

static double backbone_loss(void *setup)
{
    struct backbone_case *c = setup;
    announce_change(c->model);
    backbone_forward(c->pass, &c->options, c->images, c->n, c->features);
    return weighted_sum(c->features, c->out_weights, c->features_count);
}

static void check_backbone(bool same_padding, int image_size, int repeats, double drop_path)
{
    struct workbench bench;
    struct model model;
    char name[64];
    workbench_init(&bench);
    workbench_start(&bench, (uint64_t)image_size + same_padding);
    make_model(&bench, &model, same_padding, repeats, false);
    struct backbone_case c = {.model = &model, .options = {0.1, drop_path, 5, 9}, .n = image_size == 32 ? 4 : 2};
    size_t side = (size_t)image_size;
    c.features_count = (size_t)(c.n * model.architecture.features);
    /* Room for one image more than there are. */
    assert_int_equal(backbone_create(&c.backbone, &model, c.n + 1, image_size, NULL), STATUS_OK);
    assert_int_equal(backbone_pass_create(&c.pass, c.backbone, PASS_TRAINS, c.n + 1, NULL), STATUS_OK);
    c.images = workbench_normal(&bench, (size_t)c.n * side * side * 3, 0, 1);
    c.features = workbench_zeros(&bench, c.features_count);
    c.out_weights = workbench_normal(&bench, c.features_count, 0, 1);
    real *before = stir_gradients(&bench, &model);
    backbone_loss(&c);
    backbone_backward(c.pass, c.out_weights);
    snprintf(name, sizeof name, "backbone, %s padding, %d pixels", same_padding ? "SAME" : "symmetric", image_size);
    struct gradient_check check = {
        .operation = name, .loss = backbone_loss, .setup = &c, .samples = 1, .step = 3e-6, .tolerance = 2e-6};
    assert_model_gradients(&bench, check, &model, before, GROUP_BACKBONE, GROUP_BACKBONE);
    backbone_pass_free(c.pass);
    backbone_free(c.backbone);
    model_free(&model);
    workbench_free(&bench);
}

static void test_backbone_with_same_padding(void **state)
{
    (void)state;
    check_backbone(true, 32, 2, 0);
    check_backbone(true, 33, 1, 0.4);
    check_backbone(true, 47, 1, 0);
}

static void test_backbone_with_symmetric_padding(void **state)
{
    (void)state;
    check_backbone(false, 32, 2, 0.4);
    check_backbone(false, 33, 1, 0);
    check_backbone(false, 47, 1, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_backbone_with_same_padding),
        cmocka_unit_test(test_backbone_with_symmetric_padding),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
