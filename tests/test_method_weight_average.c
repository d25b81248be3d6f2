/* The moving average of the weights: its decay while it is young, and that a decay near 1 still moves it. */
#include "rmfer/method/weight_average.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void test_the_average_forgets_its_start_soon(void **state)
{
    (void)state;
    assert_true(fabs(weight_average_decay(0.999, 1) - 2.0 / 11) < 1e-12);
    assert_true(fabs(weight_average_decay(0.999, 90) - 0.91) < 1e-12);
    assert_true(fabs(weight_average_decay(0.999, 1000000) - 0.999) < 1e-12);
}

/* In float a step's share of .00001 * .001 is below the rounding of a number near 1: the average would stay at .999.
 */
static void test_the_average_does_not_stall(void **state)
{
    (void)state;
    enum { UPDATES = 20000 };
    struct error err = {0};
    struct parameters parameters = {0};
    struct weight_average average;
    static const struct parameter weight = {.name = "weight", .shape = {30}, .rank = 1, .group = GROUP_FER};
    assert_int_equal(parameters_add(&parameters, weight, NULL, &err), STATUS_OK);
    assert_int_equal(parameters_allocate(&parameters, &err), STATUS_OK);
    real *values = parameters_write(&parameters, GROUP_FER);
    for (size_t i = 0; i < parameters.value_count; i++) values[i] = (real)0.999;
    assert_int_equal(weight_average_init(&average, &parameters, &err), STATUS_OK);
    values = parameters_write(&parameters, GROUP_FER);
    for (size_t i = 0; i < parameters.value_count; i++) values[i] = 1;
    for (int i = 0; i < UPDATES; i++) weight_average_update(&average, &parameters, 0.99999);
    double expected = 1 - (1 - (double)(real)0.999) * exp(UPDATES * log(0.99999));
    assert_true(fabs(average.values[0] - expected) < 1e-9);
    assert_true(fabs((double)average.rounded_values[0] - expected) < 1e-7);
    weight_average_free(&average);
    parameters_free(&parameters);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_average_forgets_its_start_soon),
        cmocka_unit_test(test_the_average_does_not_stall),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
