/* Student's distribution against values in closed form, and the paired t-test by hand. */
#include "plot/paired_test.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void equals_closed_forms(void **state)
{
    (void)state;
    const double pi = acos(-1.0), ts[] = {0.1, 1, 2, 7.5, 60};
    for (size_t i = 0; i < sizeof ts / sizeof ts[0]; i++) {
        double t = ts[i], cauchy = 1 - 2 * atan(t) / pi, two = 1 - t / sqrt(t * t + 2);
        assert_true(fabs(student_two_sided(t, 1) - cauchy) < 1e-10);
        assert_true(fabs(student_two_sided(-t, 1) - cauchy) < 1e-10);
        assert_true(fabs(student_two_sided(t, 2) - two) < 1e-10);
        double angle = atan(t / sqrt(3)), three = 1 - 2 / pi * (angle + sin(angle) * cos(angle));
        assert_true(fabs(student_two_sided(t, 3) - three) < 1e-10);
    }
    assert_true(fabs(student_two_sided(0, 5) - 1) < 1e-12);
    /* Many degrees of freedom: the normal distribution. */
    assert_true(fabs(student_two_sided(1.959963984540054, 1e7) - 0.05) < 1e-6);
}

static void inverts(void **state)
{
    (void)state;
    for (double freedom = 1; freedom < 1e7; freedom *= 7)
        for (double p = 1e-6; p < 1; p += 0.17) {
            double t = student_quantile(p, freedom);
            assert_true(t > 0 && fabs(student_two_sided(t, freedom) / p - 1) < 1e-8);
        }
}

static void tests_pairs(void **state)
{
    (void)state;
    const double first[3] = {60, 62, 61}, second[3] = {61, 64, 64};
    struct paired_test test = paired_t_test(first, second, 3); /* differences 1, 2, 3: t = 2 / (1 / sqrt 3) */
    assert_true(fabs(test.mean - 2) < 1e-12);
    double t = 2 * sqrt(3);
    assert_true(fabs(test.p - (1 - t / sqrt(t * t + 2))) < 1e-10);
    double reach = sqrt(1.805) / 0.3122498999199199 / sqrt(3); /* t with P = .05: t / sqrt(t^2 + 2) = .95 */
    assert_true(fabs(test.limits[0] - (2 - reach)) < 1e-9 && fabs(test.limits[1] - (2 + reach)) < 1e-9);
    test = paired_t_test(second, first, 3);
    assert_true(fabs(test.mean + 2) < 1e-12);
}

static void bears_few_and_equal_pairs(void **state)
{
    (void)state;
    const double first[2] = {1, 2}, raised[2] = {2, 3};
    assert_true(isnan(paired_t_test(first, raised, 1).p));
    assert_true(isnan(paired_t_test(first, raised, 0).p));
    assert_true(isnan(paired_t_test(first, raised, 2).p) && isnan(paired_t_test(first, raised, 2).limits[0]));
    assert_true(isnan(paired_t_test(first, first, 2).p));
    assert_true(fabs(paired_t_test(first, raised, 2).mean - 1) < 1e-12);
}

/* Accuracies of counts: one picture more of 3,555 in each run is the same difference, though not to the last bit. */
static void takes_no_rounding_for_spread(void **state)
{
    (void)state;
    const double all = 3555, first[3] = {100 * (2400 / all), 100 * (2412 / all), 100 * (2461 / all)};
    const double equal[3] = {100 * (2401 / all), 100 * (2413 / all), 100 * (2462 / all)};
    const double spread[3] = {100 * (2401 / all), 100 * (2414 / all), 100 * (2462 / all)};
    assert_true(equal[0] - first[0] < equal[1] - first[1] || equal[0] - first[0] > equal[1] - first[1]);
    for (size_t n = 2; n <= 3; n++) {
        struct paired_test test = paired_t_test(first, equal, n);
        assert_true(isnan(test.p) && isnan(test.limits[0]) && isnan(test.limits[1]));
        assert_true(fabs(test.mean - 100 / all) < 1e-12);
        assert_true(!isnan(paired_t_test(first, spread, n).p));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equals_closed_forms),
        cmocka_unit_test(inverts),
        cmocka_unit_test(tests_pairs),
        cmocka_unit_test(bears_few_and_equal_pairs),
        cmocka_unit_test(takes_no_rounding_for_spread),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
