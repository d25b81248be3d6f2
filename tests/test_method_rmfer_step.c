/* What a training step promises beside right numbers: the same bits again, the same numbers whatever the threads and
 * the instruction set, no allocation inside a step, gradients added, running statistics moved as told. */
#include "support/engine_case.h"
#include "rmfer/base/memory.h"
#include "rmfer/base/threads.h"
#include "rmfer/kern/kernels.h"
#include "rmfer/nn/inference.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* Two runs of float sums in different order, through some twenty batch-norms. */
static const double NEAR = 2e-4;

/* ---- the same again ---- */

static void train_a_little(struct engine_case *c, bool contrasts)
{
    engine_start(c, true, engine_shape(contrasts));
    c->objective = engine_whole_objective();
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
    c.objective = engine_whole_objective();
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
        one.objective = engine_whole_objective();
        engine_step(&one, 1);
        static const int teams[] = {2, 7, 16}; /* more than there are cores, as on a wide machine */
        for (size_t team = 0; team < sizeof teams / sizeof teams[0]; team++) {
            char what[32];
            snprintf(what, sizeof what, "%d threads", teams[team]);
            threads_set(teams[team]);
            engine_start(&several, cases[i].same_padding, shape);
            several.objective = engine_whole_objective();
            engine_step(&several, 1);
            assert_same_numbers(&several, &one, what);
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

/* ---- what a step touches ---- */

static void test_no_allocation_inside_a_step(void **state)
{
    (void)state;
    for (int variant = 0; variant < 4; variant++) {
        struct engine_case c;
        struct train_step_shape shape = engine_shape(variant > 0);
        shape.joint_forward = variant == 2;
        shape.scoring_with_batch_statistics = variant == 3;
        engine_start(&c, true, shape);
        c.objective = engine_whole_objective();
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
    c.objective = engine_whole_objective();
    c.objective.bn_momentum = 0; /* scoring reads the running statistics: both passes must see the same */
    struct parameters *all = &c.model.parameters;
    engine_step(&c, 2);
    real *once = engine_copy(all->gradients, all->value_count);
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
    real *old = engine_copy(all->buffers, count);
    c.objective.bn_momentum = 0;
    engine_step(&c, 0);
    assert_memory_equal(all->buffers, old, count * sizeof(real));
    c.objective.bn_momentum = 1;
    engine_step(&c, 0);
    real *batch = engine_copy(all->buffers, count);
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
    c.objective = engine_whole_objective();
    c.objective.freeze_backbone = true;
    struct parameters *all = &c.model.parameters;
    real *buffers = engine_copy(all->buffers, all->buffer_count);
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

/* Kept samples, too, go through a network that is only ever looked at; scoring by batch statistics still has its pass.
 */
static void test_a_frozen_plan_is_smaller_and_its_bits_are_the_same(void **state)
{
    (void)state;
    for (int batch_statistics = 0; batch_statistics < 2; batch_statistics++) {
        struct engine_case whole, frozen;
        struct train_step_shape shape = engine_shape(true);
        shape.scoring_with_batch_statistics = batch_statistics == 1;
        engine_start(&whole, true, shape);
        shape.frozen = true;
        engine_start(&frozen, true, shape);
        assert_int_equal(train_step_saved_bytes(frozen.step), 0);
        assert_true(train_step_saved_bytes(whole.step) > 0);
        assert_true(train_step_scratch_bytes(frozen.step) < train_step_scratch_bytes(whole.step));
        whole.objective = frozen.objective = engine_whole_objective();
        whole.objective.freeze_backbone = frozen.objective.freeze_backbone = true;
        engine_step(&whole, 1);
        engine_step(&frozen, 1);
        const struct parameters *a = &whole.model.parameters, *b = &frozen.model.parameters;
        assert_memory_equal(a->gradients, b->gradients, a->value_count * sizeof(real));
        assert_true(whole.losses.acl > 0 && whole.losses.total == frozen.losses.total);
        engine_stop(&whole);
        engine_stop(&frozen);
    }
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

/* Without dropout and smoothing FER's gradient at the features is (softmax - target) W / n. */
static double fer_gradient_of(const struct engine_case *c)
{
    const struct parameters *parameters = &c->model.parameters;
    const real *logits = train_step_fer_logits(c->step);
    const real *weight = parameter_values(parameters, &parameters->items[c->model.fer.weight]);
    size_t n = (size_t)c->labelled.n, d = (size_t)c->model.architecture.features;
    double sum = 0;
    for (size_t i = 0; i < n; i++) {
        double slopes[ENGINE_CLASSES], total = 0;
        const real *row = logits + i * ENGINE_CLASSES, *target = c->labelled.targets + i * ENGINE_CLASSES;
        for (size_t e = 0; e < ENGINE_CLASSES; e++) total += slopes[e] = exp((double)row[e]);
        for (size_t e = 0; e < ENGINE_CLASSES; e++) slopes[e] = (slopes[e] / total - (double)target[e]) / (double)n;
        for (size_t j = 0; j < d; j++) {
            double slope = 0;
            for (size_t e = 0; e < ENGINE_CLASSES; e++) slope += slopes[e] * (double)weight[e * d + j];
            sum += slope * slope;
        }
    }
    return sqrt(sum);
}

static void test_gradients_at_the_features_are_told_by_term(void **state)
{
    (void)state;
    struct engine_case c;
    engine_start(&c, true, engine_shape(true));
    c.objective.bn_momentum = 0;
    c.objective.ial_weight = 0.3;
    c.objective.acl_weight = 0.7;
    engine_step(&c, 1);
    struct step_losses first = c.losses;
    assert_true(fabs(first.fer_gradient / fer_gradient_of(&c) - 1) < 1e-4);
    assert_true(first.ial_gradient > 0 && first.acl_gradient > 0);
    c.objective.ial_weight *= 2;
    c.objective.acl_weight *= 3;
    c.objective.gradient_scale = 0.25;
    engine_step(&c, 1);
    assert_true(fabs(c.losses.fer_gradient / first.fer_gradient - 1) < 1e-5);
    assert_true(fabs(c.losses.ial_gradient / first.ial_gradient - 2) < 1e-4);
    assert_true(fabs(c.losses.acl_gradient / first.acl_gradient - 3) < 1e-4);
    c.objective.ial_weight = c.objective.acl_weight = 0;
    engine_step(&c, 1);
    assert_true(c.losses.ial_gradient == 0 && c.losses.acl_gradient == 0);
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

/* ---- sizes ---- */

/* What train_step_create says of a shape, of which nothing is run; NULL: nothing. */
static const char *refusal(const struct train_step_shape *shape, struct error *err)
{
    struct architecture architecture;
    struct model model;
    struct train_step *step;
    *err = (struct error){0};
    assert_int_equal(architecture_tiny(&architecture, true, 16, 1, NULL), STATUS_OK);
    assert_int_equal(model_create(&model, &architecture, 3, true, NULL), STATUS_OK);
    status result = train_step_create(&step, &model, shape, err);
    if (result == STATUS_OK)
        train_step_free(step);
    else
        assert_int_equal(result, STATUS_USAGE);
    model_free(&model);
    return result == STATUS_OK ? NULL : err->message;
}

/* At 32 pixels the last map is one pixel: a lonely picture has one value of each of its channels. */
static void test_batch_norm_has_two_values(void **state)
{
    (void)state;
    struct error err = {0};
    const struct machines two = {.size = 2};
    struct train_step_shape shape = {.image_size = 32, .batch = 1};
    assert_non_null(strstr(refusal(&shape, &err), "data.image_size = 32"));
    assert_non_null(strstr(err.message, "a pass of 1 picture,"));
    shape.anchors = 1, shape.positives = shape.negatives = 4, shape.kept_share = 0.5;
    assert_non_null(refusal(&shape, &err)); /* two passes, of which one is the labelled picture's */
    shape.frozen = true;                    /* running statistics */
    assert_null(refusal(&shape, &err));
    shape = (struct train_step_shape){.image_size = 33, .batch = 1};
    assert_null(refusal(&shape, &err));
    shape = (struct train_step_shape){.image_size = 32, .batch = 2};
    assert_null(refusal(&shape, &err));
    shape.machines = &two; /* both pictures count, unless each process has its own statistics */
    assert_null(refusal(&shape, &err));
    shape.own_statistics = true;
    assert_non_null(strstr(refusal(&shape, &err), "train.sync_bn = false"));
    shape.batch = 4;
    assert_null(refusal(&shape, &err));
}

/* A process without a row of the pass that scores could not take part in it. */
static void test_scoring_is_shared_out_to_everybody(void **state)
{
    (void)state;
    struct error err = {0};
    const struct machines five = {.size = 5};
    struct train_step_shape shape = {.image_size = 48,
                                     .batch = 8,
                                     .anchors = 1,
                                     .positives = 1,
                                     .negatives = 2,
                                     .kept_share = 1,
                                     .joint_forward = true,
                                     .machines = &five};
    assert_null(refusal(&shape, &err));
    shape.scoring_with_batch_statistics = true;
    assert_non_null(strstr(refusal(&shape, &err), "acl.scoring_bn = train each of 5 processes"));
    shape.negatives = 3;
    assert_null(refusal(&shape, &err));
    shape.negatives = 2, shape.anchors = 5; /* an anchor for everybody, scored where it is */
    assert_null(refusal(&shape, &err));
}

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

int main(void)
{
    threads_set(2);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_same_seed_gives_the_same_bits),
        cmocka_unit_test(test_masks_hang_on_the_draw),
        cmocka_unit_test(test_threads_change_rounding_alone),
        cmocka_unit_test(test_instruction_sets_change_rounding_alone),
        cmocka_unit_test(test_no_allocation_inside_a_step),
        cmocka_unit_test(test_gradients_are_added),
        cmocka_unit_test(test_running_statistics_move_by_the_momentum),
        cmocka_unit_test(test_a_frozen_backbone_keeps_its_bits),
        cmocka_unit_test(test_a_frozen_plan_is_smaller_and_its_bits_are_the_same),
        cmocka_unit_test(test_losses_add_up_and_parts_can_be_left_out),
        cmocka_unit_test(test_gradients_at_the_features_are_told_by_term),
        cmocka_unit_test(test_nan_comes_through),
        cmocka_unit_test(test_kept_candidates_stay_where_they_are_given),
        cmocka_unit_test(test_batch_norm_has_two_values),
        cmocka_unit_test(test_scoring_is_shared_out_to_everybody),
        cmocka_unit_test(test_every_image_size_from_32_up),
        cmocka_unit_test(test_wrong_shapes_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
