/* What a training step of RMFER adds up, by central differences, in both phases. */
#include "double/support/random_model.h"
#include "rmfer/method/rmfer_step.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

struct step_case {
    struct train_step *step;
    struct model *model;
    struct objective objective;
    struct labelled_batch labelled;
    struct contrastive_batch contrastive;
    bool contrasts;
    real *buffers; /* running statistics at the start: a pass moves them, and scoring reads them */
};

static double step_loss(void *setup)
{
    struct step_case *c = setup;
    struct step_losses losses;
    announce_change(c->model);
    memcpy(parameters_write_buffers(&c->model->parameters), c->buffers,
           c->model->parameters.buffer_count * sizeof *c->buffers);
    train_step_run(c->step, &c->objective, &c->labelled, c->contrasts ? &c->contrastive : NULL, 21, 4, &losses);
    return losses.total;
}

static real *draw_step_targets(struct workbench *bench, int n, int classes)
{
    real *targets = workbench_zeros(bench, (size_t)(n * classes));
    for (int i = 0; i < n; i++) targets[i * classes + i % classes] = 1;
    return targets;
}

/* The second face has neither, the third no arousal. */
static real *draw_affect(struct workbench *bench, int n)
{
    real *affect = workbench_normal(bench, 2 * (size_t)n, 0, 0.5);
    affect[2] = affect[3] = affect[5] = (real)NAN;
    return affect;
}

static void check_step(const char *name, struct train_step_shape shape, struct objective objective)
{
    struct workbench bench;
    struct model model;
    workbench_init(&bench);
    workbench_start(&bench, 77);
    make_model(&bench, &model, true, 1, true);
    struct step_case c = {.model = &model, .objective = objective, .contrasts = shape.anchors > 0};
    size_t image = (size_t)(shape.image_size * shape.image_size) * 3;
    size_t drawn = (size_t)(shape.anchors * (1 + shape.positives + shape.negatives));
    assert_int_equal(train_step_create(&c.step, &model, &shape, NULL), STATUS_OK);
    c.labelled.n = shape.batch;
    c.labelled.images = workbench_normal(&bench, (size_t)shape.batch * image, 0, 1);
    c.labelled.targets = draw_step_targets(&bench, shape.batch, 3);
    c.labelled.affect = draw_affect(&bench, shape.batch);
    c.contrastive.anchors = shape.anchors;
    c.contrastive.images = workbench_normal(&bench, drawn * image, 0, 1);
    c.buffers = workbench_copy(&bench, model.parameters.buffers, model.parameters.buffer_count);
    real *before = stir_gradients(&bench, &model);
    step_loss(&c);
    real *after = workbench_copy(&bench, model.parameters.gradients, model.parameters.value_count);
    struct gradient_check check = {.operation = name,
                                   .loss = step_loss,
                                   .setup = &c,
                                   .samples = 1,
                                   .step = 3e-6,
                                   .two_points = true,
                                   .tolerance = 2e-6,
                                   .scale = objective.gradient_scale};
    for (size_t i = 0; i < model.parameters.count; i++) {
        const struct parameter *entry = &model.parameters.items[i];
        if (entry->is_buffer) continue;
        if (entry->group == GROUP_BACKBONE && objective.freeze_backbone) {
            assert_memory_equal(after + entry->offset, before + entry->offset, entry->count * sizeof *after);
            continue;
        }
        /* The backbone has its own test: here some of its tensors stand for all. */
        if (entry->group == GROUP_BACKBONE && i % 23 != 0 && i > 0) continue;
        check.samples = entry->group == GROUP_BACKBONE ? 1 : 2;
        assert_gradient(&bench, &check, entry->name, parameter_write(&model.parameters, entry), after + entry->offset,
                        before + entry->offset, entry->count);
    }
    train_step_free(c.step);
    model_free(&model);
    workbench_free(&bench);
}

static const struct train_step_shape PHASE_1 = {.image_size = 32, .batch = 5};
static const struct train_step_shape PHASE_2 = {
    .image_size = 32, .batch = 4, .anchors = 2, .positives = 4, .negatives = 5, .kept_share = 0.5};

static void test_phase_1_with_every_mask(void **state)
{
    (void)state;
    struct objective objective = objective_defaults();
    objective.self_mask = SELF_MASK_EXCLUDE;
    check_step("phase 1, exclude", PHASE_1, objective);
    objective.self_mask = SELF_MASK_LITERAL;
    objective.ial_temperature = 0.25;
    check_step("phase 1, literal", PHASE_1, objective);
    objective.self_mask = SELF_MASK_NONE;
    objective.gradient_scale = 0.5;
    check_step("phase 1, none", PHASE_1, objective);
}

static void test_phase_1_with_dropout_and_weights(void **state)
{
    (void)state;
    static const real weights[3] = {0.5, 2, 1};
    struct objective objective = objective_defaults();
    objective.dropout = 0.4;
    objective.drop_path = 0.5;
    objective.label_smoothing = 0.1;
    objective.class_weights = weights;
    objective.affect_weight = 0.6;
    check_step("phase 1 with dropout", PHASE_1, objective);
    objective.ial_weight = 0;
    check_step("classification alone", PHASE_1, objective);
}

static void test_phase_2(void **state)
{
    (void)state;
    struct objective objective = objective_defaults();
    struct train_step_shape shape = PHASE_2;
    objective.acl_weight = 0.7;
    objective.acl_temperature = 0.5;
    objective.affect_weight = 1.5;
    check_step("phase 2, separate", shape, objective);
    shape.joint_forward = true;
    check_step("phase 2, joint", shape, objective);
}

static void test_phase_2_scored_with_batch_statistics(void **state)
{
    (void)state;
    struct objective objective = objective_defaults();
    struct train_step_shape shape = PHASE_2;
    shape.scoring_with_batch_statistics = true;
    objective.drop_path = 0.5;
    objective.gradient_scale = 2;
    check_step("phase 2, batch statistics", shape, objective);
}

static void test_frozen_backbone(void **state)
{
    (void)state;
    struct objective objective = objective_defaults();
    objective.freeze_backbone = true;
    objective.affect_weight = 2;
    check_step("phase 1, frozen", PHASE_1, objective);
    check_step("phase 2, frozen", PHASE_2, objective);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_phase_1_with_every_mask),
        cmocka_unit_test(test_phase_1_with_dropout_and_weights),
        cmocka_unit_test(test_phase_2),
        cmocka_unit_test(test_phase_2_scored_with_batch_statistics),
        cmocka_unit_test(test_frozen_backbone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
