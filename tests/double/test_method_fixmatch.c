/* FixMatch's step, in double precision: its losses against the formula worked out beside it from the same logits, its
 * gradients against central differences with the guesses held still, which SAM's second pass does too. */
#include "double/support/gradient.h"

#include "method/guesses.h"
#include "method/methods.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

enum { SIDE = 32, BATCH = 3, RATIO = 2, UNLABELLED = BATCH * RATIO, CLASSES = 4, PICTURE = SIDE * SIDE * 3 };

/* ---- guesses ---- */

static void test_guesses_and_their_loss(void **state)
{
    (void)state;
    /* p of the rows: (.5, .25, .25), (1/3, 1/3, 1/3), (.1, .1, .8) */
    const real logits[9] = {log(2), 0, 0, 5, 5, 5, 0, 0, log(8)}, strong[9] = {0, 0, 0, 1, 2, 3, 0, log(3), 0};
    real p[9], targets[9], sure[3], gradient[9];
    guesses_softmax(3, 3, logits, 1, p);
    assert_true(fabs(p[0] - 0.5) < 1e-12 && fabs(p[4] - 1.0 / 3) < 1e-12 && fabs(p[8] - 0.8) < 1e-12);
    guesses_softmax(1, 3, logits, 0.5, p); /* squares: 4 to 1 to 1 */
    assert_true(fabs(p[0] - 2.0 / 3) < 1e-12 && fabs(p[1] - 1.0 / 6) < 1e-12);
    guesses_above(3, 3, logits, 0.5 - 1e-9, 0, targets, sure);
    assert_true(sure[0] == 1 && sure[1] == 0 && sure[2] == 1);
    assert_true(targets[0] == 1 && targets[1] == 0 && targets[3] == 1 && targets[8] == 1 && targets[6] == 0);
    /* -log 1/3 of the first, -log 1/5 of the third (1, 3, 1), over three rows */
    double loss = guesses_cross_entropy(3, 3, strong, targets, sure, 2, gradient);
    assert_true(fabs(loss - (log(3) + log(5)) / 3) < 1e-12);
    assert_true(fabs(gradient[0] - 2 * (1.0 / 3 - 1) / 3) < 1e-12 && fabs(gradient[1] - 2 * (1.0 / 3) / 3) < 1e-12);
    assert_true(gradient[3] == 0 && gradient[5] == 0);
    assert_true(fabs(gradient[7] - 2 * 0.6 / 3) < 1e-12 && fabs(gradient[8] - 2 * (0.2 - 1) / 3) < 1e-12);
}

/* ---- the step ---- */

struct fixmatch_case {
    struct workbench bench;
    struct config config;
    struct model model;
    void *self;
    struct batch batch;
    struct method_step step;
    struct step_outcome outcome;
    double weights[MOST_TERMS];
};

static void start(struct fixmatch_case *c, double threshold)
{
    struct architecture architecture;
    memset(c, 0, sizeof *c);
    workbench_init(&c->bench);
    workbench_start(&c->bench, 5);
    c->config.data.image_size = SIDE;
    c->config.train.batch = BATCH;
    c->config.fixmatch.ratio = RATIO;
    c->config.fixmatch.threshold = threshold;
    assert_int_equal(architecture_tiny(&architecture, true, 8, 1, NULL), STATUS_OK);
    assert_int_equal(model_create(&c->model, &architecture, CLASSES, false, NULL), STATUS_OK);
    model_initialise(&c->model, 3);
    struct method_setup setup = {.config = &c->config, .model = &c->model, .places = 1};
    assert_int_equal(method_fixmatch.create(&c->self, &setup, NULL), STATUS_OK);
    real *targets = workbench_zeros(&c->bench, BATCH * CLASSES);
    for (size_t i = 0; i < BATCH; i++) targets[i * CLASSES + i % CLASSES] = 1;
    c->batch.stream_count = 2;
    c->batch.streams[0] = (struct batch_stream){
        .rows = BATCH, .group = 1, .views = 1, .images = {workbench_normal(&c->bench, BATCH * PICTURE, 0, 1)}, .targets = targets};
    c->batch.streams[1] = (struct batch_stream){.rows = UNLABELLED,
                                                .group = 1,
                                                .views = 2,
                                                .images = {workbench_normal(&c->bench, UNLABELLED * PICTURE, 0, 1),
                                                           workbench_normal(&c->bench, UNLABELLED * PICTURE, 0, 1)}};
    c->weights[0] = 1;
    c->weights[1] = 0.7;
    c->step = (struct method_step){
        .batch = &c->batch, .weights = c->weights, .gradient_scale = 1, .bn_momentum = 0, .seed = 1, .draw = 2};
}

