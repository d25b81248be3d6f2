/* Errors: the first message wins, callers add context, long messages are cut. */
#include "rmfer/base/error.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void test_the_first_message_wins(void **state)
{
    (void)state;
    struct error err = {0};
    assert_int_equal(error_set(&err, "row %d is %s", 7, "short"), STATUS_FAILED);
    assert_int_equal(error_set_usage(&err, "something later"), STATUS_FAILED);
    assert_string_equal(err.message, "row 7 is short");
    assert_int_equal(error_add_context(&err, "train.csv:%d", 18), STATUS_FAILED);
    assert_string_equal(err.message, "train.csv:18: row 7 is short");
    error_clear(&err);
    assert_int_equal(err.code, STATUS_OK);
    assert_int_equal(error_add_context(&err, "nothing happened"), STATUS_OK);
    assert_string_equal(err.message, "");
    assert_int_equal(error_set_usage(&err, "a wrong key"), STATUS_USAGE);
    assert_int_equal(error_add_context(&err, "a.ini:1"), STATUS_USAGE);
    error_clear(&err);
    errno = ENOENT;
    assert_int_equal(error_set_errno(&err, "%s", "a.png"), STATUS_FAILED);
    assert_string_equal(err.message, "a.png: No such file or directory");
}

static void test_errors_without_a_place_to_go(void **state)
{
    (void)state;
    assert_int_equal(error_set(NULL, "x"), STATUS_FAILED);
    assert_int_equal(error_set_usage(NULL, "x"), STATUS_USAGE);
    assert_int_equal(error_set_errno(NULL, "x"), STATUS_FAILED);
    assert_int_equal(error_add_context(NULL, "x"), STATUS_FAILED);
}

static void test_long_messages_are_cut(void **state)
{
    (void)state;
    char longer[3 * ERROR_MESSAGE_BYTES];
    struct error err = {0};
    memset(longer, 'x', sizeof longer);
    longer[sizeof longer - 1] = '\0';
    error_set(&err, "%s", longer);
    assert_int_equal(strlen(err.message), ERROR_MESSAGE_BYTES - 1);
    error_add_context(&err, "a.csv:3");
    assert_int_equal(strlen(err.message), ERROR_MESSAGE_BYTES - 1);
    assert_memory_equal(err.message, "a.csv:3: xxx", 12);
    error_add_context(&err, "%s", longer);
    errno = EIO;
    error_clear(&err);
    error_set_errno(&err, "%s", longer);
    assert_int_equal(strlen(err.message), ERROR_MESSAGE_BYTES - 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_first_message_wins),
        cmocka_unit_test(test_errors_without_a_place_to_go),
        cmocka_unit_test(test_long_messages_are_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
