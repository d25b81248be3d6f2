/* What the engine promises beside right numbers: the same bits again, the same numbers whatever the threads and the
 * instruction set, no allocation inside a step, gradients added, running statistics moved as told, inference equal to
 * what was trained. */
#include "support/engine_case.h"

#include "rmfer/base/memory.h"
#include "rmfer/base/threads.h"
#include "rmfer/kern/kernels.h"
#include "rmfer/nn/inference.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Two runs of float sums in different order, through some twenty batch-norms. */
static const double NEAR = 2e-4;

static real *copy(const real *values, size_t count)
{
    real *copied = memory_allocate(count, sizeof *copied, "a copy", NULL);
    assert_non_null(copied);
    memcpy(copied, values, count * sizeof *copied);
    return copied;
}

static void *take(size_t count)
{
    void *taken = memory_allocate(count, sizeof(real), "a test's room", NULL);
    assert_non_null(taken);
    return taken;
}

static struct objective whole_objective(void)
{
    struct objective objective = objective_defaults();
    objective.dropout = 0.3;
    objective.drop_path = 0.3;
    objective.label_smoothing = 0.1;
    return objective;
}

/* ---- the same again
 * ------------------------------------------------------------------------------------------------- */

static void train_a_little(struct engine_case *c, bool contrasts)
{
    engine_start(c, true, engine_shape(contrasts));
    c->objective = whole_objective();
    for (uint64_t step = 0; step < 3; step++) {
        engine_step(c, step);
        engine_descend(&c->model, 0.01);
    }
}

static void test_the_same_seed_gives_the_same_bits(void **state)
{
    (void)state;
    for (int threads = 1; threads <= 3; threads++) {
        struct engine_case a, b;
        threads_set(threads);
        train_a_little(&a, threads != 1);
        train_a_little(&b, threads != 1);
        const struct parameters *x = &a.model.parameters, *y = &b.model.parameters;
        assert_memory_equal(x->values, y->values, x->value_count * sizeof(real));
        assert_memory_equal(x->gradients, y->gradients, x->value_count * sizeof(real));
        assert_memory_equal(x->buffers, y->buffers, x->buffer_count * sizeof(real));
        assert_memory_equal(&a.losses, &b.losses, sizeof a.losses);
        assert_true(isfinite(a.losses.total) && a.losses.total > 0);
        engine_stop(&a);
        engine_stop(&b);
    }
}

/* SAM meets the same masks by giving the same draw; the next step meets others. */
static void test_masks_hang_on_the_draw(void **state)
{
    (void)state;
    struct engine_case c;
    threads_set(2);
    engine_start(&c, true, engine_shape(false));
    c.objective = whole_objective();
    engine_step(&c, 5);
    double first = c.losses.total;
    engine_step(&c, 6);
    assert_true(c.losses.total != first);
    engine_step(&c, 5);
    assert_true(c.losses.total == first);
    engine_stop(&c);
}

static void assert_same_numbers(const struct engine_case *a, const struct engine_case *b, const char *what)
{
    const struct parameters *x = &a->model.parameters, *y = &b->model.parameters;
    double gradients = engine_gradient_distance(&a->model, &b->model);
    double buffers = engine_distance(x->buffers, y->buffers, x->buffer_count);
    size_t logits = (size_t)(a->shape.batch * ENGINE_CLASSES);
    double fer = engine_distance(train_step_fer_logits(a->step), train_step_fer_logits(b->step), logits);
    double ial = engine_distance(train_step_ial_logits(a->step), train_step_ial_logits(b->step), logits);
    print_message("%s: gradients %.1e, running statistics %.1e, logits %.1e %.1e apart\n", what, gradients, buffers,
                  fer, ial);
    assert_true(fabs(a->losses.total - b->losses.total) <= NEAR * fabs(b->losses.total));
    assert_true(fabs(a->losses.acl - b->losses.acl) <= NEAR);
    assert_int_equal(a->losses.correct_fer, b->losses.correct_fer);
    assert_true(gradients <= NEAR && buffers <= NEAR && fer <= NEAR && ial <= NEAR);
}

