/* The mutual contrastive loss in double precision: against the formula worked out by hand, at its floor, and its
 * gradients (of unit rows, and of every parameter through a whole step) against central differences; the guesses are
 * held still. */
#include "double/support/random_model.h"

#include "method/mutual.h"
#include "rmfer/method/rmfer_step.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

enum { MOMENTS = 3, PERSONS = 3, ROWS = MOMENTS * PERSONS, WIDE = 5, CLASSES = 4, SIDE = 32, BATCH = 3 };

struct loss_case {
    struct workbench bench;
    struct mutual_contrastive setup;
    struct mutual_room room;
    struct mutual_similarities similarities;
    real *unit, *guesses, *dunit;
    unsigned char apart[ROWS * ROWS];
    bool all_apart;
};

static void start_loss(struct loss_case *c, uint64_t index)
{
    memset(c, 0, sizeof *c);
    workbench_init(&c->bench);
    workbench_start(&c->bench, index);
    c->setup = (struct mutual_contrastive){.n = ROWS,
                                           .d = WIDE,
                                           .classes = CLASSES,
                                           .persons = PERSONS,
                                           .temperature = 0.4,
                                           .hardness = 0.5,
                                           .chance = 0.1};
    c->unit = workbench_normal(&c->bench, ROWS * WIDE, 0, 0.4); /* the loss does not ask for length one */
    c->guesses = workbench_zeros(&c->bench, ROWS * CLASSES);
    for (size_t i = 0; i < ROWS; i++) {
        double sum = 0;
        for (size_t k = 0; k < CLASSES; k++) sum += c->guesses[i * CLASSES + k] = random_uniform(&c->bench.random);
        for (size_t k = 0; k < CLASSES; k++) c->guesses[i * CLASSES + k] /= sum;
    }
    c->dunit = workbench_zeros(&c->bench, ROWS * WIDE);
    c->room.similarity = workbench_zeros(&c->bench, ROWS * ROWS);
    c->room.slopes = workbench_zeros(&c->bench, ROWS * ROWS);
    for (size_t i = 0; i < ROWS * ROWS; i++) c->apart[i] = !(i / ROWS / PERSONS + i % ROWS / PERSONS == 1);
}

static double loss(void *setup)
{
    struct loss_case *c = setup;
    return mutual_contrastive_loss(&c->setup, c->unit, c->guesses, c->all_apart ? NULL : c->apart, 0.7, c->dunit,
                                   c->room, &c->similarities);
}

/* Two moments of two persons on a line: s is 1 within and x between them; guesses alike, so every weight is 1. */
static void test_two_moments_by_hand(void **state)
{
    (void)state;
    struct loss_case c;
    start_loss(&c, 1);
    const double x = 0.3, tau = 0.5, y = sqrt(1 - x * x);
    const real unit[8] = {1, 0, 1, 0, (real)x, (real)y, (real)x, (real)y};
    memcpy(c.unit, unit, sizeof unit);
    c.setup = (struct mutual_contrastive){.n = 4, .d = 2, .classes = CLASSES, .persons = 2, .temperature = tau};
    c.all_apart = true;
    double same = exp(1 / tau), other = exp(x / tau);
    assert_true(fabs(loss(&c) - tau * log((same + 2 * other) / same)) < 1e-12);
    assert_true(fabs(c.similarities.same - 1) < 1e-12 && fabs(c.similarities.other - x) < 1e-12);
    c.setup.hardness = 3; /* equal negatives are equally hard */
    assert_true(fabs(loss(&c) - tau * log((same + 2 * other) / same)) < 1e-12);
    c.setup.chance = 0.1;
    double gathered = (2 * other - 0.1 * 2 * same) / 0.9;
    assert_true(gathered > 2 * exp(-1 / tau));
    assert_true(fabs(loss(&c) - tau * log((same + gathered) / same)) < 1e-12);
    c.setup.chance = 0.5; /* nothing would be left: the floor */
    assert_true(fabs(loss(&c) - tau * log((same + 2 * exp(-1 / tau)) / same)) < 1e-12);
    memset(c.apart, 0, sizeof c.apart); /* nobody is a negative of anybody */
    c.all_apart = false;
    assert_true(loss(&c) == 0 && c.similarities.other == 0);
    for (size_t i = 0; i < 8; i++) assert_true(c.dunit[i] == 0);
    workbench_free(&c.bench);
}

