/* The concordance loss by central differences and by what is known of the coefficient: 1 for equal columns, less for
 * shifted and stretched ones, no number where nothing can be said; rows without a truth have no say. */
#include "double/support/gradient.h"
#include "rmfer/ops/concordance.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

static const double EXACT = 1e-12;

struct concordance_case {
    size_t n, dimensions;
    real *predicted, *truth, *room;
};

static double loss_value(void *setup)
{
    struct concordance_case *c = setup;
    return concordance_loss(c->n, c->dimensions, c->predicted, c->truth, 1, c->room);
}

/* The coefficient from raw sums, another way than the code's. */
static double by_definition(const struct concordance_case *c, size_t dimension)
{
    double n = 0, x = 0, y = 0, xx = 0, yy = 0, xy = 0;
    for (size_t i = 0; i < c->n; i++) {
        double p = (double)c->predicted[i * c->dimensions + dimension];
        double t = (double)c->truth[i * c->dimensions + dimension];
        if (isnan(t)) continue;
        n++, x += p, y += t, xx += p * p, yy += t * t, xy += p * t;
    }
    return 2 * (xy / n - x / n * y / n) / (xx / n + yy / n - 2 * x / n * y / n);
}

static void check_loss(struct workbench *bench)
{
    struct concordance_case c = {PICK(bench, 3, 8, 21), PICK(bench, 1, 2, 3), NULL, NULL, NULL};
    size_t count = c.n * c.dimensions, known = 0;
    c.predicted = workbench_normal(bench, count, 0.2, 0.7);
    c.truth = workbench_normal(bench, count, -0.1, 0.4);
    c.room = workbench_zeros(bench, count);
    for (size_t i = 2 * c.dimensions; i < count; i++) /* two rows of each dimension stay */
        if (workbench_below(bench, 4) == 0) c.truth[i] = (real)NAN;
    real *gradient = workbench_normal(bench, count, 0, 1);
    struct gradient_check check = {
        .operation = "concordance loss", .loss = loss_value, .setup = &c, .scale = 1.3, .samples = 12};
    double loss = concordance_loss(c.n, c.dimensions, c.predicted, c.truth, 1.3, gradient), mean = 0;
    for (size_t d = 0; d < c.dimensions; d++) {
        double defined = by_definition(&c, d);
        assert_true(fabs(concordance(c.n, c.dimensions, d, c.predicted, c.truth) - defined) < 1e-9);
        mean += defined / (double)c.dimensions;
    }
    assert_true(fabs(loss - (1 - mean)) < 1e-9);
    assert_gradient(bench, &check, "predicted", c.predicted, gradient, NULL, count);
    for (size_t i = 0; i < count; i++) {
        if (!isnan(c.truth[i])) known++;
        if (isnan(c.truth[i])) assert_true(gradient[i] == 0);
    }
    assert_true(known >= 2 * c.dimensions);
}

static void test_loss(void **state)
{
    (void)state;
    workbench_trials(check_loss, 2600, 40);
}

static void test_what_is_known_of_the_coefficient(void **state)
{
    (void)state;
    const real truth[4] = {(real)-0.5, 0, (real)0.25, (real)0.75};
    real equal[4], opposite[4], shifted[4], stretched[4];
    for (size_t i = 0; i < 4; i++) {
        equal[i] = truth[i];
        opposite[i] = (real)0.25 - truth[i]; /* about the truth's mean, 0.125 */
        shifted[i] = truth[i] + 1;
        stretched[i] = (real)0.125 + 2 * (truth[i] - (real)0.125);
    }
    double variance = (0.625 * 0.625 + 0.125 * 0.125 + 0.125 * 0.125 + 0.625 * 0.625) / 4;
    assert_true(fabs(concordance(4, 1, 0, equal, truth) - 1) < EXACT);
    assert_true(fabs(concordance(4, 1, 0, opposite, truth) + 1) < EXACT);
    assert_true(fabs(concordance(4, 1, 0, shifted, truth) - 2 * variance / (2 * variance + 1)) < EXACT);
    assert_true(fabs(concordance(4, 1, 0, stretched, truth) - 0.8) < EXACT); /* 2 * 2 / (4 + 1) */
}

/* One row, equal truths, no truth: no coefficient, no loss, no gradient; the other dimension counts alone. */
static void test_nothing_can_be_said(void **state)
{
    (void)state;
    const real none = (real)NAN, predicted[6] = {(real)0.1, (real)0.9, (real)0.4, (real)-0.3, (real)0.2, (real)0.5};
    const real one_row[6] = {(real)0.3, none, none, none, none, none};
    const real equal[6] = {(real)0.1, none, (real)0.1, none, (real)0.1, none};
    const real second[6] = {(real)0.1, (real)0.8, (real)0.1, (real)-0.6, (real)0.1, (real)0.1};
    const real constant[6] = {(real)0.5, (real)0.5, (real)0.5, (real)0.5, (real)0.5, (real)0.5};
    real gradient[6] = {1, 1, 1, 1, 1, 1};
    assert_true(isnan(concordance(3, 2, 0, predicted, one_row)) && isnan(concordance(3, 2, 1, predicted, one_row)));
    assert_true(isnan(concordance(3, 2, 0, predicted, equal)) && isnan(concordance(0, 2, 0, predicted, equal)));
    assert_true(concordance_loss(3, 2, predicted, one_row, 1, gradient) == 0);
    for (size_t i = 0; i < 6; i++) assert_true(gradient[i] == 0);
    double alone = concordance(3, 2, 1, predicted, second),
           loss = concordance_loss(3, 2, predicted, second, 1, gradient);
    assert_true(fabs(loss - (1 - alone)) < EXACT && gradient[0] == 0 && gradient[1] != 0);
    /* What is predicted does not vary: the coefficient is 0, and the gradient moves towards the truths. */
    assert_true(concordance(3, 2, 1, constant, second) == 0);
    (void)concordance_loss(3, 2, constant, second, 1, gradient);
    assert_true(gradient[1] < 0 && gradient[3] > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_loss),
        cmocka_unit_test(test_what_is_known_of_the_coefficient),
        cmocka_unit_test(test_nothing_can_be_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
