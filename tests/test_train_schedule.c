/* Learning-rate schedules at the steps where something changes. */
#include "rmfer/train/schedule.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void assert_near(double actual, double expected)
{
    if (!(fabs(actual - expected) <= 1e-12)) fail_msg("%.17g is not %.17g", actual, expected);
}

static struct config_train settings(enum config_schedule kind)
{
    return (struct config_train){.schedule = kind, .epochs = 10, .lr_min = 0.1, .step_epochs = 2.5, .step_gamma = 0.5};
}

static void test_constant(void **state)
{
    (void)state;
    struct config_train train = settings(SCHEDULE_CONSTANT);
    struct schedule schedule = schedule_of(&train, 100);
    assert_near(schedule_factor(&schedule, 0), 1);
    assert_near(schedule_factor(&schedule, 100000), 1);
}

static void test_warmup_rises_by_equal_amounts(void **state)
{
    (void)state;
    struct config_train train = settings(SCHEDULE_CONSTANT);
    train.lr_warmup_epochs = 0.04;
    struct schedule schedule = schedule_of(&train, 100);
    for (uint64_t step = 0; step < 5; step++) assert_near(schedule_factor(&schedule, step), (double)(step + 1) / 5);
    assert_near(schedule_factor(&schedule, 5), 1);
}

static void test_cosine_goes_from_one_to_the_least(void **state)
{
    (void)state;
    struct config_train train = settings(SCHEDULE_COSINE);
    train.lr_warmup_epochs = 1;
    struct schedule schedule = schedule_of(&train, 100);
    assert_near(schedule_factor(&schedule, 99), 100.0 / 101);
    assert_near(schedule_factor(&schedule, 100), 1);
    assert_near(schedule_factor(&schedule, 550), 0.55); /* half way between 1 and 0.1 */
    assert_near(schedule_factor(&schedule, 400), 0.1 + 0.9 * (1 + cos(acos(-1) / 3)) / 2);
    assert_near(schedule_factor(&schedule, 1000), 0.1);
    assert_near(schedule_factor(&schedule, 5000), 0.1);
}

static void test_cosine_ends_with_max_steps(void **state)
{
    (void)state;
    struct config_train train = settings(SCHEDULE_COSINE);
    train.max_steps = 40;
    train.lr_min = 0;
    struct schedule schedule = schedule_of(&train, 100);
    assert_near(schedule_factor(&schedule, 20), 0.5);
    assert_near(schedule_factor(&schedule, 40), 0);
}

static void test_step_reduces_at_each_multiple(void **state)
{
    (void)state;
    struct config_train train = settings(SCHEDULE_STEP);
    struct schedule schedule = schedule_of(&train, 100);
    assert_near(schedule_factor(&schedule, 249), 1);
    assert_near(schedule_factor(&schedule, 250), 0.5);
    assert_near(schedule_factor(&schedule, 499), 0.5);
    assert_near(schedule_factor(&schedule, 500), 0.25);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_constant),
        cmocka_unit_test(test_warmup_rises_by_equal_amounts),
        cmocka_unit_test(test_cosine_goes_from_one_to_the_least),
        cmocka_unit_test(test_cosine_ends_with_max_steps),
        cmocka_unit_test(test_step_reduces_at_each_multiple),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
