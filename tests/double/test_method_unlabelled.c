/* The methods that learn from unlabelled pictures, in double precision: every gradient of their steps against central
 * differences with the guesses held still, which SAM's second pass does too; and FixMatch's losses against the formula
 * worked out beside it. */
#include "double/support/random_model.h"

#include "method/guesses.h"
#include "method/methods.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

enum {
    SIDE = 32,
    BATCH = 3,
    RATIO = 2,
    UNLABELLED = BATCH * RATIO,
    CLASSES = 4,
    PICTURE = SIDE * SIDE * 3,
    PLACES = 2
};

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

struct step_case {
    const struct method *method;
    struct workbench bench;
    struct config config;
    struct model model;
    void *self;
    struct batch batch;
    struct method_step step;
    struct step_outcome outcome;
    double weights[MOST_TERMS];
};

/* Settings under which every loss has something to say of a network that knows nothing. */
static void set_config(struct config *config, const struct method *method, double threshold)
{
    bool mixes = method == &method_mixmatch || method == &method_remixmatch; /* which valence and arousal are not for */
    config->va.weight = mixes ? 0 : 1;
    config->data.image_size = SIDE;
    config->train.batch = BATCH;
    config->train.ema_decay = 0.9;
    config->fixmatch = (struct config_fixmatch){.threshold = threshold, .ratio = RATIO};
    config->uda = (struct config_uda){.temperature = 0.4, .threshold = threshold, .ratio = RATIO};
    config->mixmatch = (struct config_mixmatch){.temperature = 0.5, .alpha = 0.5, .ramp = 0.4, .ratio = RATIO};
    config->remixmatch = (struct config_remixmatch){
        .temperature = 0.5, .alpha = 0.75, .ramp = 0.5, .momentum = 0.9, .rotation_weight = 1, .ratio = RATIO};
    config->self_supervised = (struct config_self_supervised){.ratio = 1, .weight = 1};
    config->adacm = (struct config_adacm){.temperature = 0.2, .floor = threshold, .ratio = RATIO};
}

static void make_batch(struct step_case *c)
{
    struct stream_request requests[MOST_STREAMS];
    real *targets = workbench_zeros(&c->bench, BATCH * CLASSES);
    for (size_t i = 0; i < BATCH; i++) targets[i * CLASSES + i % CLASSES] = 1;
    real *affect = workbench_normal(&c->bench, BATCH * 2, 0, 0.5);
    affect[2] = (real)NAN; /* one of three has no valence */
    c->batch.stream_count = (int)c->method->streams(&c->config, requests);
    for (int s = 0; s < c->batch.stream_count; s++) {
        struct batch_stream *stream = &c->batch.streams[s];
        *stream = (struct batch_stream){.rows = requests[s].rows, .group = 1, .views = requests[s].view_count};
        for (int view = 0; view < stream->views; view++)
            stream->images[view] = workbench_normal(&c->bench, (size_t)stream->rows * PICTURE, 0, 1);
    }
    c->batch.streams[0].targets = targets;
    c->batch.streams[0].affect = affect;
    assert_int_equal(c->batch.streams[1].rows, UNLABELLED);
}

/* `setup` has what a case asks for beyond the method and its threshold. */
static status create(struct step_case *c, const struct method *method, double threshold, struct method_setup setup)
{
    static const double shares[CLASSES] = {0.4, 0.3, 0.2, 0.1};
    struct architecture architecture;
    struct parameter heads[MOST_HEAD_ENTRIES] = {0};
    memset(c, 0, sizeof *c);
    c->method = method;
    workbench_init(&c->bench);
    workbench_start(&c->bench, 5);
    set_config(&c->config, method, threshold);
    assert_int_equal(architecture_tiny(&architecture, true, 8, 1, NULL), STATUS_OK);
    size_t count = method->heads == NULL ? 0 : method->heads(&c->config, (size_t)architecture.features, heads);
    const struct model_heads wanted = {.affect = c->config.va.weight > 0, .added = heads, .added_count = count};
    assert_int_equal(model_create_with(&c->model, &architecture, CLASSES, &wanted, NULL), STATUS_OK);
    model_initialise(&c->model, 3);
    setup.config = &c->config;
    setup.model = &c->model;
    setup.average = &c->model;
    setup.class_shares = shares;
    setup.places = PLACES;
    return method->create(&c->self, &setup, NULL);
}

