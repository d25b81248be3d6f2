/* How far two outputs of a kernel are apart: beside the largest number, and never as if they agreed where one is none.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "cmd/bench_kernels.h"

#include <math.h>

static void test_differences(void **state)
{
    (void)state;
    const real a[] = {1, -4, 2}, b[] = {1, -4, 1}, zeros[] = {0, 0, 0};
    assert_true(bench_kernels_difference(a, a, 3) == 0);
    assert_true(bench_kernels_difference(a, b, 3) == 0.25);
    assert_true(bench_kernels_difference(a, zeros, 3) == 4);
}

static void test_numbers_that_are_none(void **state)
{
    (void)state;
    const real numbers[] = {1, -4, 2}, all[] = {NAN, NAN, NAN}, one[] = {1, NAN, 2}, endless[] = {1, -4, INFINITY};
    assert_true(isinf(bench_kernels_difference(all, numbers, 3)));
    assert_true(isinf(bench_kernels_difference(one, numbers, 3)));
    assert_true(isinf(bench_kernels_difference(numbers, one, 3)));
    assert_true(isinf(bench_kernels_difference(all, all, 3)));
    assert_true(isinf(bench_kernels_difference(numbers, endless, 3)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_differences),
        cmocka_unit_test(test_numbers_that_are_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