/* A positive that shows something else counts less, but never less than a twentieth. */
static void test_attention_weighs_positives(void **state)
{
    (void)state;
    struct loss_case c;
    start_loss(&c, 2);
    c.setup = (struct mutual_contrastive){.n = 6, .d = 2, .classes = 2, .persons = 3, .temperature = 1};
    const real unit[12] = {1, 0, 0.8, 0.6, 0, 1, -1, 0, -1, 0, -1, 0};
    const real guesses[12] = {1, 0, 1, 0, 0, 1, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5};
    memcpy(c.unit, unit, sizeof unit);
    memcpy(c.guesses, guesses, sizeof guesses);
    c.all_apart = true;
    loss(&c);
    /* Row 0: positives .8 (weight 1) and 0 (weight .05), negatives three of -1. */
    double g = 3 * exp(-1.0), slope = -(1 / 1.05) * g / (exp(0.8) + g);
    assert_true(fabs(c.room.slopes[1] - 0.7 / 6 * slope) < 1e-12);
    slope = -(0.05 / 1.05) * g / (1 + g);
    assert_true(fabs(c.room.slopes[2] - 0.7 / 6 * slope) < 1e-12);
    workbench_free(&c.bench);
}

/* Rows on the circle whose loss hangs on a negative of similarity s alone, beside one that is opposite. */
static double two_negatives(struct loss_case *c, double s, double temperature, double hardness)
{
    const real y = (real)sqrt(1 - s * s);
    const real unit[8] = {1, 0, 1, 0, (real)s, y, -1, 0};
    memcpy(c->unit, unit, sizeof unit);
    c->setup = (struct mutual_contrastive){
        .n = 4, .d = 2, .classes = CLASSES, .persons = 2, .temperature = temperature, .hardness = hardness};
    c->all_apart = true;
    return loss(c);
}

/* Where e^(beta (s - 1) / tau) is less than any double the nearest negative is all that counts, and so it stays. */
static void test_hard_negatives_far_away(void **state)
{
    (void)state;
    struct loss_case c;
    const double settings[][2] = {{0.05, 60}, {0.1, 50}, {0.1, 100}, {0.005, 100}};
    for (size_t i = 0; i < sizeof settings / sizeof settings[0]; i++) {
        start_loss(&c, 3);
        const double tau = settings[i][0], beta = settings[i][1], s = 0.3;
        two_negatives(&c, s, tau, beta);
        /* Row 0: the positive is itself, and s twice is what the negatives' mean is. */
        double g = 2 * exp((s - 1) / tau), slope = g / (1 + g);
        assert_true(fabs(c.room.slopes[2] - 0.7 / 4 * slope) <= 1e-9 * slope && fabs(c.room.slopes[3]) <= 1e-9 * slope);
        assert_true(fabs(c.room.slopes[1] + 0.7 / 4 * slope) <= 1e-9);
        for (size_t k = 0; k < 8; k++) assert_true(isfinite(c.dunit[k]));
        assert_true(isfinite(two_negatives(&c, -0.9, tau, beta)));
        workbench_free(&c.bench);
    }
}

static void test_gradient_of_unit_rows(void **state)
{
    (void)state;
    struct loss_case c;
    for (uint64_t index = 0; index < 8; index++) {
        start_loss(&c, 10 + index);
        c.all_apart = index % 2 == 0;
        c.setup.hardness = index % 3 == 0 ? 0 : 0.8;
        c.setup.chance = index == 7 ? 0.85 : 0.07 * (double)(index % 4);
        if (index == 3) c.setup.temperature = 0.05, c.setup.hardness = 60;
        if (index == 5) c.setup.temperature = 0.1, c.setup.hardness = 50;
        loss(&c);
        real *gradient = workbench_copy(&c.bench, c.dunit, ROWS * WIDE);
        struct gradient_check check = {.operation = "mutual", .loss = loss, .setup = &c, .samples = 20, .scale = 0.7};
        assert_gradient(&c.bench, &check, "unit", c.unit, gradient, NULL, ROWS * WIDE);
        workbench_free(&c.bench);
    }
}

