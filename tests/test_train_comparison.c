/* The paired comparison against closed forms: McNemar's two tests, and the bootstrap against the normal interval it
 * tends to. */
#include "rmfer/train/comparison.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static void assert_near(double actual, double expected, double bound)
{
    if (!(fabs(actual - expected) <= bound)) fail_msg("%.17g is not %.17g", actual, expected);
}

enum { MOST = 1200 };

/* One class; the first `both` pictures are right for both, then those for one alone, then those for neither. */
static struct comparison compare(int both, int only_first, int only_second, int neither, uint64_t seed)
{
    int32_t labels[MOST] = {0};
    bool first[MOST] = {0}, second[MOST] = {0};
    int n = both + only_first + only_second + neither;
    for (int i = 0; i < both + only_first; i++) first[i] = true;
    for (int i = 0; i < both; i++) second[i] = true;
    for (int i = both + only_first; i < both + only_first + only_second; i++) second[i] = true;
    struct paired_rows rows = {labels, first, second, (size_t)n, 1};
    struct comparison comparison;
    struct error err = {0};
    assert_int_equal(comparison_run(&comparison, &rows, seed, &err), STATUS_OK);
    assert_int_equal(comparison.both_right, both);
    assert_int_equal(comparison.only_first_right, only_first);
    assert_int_equal(comparison.only_second_right, only_second);
    assert_int_equal(comparison.neither_right, neither);
    return comparison;
}

static void test_mcnemar_exactly(void **state)
{
    (void)state;
    struct comparison c = compare(3, 1, 9, 2, 0);
    assert_true(c.is_exact && isnan(c.statistic));
    assert_near(c.p, 2 * (1 + 10) / 1024.0, 1e-15);
    assert_near(compare(0, 9, 1, 0, 0).p, c.p, 1e-15);
    assert_near(compare(0, 0, 24, 0, 0).p, 2 * pow(0.5, 24), 1e-20);
    assert_near(compare(5, 4, 4, 0, 0).p, 1, 0); /* 2 P > 1 */
    assert_near(compare(5, 0, 0, 1, 0).p, 1, 0);
}

static void test_mcnemar_with_continuity_correction(void **state)
{
    (void)state;
    struct comparison c = compare(101, 121, 59, 33, 0); /* (62 - 1)^2 / 180; p by Python's math.erfc */
    assert_false(c.is_exact);
    assert_near(c.statistic, 3721 / 180.0, 1e-12);
    assert_near(c.p, 5.450094825427117e-06, 1e-15);
    c = compare(0, 13, 12, 0, 0);
    assert_false(c.is_exact);
    assert_near(c.statistic, 0, 0);
    assert_near(c.p, 1, 0);
    c = compare(0, 13, 13, 0, 0); /* no difference is not made one by the correction */
    assert_near(c.p, 1, 0);
}

/* A picture's gain has mean d and variance (b + c) / n - d^2. */
static void test_the_bootstrap_tends_to_the_normal_interval(void **state)
{
    (void)state;
    struct comparison c = compare(700, 60, 100, 140, 7);
    double d = 40 / 1000.0, reach = 1.959964 * sqrt((160 / 1000.0 - d * d) / 1000);
    assert_near(c.overall_difference, d, 1e-15);
    assert_near(c.overall_interval.low, d - reach, 0.06 * reach);
    assert_near(c.overall_interval.high, d + reach, 0.06 * reach);
    assert_near(c.average_interval.low, c.overall_interval.low, 1e-12);
    struct comparison again = compare(700, 60, 100, 140, 7), other = compare(700, 60, 100, 140, 8);
    assert_memory_equal(&again.overall_interval, &c.overall_interval, sizeof c.overall_interval);
    assert_true(memcmp(&other.overall_interval, &c.overall_interval, sizeof c.overall_interval) != 0);
    struct comparison turned = compare(700, 100, 60, 140, 7);
    assert_near(turned.overall_interval.low, -c.overall_interval.high, 0.06 * reach);
}

static void test_ends(void **state)
{
    (void)state;
    struct comparison c = compare(5, 0, 0, 3, 1);
    assert_near(c.overall_interval.low, 0, 0);
    assert_near(c.overall_interval.high, 0, 0);
    c = compare(0, 0, 1, 0, 1); /* one picture */
    assert_near(c.overall_difference, 1, 0);
    assert_near(c.overall_interval.low, 1, 0);
    c = compare(0, 0, 0, 0, 1); /* none */
    assert_true(isnan(c.overall_difference) && isnan(c.average_interval.high) && isnan(c.p));
}

/* 90 pictures of class 0, where nobody is better, 10 of class 2, where the second has 5 more; none of class 1. */
static void test_the_average_is_over_classes(void **state)
{
    (void)state;
    int32_t labels[100];
    bool first[100] = {0}, second[100] = {0};
    for (int i = 0; i < 100; i++) labels[i] = i < 90 ? 0 : 2;
    for (int i = 90; i < 95; i++) second[i] = true;
    struct paired_rows rows = {labels, first, second, 100, 3};
    struct comparison c;
    struct error err = {0};
    assert_int_equal(comparison_run(&c, &rows, 3, &err), STATUS_OK);
    assert_near(c.overall_difference, 0.05, 1e-15);
    assert_near(c.average_difference, 0.25, 1e-15);
    assert_near(c.overall_interval.low, 0.01, 0.011);
    assert_near(c.overall_interval.high, 0.10, 0.011);
    assert_true(c.average_interval.low > 0.05 && c.average_interval.low < 0.15);
    assert_true(c.average_interval.high > 0.35 && c.average_interval.high < 0.45);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_mcnemar_exactly),
        cmocka_unit_test(test_mcnemar_with_continuity_correction),
        cmocka_unit_test(test_the_bootstrap_tends_to_the_normal_interval),
        cmocka_unit_test(test_ends),
        cmocka_unit_test(test_the_average_is_over_classes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
