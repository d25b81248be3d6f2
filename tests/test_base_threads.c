/* Work is shared out evenly among threads. */
#include "rmfer/base/threads.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

static void test_sharing_work(void **state)
{
    (void)state;
    for (size_t count = 0; count < 40; count++)
        for (int workers = 1; workers < 12; workers++) {
            size_t next = 0, least = SIZE_MAX, most = 0;
            for (int i = 0; i < workers; i++) {
                struct range mine = threads_share(count, i, workers);
                assert_int_equal(mine.begin, next);
                assert_true(mine.end >= mine.begin);
                size_t size = mine.end - mine.begin;
                if (size < least) least = size;
                if (size > most) most = size;
                next = mine.end;
            }
            assert_int_equal(next, count);
            assert_true(most - least <= 1);
        }
    assert_true(threads_available() >= 1);
    threads_set(3);
    assert_true(threads_get() == 3 || getenv("OMP_THREAD_LIMIT") != NULL);
    threads_set(0);
    assert_int_equal(threads_get(), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sharing_work),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