static void start(struct step_case *c, const struct method *method, double threshold)
{
    static const double weights[MOST_TERMS] = {1, 0.7, 0.5, 0.3};
    assert_int_equal(create(c, method, threshold, (struct method_setup){0}), STATUS_OK);
    make_batch(c);
    memcpy(c->weights, weights, sizeof weights);
    c->step = (struct method_step){.batch = &c->batch,
                                   .weights = c->weights,
                                   .gradient_scale = 1,
                                   .progress = 0.2,
                                   .bn_momentum = 0,
                                   .seed = 1,
                                   .draw = 2};
}

static void stop(struct step_case *c)
{
    c->method->free(c->self);
    model_free(&c->model);
    workbench_free(&c->bench);
}

/* At this size the last map is one pixel: where each of three processes has statistics of its own, a pass of three
 * pictures is too small, and the smallest pass of a step counts. */
static void test_batch_norm_has_two_values_in_every_pass(void **state)
{
    (void)state;
    static const struct {
        const struct method *method;
        status expected;
    } cases[] = {{&method_fixmatch, STATUS_OK},      /* one pass of labelled rows and both views */
                 {&method_mixmatch, STATUS_USAGE},   /* mixtures go through by the batch */
                 {&method_remixmatch, STATUS_USAGE}, /* likewise */
                 {&method_byol, STATUS_OK},          /* two views of each pair, without the labelled rows */
                 {&method_moco, STATUS_USAGE}};      /* the other view is the teacher's */
    const struct machines three = {.size = 3};
    const struct method_setup setup = {.machines = &three};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct step_case c;
        assert_int_equal(create(&c, cases[i].method, 0.3, setup), cases[i].expected);
        stop(&c);
    }
}

static double loss(void *setup)
{
    struct step_case *c = setup;
    /* The checks move single weights through a pointer: what was packed of them is stale. */
    for (int group = 0; group < GROUP_COUNT; group++)
        (void)parameters_write(&c->model.parameters, (enum parameter_group)group);
    c->method->step(c->self, &c->step, &c->outcome);
    return c->outcome.total;
}

static void test_the_terms_add_up(void **state)
{
    (void)state;
    struct step_case c;
    start(&c, &method_fixmatch, 0.3);
    double total = loss(&c), sure = c.outcome.figures[1].sum;
    assert_true(c.outcome.terms[0] > 0 && c.outcome.terms[1] > 0 && c.outcome.terms[2] > 0);
    assert_true(fabs(total - (c.outcome.terms[0] + 0.7 * c.outcome.terms[1] + 0.5 * c.outcome.terms[2])) < 1e-12);
    assert_true(sure > 0 && sure <= UNLABELLED && c.outcome.figures[1].count == UNLABELLED);
    stop(&c);
    start(&c, &method_fixmatch, 1); /* nobody is that sure */
    loss(&c);
    assert_true(c.outcome.terms[1] == 0 && c.outcome.figures[1].sum == 0);
    stop(&c);
}

/* So that every class is as likely as another. */
static void shrink_classifier(struct step_case *c)
{
    const struct parameter *weight = &c->model.parameters.items[c->model.fer.weight];
    real *values = parameter_write(&c->model.parameters, weight);
    for (size_t i = 0; i < weight->count; i++) values[i] *= 1e-6;
}

/* Targets that were mixed are shares of several classes, so that class weights are no divisor: twice as much is twice
 * as much. */
