/* The contrastive loss by central differences and by its formula; sharp similarities; which candidates are kept. */
#include "double/support/gradient.h"
#include "rmfer/ops/contrastive.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

static const double EXACT = 1e-11;

struct contrastive_case {
    struct workbench *bench;
    struct contrastive setup;
    real *unit, *room;
};

static double contrastive_value(void *setup)
{
    struct contrastive_case *c = setup;
    return contrastive_loss(&c->setup, c->unit, 1, c->room);
}

static double contrastive_by_definition(const struct contrastive_case *c)
{
    double positives = 0, all = 0;
    for (size_t i = 1; i <= c->setup.positives + c->setup.negatives; i++) {
        double e = exp(weighted_sum(c->unit, c->unit + i * c->setup.d, c->setup.d) / c->setup.temperature);
        all += e;
        if (i <= c->setup.positives) positives += e;
    }
    return -log(positives / all);
}

static void check_contrastive(struct workbench *bench)
{
    struct contrastive_case c = {.bench = bench};
    c.setup = (struct contrastive){PICK(bench, 1, 5, 17), PICK(bench, 1, 3), PICK(bench, 1, 5), 1};
    if (workbench_below(bench, 2)) c.setup.temperature = 0.25;
    size_t count = (1 + c.setup.positives + c.setup.negatives) * c.setup.d;
    c.unit = workbench_normal(bench, count, 0, 0.5);
    c.room = workbench_zeros(bench, count);
    real *dunit = workbench_normal(bench, count, 0, 1);
    struct gradient_check check = {
        .operation = "contrastive loss", .loss = contrastive_value, .setup = &c, .scale = 1.3, .samples = 12};
    double loss = contrastive_loss(&c.setup, c.unit, 1.3, dunit);
    assert_true(fabs(loss - contrastive_by_definition(&c)) < EXACT * (1 + loss));
    assert_gradient(bench, &check, "unit rows", c.unit, dunit, NULL, count);
}

/* Similarities over a temperature so small that their exponentials are not numbers. */
static void test_contrastive_loss_of_sharp_similarities(void **state)
{
    (void)state;
    real unit[3] = {1, 1, -1}, dunit[3];
    struct contrastive setup = {1, 1, 1, 1e-4};
    assert_true(contrastive_loss(&setup, unit, 1, dunit) == 0);
    unit[1] = -1;
    unit[2] = 1;
    assert_true(fabs(contrastive_loss(&setup, unit, 1, dunit) - 2e4) < 1e-6);
}

/* round(share * drawn), at least one, at most all; the best in order, of equals the lower index first. */
static void test_contrastive_choice(void **state)
{
    (void)state;
    assert_int_equal(contrastive_kept(0.1, 50), 5);
    assert_int_equal(contrastive_kept(0.1, 44), 4);
    assert_int_equal(contrastive_kept(0.1, 45), 5);
    assert_int_equal(contrastive_kept(0.01, 3), 1);
    assert_int_equal(contrastive_kept(2, 3), 3);
    const real anchor[1] = {1}, candidates[6] = {0.5, 0.9, 0.1, 0.9, 0.1, (real)-0.3};
    size_t chosen[6];
    real scores[6];
    contrastive_choose(1, 6, anchor, candidates, false, 3, chosen, scores);
    assert_true(chosen[0] == 1 && chosen[1] == 3 && chosen[2] == 0);
    contrastive_choose(1, 6, anchor, candidates, true, 3, chosen, scores);
    assert_true(chosen[0] == 5 && chosen[1] == 2 && chosen[2] == 4);
    contrastive_choose(1, 6, anchor, candidates, false, 6, chosen, scores);
    assert_true(chosen[3] == 2 && chosen[4] == 4 && chosen[5] == 5);
}

static void test_contrastive(void **state)
{
    (void)state;
    workbench_trials(check_contrastive, 1000, 40);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_contrastive_loss_of_sharp_similarities),
        cmocka_unit_test(test_contrastive_choice),
        cmocka_unit_test(test_contrastive),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