static void stop(struct fixmatch_case *c)
{
    method_fixmatch.free(c->self);
    model_free(&c->model);
    workbench_free(&c->bench);
}

static double loss(void *setup)
{
    struct fixmatch_case *c = setup;
    /* The checks move single weights through a pointer: what was packed of them is stale. */
    for (int group = 0; group < GROUP_COUNT; group++)
        (void)parameters_write(&c->model.parameters, (enum parameter_group)group);
    method_fixmatch.step(c->self, &c->step, &c->outcome);
    return c->outcome.total;
}

static void test_the_terms_add_up(void **state)
{
    (void)state;
    struct fixmatch_case c;
    start(&c, 0.3);
    double total = loss(&c), sure = c.outcome.figures[1].sum;
    assert_true(c.outcome.terms[0] > 0 && c.outcome.terms[1] > 0);
    assert_true(fabs(total - (c.outcome.terms[0] + 0.7 * c.outcome.terms[1])) < 1e-12);
    assert_true(sure > 0 && sure <= UNLABELLED && c.outcome.figures[1].count == UNLABELLED);
    stop(&c);
    start(&c, 1); /* nobody is that sure */
    loss(&c);
    assert_true(c.outcome.terms[1] == 0 && c.outcome.figures[1].sum == 0);
    stop(&c);
}

/* What SAM's second pass finds: the guesses of the first, though the weights would guess something else. */
static void test_guesses_stay_for_the_second_pass(void **state)
{
    (void)state;
    struct fixmatch_case c;
    start(&c, 0.3);
    loss(&c);
    double sure = c.outcome.figures[1].sum;
    real *values = parameter_write(&c.model.parameters, &c.model.parameters.items[c.model.fer.weight]);
    for (size_t i = 0; i < c.model.parameters.items[c.model.fer.weight].count; i++) values[i] *= 1e-6;
    c.step.again = true;
    loss(&c);
    assert_true(c.outcome.figures[1].sum == sure && sure > 0);
    c.step.again = false;
    loss(&c);
    assert_true(c.outcome.figures[1].sum == 0); /* every class is as likely as another now */
    stop(&c);
}

static void test_gradients_with_guesses_held_still(void **state)
{
    (void)state;
    struct fixmatch_case c;
    start(&c, 0.3);
    loss(&c);
    c.step.again = true;
    c.step.gradient_scale = 0.5;
    parameters_zero_gradients(&c.model.parameters);
    loss(&c);
    const struct parameters *all = &c.model.parameters;
    real *after = workbench_copy(&c.bench, all->gradients, all->value_count);
    struct gradient_check check = {.operation = "fixmatch", .loss = loss, .setup = &c, .samples = 2, .step = 3e-6,
                                   .two_points = true, .tolerance = 2e-6, .scale = 0.5};
    for (size_t i = 0; i < all->count; i++) {
        const struct parameter *entry = &all->items[i];
        if (entry->is_buffer || (entry->group == GROUP_BACKBONE && i % 23 != 0)) continue;
        assert_gradient(&c.bench, &check, entry->name, parameter_write(&c.model.parameters, entry),
                        after + entry->offset, NULL, entry->count);
    }
    stop(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_guesses_and_their_loss),
        cmocka_unit_test(test_the_terms_add_up),
        cmocka_unit_test(test_guesses_stay_for_the_second_pass),
        cmocka_unit_test(test_gradients_with_guesses_held_still),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
