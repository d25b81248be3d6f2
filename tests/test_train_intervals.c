/* Wilson's interval against its definition and NumPy, and the interval of the average accuracy by hand. */
#include "rmfer/train/intervals.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void assert_near(double actual, double expected)
{
    if (!(fabs(actual - expected) <= 1e-12)) fail_msg("%.17g is not %.17g", actual, expected);
}

static void test_wilson_is_numpys(void **state)
{
    (void)state;
    static const struct {
        double successes, n, low, high;
    } known[] = {{8, 10, 0.490162471536642, 0.943317848545625},
                 {0, 10, 0, 0.277532799862889},
                 {10, 10, 0.722467200137111, 1},
                 {1, 3, 0.0614919447203962, 0.792340399197952},
                 {2772, 3191, 0.856530328253479, 0.879969441869248}};
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        struct interval interval = wilson_interval(known[i].successes, known[i].n);
        assert_near(interval.low, known[i].low);
        assert_near(interval.high, known[i].high);
    }
}

/* The limits are the shares q whose own normal interval just reaches the share p that was seen:
 * (p - q)^2 = z^2 q (1 - q) / n. */
static void test_wilson_solves_its_equation(void **state)
{
    (void)state;
    for (int n = 1; n < 200; n += 7)
        for (int k = 0; k <= n; k += 3) {
            struct interval interval = wilson_interval(k, n);
            double p = (double)k / n, z2 = 1.959963984540054 * 1.959963984540054;
            assert_near((p - interval.low) * (p - interval.low), z2 * interval.low * (1 - interval.low) / n);
            assert_near((p - interval.high) * (p - interval.high), z2 * interval.high * (1 - interval.high) / n);
            assert_true(interval.low <= p && p <= interval.high);
        }
    assert_true(isnan(wilson_interval(0, 0).low) && isnan(wilson_interval(0, 0).high));
}

static void add(struct confusion *confusion, size_t truth, size_t guess, int times)
{
    for (int i = 0; i < times; i++) confusion_add(confusion, truth, guess);
}

static void test_the_average_adds_the_classes_distances_up(void **state)
{
    (void)state;
    struct confusion confusion;
    struct error err = {0};
    assert_int_equal(confusion_init(&confusion, 3, &err), STATUS_OK);
    struct interval average = confusion_average_interval(&confusion);
    assert_true(isnan(average.low) && isnan(average.high));
    assert_true(isnan(confusion_overall_interval(&confusion).low));
    add(&confusion, 0, 0, 8);
    add(&confusion, 0, 1, 2);
    average = confusion_average_interval(&confusion); /* one class: Wilson's own */
    assert_near(average.low, 0.490162471536642);
    assert_near(average.high, 0.943317848545625);
    assert_true(isnan(confusion_recall_interval(&confusion, 1).high));
    add(&confusion, 2, 2, 1);
    add(&confusion, 2, 0, 2);
    average = confusion_average_interval(&confusion);
    double mean = (0.8 + 1.0 / 3) / 2;
    double below = hypot(0.8 - 0.490162471536642, 1.0 / 3 - 0.0614919447203962) / 2;
    double above = hypot(0.943317848545625 - 0.8, 0.792340399197952 - 1.0 / 3) / 2;
    assert_near(average.low, mean - below);
    assert_near(average.high, mean + above);
    struct interval overall = confusion_overall_interval(&confusion);
    assert_near(overall.low, wilson_interval(9, 13).low);
    confusion_free(&confusion);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_wilson_is_numpys),
        cmocka_unit_test(test_wilson_solves_its_equation),
        cmocka_unit_test(test_the_average_adds_the_classes_distances_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
