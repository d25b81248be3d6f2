/* Looking at a model's candidates shows what a training step makes of them: the same ones are kept, and the
 * similarities give the step's own contrastive loss; the attention is the softmax over the draw. */
#include "rmfer/method/candidates.h"

#include "support/engine_case.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

enum { CANDIDATES = 4 };

static struct candidate_setup setup_of(const struct engine_case *c, double temperature, enum self_mask mask)
{
    return (struct candidate_setup){.image_size = c->shape.image_size,
                                    .positives = CANDIDATES,
                                    .negatives = CANDIDATES,
                                    .kept_share = c->shape.kept_share,
                                    .batch_statistics = c->shape.scoring_with_batch_statistics,
                                    .temperature = temperature,
                                    .self_mask = mask};
}

static size_t draw_reals(const struct engine_case *c)
{
    return (1 + 2 * CANDIDATES) * (size_t)(c->shape.image_size * c->shape.image_size) * 3;
}

/* Pictures of noise look alike to the network: one brighter than the other, they do not. */
static void tell_apart(struct engine_case *c)
{
    size_t drawn = 1 + 2 * CANDIDATES, image = draw_reals(c) / drawn;
    for (size_t i = 0; i < (size_t)c->shape.anchors * drawn; i++)
        for (size_t p = 0; p < image; p++)
            c->contrastive_images[i * image + p] += (real)((p % 3 == i % 3 ? 2 : -1) * (double)(i * 7 % 11) / 5);
}

/* Running statistics that were not moved to the pictures' own make all features one. */
static void settle(struct engine_case *c)
{
    c->objective.bn_momentum = 0.6;
    for (uint64_t i = 0; i < 5; i++) engine_step(c, i);
}

static void assert_same_are_kept(bool batch_statistics)
{
    struct engine_case c;
    struct train_step_shape shape = engine_shape(true);
    struct candidate_scorer *scorer;
    size_t choice[8], shown[8];
    shape.scoring_with_batch_statistics = batch_statistics;
    engine_start(&c, true, shape);
    tell_apart(&c);
    settle(&c);
    struct candidate_setup setup = setup_of(&c, 1, SELF_MASK_EXCLUDE);
    assert_int_equal(candidate_scorer_create(&scorer, &c.model, &setup, NULL), STATUS_OK);
    for (size_t anchor = 0; anchor < 2; anchor++) {
        struct candidate_scores scores = candidate_scorer_run(scorer, c.contrastive_images + anchor * draw_reals(&c));
        assert_int_equal(scores.kept_positives, 2);
        assert_int_equal(scores.kept_negatives, 2);
        memcpy(shown + anchor * 4, scores.chosen, 4 * sizeof *shown);
    }
    c.contrastive.choice = choice;
    engine_step(&c, 1);
    assert_memory_equal(shown, choice, sizeof shown);
    candidate_scorer_free(scorer);
    engine_stop(&c);
}

static void test_the_step_keeps_the_same(void **state)
{
    (void)state;
    assert_same_are_kept(false);
    assert_same_are_kept(true);
}

static double contrastive_loss_of(const real *similarities, double temperature)
{
    double positives = 0, all = 0;
    for (size_t i = 0; i < 2 * CANDIDATES; i++) {
        double term = exp((double)similarities[i] / temperature);
        all += term;
        if (i < CANDIDATES) positives += term;
    }
    return -log(positives / all);
}

/* Where all are kept, of one anchor, the step's L_ACL is a function of the similarities alone. */
static void assert_same_loss(bool batch_statistics)
{
    struct engine_case c;
    struct train_step_shape shape = engine_shape(true);
    struct candidate_scorer *scorer;
    shape.anchors = 1;
    shape.kept_share = 1;
    shape.scoring_with_batch_statistics = batch_statistics;
    engine_start(&c, true, shape);
    tell_apart(&c);
    c.objective.acl_temperature = 0.1;
    settle(&c);
    c.objective.freeze_backbone = !batch_statistics; /* the kept rows' features are then those that score */
    struct candidate_setup setup = setup_of(&c, 1, SELF_MASK_EXCLUDE);
    assert_int_equal(candidate_scorer_create(&scorer, &c.model, &setup, NULL), STATUS_OK);
    double wanted = contrastive_loss_of(candidate_scorer_run(scorer, c.contrastive_images).similarities, 0.1);
    engine_step(&c, 1);
    print_message("L_ACL of the step %.9g, of what is shown %.9g\n", c.losses.acl, wanted);
    assert_true(fabs(c.losses.acl - wanted) <= 1e-4 * wanted);
    candidate_scorer_free(scorer);
    engine_stop(&c);
}

static void test_the_step_loses_what_the_similarities_say(void **state)
{
    (void)state;
    assert_same_loss(false);
    assert_same_loss(true);
}

/* a_j = exp(s_j / tau) / sum_k exp(s_k / tau), the anchor's own term as the mask says. */
static void test_attention_is_the_softmax_of_the_draw(void **state)
{
    (void)state;
    static const struct {
        enum self_mask mask;
        double own;
    } cases[] = {{SELF_MASK_EXCLUDE, -INFINITY}, {SELF_MASK_LITERAL, 1e-6}, {SELF_MASK_NONE, 1}};
    struct engine_case c;
    engine_start(&c, true, engine_shape(true));
    tell_apart(&c);
    for (size_t i = 0; i < 3; i++) {
        struct candidate_scorer *scorer;
        struct candidate_setup setup = setup_of(&c, 0.25, cases[i].mask);
        assert_int_equal(candidate_scorer_create(&scorer, &c.model, &setup, NULL), STATUS_OK);
        struct candidate_scores scores = candidate_scorer_run(scorer, c.contrastive_images);
        double sum = exp(cases[i].own / 0.25);
        for (size_t j = 0; j < 2 * CANDIDATES; j++) sum += exp((double)scores.similarities[j] / 0.25);
        for (size_t j = 0; j < 2 * CANDIDATES; j++)
            assert_true(fabs((double)scores.attention[j] - exp((double)scores.similarities[j] / 0.25) / sum) < 1e-6);
        candidate_scorer_free(scorer);
    }
    engine_stop(&c);
}

static void test_a_model_without_heads_is_refused(void **state)
{
    (void)state;
    struct architecture architecture;
    struct model model;
    struct candidate_scorer *scorer;
    struct error err = {0};
    const struct candidate_setup setup = {
        .image_size = 48, .positives = 1, .negatives = 1, .kept_share = 1, .temperature = 1};
    assert_int_equal(architecture_tiny(&architecture, true, 16, 1, NULL), STATUS_OK);
    assert_int_equal(model_create(&model, &architecture, 3, false, NULL), STATUS_OK);
    assert_int_equal(candidate_scorer_create(&scorer, &model, &setup, &err), STATUS_FAILED);
    assert_null(scorer);
    assert_non_null(strstr(err.message, "projection head"));
    model_free(&model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_step_keeps_the_same),
        cmocka_unit_test(test_the_step_loses_what_the_similarities_say),
        cmocka_unit_test(test_attention_is_the_softmax_of_the_draw),
        cmocka_unit_test(test_a_model_without_heads_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
