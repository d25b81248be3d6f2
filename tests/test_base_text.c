/* Growing text, strict numbers, comparing, the nearest name, paths, printable text. */
#include "rmfer/base/memory.h"
#include "rmfer/base/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void test_growing_text(void **state)
{
    (void)state;
    struct text text = {0};
    assert_string_equal(text_string(&text), "");
    assert_int_equal(text_append(&text, NULL, 0, NULL), STATUS_OK);
    for (int i = 0; i < 1000; i++) assert_int_equal(text_append_format(&text, NULL, "%d,", i), STATUS_OK);
    assert_int_equal(text_append(&text, "end\0more", 8, NULL), STATUS_OK);
    assert_int_equal(text.length, 10 * 2 + 90 * 3 + 900 * 4 + 8);
    assert_memory_equal(text_string(&text), "0,1,2,", 6);
    assert_string_equal(text.bytes + text.length - 4, "more");
    text_free(&text);
    text_free(&text);
    memory_fail_after(1);
    struct error err = {0};
    assert_int_equal(text_append_format(&text, &err, "x"), STATUS_FAILED);
    memory_fail_after(0);
    assert_string_equal(text_string(&text), "");
}

static void test_strict_numbers(void **state)
{
    (void)state;
    int64_t whole = 0;
    double number = 0;
    assert_true(text_to_integer(" -12 ", &whole) && whole == -12);
    assert_true(text_to_integer("9223372036854775807", &whole) && whole == INT64_MAX);
    static const char *const not_whole[] = {"", " ", "12x", "1.0", "0x10", "9223372036854775808", "1 2", "-", "1e3"};
    for (size_t i = 0; i < sizeof not_whole / sizeof not_whole[0]; i++)
        assert_false(text_to_integer(not_whole[i], &whole));
    assert_int_equal(whole, INT64_MAX);
    assert_true(text_to_real(" 2.5e-3\n", &number) && number == 2.5e-3);
    assert_true(text_to_real("0e-999", &number) && number == 0);
    assert_true(text_to_real("1e-310", &number) && number > 0);
    assert_false(text_to_real("1e-400", &number)); /* would be 0 */
    assert_true(text_to_real("-7", &number) && number == -7);
    static const char *const not_real[] = {"", " ", "1.5x", "nan", "inf", "-infinity", "1e999", "1,5", ".", "--1"};
    for (size_t i = 0; i < sizeof not_real / sizeof not_real[0]; i++) assert_false(text_to_real(not_real[i], &number));
    assert_true(number == -7);
}

static void test_comparing_and_trimming(void **state)
{
    (void)state;
    char padded[] = " \t a b \r\n", blank[] = " \n", empty[] = "";
    assert_true(text_equal_ignoring_case("Happiness", "hAPPINESS"));
    assert_false(text_equal_ignoring_case("Happy", "Happiness"));
    assert_true(text_ends_with_ignoring_case("A.JPG", ".jpg"));
    assert_false(text_ends_with_ignoring_case("jpg", ".jpg"));
    assert_true(text_ends_with_ignoring_case("x", ""));
    assert_string_equal(text_trim(padded), "a b");
    assert_string_equal(text_trim(blank), "");
    assert_string_equal(text_trim(empty), "");
}

static void test_the_nearest_name(void **state)
{
    (void)state;
    static const char *const names[] = {"train", "eval", "predict", "export", "import"};
    assert_string_equal(text_nearest("trian", names, 5), "train");
    assert_string_equal(text_nearest("PREDICT", names, 5), "predict");
    assert_string_equal(text_nearest("inport", names, 5), "import");
    assert_string_equal(text_nearest("eva", names, 5), "eval");
    assert_null(text_nearest("zzzzzz", names, 5));
    assert_null(text_nearest("", names, 5));
    assert_null(text_nearest("train", names, 0));
    char longer[500];
    memset(longer, 'a', sizeof longer);
    longer[sizeof longer - 1] = '\0';
    assert_null(text_nearest(longer, names, 5));
}

static void test_paths(void **state)
{
    (void)state;
    static const char *const joined[][3] = {
        {"a", "b", "a/b"}, {"a/", "b", "a/b"}, {"", "b", "b"}, {"a", "/b", "/b"}, {"/", "b", "/b"}};
    for (size_t i = 0; i < sizeof joined / sizeof joined[0]; i++) {
        char *path = path_join(joined[i][0], joined[i][1], NULL);
        assert_string_equal(path, joined[i][2]);
        memory_free(path);
    }
    static const char *const parts[][3] = {
        {"a/b/c.txt", "a/b", "c.txt"}, {"c.txt", ".", "c.txt"}, {"/c", "/", "c"}, {"a/", "a", ""}};
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        char *folder = path_folder(parts[i][0], NULL);
        assert_string_equal(folder, parts[i][1]);
        assert_string_equal(path_name(parts[i][0]), parts[i][2]);
        memory_free(folder);
    }
}