static void test_class_weights_of_mixtures(void **state)
{
    static const real one[CLASSES] = {1, 1, 1, 1}, two[CLASSES] = {2, 2, 2, 2};
    static const double only_labelled[MOST_TERMS] = {1};
    double terms[2];
    for (size_t i = 0; i < 2; i++) {
        struct step_case c;
        const struct method_setup setup = {.class_weights = i == 0 ? one : two};
        assert_int_equal(create(&c, *state, 0.3, setup), STATUS_OK);
        make_batch(&c);
        c.step = (struct method_step){.batch = &c.batch, .weights = only_labelled, .gradient_scale = 1, .seed = 1};
        loss(&c);
        terms[i] = c.outcome.terms[0];
        stop(&c);
    }
    assert_true(terms[0] > 0 && fabs(terms[1] / terms[0] - 2) < 1e-12);
}

/* What SAM's second pass finds: the guesses of the first of the same batch, though the weights would guess something
 * else by now and, with several batches a step, another batch was looked at since. */
static void test_guesses_stay_for_the_second_pass(void **state)
{
    struct step_case c;
    double expected = 0;
    for (int accumulated = 1; accumulated <= PLACES; accumulated++) {
        start(&c, *state, 0.3);
        struct batch first = c.batch;
        loss(&c);
        for (c.step.place = 1; c.step.place < (size_t)accumulated; c.step.place++) {
            make_batch(&c);
            loss(&c);
        }
        c.batch = first;
        c.step.place = 0;
        shrink_classifier(&c);
        c.step.again = true;
        double total = loss(&c);
        if (accumulated == 1) expected = total;
        assert_true(total == expected);
        c.step.again = false;
        assert_true(loss(&c) != expected);
        stop(&c);
    }
}

static void test_gradients_with_guesses_held_still(void **state)
{
    const struct method *method = *state;
    struct step_case c;
    start(&c, method, 0.3);
    loss(&c);
    for (size_t i = 0; i < method->term_count; i++) assert_true(c.outcome.terms[i] > 0);
    c.step.again = true;
    c.step.gradient_scale = 0.5;
    parameters_zero_gradients(&c.model.parameters);
    loss(&c);
    const struct parameters *all = &c.model.parameters;
    real *after = workbench_copy(&c.bench, all->gradients, all->value_count);
    struct gradient_check check = {.operation = method->name,
                                   .loss = loss,
                                   .setup = &c,
                                   .samples = 2,
                                   .step = 3e-6,
                                   .two_points = true,
                                   .tolerance = 2e-6,
                                   .scale = 0.5};
    assert_sampled_gradients(&c.bench, &check, &c.model, after, 71);
    stop(&c);
}

#define CLASS_WEIGHTS(name)                                                                                      \
    {                                                                                                            \
        "class_weights_of_" #name, test_class_weights_of_mixtures, NULL, NULL, (void *)(uintptr_t)&method_##name \
    }
#define SECOND_PASS(name)                                                                                              \
    {                                                                                                                  \
        "guesses_stay_of_" #name, test_guesses_stay_for_the_second_pass, NULL, NULL, (void *)(uintptr_t)&method_##name \
    }
#define GRADIENTS(name)                                                                                              \
    {                                                                                                                \
        "gradients_of_" #name, test_gradients_with_guesses_held_still, NULL, NULL, (void *)(uintptr_t)&method_##name \
    }

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_guesses_and_their_loss),
        cmocka_unit_test(test_batch_norm_has_two_values_in_every_pass),
        cmocka_unit_test(test_the_terms_add_up),
        CLASS_WEIGHTS(mixmatch),
        CLASS_WEIGHTS(remixmatch),
        SECOND_PASS(fixmatch),
        SECOND_PASS(uda),
        SECOND_PASS(mixmatch),
        SECOND_PASS(remixmatch),
        SECOND_PASS(adacm),
        GRADIENTS(fixmatch),
        GRADIENTS(uda),
        GRADIENTS(mixmatch),
        GRADIENTS(remixmatch),
        GRADIENTS(adacm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
