/* Dropout: how much is dropped, what stays, and the same key giving the same draw. */
#include "double/support/gradient.h"
#include "rmfer/ops/dropout.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

/* The share that is dropped, the factor of what stays, and the same key giving the same draw. */
static void test_dropout_factors(void **state)
{
    (void)state;
    enum { COUNT = 20000 };
    static real factors[COUNT], again[COUNT];
    struct random_stream stream = random_stream(5, RANDOM_DROPOUT, 1, 0), other = stream;
    dropout_factors(&stream, 0.25, COUNT, factors);
    dropout_factors(&other, 0.25, COUNT, again);
    assert_memory_equal(factors, again, sizeof factors);
    int dropped = 0;
    for (int i = 0; i < COUNT; i++) {
        dropped += factors[i] == 0;
        if (factors[i] != 0) assert_true(fabs((double)factors[i] - 4.0 / 3) < 1e-12);
    }
    /* Five standard deviations of a binomial draw. */
    assert_true(abs(dropped - COUNT / 4) < 5 * 62);
    dropout_factors(&stream, 0, COUNT, factors);
    for (int i = 0; i < COUNT; i++) assert_true(factors[i] == 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_dropout_factors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
