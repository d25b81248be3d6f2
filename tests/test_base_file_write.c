/* Whole files are put in place of nothing, or of what may be replaced; links are not followed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "rmfer/base/file.h"
#include "rmfer/base/file_write.h"
#include "rmfer/base/memory.h"
#include "support/scratch.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void expect_content(const char *path, const char *content)
{
    struct error err = {0};
    uint8_t *bytes;
    size_t size;
    assert_int_equal(file_read(path, 100, &bytes, &size, &err), STATUS_OK);
    assert_string_equal((const char *)bytes, content);
    memory_free(bytes);
}

/* Nothing but `wanted` files stays in the folder. */
static void expect_count(const char *folder, int wanted)
{
    DIR *stream = opendir(folder);
    int count = 0;
    for (struct dirent *entry; (entry = readdir(stream)) != NULL;) count += entry->d_name[0] != '.';
    closedir(stream);
    assert_int_equal(count, wanted);
}

static void files_are_written_once(void **state)
{
    (void)state;
    char *folder = scratch_make();
    struct error err = {0};
    const char *path = scratch_path(folder, "a");
    assert_int_equal(file_write_whole(path, "one", 3, false, &err), STATUS_OK);
    assert_int_equal(file_write_whole(path, "two", 3, false, &err), STATUS_FAILED);
    assert_non_null(strstr(err.message, "is there already"));
    expect_content(path, "one");
    error_clear(&err);
    assert_int_equal(file_write_whole(path, "three", 5, true, &err), STATUS_OK);
    expect_content(path, "three");
    expect_count(folder, 1);
    scratch_remove(folder);
}

static void links_are_not_followed(void **state)
{
    (void)state;
    char *folder = scratch_make();
    struct error err = {0};
    struct stat facts;
    scratch_text(folder, "target", "kept");
    const char *path = scratch_path(folder, "link");
    assert_int_equal(symlink("target", path), 0);
    assert_int_equal(file_write_whole(path, "new", 3, false, &err), STATUS_FAILED);
    error_clear(&err);
    assert_int_equal(file_write_whole(path, "new", 3, true, &err), STATUS_OK);
    assert_int_equal(lstat(path, &facts), 0);
    assert_true(S_ISREG(facts.st_mode));
    expect_content(path, "new");
    expect_content(scratch_path(folder, "target"), "kept");
    assert_int_equal(symlink("nowhere", scratch_path(folder, "dangling")), 0);
    assert_int_equal(file_write_whole(scratch_path(folder, "dangling"), "new", 3, false, &err), STATUS_FAILED);
    expect_count(folder, 3);
    scratch_remove(folder);
}

static void failures_leave_nothing(void **state)
{
    (void)state;
    char *folder = scratch_make();
    struct error err = {0};
    assert_int_equal(file_write_whole(scratch_path(folder, "no/such"), "x", 1, false, &err), STATUS_FAILED);
    error_clear(&err);
    scratch_text(folder, "folder/inside", "kept");
    assert_int_equal(file_write_whole(scratch_path(folder, "folder"), "x", 1, true, &err), STATUS_FAILED);
    expect_count(folder, 1);
    scratch_remove(folder);
}

/* A shell's >(...) and, behind |, /dev/stdout are links whose text is no path. */
static void a_link_to_a_pipe_is_written_through(void **state)
{
    (void)state;
    struct error err = {0};
    int ends[2];
    char path[64], bytes[8] = {0};
    assert_int_equal(pipe(ends), 0);
    snprintf(path, sizeof path, "/dev/fd/%d", ends[1]);
    if (access(path, W_OK) != 0) skip(); /* no /proc */
    assert_int_equal(atomic_file_write_text(path, "through", &err), STATUS_OK);
    assert_int_equal(read(ends[0], bytes, 7), 7);
    assert_string_equal(bytes, "through");
    close(ends[0]);
    close(ends[1]);
}

static void a_place_is_tried_without_a_trace(void **state)
{
    (void)state;
    char *folder = scratch_make();
    struct error err = {0};
    scratch_text(folder, "old", "old");
    assert_int_equal(atomic_file_try(scratch_path(folder, "new"), &err), STATUS_OK);
    assert_int_equal(atomic_file_try(scratch_path(folder, "old"), &err), STATUS_OK);
    assert_int_equal(atomic_file_try(scratch_path(folder, "missing/new"), &err), STATUS_FAILED);
    assert_non_null(strstr(err.message, "missing/new"));
    expect_content(scratch_path(folder, "old"), "old");
    expect_count(folder, 1);
    scratch_remove(folder);
}

static status check(const char *folder, const char *first, const char *second, const char *input)
{
    struct error err = {0};
    const char *const outputs[] = {scratch_path(folder, first), second == NULL ? NULL : scratch_path(folder, second)};
    const char *const inputs[] = {NULL, scratch_path(folder, input)};
    return file_check_outputs(outputs, 2, inputs, 2, &err);
}

static void each_output_is_a_file_of_its_own(void **state)
{
    (void)state;
    char *folder = scratch_make();
    scratch_text(folder, "input", "read");
    scratch_text(folder, "old", "old");
    assert_int_equal(symlink("input", scratch_path(folder, "to-input")), 0);
    assert_int_equal(symlink("new", scratch_path(folder, "to-new")), 0);
    assert_int_equal(check(folder, "old", "new", "input"), STATUS_OK);
    assert_int_equal(check(folder, "new", "newer", "input"), STATUS_OK);
    assert_int_equal(check(folder, "new", NULL, "missing"), STATUS_OK);
    assert_int_equal(check(folder, "old", "to-input", "input"), STATUS_USAGE);
    assert_int_equal(check(folder, "old", "./old", "input"), STATUS_USAGE);
    assert_int_equal(check(folder, "new", "./new", "input"), STATUS_USAGE);
    assert_int_equal(check(folder, "new", "to-new", "input"), STATUS_USAGE);
    struct error err = {0};
    const char *const devices[] = {"/dev/null", "/dev/null"};
    assert_int_equal(file_check_outputs(devices, 2, NULL, 0, &err), STATUS_OK);
    scratch_remove(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(files_are_written_once),           cmocka_unit_test(links_are_not_followed),
        cmocka_unit_test(failures_leave_nothing),           cmocka_unit_test(a_link_to_a_pipe_is_written_through),
        cmocka_unit_test(a_place_is_tried_without_a_trace), cmocka_unit_test(each_output_is_a_file_of_its_own),
    };
    return cmocka_run_group_tests_name("file write", tests, NULL, NULL);
}
