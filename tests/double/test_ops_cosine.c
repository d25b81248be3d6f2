/* Unit rows by central differences; a row of zeros. */
#include "double/support/gradient.h"
#include "rmfer/ops/cosine.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

static const double EXACT = 1e-11;

struct unit_case {
    size_t n, d;
    real *z, *unit, *norm, *out_weights;
};

static double unit_loss(void *setup)
{
    struct unit_case *c = setup;
    unit_rows_forward(c->n, c->d, c->z, c->unit, c->norm);
    return weighted_sum(c->unit, c->out_weights, c->n * c->d);
}

static void check_unit_rows(struct workbench *bench)
{
    struct unit_case c = {.n = PICK(bench, 1, 3), .d = PICK(bench, 1, 2, 7, 32)};
    size_t count = c.n * c.d;
    c.z = workbench_normal(bench, count, 0.5, 1);
    c.unit = workbench_zeros(bench, count);
    c.norm = workbench_zeros(bench, c.n);
    c.out_weights = workbench_normal(bench, count, 0, 1);
    real *dz = workbench_normal(bench, count, 0, 1);
    struct gradient_check check = {.operation = "unit rows", .loss = unit_loss, .setup = &c};
    unit_loss(&c);
    for (size_t i = 0; i < c.n; i++)
        assert_true(fabs(weighted_sum(c.unit + i * c.d, c.unit + i * c.d, c.d) - 1) < EXACT);
    unit_rows_backward(c.n, c.d, c.unit, c.norm, c.out_weights, dz);
    assert_gradient(bench, &check, "z", c.z, dz, NULL, count);
}

/* A row of zeros is guarded, not divided by. */
static void test_unit_rows_of_nothing(void **state)
{
    (void)state;
    real z[2] = {0, 0}, unit[2], norm[1], dunit[2] = {1, 2}, dz[2];
    unit_rows_forward(1, 2, z, unit, norm);
    assert_true(unit[0] == 0 && unit[1] == 0 && norm[0] == 1e-8);
    unit_rows_backward(1, 2, unit, norm, dunit, dz);
    assert_true(fabs(dz[0] - 1e8) < 1 && fabs(dz[1] - 2e8) < 1);
}

static void test_unit_rows(void **state)
{
    (void)state;
    workbench_trials(check_unit_rows, 1000, 40);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_unit_rows_of_nothing),
        cmocka_unit_test(test_unit_rows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