/* ---- a whole step ---- */

struct step_case {
    struct workbench bench;
    struct model model;
    struct train_step *step;
    struct objective objective;
    struct labelled_batch labelled;
    struct contrastive_batch moments;
    struct step_losses losses;
};

static double step_loss(void *setup)
{
    struct step_case *c = setup;
    for (int group = 0; group < GROUP_COUNT; group++)
        (void)parameters_write(&c->model.parameters, (enum parameter_group)group);
    train_step_run(c->step, &c->objective, &c->labelled, &c->moments, 1, 2, &c->losses);
    return c->losses.total;
}

static void test_gradients_of_a_step(void **state)
{
    (void)state;
    struct step_case c = {0};
    struct architecture architecture;
    struct parameter head[MUTUAL_HEAD_ENTRIES];
    struct mutual_contrastive mutual = {
        .n = 6, .d = 128, .classes = CLASSES, .persons = 2, .temperature = 0.5, .hardness = 0.5, .chance = 0.05};
    struct train_step_shape shape = {.image_size = SIDE, .batch = BATCH, .mutual = &mutual};
    workbench_init(&c.bench);
    workbench_start(&c.bench, 5);
    assert_int_equal(architecture_tiny(&architecture, true, 8, 1, NULL), STATUS_OK);
    size_t count = mutual_head((size_t)architecture.features, head);
    const struct model_heads heads = {.attention = true, .added = head, .added_count = count};
    assert_int_equal(model_create_with(&c.model, &architecture, CLASSES, &heads, NULL), STATUS_OK);
    model_initialise(&c.model, 3);
    assert_int_equal(train_step_create(&c.step, &c.model, &shape, NULL), STATUS_OK);
    c.objective = objective_defaults();
    c.objective.acl_weight = 0.6;
    c.objective.bn_momentum = 0;
    c.objective.gradient_scale = 0.5;
    real *targets = workbench_zeros(&c.bench, BATCH * CLASSES);
    for (size_t i = 0; i < BATCH; i++) targets[i * CLASSES + i % CLASSES] = 1;
    c.labelled = (struct labelled_batch){
        .n = BATCH, .images = workbench_normal(&c.bench, BATCH * SIDE * SIDE * 3, 0, 1), .targets = targets};
    c.moments = (struct contrastive_batch){.images = workbench_normal(&c.bench, 6 * SIDE * SIDE * 3, 0, 1),
                                           .rows = 6,
                                           .guesses = workbench_zeros(&c.bench, 6 * CLASSES)};
    step_loss(&c); /* makes the guesses, which stay from here on */
    c.moments.is_chosen = true;
    parameters_zero_gradients(&c.model.parameters);
    step_loss(&c);
    assert_true(c.losses.acl > 0 &&
                fabs(c.losses.total - c.losses.fer - 1.2 * c.losses.ial - 0.6 * c.losses.acl) < 1e-12);
    const struct parameters *all = &c.model.parameters;
    real *after = workbench_copy(&c.bench, all->gradients, all->value_count);
    struct gradient_check check = {.operation = "a step with moments",
                                   .loss = step_loss,
                                   .setup = &c,
                                   .samples = 2,
                                   .step = 3e-6,
                                   .two_points = true,
                                   .tolerance = 2e-6,
                                   .scale = 0.5};
    assert_sampled_gradients(&c.bench, &check, &c.model, after, 23);
    train_step_free(c.step);
    model_free(&c.model);
    workbench_free(&c.bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_two_moments_by_hand),     cmocka_unit_test(test_attention_weighs_positives),
        cmocka_unit_test(test_hard_negatives_far_away), cmocka_unit_test(test_gradient_of_unit_rows),
        cmocka_unit_test(test_gradients_of_a_step),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
