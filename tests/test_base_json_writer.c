/* JSON with its commas, escapes and numbers that read back the same. */
#include "rmfer/base/json_writer.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void test_json_is_written_with_its_commas(void **state)
{
    (void)state;
    struct text out = {0};
    struct error err = {0};
    struct json_writer json = json_writer(&out, &err);
    json_open(&json, '{');
    json_string_member(&json, "a \"quoted\" name", "tab\tback\\slash");
    json_integer_member(&json, "n", -12);
    json_real_member(&json, "x", 0.1);
    json_real_member(&json, "float", (double)0.1f);
    json_real_member(&json, "nothing", NAN);
    json_name(&json, "list");
    json_open(&json, '[');
    json_open(&json, '[');
    json_close(&json, ']');
    json_integer(&json, 1);
    json_real(&json, 1e300);
    json_close(&json, ']');
    json_real_member(&json, "last", -INFINITY);
    json_close(&json, '}');
    json_open(&json, '[');
    json_single(&json, 0.1f);
    json_single(&json, 16777217.0f / 3);
    json_single(&json, INFINITY);
    json_close(&json, ']');
    assert_int_equal(json.result, STATUS_OK);
    assert_string_equal(out.bytes, "{\"a \\\"quoted\\\" name\": \"tab\\u0009back\\\\slash\", \"n\": -12, \"x\": 0.1, "
                                   "\"float\": 0.10000000149011612, \"nothing\": null, \"list\": [[], 1, 1e+300], "
                                   "\"last\": null}, [0.1, 5592405.5, null]");
    text_free(&out);
}

/* Control characters are escaped as what they are, in one byte or two; what is no UTF-8 is nothing that JSON has. */
static void test_characters_of_a_string(void **state)
{
    (void)state;
    struct text out = {0};
    struct error err = {0};
    struct json_writer json = json_writer(&out, &err);
    json_string(&json, "\x1b \x7f \xc2\x9b \xc3\xa4 \xff");
    assert_int_equal(json.result, STATUS_OK);
    assert_string_equal(out.bytes, "\"\\u001b \\u007f \\u009b \xc3\xa4 \\ufffd\"");
    text_free(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_json_is_written_with_its_commas),
        cmocka_unit_test(test_characters_of_a_string),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