/* Foreign names in messages must not steer the terminal: control bytes and what is no UTF-8 become question marks. */
static void test_characters(void **state)
{
    (void)state;
    assert_int_equal(text_characters(""), 0);
    assert_int_equal(text_characters("a\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80."), 5);
}

static void test_printable_text(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"plain", "plain"},
        {"tab\there\x1b[31m\x7f", "tab?here?[31m?"},
        {"\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80", "\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80"},
        {"cut \xc3", "cut ?"},
        {"cut \xe2\x82", "cut ??"},
        {"lone \x80 \xff", "lone ? ?"},
        {"two for one \xc0\xaf", "two for one ??"},
        {"three for one \xe0\x80\xaf", "three for one ???"},
        {"four for one \xf0\x80\x80\xaf", "four for one ????"},
        {"half a pair \xed\xa0\x80", "half a pair ???"},
        {"beyond \xf4\x90\x80\x80", "beyond ????"},
        {"control in two bytes \xc2\x9b", "control in two bytes ??"},
        {"", ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char text[64];
        snprintf(text, sizeof text, "%s", cases[i][0]);
        text_make_printable(text);
        assert_string_equal(text, cases[i][1]);
    }
}

/* What \xHH stands for, put in its place. */
static void unescape(const char *text, char *name)
{
    for (; *text != '\0'; name++) {
        unsigned byte;
        int used = 0;
        if (strncmp(text, "\\x", 2) == 0 && sscanf(text + 2, "%2x%n", &byte, &used) == 1 && used == 2) {
            *name = (char)byte;
            text += 4;
        } else {
            *name = *text++;
        }
    }
    *name = '\0';
}

/* A file's name can be had back from what is written of it, whatever its bytes. */
static void test_escaped_names(void **state)
{
    (void)state;
    static const struct {
        const char *name, *foreign, *control;
    } cases[] = {
        {"plain \xc3\xa4 \xf0\x9f\x98\x80.png", "plain \xc3\xa4 \xf0\x9f\x98\x80.png",
         "plain \xc3\xa4 \xf0\x9f\x98\x80.png"},
        {"caf\xe9.jpg", "caf\\xe9.jpg", "caf\\xe9.jpg"},
        {"\x1b[2J\x7f", "\x1b[2J\x7f", "\\x1b[2J\\x7f"},
        {"a\tb\nc\rd", "a\tb\nc\rd", "a\tb\nc\rd"},
        {"a\\b\\x", "a\\b\\x", "a\\b\\x"},
        {"a\\xe9", "a\\x5cxe9", "a\\x5cxe9"},
        {"\\\xff", "\\\\xff", "\\\\xff"},
        {"c1 \xc2\x9b", "c1 \xc2\x9b", "c1 \\xc2\\x9b"},
        {"half \xed\xa0\x80", "half \\xed\\xa0\\x80", "half \\xed\\xa0\\x80"},
        {"", "", ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct text foreign = {0}, control = {0};
        char back[64];
        assert_int_equal(text_append_escaped(&foreign, cases[i].name, TEXT_ESCAPE_FOREIGN, NULL), STATUS_OK);
        assert_int_equal(text_append_escaped(&control, cases[i].name, TEXT_ESCAPE_CONTROL, NULL), STATUS_OK);
        assert_string_equal(text_string(&foreign), cases[i].foreign);
        assert_string_equal(text_string(&control), cases[i].control);
        unescape(text_string(&foreign), back);
        assert_string_equal(back, cases[i].name);
        unescape(text_string(&control), back);
        assert_string_equal(back, cases[i].name);
        text_free(&foreign);
        text_free(&control);
    }
}

/* Digits by their value, however many; everything else by its bytes. */
static void test_natural_order(void **state)
{
    (void)state;
    static const char *const ordered[] = {"",
                                          "01.jpg",
                                          "1.jpg",
                                          "2.jpg",
                                          "10.jpg",
                                          "12345678901234567890",
                                          "12345678901234567891",
                                          "frame",
                                          "frame1",
                                          "frame1.jpg",
                                          "frame01a",
                                          "frame2",
                                          "frame10",
                                          "frame10b",
                                          "frames",
                                          "\xc3\xa4"};
    for (size_t i = 0; i < sizeof ordered / sizeof *ordered; i++)
        for (size_t j = 0; j < sizeof ordered / sizeof *ordered; j++) {
            int order = text_compare_natural(ordered[i], ordered[j]);
            assert_int_equal((order > 0) - (order < 0), (i > j) - (i < j));
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_growing_text),
        cmocka_unit_test(test_strict_numbers),
        cmocka_unit_test(test_comparing_and_trimming),
        cmocka_unit_test(test_natural_order),
        cmocka_unit_test(test_the_nearest_name),
        cmocka_unit_test(test_paths),
        cmocka_unit_test(test_characters),
        cmocka_unit_test(test_printable_text),
        cmocka_unit_test(test_escaped_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