static void test_threads_change_rounding_alone(void **state)
{
    (void)state;
    static const struct {
        bool same_padding, contrasts, joint;
    } cases[] = {{true, false, false}, {false, true, false}, {true, true, true}};
    for (size_t i = 0; i < 3; i++) {
        struct engine_case one, several;
        struct train_step_shape shape = engine_shape(cases[i].contrasts);
        shape.joint_forward = cases[i].joint;
        threads_set(1);
        engine_start(&one, cases[i].same_padding, shape);
        one.objective = whole_objective();
        engine_step(&one, 1);
        for (int threads = 2; threads <= 7; threads += 5) {
            threads_set(threads);
            engine_start(&several, cases[i].same_padding, shape);
            several.objective = whole_objective();
            engine_step(&several, 1);
            assert_same_numbers(&several, &one, threads == 2 ? "2 threads" : "7 threads");
            engine_stop(&several);
        }
        engine_stop(&one);
    }
    threads_set(2);
}

static void test_instruction_sets_change_rounding_alone(void **state)
{
    (void)state;
    static const char *const names[] = {"avx2", "avx512"};
    for (int same_padding = 0; same_padding < 2; same_padding++) {
        struct engine_case wanted, got;
        struct train_step_shape shape = engine_shape(true);
        shape.kept_share = 1; /* rounding may change which of two near equals is kept: keep all */
        setenv("RMFER_ISA", "portable", 1);
        engine_start(&wanted, same_padding, shape);
        engine_step(&wanted, 1);
        for (size_t i = 0; i < 2; i++) {
            if (kernels_find(names[i]) == NULL) continue;
            setenv("RMFER_ISA", names[i], 1);
            engine_start(&got, same_padding, shape);
            engine_step(&got, 1);
            assert_same_numbers(&got, &wanted, names[i]);
            engine_stop(&got);
        }
        unsetenv("RMFER_ISA");
        engine_stop(&wanted);
    }
}

/* ---- what a step touches
 * -------------------------------------------------------------------------------------------- */

static void test_no_allocation_inside_a_step(void **state)
{
    (void)state;
    for (int variant = 0; variant < 4; variant++) {
        struct engine_case c;
        struct train_step_shape shape = engine_shape(variant > 0);
        shape.joint_forward = variant == 2;
        shape.scoring_with_batch_statistics = variant == 3;
        engine_start(&c, true, shape);
        c.objective = whole_objective();
        unsigned long before = memory_allocation_count();
        for (uint64_t step = 0; step < 2; step++) engine_step(&c, step);
        c.objective.freeze_backbone = true;
        engine_step(&c, 3);
        assert_int_equal(memory_allocation_count(), before);
        assert_true(train_step_saved_bytes(c.step) > 0 && train_step_scratch_bytes(c.step) > 0);
        engine_stop(&c);
    }
}

static void test_gradients_are_added(void **state)
{
    (void)state;
    struct engine_case c;
    engine_start(&c, false, engine_shape(true));
    c.objective = whole_objective();
    c.objective.bn_momentum = 0; /* scoring reads the running statistics: both passes must see the same */
    struct parameters *all = &c.model.parameters;
    engine_step(&c, 2);
    real *once = copy(all->gradients, all->value_count);
    train_step_run(c.step, &c.objective, &c.labelled, &c.contrastive, 31, 2, &c.losses);
    for (size_t i = 0; i < all->value_count; i++) once[i] *= 2;
    assert_true(engine_distance(all->gradients, once, all->value_count) < 1e-6);
    /* And in halves, as accumulation does it. */
    parameters_zero_gradients(all);
    c.objective.gradient_scale = 0.5;
    for (int half = 0; half < 4; half++)
        train_step_run(c.step, &c.objective, &c.labelled, &c.contrastive, 31, 2, &c.losses);
    assert_true(engine_distance(all->gradients, once, all->value_count) < 1e-6);
    memory_free(once);
    engine_stop(&c);
}

/* new = (1 - m) old + m batch for every running number; momentum 0 leaves the bits alone. */
static void test_running_statistics_move_by_the_momentum(void **state)
{
    (void)state;
    struct engine_case c;
    engine_start(&c, true, engine_shape(false));
    struct parameters *all = &c.model.parameters;
    size_t count = all->buffer_count;
    real *old = copy(all->buffers, count);
    c.objective.bn_momentum = 0;
    engine_step(&c, 0);
    assert_memory_equal(all->buffers, old, count * sizeof(real));
    c.objective.bn_momentum = 1;
    engine_step(&c, 0);
    real *batch = copy(all->buffers, count);
    assert_true(engine_distance(batch, old, count) > 0.1);
    memcpy(parameters_write_buffers(all), old, count * sizeof(real));
    c.objective.bn_momentum = 0.2;
    engine_step(&c, 0);
    for (size_t i = 0; i < count; i++) old[i] = (real)(0.8 * (double)old[i] + 0.2 * (double)batch[i]);
    assert_true(engine_distance(all->buffers, old, count) < 1e-6);
    memory_free(old);
    memory_free(batch);
    engine_stop(&c);
}

