/* Attention with its three masks by central differences and by its formula. */
#include "double/support/gradient.h"
#include "rmfer/ops/attention.h"
#include "rmfer/ops/cosine.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

static const double EXACT = 1e-11;

struct attention_case {
    struct workbench *bench;
    struct attention setup;
    real *unit, *features, *weights, *mixed, *out_weights, *feature_weights;
};

/* Features count in their own right too, as they do for f_FER. */
static double attention_loss(void *setup)
{
    struct attention_case *c = setup;
    size_t count = c->setup.n * c->setup.d;
    attention_forward(&c->setup, c->unit, c->features, c->weights, c->mixed);
    return weighted_sum(c->mixed, c->out_weights, count) + weighted_sum(c->features, c->feature_weights, count);
}

static void assert_attention(const struct attention_case *c)
{
    size_t n = c->setup.n, d = c->setup.d;
    real *wanted = workbench_zeros(c->bench, n * n);
    for (size_t i = 0; i < n; i++) {
        double total = 0;
        for (size_t j = 0; j < n; j++) {
            double s = weighted_sum(c->unit + i * d, c->unit + j * d, d);
            if (i == j) s = c->setup.mask == ATTENTION_LITERAL ? 1e-6 : 1;
            double e = i == j && c->setup.mask == ATTENTION_EXCLUDE ? 0 : exp(s / c->setup.temperature);
            wanted[i * n + j] = (real)e;
            total += e;
        }
        for (size_t j = 0; j < n; j++) wanted[i * n + j] /= (real)total;
        if (c->setup.mask == ATTENTION_EXCLUDE) assert_true(c->weights[i * n + i] == 0);
    }
    assert_near("attention", wanted, c->weights, n * n, EXACT);
}

static void check_attention(struct workbench *bench)
{
    static const enum attention_mask masks[] = {ATTENTION_EXCLUDE, ATTENTION_LITERAL, ATTENTION_PLAIN};
    struct attention_case c = {.bench = bench};
    c.setup = (struct attention){.n = PICK(bench, 2, 3, 8), .d = PICK(bench, 1, 5, 17)};
    c.setup.temperature = workbench_below(bench, 2) ? 1 : 0.1;
    c.setup.mask = masks[workbench_below(bench, 3)];
    if (c.setup.mask != ATTENTION_EXCLUDE && workbench_below(bench, 4) == 0) c.setup.n = 1;
    size_t n = c.setup.n, count = n * c.setup.d;
    c.unit = workbench_normal(bench, count, 0, 0.4);
    c.features = workbench_normal(bench, count, 0, 1);
    c.weights = workbench_zeros(bench, n * n);
    c.mixed = workbench_zeros(bench, count);
    c.out_weights = workbench_normal(bench, count, 0, 1);
    c.feature_weights = workbench_normal(bench, count, 0, 1);
    struct gradient_check check = {.operation = "attention", .loss = attention_loss, .setup = &c};
    attention_loss(&c);
    real *dunit = workbench_normal(bench, count, 0, 1), *dfeatures = workbench_copy(bench, c.feature_weights, count);
    attention_backward(&c.setup, c.unit, c.features, c.weights, c.out_weights, dunit, dfeatures,
                       workbench_normal(bench, n * n, 0, 1));
    assert_gradient(bench, &check, "unit rows", c.unit, dunit, NULL, count);
    assert_gradient(bench, &check, "features", c.features, dfeatures, NULL, count);
    attention_loss(&c);
    assert_attention(&c);
}

static void test_attention(void **state)
{
    (void)state;
    workbench_trials(check_attention, 1000, 40);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_attention),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
