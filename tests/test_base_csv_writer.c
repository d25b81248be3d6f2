/* CSV with its commas and quotes, and a failure that is remembered. */
#include "rmfer/base/csv_writer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void test_fields_are_quoted_where_they_must_be(void **state)
{
    (void)state;
    struct text out = {0};
    struct error err = {0};
    struct csv_writer csv = csv_writer(&out, &err);
    csv_put_field(&csv, "plain");
    csv_put_field(&csv, "a,b");
    csv_put_field(&csv, "a \"quoted\" word");
    csv_put_field(&csv, "two\nlines");
    csv_put_name(&csv, "\x1b[31mred");
    csv_put_field(&csv, "");
    assert_int_equal(csv_end_row(&csv), STATUS_OK);
    csv_put_empty(&csv, 2);
    csv_put_integer(&csv, -12);
    csv_put_real(&csv, 6, 1.0 / 3);
    csv_put_empty(&csv, 1);
    assert_int_equal(csv_end_row(&csv), STATUS_OK);
    assert_string_equal(out.bytes,
                        "plain,\"a,b\",\"a \"\"quoted\"\" word\",\"two\nlines\",\\x1b[31mred,\n,,-12,0.333333,\n");
    text_free(&out);
}

static void test_the_first_failure_is_the_result(void **state)
{
    (void)state;
    struct text out = {0};
    struct error err = {0};
    struct csv_writer csv = csv_writer(&out, &err);
    csv.result = STATUS_FAILED;
    csv_put_field(&csv, "lost");
    assert_int_equal(csv_end_row(&csv), STATUS_FAILED);
    assert_string_equal(text_string(&out), "");
    text_free(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fields_are_quoted_where_they_must_be),
        cmocka_unit_test(test_the_first_failure_is_the_result),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
