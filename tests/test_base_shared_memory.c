/* Memory that processes share: found and written by another that has the key, refused to one whose key is wrong, and
 * not to be cut short under those that have mapped it. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "rmfer/base/shared_memory.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

enum { BYTES = 1 << 16 };

static void test_another_sees_what_one_writes(void **state)
{
    (void)state;
    struct shared_memory one, other;
    struct shared_memory_key key;
    struct error err = {0};
    assert_int_equal(shared_memory_create(&one, &key, BYTES, BYTES, &err), STATUS_OK);
    assert_int_equal(shared_memory_join(&other, &key, &err), STATUS_OK);
    strcpy((char *)one.base + SHARED_MEMORY_HEAD, "seen");
    assert_string_equal((char *)other.base + SHARED_MEMORY_HEAD, "seen");
    shared_memory_free(&other);
    key.token ^= 1;
    assert_int_equal(shared_memory_join(&other, &key, &err), STATUS_FAILED);
    assert_non_null(strstr(err.message, "is not the memory that processes share"));
    shared_memory_free(&one);
}

static void test_nobody_cuts_it_short(void **state)
{
    (void)state;
    struct shared_memory memory;
    struct shared_memory_key key;
    struct error err = {0};
    struct stat facts;
    char path[64];
    assert_int_equal(shared_memory_create(&memory, &key, BYTES, BYTES / 2, &err), STATUS_OK);
    snprintf(path, sizeof path, "/proc/self/fd/%lld", (long long)key.file);
    int again = open(path, O_RDWR | O_CLOEXEC);
    assert_true(again >= 0);
    assert_int_equal(ftruncate(again, 0), -1);
    assert_int_equal(errno, EPERM);
    assert_true(shared_memory_reserve(&memory, BYTES / 2, BYTES / 2)); /* it still grows */
    assert_int_equal(fstat(again, &facts), 0);
    assert_int_equal(facts.st_size, BYTES);
    close(again);
    shared_memory_free(&memory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_another_sees_what_one_writes),
        cmocka_unit_test(test_nobody_cuts_it_short),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