static void test_a_frozen_backbone_keeps_its_bits(void **state)
{
    (void)state;
    struct engine_case c;
    engine_start(&c, true, engine_shape(true));
    c.objective = whole_objective();
    c.objective.freeze_backbone = true;
    struct parameters *all = &c.model.parameters;
    real *buffers = copy(all->buffers, all->buffer_count);
    engine_step(&c, 1);
    assert_memory_equal(buffers, all->buffers, all->buffer_count * sizeof(real));
    for (size_t i = 0; i < all->count; i++) {
        const struct parameter *entry = &all->items[i];
        if (entry->is_buffer) continue;
        double length = 0;
        for (size_t j = 0; j < entry->count; j++) length += fabs((double)all->gradients[entry->offset + j]);
        assert_true(entry->group == GROUP_BACKBONE ? length == 0 : length > 0);
    }
    memory_free(buffers);
    engine_stop(&c);
}

static void test_losses_add_up_and_parts_can_be_left_out(void **state)
{
    (void)state;
    struct engine_case c;
    engine_start(&c, true, engine_shape(true));
    c.objective.ial_weight = 0.3;
    c.objective.acl_weight = 0.7;
    c.objective.bn_momentum = 0;
    engine_step(&c, 1);
    struct step_losses all = c.losses;
    assert_true(all.fer > 0 && all.ial > 0 && all.acl > 0);
    assert_true(fabs(all.total - all.fer - 0.3 * all.ial - 0.7 * all.acl) < 1e-12);
    assert_non_null(train_step_ial_logits(c.step));
    c.objective.ial_weight = c.objective.acl_weight = 0;
    engine_step(&c, 1);
    assert_true(c.losses.fer == all.fer && c.losses.total == all.fer && c.losses.ial == 0 && c.losses.acl == 0);
    assert_null(train_step_ial_logits(c.step));
    /* Fewer images and anchors than planned for. */
    c.labelled.n = 3;
    c.contrastive.anchors = 1;
    c.objective = objective_defaults();
    engine_step(&c, 1);
    assert_true(isfinite(c.losses.total) && c.losses.acl > 0);
    engine_stop(&c);
}

/* One NaN in one pixel must be seen in the loss, whatever the kernels. */
static void test_nan_comes_through(void **state)
{
    (void)state;
    static const char *const names[] = {"portable", "avx2", "avx512"};
    for (size_t i = 0; i < 3; i++) {
        struct engine_case c;
        if (kernels_find(names[i]) == NULL) continue;
        setenv("RMFER_ISA", names[i], 1);
        engine_start(&c, true, engine_shape(true));
        c.images[1000] = (real)NAN;
        engine_step(&c, 0);
        assert_true(isnan(c.losses.total) && isnan(c.losses.fer) && isnan(c.losses.ial));
        engine_stop(&c);
    }
    unsetenv("RMFER_ISA");
}

/* ---- sizes
 * ---------------------------------------------------------------------------------------------------------- */

static void test_every_image_size_from_32_up(void **state)
{
    (void)state;
    for (int size = 32; size <= 72; size += size < 48 ? 1 : 7)
        for (int same_padding = 0; same_padding < 2; same_padding++) {
            struct engine_case c;
            struct train_step_shape shape = {.image_size = size, .batch = 3};
            engine_start(&c, same_padding, shape);
            engine_step(&c, 0);
            assert_true(isfinite(c.losses.total));
            assert_true(all_finite(c.model.parameters.gradients, c.model.parameters.value_count));
            engine_stop(&c);
        }
}

