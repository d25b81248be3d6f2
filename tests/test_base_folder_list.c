/* What a folder holds: all of it, in natural order, or an error. */
#include "rmfer/base/folder_list.h"
#include "support/scratch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void test_names_are_in_natural_order(void **state)
{
    (void)state;
    static const char *const wanted[] = {"01.jpg", "1.jpg", "2.jpg", "10.jpg", "a", "a2b", "a10b", "b"};
    static const char *const made[] = {"10.jpg", "b", "a10b", "1.jpg", "a2b", ".hidden", "01.jpg", "2.jpg"};
    char *folder = scratch_make();
    struct folder_list list;
    for (size_t i = 0; i < sizeof made / sizeof *made; i++) scratch_text(folder, made[i], "");
    scratch_text(folder, "a/inside", "");
    assert_int_equal(folder_list_read(&list, folder, NULL), STATUS_OK);
    assert_int_equal(list.count, sizeof wanted / sizeof *wanted);
    for (size_t i = 0; i < list.count; i++) assert_string_equal(list.names[i], wanted[i]);
    folder_list_free(&list);
    folder_list_free(&list);
    scratch_remove(folder);
}

/* More names than the first piece of memory holds. */
static void test_many_names(void **state)
{
    (void)state;
    char *folder = scratch_make(), name[16];
    struct folder_list list;
    for (int i = 0; i < 500; i++) {
        snprintf(name, sizeof name, "%d", i);
        scratch_text(folder, name, "");
    }
    assert_int_equal(folder_list_read(&list, folder, NULL), STATUS_OK);
    assert_int_equal(list.count, 500);
    for (size_t i = 0; i < list.count; i++) assert_int_equal(strtol(list.names[i], NULL, 10), i);
    folder_list_free(&list);
    scratch_remove(folder);
}

static void test_nothing_and_no_folder(void **state)
{
    (void)state;
    char *folder = scratch_make();
    struct folder_list list;
    struct error err = {0};
    assert_int_equal(folder_list_read(&list, folder, NULL), STATUS_OK);
    assert_int_equal(list.count, 0);
    folder_list_free(&list);
    assert_int_equal(folder_list_read(&list, scratch_path(folder, "none"), &err), STATUS_FAILED);
    assert_non_null(strstr(err.message, "none: No such file"));
    assert_int_equal(list.count, 0);
    scratch_remove(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names_are_in_natural_order),
        cmocka_unit_test(test_many_names),
        cmocka_unit_test(test_nothing_and_no_folder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
