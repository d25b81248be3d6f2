/* The reader of lists: quotes, line ends, marks, limits, and what it says about damaged ones. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "rmfer/data/csv.h"

#include <string.h>

static void assert_row(struct csv_reader *csv, size_t line, size_t count, ...)
{
    struct error err = {0};
    bool found;
    if (csv_next(csv, &found, &err) != STATUS_OK) fail_msg("%s", err.message);
    assert_true(found);
    assert_int_equal(csv->line, line);
    assert_int_equal(csv->field_count, count);
    va_list fields;
    va_start(fields, count);
    for (size_t i = 0; i < count; i++) assert_string_equal(csv_field(csv, i), va_arg(fields, const char *));
    va_end(fields);
    assert_string_equal(csv_field(csv, count), "");
}

static void assert_end(struct csv_reader *csv)
{
    bool found;
    assert_int_equal(csv_next(csv, &found, NULL), STATUS_OK);
    assert_false(found);
}

static struct csv_reader reader_of(const char *text, enum csv_separator separator)
{
    struct csv_reader csv;
    csv_open_bytes(&csv, text, strlen(text), "list.csv", separator);
    return csv;
}

static void test_quotes_marks_and_line_ends(void **state)
{
    (void)state;
    struct csv_reader csv = reader_of("\xef\xbb\xbfname,box\r\n"
                                      "a.png,\"(0, 0, 48, 48)\", 3 \r\n"
                                      "\r\n  \n"
                                      "\"say \"\"hi\"\"\",,\n"
                                      "\"two\nlines\",x\rlast , \"q\" ,",
                                      CSV_COMMA);
    assert_row(&csv, 1, 2, "name", "box");
    assert_int_equal(csv_find(&csv, "BOX"), 1);
    assert_int_equal(csv_find(&csv, "bo"), -1);
    assert_row(&csv, 2, 3, "a.png", "(0, 0, 48, 48)", "3");
    assert_row(&csv, 5, 3, "say \"hi\"", "", "");
    assert_row(&csv, 6, 2, "two\nlines", "x");
    assert_row(&csv, 8, 3, "last", "q", "");
    assert_end(&csv);
    csv_close(&csv);
}

static void test_blanks_as_separators(void **state)
{
    (void)state;
    struct csv_reader csv = reader_of("train_1.jpg 5\n \ttest_2.jpg\t \"7\"  \r\n\n", CSV_BLANKS);
    assert_row(&csv, 1, 2, "train_1.jpg", "5");
    assert_row(&csv, 2, 2, "test_2.jpg", "\"7\"");
    assert_end(&csv);
    csv_close(&csv);
}

static void test_empty_lists(void **state)
{
    (void)state;
    const char *const texts[] = {"", "\xef\xbb\xbf", "\n\r\n\n", "  \t"};
    for (size_t i = 0; i < 4; i++) {
        struct csv_reader csv = reader_of(texts[i], CSV_COMMA);
        assert_end(&csv);
        assert_end(&csv);
        csv_close(&csv);
    }
}

static void assert_refused(const char *bytes, size_t size, const char *message)
{
    struct csv_reader csv;
    struct error err = {0};
    bool found = true;
    csv_open_bytes(&csv, bytes, size, "list.csv", CSV_COMMA);
    status result = STATUS_OK;
    while (result == STATUS_OK && found) result = csv_next(&csv, &found, &err);
    assert_int_equal(result, STATUS_FAILED);
    if (strstr(err.message, message) == NULL) fail_msg("'%s' lacks '%s'", err.message, message);
    csv_close(&csv);
}

static void test_damage_is_named_with_its_line(void **state)
{
    (void)state;
    assert_refused("a,b\n\"c,d\n", 9, "list.csv:2: a quote is never closed");
    assert_refused("a,b\nc\0d\n", 8, "list.csv:2: a byte 0");
    assert_refused("\xff\xfe"
                   "a\0,\0b\0",
                   8, "list.csv:1: a byte 0");
    char many[2 * CSV_MOST_FIELDS + 2];
    memset(many, ',', sizeof many);
    assert_refused(many, sizeof many, "list.csv:1: more than 256 fields");
    size_t long_size = (size_t)CSV_LONGEST_ROW + 2;
    char *long_row = malloc(long_size);
    assert_non_null(long_row);
    memset(long_row, 'x', long_size);
    assert_refused(long_row, long_size, "list.csv:1: the row is longer");
    long_row[CSV_LONGEST_ROW] = ','; /* the first field alone is as long as a row may be */
    assert_refused(long_row, long_size, "list.csv:1: the row is longer");
    free(long_row);
    struct csv_reader csv;
    struct error err = {0};
    assert_int_equal(csv_open(&csv, "/no/such/list.csv", CSV_COMMA, &err), STATUS_FAILED);
    assert_non_null(strstr(err.message, "/no/such/list.csv"));
    csv_close(&csv);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_quotes_marks_and_line_ends),
        cmocka_unit_test(test_blanks_as_separators),
        cmocka_unit_test(test_empty_lists),
        cmocka_unit_test(test_damage_is_named_with_its_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