static void test_wrong_shapes_are_refused(void **state)
{
    (void)state;
    struct architecture architecture;
    struct model model, bare;
    struct train_step *step;
    struct backbone *backbone;
    struct inference *inference;
    struct error err = {0};
    assert_int_equal(architecture_tiny(&architecture, true, 16, 1, NULL), STATUS_OK);
    assert_int_equal(model_create(&model, &architecture, 3, true, NULL), STATUS_OK);
    assert_int_equal(model_create(&bare, &architecture, 3, false, NULL), STATUS_OK);
    struct train_step_shape good = {.image_size = 32, .batch = 2}, bad = good;
    assert_int_equal(train_step_create(&step, &bare, &good, &err), STATUS_FAILED);
    assert_null(step);
    bad.image_size = 31;
    error_clear(&err);
    assert_int_equal(train_step_create(&step, &model, &bad, &err), STATUS_USAGE);
    assert_non_null(strstr(err.message, "31"));
    bad = good;
    bad.batch = 0;
    assert_int_equal(train_step_create(&step, &model, &bad, NULL), STATUS_USAGE);
    bad = good;
    bad.anchors = 1;
    bad.positives = 1;
    assert_int_equal(train_step_create(&step, &model, &bad, NULL), STATUS_USAGE);
    assert_int_equal(backbone_create(&backbone, &model, 1, 5000, NULL), STATUS_USAGE);
    assert_int_equal(inference_create(&inference, &architecture, 3, 0, 32, NULL), STATUS_USAGE);
    assert_int_equal(inference_create(&inference, &architecture, 3, 1, 31, NULL), STATUS_USAGE);
    assert_null(inference);
    train_step_free(NULL);
    backbone_free(NULL);
    backbone_pass_free(NULL);
    inference_free(NULL);
    model_free(&model);
    model_free(&bare);
}

/* ---- inference
 * ------------------------------------------------------------------------------------------------------ */

struct inferred {
    real *features, *logits;
};

static struct inferred infer(const struct engine_case *c, int batch, int at_once)
{
    struct inference *inference;
    const struct architecture *a = &c->model.architecture;
    size_t image = (size_t)(c->shape.image_size * c->shape.image_size) * 3, d = (size_t)a->features;
    struct inferred out = {take((size_t)batch * d), take((size_t)batch * ENGINE_CLASSES)};
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
            assert_true(engine_distance(some.features, all.features, features) < 1e-6);
            assert_true(engine_distance(some.logits, all.logits, logits) < 1e-6);
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
        real *features = take(count);
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
                parameter_write(all, &all->items[i])[j] *=
                    (real)((m - 1) / m); /* the biased variance, as in training */
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
                logit +=
                    (double)out.features[i / ENGINE_CLASSES * d + k] * (double)weight[i % ENGINE_CLASSES * d + k];
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
    real *before = take(count), *after = take(count), *values = copy(all->values, all->value_count);
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

/* SAM's second pass is the gradient of the first pass's function: what attention kept at w stays kept at w + e. */
static void test_kept_candidates_stay_where_they_are_given(void **state)
{
    (void)state;
    struct engine_case c;
    engine_start(&c, true, engine_shape(true));
    size_t count = train_step_chosen(c.step), choice[64], before[64];
    assert_true(count == 2 * 4); /* two anchors, half of 4 positives and of 4 negatives each */
    c.contrastive.choice = choice;
    engine_step(&c, 1);
    for (size_t i = 0; i < count; i++) choice[i] = 3 - choice[i]; /* others than attention would keep */
    double chosen = c.losses.acl;
    c.contrastive.is_chosen = true;
    memcpy(before, choice, sizeof before);
    engine_step(&c, 1);
    assert_memory_equal(before, choice, count * sizeof *choice);
    assert_true(c.losses.acl != chosen);
    engine_stop(&c);
}

int main(void)
{
    threads_set(2);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_kept_candidates_stay_where_they_are_given),
        cmocka_unit_test(test_the_same_seed_gives_the_same_bits),
        cmocka_unit_test(test_masks_hang_on_the_draw),
        cmocka_unit_test(test_threads_change_rounding_alone),
        cmocka_unit_test(test_instruction_sets_change_rounding_alone),
        cmocka_unit_test(test_no_allocation_inside_a_step),
        cmocka_unit_test(test_gradients_are_added),
        cmocka_unit_test(test_running_statistics_move_by_the_momentum),
        cmocka_unit_test(test_a_frozen_backbone_keeps_its_bits),
        cmocka_unit_test(test_losses_add_up_and_parts_can_be_left_out),
        cmocka_unit_test(test_nan_comes_through),
        cmocka_unit_test(test_every_image_size_from_32_up),
        cmocka_unit_test(test_wrong_shapes_are_refused),
        cmocka_unit_test(test_inference_does_not_hang_on_the_batch),
        cmocka_unit_test(test_inference_is_what_was_trained),
        cmocka_unit_test(test_inference_keeps_what_it_loaded),
        cmocka_unit_test(test_inference_loads_one_model_after_another),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
