/* Inference is what was trained, whatever the batch, and keeps what it loaded. */
#include "support/engine_case.h"
#include "rmfer/base/memory.h"
#include "rmfer/base/threads.h"
#include "rmfer/nn/inference.h"
#include "rmfer/nn/mirror.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

struct inferred {
    real *features, *logits;
};

static struct inferred infer(const struct engine_case *c, int batch, int at_once)
{
    struct inference *inference;
    const struct architecture *a = &c->model.architecture;
    size_t image = (size_t)(c->shape.image_size * c->shape.image_size) * 3, d = (size_t)a->features;
    struct inferred out = {engine_take((size_t)batch * d), engine_take((size_t)batch * ENGINE_CLASSES)};
    assert_int_equal(inference_create(&inference, a, ENGINE_CLASSES, at_once, c->shape.image_size, NULL), STATUS_OK);
    assert_true(inference_bytes(inference) > 0);
    inference_load(inference, &c->model);
    for (int i = 0; i < batch; i += at_once) {
        int n = batch - i < at_once ? batch - i : at_once;
        inference_run(inference, c->images + (size_t)i * image, n, out.features + (size_t)i * d,
                      out.logits + (size_t)i * ENGINE_CLASSES);
    }
    inference_free(inference);
    return out;
}

static void inferred_free(struct inferred *out)
{
    memory_free(out->features);
    memory_free(out->logits);
}

static void test_inference_does_not_hang_on_the_batch(void **state)
{
    (void)state;
    for (int same_padding = 0; same_padding < 2; same_padding++) {
        struct engine_case c;
        engine_start(&c, same_padding, (struct train_step_shape){.image_size = 49, .batch = 13});
        size_t features = 13 * (size_t)c.model.architecture.features, logits = 13 * ENGINE_CLASSES;
        struct inferred all = infer(&c, 13, 13);
        for (int at_once = 1; at_once <= 5; at_once += 4) {
            struct inferred some = infer(&c, 13, at_once);
            assert_memory_equal(some.features, all.features, features * sizeof(real));
            assert_memory_equal(some.logits, all.logits, logits * sizeof(real));
            inferred_free(&some);
        }
        inferred_free(&all);
        engine_stop(&c);
    }
}

/* The pixels of an image that each batch-norm's statistics are taken over, in the registry's order. */
static size_t batchnorm_pixels(const struct architecture *architecture, int image_size, size_t *pixels)
{
    struct layers layers;
    size_t found = 0;
    layers_describe(&layers, architecture, image_size);
    for (size_t i = 0; i < layers.count; i++)
        if (layers.items[i].norm[0] != '\0') pixels[found++] = layer_output_pixels(&layers.items[i]);
    return found;
}

/* With running statistics set to a batch's own, inference gives what training gave for that batch. */
static void test_inference_is_what_was_trained(void **state)
{
    (void)state;
    for (int same_padding = 0; same_padding < 2; same_padding++) {
        struct engine_case c;
        struct backbone *backbone;
        struct backbone_pass *pass;
        engine_start(&c, same_padding, (struct train_step_shape){.image_size = 65, .batch = 4});
        struct parameters *all = &c.model.parameters;
        size_t count = 4 * (size_t)c.model.architecture.features, pixels[LAYER_MOST], layer = 0;
        real *features = engine_take(count);
        assert_int_equal(backbone_create(&backbone, &c.model, 4, 65, NULL), STATUS_OK);
        assert_int_equal(backbone_pass_create(&pass, backbone, PASS_SCORES, 4, NULL), STATUS_OK);
        struct forward_options options = {.bn_momentum = 1};
        backbone_forward(pass, &options, c.images, 4, features);
        size_t layers = batchnorm_pixels(&c.model.architecture, 65, pixels);
        for (size_t i = 0; i < all->count; i++) {
            if (strstr(all->items[i].name, "running_var") == NULL) continue;
            assert_true(layer < layers);
            double m = 4 * (double)pixels[layer++];
            for (size_t j = 0; j < all->items[i].count; j++)
                parameter_write(all,
                                &all->items[i])[j] *= (real)((m - 1) / m); /* the biased variance, as in training */
        }
        assert_int_equal(layer, layers);
        struct inferred out = infer(&c, 4, 4);
        double distance = engine_distance(out.features, features, count);
        print_message("inference and training are %.1e apart\n", distance);
        assert_true(distance < 1e-5);
        /* The logits are f_FER's. */
        const real *weight = parameter_values(all, &all->items[c.model.fer.weight]);
        const real *bias = parameter_values(all, &all->items[c.model.fer.bias]);
        size_t d = (size_t)c.model.architecture.features;
        for (size_t i = 0; i < 4 * ENGINE_CLASSES; i++) {
            double logit = (double)bias[i % ENGINE_CLASSES];
            for (size_t k = 0; k < d; k++)
                logit += (double)out.features[i / ENGINE_CLASSES * d + k] * (double)weight[i % ENGINE_CLASSES * d + k];
            assert_true(fabs(logit - (double)out.logits[i]) < 1e-4 * (1 + fabs(logit)));
        }
        inferred_free(&out);
        memory_free(features);
        backbone_pass_free(pass);
        backbone_free(backbone);
        engine_stop(&c);
    }
}

