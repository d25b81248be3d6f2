/* One JSON object and nothing behind it. */
#include "rmfer/base/json_reader.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static bool is_read(const char *text)
{
    cJSON *object = json_read_object(text, strlen(text));
    cJSON_Delete(object);
    return object != NULL;
}

static void test_one_object_and_blanks(void **state)
{
    (void)state;
    assert_true(is_read("{}") && is_read(" {\"a\": [1, {}]} \n\t") && is_read("{\r\n}\r\n"));
    static const char *const refused[] = {"", " ", "1", "[]", "null", "{", "{} {}", "{}x", "{\"a\": }", "{\"a\": 1"};
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) assert_false(is_read(refused[i]));
    assert_null(json_read_object("{}x", 1)); /* no further than told */
    cJSON *object = json_read_object("{}x", 2);
    assert_non_null(object);
    cJSON_Delete(object);
}

/* So deep that a reader which follows without a limit would run out of stack. */
static void test_depth_is_limited(void **state)
{
    (void)state;
    static char deep[200000];
    memset(deep, '[', sizeof deep);
    memcpy(deep, "{\"a\":", 5);
    assert_null(json_read_object(deep, sizeof deep));
}

static void test_numbers(void **state)
{
    (void)state;
    static const char text[] = "{\"a\": 0.5, \"b\": \"0.5\", \"c\": null}";
    cJSON *object = json_read_object(text, strlen(text));
    assert_non_null(object);
    assert_true(fabs(json_number(object, "a") - 0.5) < 1e-15);
    assert_true(isnan(json_number(object, "b")) && isnan(json_number(object, "c")) && isnan(json_number(object, "A")));
    cJSON_Delete(object);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_object_and_blanks),
        cmocka_unit_test(test_depth_is_limited),
        cmocka_unit_test(test_numbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