/* The model is read when it is loaded: what happens to it afterwards changes nothing until it is loaded again. */
static void test_inference_keeps_what_it_loaded(void **state)
{
    (void)state;
    struct engine_case c;
    struct inference *inference;
    engine_start(&c, true, engine_shape(false));
    struct parameters *all = &c.model.parameters;
    size_t count = 6 * ENGINE_CLASSES;
    real *before = engine_take(count), *after = engine_take(count),
         *values = engine_copy(all->values, all->value_count);
    assert_int_equal(inference_create(&inference, &c.model.architecture, ENGINE_CLASSES, 6, 48, NULL), STATUS_OK);
    inference_load(inference, &c.model);
    inference_run(inference, c.images, 6, NULL, before);
    unsigned long allocations = memory_allocation_count();
    for (size_t i = 0; i < all->value_count; i++) engine_write_values(&c.model)[i] = (real)NAN;
    inference_run(inference, c.images, 6, NULL, after);
    assert_memory_equal(before, after, count * sizeof(real));
    inference_load(inference, &c.model);
    inference_run(inference, c.images, 6, NULL, after);
    assert_true(isnan(after[0]));
    memcpy(engine_write_values(&c.model), values, all->value_count * sizeof(real));
    inference_load(inference, &c.model);
    inference_run(inference, c.images, 6, NULL, after);
    assert_memory_equal(before, after, count * sizeof(real));
    assert_int_equal(memory_allocation_count(), allocations);
    inference_free(inference);
    memory_free(before);
    memory_free(after);
    memory_free(values);
    engine_stop(&c);
}

/* Another model in the same place in memory is another model. */
static void test_inference_loads_one_model_after_another(void **state)
{
    (void)state;
    struct architecture architecture;
    struct inference *inference;
    struct model model;
    struct engine_case c;
    engine_start(&c, true, engine_shape(false));
    architecture = c.model.architecture;
    real logits[3][ENGINE_CLASSES];
    assert_int_equal(inference_create(&inference, &architecture, ENGINE_CLASSES, 1, 48, NULL), STATUS_OK);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(model_create(&model, &architecture, ENGINE_CLASSES, i != 1, NULL), STATUS_OK);
        model_initialise(&model, i == 1 ? 2 : 1);
        inference_load(inference, &model);
        model_free(&model);
        inference_run(inference, c.images, 1, NULL, logits[i]);
    }
    assert_memory_equal(logits[0], logits[2], sizeof logits[0]);
    assert_memory_not_equal(logits[0], logits[1], sizeof logits[0]);
    inference_free(inference);
    engine_stop(&c);
}

/* Two pictures of 3 x 3 whose values are their places. */
static void test_mirror_images_turn_left_to_right(void **state)
{
    (void)state;
    enum { SIDE = 3, VALUES = 2 * SIDE * SIDE * 3 };
    real images[VALUES], mirrored[VALUES], again[VALUES];
    for (int i = 0; i < VALUES; i++) images[i] = (real)i;
    mirror_images(2, SIDE, images, mirrored);
    for (int row = 0; row < 2 * SIDE; row++)
        for (int x = 0; x < SIDE; x++)
            for (int channel = 0; channel < 3; channel++)
                assert_true(mirrored[(row * SIDE + x) * 3 + channel] ==
                            images[(row * SIDE + SIDE - 1 - x) * 3 + channel]);
    mirror_images(2, SIDE, mirrored, again);
    assert_memory_equal(again, images, sizeof images);
}

/* The mean of both sides is the same for a picture and for its mirror image, which the network itself tells apart. */
static void test_both_sides_do_not_hang_on_the_side(void **state)
{
    (void)state;
    enum { BATCH = 3 };
    struct engine_case c;
    engine_start(&c, 0, (struct train_step_shape){.image_size = 49, .batch = BATCH});
    size_t side = 49, logits = BATCH * ENGINE_CLASSES;
    real *images = engine_take(BATCH * side * side * 3), *seen = c.images;
    struct inferred as_it_is = infer(&c, BATCH, BATCH);
    mirror_images(BATCH, side, c.images, images);
    c.images = images;
    struct inferred mirrored = infer(&c, BATCH, BATCH);
    c.images = seen;
    assert_true(engine_distance(as_it_is.logits, mirrored.logits, logits) > 1e-6);
    real mean[BATCH * ENGINE_CLASSES];
    memcpy(mean, as_it_is.logits, sizeof mean);
    mirror_average(logits, mean, mirrored.logits);
    mirror_average(logits, mirrored.logits, as_it_is.logits);
    assert_memory_equal(mean, mirrored.logits, sizeof mean);
    inferred_free(&as_it_is);
    inferred_free(&mirrored);
    memory_free(images);
    engine_stop(&c);
}

int main(void)
{
    threads_set(2);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_inference_does_not_hang_on_the_batch),
        cmocka_unit_test(test_inference_is_what_was_trained),
        cmocka_unit_test(test_inference_keeps_what_it_loaded),
        cmocka_unit_test(test_inference_loads_one_model_after_another),
        cmocka_unit_test(test_mirror_images_turn_left_to_right),
        cmocka_unit_test(test_both_sides_do_not_hang_on_the_side),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
