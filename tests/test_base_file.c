/* Reading files, making folders, and files that are there whole or not at all. */
#define _GNU_SOURCE /* fork and its kin beside C11 */
#include "rmfer/base/file.h"
#include "rmfer/base/file_write.h"
#include "rmfer/base/memory.h"
#include "support/child.h"
#include "support/scratch.h"

#include <dirent.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static void assert_content(const char *path, const char *wanted)
{
    uint8_t *bytes;
    size_t size;
    assert_int_equal(file_read(path, 1 << 20, &bytes, &size, NULL), STATUS_OK);
    assert_int_equal(size, strlen(wanted));
    assert_string_equal((const char *)bytes, wanted);
    memory_free(bytes);
}

static size_t count_files(const char *folder)
{
    size_t count = 0;
    DIR *opened = opendir(folder);
    assert_non_null(opened);
    for (struct dirent *entry; (entry = readdir(opened)) != NULL;) count += entry->d_name[0] != '.';
    closedir(opened);
    return count;
}

static void test_reading_files(void **state)
{
    (void)state;
    char *folder = scratch_make();
    struct mapped_file mapped;
    struct error err = {0};
    uint8_t *bytes = NULL;
    size_t size = 0;
    scratch_text(folder, "full", "hello");
    scratch_text(folder, "empty", "");
    const char *full = scratch_path(folder, "full"), *empty = scratch_path(folder, "empty");
    assert_content(full, "hello");
    assert_content(empty, "");
    assert_int_equal(file_map(&mapped, full, NULL), STATUS_OK);
    assert_true(mapped.size == 5 && memcmp(mapped.bytes, "hello", 5) == 0);
    file_unmap(&mapped);
    file_unmap(&mapped);
    assert_int_equal(file_map(&mapped, empty, NULL), STATUS_OK);
    assert_true(mapped.size == 0 && mapped.bytes == NULL);
    file_unmap(&mapped);
    assert_int_equal(file_read(full, 4, &bytes, &size, &err), STATUS_FAILED);
    assert_non_null(strstr(err.message, "limit of 4"));
    assert_null(bytes);
    error_clear(&err);
    assert_int_equal(file_read(folder, 4, &bytes, &size, &err), STATUS_FAILED);
    assert_non_null(strstr(err.message, "not a regular file"));
    error_clear(&err);
    bytes = (uint8_t *)folder;
    assert_int_equal(file_read(scratch_path(folder, "none"), 4, &bytes, &size, &err), STATUS_FAILED);
    assert_non_null(strstr(err.message, "No such file"));
    assert_null(bytes);
    assert_int_equal(file_map(&mapped, scratch_path(folder, "none"), NULL), STATUS_FAILED);
    assert_int_equal(file_map(&mapped, folder, NULL), STATUS_FAILED);
    assert_null(mapped.bytes);
    assert_true(file_exists(full) && !file_exists(folder) && !file_exists(scratch_path(folder, "none")));
    assert_true(folder_exists(folder) && !folder_exists(full));
    scratch_remove(folder);
}

static void test_a_file_that_need_not_be_there(void **state)
{
    (void)state;
    char *folder = scratch_make();
    struct error err = {0};
    uint8_t *bytes;
    size_t size;
    bool there = true;
    scratch_text(folder, "full", "hello");
    assert_int_equal(file_read_if_there(scratch_path(folder, "none"), 9, &there, &bytes, &size, &err), STATUS_OK);
    assert_true(!there && bytes == NULL && size == 0);
    assert_int_equal(file_read_if_there(scratch_path(folder, "full"), 9, &there, &bytes, &size, &err), STATUS_OK);
    assert_true(there && size == 5);
    memory_free(bytes);
    /* What is there and cannot be read is an error: too large, a folder, something below a file. */
    static const char *const wrong[] = {"full", ".", "full/none"};
    for (size_t i = 0; i < 3; i++) {
        const char *path = scratch_path(folder, wrong[i]);
        error_clear(&err);
        assert_int_equal(file_read_if_there(path, 4, &there, &bytes, &size, &err), STATUS_FAILED);
        assert_non_null(strstr(err.message, path));
        assert_null(bytes);
    }
    scratch_remove(folder);
}

static void test_whether_a_file_is_there(void **state)
{
    (void)state;
    char *folder = scratch_make();
    struct error err = {0};
    bool there;
    scratch_text(folder, "full", "hello");
    assert_int_equal(symlink("loop", scratch_path(folder, "loop")), 0);
    assert_int_equal(file_find(scratch_path(folder, "full"), &there, &err), STATUS_OK);
    assert_true(there);
    static const char *const none[] = {"none", ".", "full/none", "none/none"};
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(file_find(scratch_path(folder, none[i]), &there, &err), STATUS_OK);
        assert_false(there);
    }
    assert_int_equal(file_find(scratch_path(folder, "loop/none"), &there, &err), STATUS_FAILED);
    assert_non_null(strstr(err.message, "loop/none: "));
    assert_false(there);
    scratch_remove(folder);
}

static void test_making_folders(void **state)
{
    (void)state;
    char *folder = scratch_make();
    struct error err = {0};
    assert_int_equal(folder_create(scratch_path(folder, "a/b//c/"), NULL), STATUS_OK);
    assert_true(folder_exists(scratch_path(folder, "a/b/c")));
    assert_int_equal(folder_create(scratch_path(folder, "a/b"), NULL), STATUS_OK);
    scratch_text(folder, "file", "");
    assert_int_equal(folder_create(scratch_path(folder, "file/below"), &err), STATUS_FAILED);
    assert_non_null(strstr(err.message, "file"));
    assert_int_equal(folder_create(scratch_path(folder, "file"), NULL), STATUS_FAILED);
    assert_int_equal(folder_create("", NULL), STATUS_FAILED);
    scratch_remove(folder);
}

/* Opens one that stands beside its target under a temporary name, as where a file system holds no files without a name:
 * memory runs out as the folder of such a one is asked for. */
static status open_named(struct atomic_file *file, const char *path)
{
    memory_fail_after(2);
    status result = atomic_file_open(file, path, NULL);
    memory_fail_after(0);
    return result;
}

static void test_atomic_files(void **state)
{
    (void)state;
    char *folder = scratch_make();
    const char *path = scratch_path(folder, "target");
    struct atomic_file file;
    scratch_text(folder, "target", "old");
    assert_int_equal(atomic_file_open(&file, path, NULL), STATUS_OK);
    fputs("new", file.stream);
    assert_content(path, "old");
    assert_int_equal(atomic_file_commit(&file, NULL), STATUS_OK);
    assert_content(path, "new");
    atomic_file_abandon(&file);
    assert_int_equal(atomic_file_open(&file, path, NULL), STATUS_OK);
    fputs("never", file.stream);
    atomic_file_abandon(&file);
    atomic_file_abandon(&file);
    assert_content(path, "new");
    assert_int_equal(count_files(folder), 1);
    assert_int_equal(open_named(&file, path), STATUS_OK);
    assert_int_equal(count_files(folder), 2);
    fputs("named", file.stream);
    assert_int_equal(atomic_file_commit(&file, NULL), STATUS_OK);
    assert_content(path, "named");
    assert_int_equal(open_named(&file, path), STATUS_OK);
    atomic_file_abandon(&file);
    assert_int_equal(count_files(folder), 1);
    scratch_remove(folder);
}

/* A link is followed to its file; a device and a pipe are written through, and stay what they are. */
static void test_targets_that_are_no_files(void **state)
{
    (void)state;
    char *folder = scratch_make();
    struct atomic_file file;
    struct stat facts;
    const char *link = scratch_path(folder, "link"), *target = scratch_path(folder, "sub/target");
    scratch_text(folder, "sub/target", "old");
    assert_int_equal(chmod(target, 0600), 0);
    assert_int_equal(symlink("sub/target", link), 0);
    assert_int_equal(atomic_file_open(&file, link, NULL), STATUS_OK);
    fputs("new", file.stream);
    assert_int_equal(atomic_file_commit(&file, NULL), STATUS_OK);
    assert_content(target, "new");
    assert_int_equal(lstat(link, &facts), 0);
    assert_true(S_ISLNK(facts.st_mode));
    assert_int_equal(stat(target, &facts), 0);
    assert_int_equal(facts.st_mode & 0777, 0600);

    const char *pipe = scratch_path(folder, "pipe");
    assert_int_equal(mkfifo(pipe, 0600), 0);
    int reader = open(pipe, O_RDONLY | O_NONBLOCK);
    assert_int_equal(atomic_file_open(&file, pipe, NULL), STATUS_OK);
    fputs("through", file.stream);
    assert_int_equal(atomic_file_commit(&file, NULL), STATUS_OK);
    char got[16] = "";
    assert_int_equal(read(reader, got, sizeof got), 7);
    assert_string_equal(got, "through");
    close(reader);
    assert_int_equal(lstat(pipe, &facts), 0);
    assert_true(S_ISFIFO(facts.st_mode));

    struct error err = {0};
    assert_int_equal(symlink("loop", scratch_path(folder, "loop")), 0);
    assert_int_equal(atomic_file_open(&file, scratch_path(folder, "loop"), &err), STATUS_FAILED);
    assert_non_null(strstr(err.message, "symbolic links"));
    scratch_remove(folder);
}

/* What a killed writer left is removed by the next one; what a living one writes, and other files, stay. */
static void test_stale_temporary_files(void **state)
{
    (void)state;
    char *folder = scratch_make();
    const char *path = scratch_path(folder, "target");
    struct atomic_file living;
    scratch_text(folder, "target.tmp.0123456789abcdef", "left by a kill");
    scratch_text(folder, "target.tmp.notes", "mine");
    scratch_text(folder, "other.tmp.0123456789abcdef", "of another target");
    assert_int_equal(open_named(&living, path), STATUS_OK);
    assert_int_equal(count_files(folder), 4);
    atomic_file_remove_stale(path);
    assert_int_equal(count_files(folder), 3);
    assert_false(file_exists(scratch_path(folder, "target.tmp.0123456789abcdef")));
    fputs("whole", living.stream);
    assert_int_equal(atomic_file_commit(&living, NULL), STATUS_OK);
    assert_content(path, "whole");
    scratch_remove(folder);
}

/* A name as long as they can be leaves no room for what a temporary one adds: its end gives way, whole characters of
 * it, so that a run does not fail when all is done. One that is too long fails at once. */
static void test_names_of_any_length(void **state)
{
    (void)state;
    char *folder = scratch_make();
    for (size_t length = 230; length <= 255; length++) {
        struct atomic_file file;
        char name[256] = "", left[256];
        for (size_t i = 0; i + 2 <= length; i += 2) memcpy(name + i, "\xC3\xA9", 2);
        if (length % 2 == 1) name[length - 1] = 'x';
        const char *path = scratch_path(folder, name);
        assert_int_equal(atomic_file_write_text(path, "new", NULL), STATUS_OK);
        assert_int_equal(file_write_whole(path, "newer", 5, true, NULL), STATUS_OK);
        assert_content(path, "newer");
        snprintf(left, sizeof left, "%.*s.tmp.0123456789abcdef", (int)(length < 234 ? length : 234), name);
        scratch_text(folder, left, "left by a kill");
        assert_int_equal(open_named(&file, path), STATUS_OK);
        assert_int_equal(count_files(folder), 3);
        atomic_file_remove_stale(path);
        assert_int_equal(count_files(folder), 2);
        assert_int_equal(atomic_file_commit(&file, NULL), STATUS_OK);
        assert_content(path, "");
        assert_int_equal(remove(path), 0);
    }
    scratch_remove(folder);
}

static void test_a_name_that_is_too_long(void **state)
{
    (void)state;
    char *folder = scratch_make(), name[257];
    struct error err = {0};
    memset(name, 'n', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    assert_int_equal(atomic_file_try(scratch_path(folder, name), &err), STATUS_FAILED);
    assert_non_null(strstr(err.message, "cannot be written: File name too long"));
    assert_int_equal(count_files(folder), 0);
    scratch_remove(folder);
}

/* Loaded bytes stay when the file is cut short; the reason of a failed mkdir is not overwritten by a later look. */
static void test_files_changed_by_others(void **state)
{
    (void)state;
    char *folder = scratch_make();
    struct mapped_file loaded;
    struct error err = {0};
    scratch_text(folder, "file", "hello");
    assert_int_equal(file_load(&loaded, scratch_path(folder, "file"), NULL), STATUS_OK);
    assert_int_equal(truncate(scratch_path(folder, "file"), 0), 0);
    assert_memory_equal(loaded.bytes, "hello", 5);
    file_unmap(&loaded);
    assert_int_equal(folder_create("/proc/none", &err), STATUS_FAILED);
    assert_null(strstr(err.message, "Success"));
    error_clear(&err);
    char name[300];
    memset(name, 'n', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    assert_int_equal(folder_create(scratch_path(folder, name), &err), STATUS_FAILED);
    assert_non_null(strstr(err.message, "File name too long"));
    scratch_remove(folder);
}

/* Under whatever name: a link that leads in, one that stands there and leads out, a link to the folder itself. */
static void test_what_is_below_a_folder(void **state)
{
    (void)state;
    char *folder = scratch_make();
    const char *out = scratch_path(folder, "out");
    scratch_text(folder, "out/deep/er/x", "x");
    scratch_text(folder, "out-2/x", "x");
    assert_int_equal(symlink("../out/deep/er/x", scratch_path(folder, "out-2/in")), 0);
    assert_int_equal(symlink("../out-2/x", scratch_path(folder, "out/leaves")), 0);
    assert_int_equal(symlink("out", scratch_path(folder, "alias")), 0);
    assert_true(path_is_below(scratch_path(folder, "out/deep/er/x"), out));
    assert_true(path_is_below(scratch_path(folder, "alias/deep/er/x"), out));
    assert_true(path_is_below(scratch_path(folder, "out/deep/er/x"), scratch_path(folder, "alias")));
    assert_true(path_is_below(scratch_path(folder, "out-2/in"), out));
    assert_true(path_is_below(scratch_path(folder, "out/leaves"), out));
    assert_true(path_is_below(scratch_path(folder, "out-2/x"), "/"));
    assert_false(path_is_below(scratch_path(folder, "out-2/x"), out));
    assert_false(path_is_below(scratch_path(folder, "none/x"), out));
    assert_false(path_is_below(scratch_path(folder, "out-2/x"), scratch_path(folder, "none")));
    scratch_remove(folder);
}

static void test_atomic_files_that_cannot_be_written(void **state)
{
    (void)state;
    char *folder = scratch_make();
    struct atomic_file file;
    struct error err = {0};
    assert_int_equal(atomic_file_open(&file, scratch_path(folder, "none/x"), &err), STATUS_FAILED);
    assert_non_null(strstr(err.message, "cannot be written"));
    /* A folder stands where the file should go. */
    assert_int_equal(folder_create(scratch_path(folder, "taken/full"), NULL), STATUS_OK);
    error_clear(&err);
    assert_int_equal(atomic_file_open(&file, scratch_path(folder, "taken"), &err), STATUS_FAILED);
    assert_non_null(strstr(err.message, "Is a directory"));
    assert_int_equal(count_files(folder), 1);
    scratch_text(folder, "target", "old");
    memory_fail_after(1);
    assert_int_equal(atomic_file_open(&file, scratch_path(folder, "target"), NULL), STATUS_FAILED);
    memory_fail_after(0);
    assert_content(scratch_path(folder, "target"), "old");
    assert_int_equal(count_files(folder), 2);
    scratch_remove(folder);
}

/* A full disk, seen by the stream: the old file stays and nothing is left beside it. */
static void test_atomic_files_on_a_full_disk(void **state)
{
    (void)state;
    char *folder = scratch_make();
    const char *path = scratch_path(folder, "target");
    struct atomic_file file;
    struct error err = {0};
    scratch_text(folder, "target", "old");
    assert_int_equal(atomic_file_open(&file, path, NULL), STATUS_OK);
    FILE *full = freopen("/dev/full", "w", file.stream);
    assert_non_null(full);
    file.stream = full;
    fputs("too much", file.stream);
    assert_int_equal(atomic_file_commit(&file, &err), STATUS_FAILED);
    assert_non_null(strstr(err.message, "No space left"));
    assert_content(path, "old");
    assert_int_equal(count_files(folder), 1);
    scratch_remove(folder);
}

/* At the limit of a file's size, in a process of its own. */
static void write_too_much(const char *path)
{
    static const char bytes[5000];
    struct error err = {0};
    signal(SIGXFSZ, SIG_IGN);
    if (setrlimit(RLIMIT_FSIZE, &(struct rlimit){1000, 1000}) != 0) _exit(3);
    status result = atomic_file_write_bytes(path, bytes, sizeof bytes, &err);
    _exit(result == STATUS_FAILED && strstr(err.message, "File too large") != NULL ? 0 : 4);
}

static void test_bytes_take_a_files_place_when_they_are_whole(void **state)
{
    (void)state;
    char *folder = scratch_make();
    const char *path = scratch_path(folder, "target"), *link = scratch_path(folder, "link");
    scratch_text(folder, "target", "old");
    assert_int_equal(in_a_child(write_too_much, path), 0);
    assert_content(path, "old");
    assert_int_equal(count_files(folder), 1);
    assert_int_equal(symlink("target", link), 0);
    assert_int_equal(atomic_file_write_bytes(link, "new", 3, NULL), STATUS_OK);
    assert_content(path, "new");
    scratch_remove(folder);
}

static bool file_system_holds_nameless(const char *folder)
{
    int descriptor = open(folder, O_WRONLY | O_TMPFILE, 0600);
    if (descriptor >= 0) close(descriptor);
    return descriptor >= 0;
}

static void write_and_die(const char *path)
{
    struct atomic_file file;
    if (atomic_file_open(&file, path, NULL) != STATUS_OK) _exit(3);
    fputs("half of the ne", file.stream);
    fflush(file.stream);
    raise(SIGKILL);
}

static void write_named_and_die(const char *path)
{
    struct atomic_file file;
    if (open_named(&file, path) != STATUS_OK) _exit(3);
    fputs("half of the ne", file.stream);
    fflush(file.stream);
    raise(SIGKILL);
}

static void test_a_crash_leaves_the_old_file(void **state)
{
    (void)state;
    char *folder = scratch_make();
    const char *path = scratch_path(folder, "target");
    scratch_text(folder, "target", "old");
    int ended = in_a_child(write_and_die, path);
    assert_true(WIFSIGNALED(ended) && WTERMSIG(ended) == SIGKILL);
    assert_content(path, "old");
    if (file_system_holds_nameless(folder)) assert_int_equal(count_files(folder), 1); /* nothing of it stays */
    ended = in_a_child(write_named_and_die, path);
    assert_true(WIFSIGNALED(ended) && WTERMSIG(ended) == SIGKILL);
    /* What the dead left does not stand in the way. */
    struct atomic_file file;
    assert_int_equal(atomic_file_open(&file, path, NULL), STATUS_OK);
    fputs("new", file.stream);
    assert_int_equal(atomic_file_commit(&file, NULL), STATUS_OK);
    assert_content(path, "new");
    scratch_remove(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reading_files),
        cmocka_unit_test(test_a_file_that_need_not_be_there),
        cmocka_unit_test(test_whether_a_file_is_there),
        cmocka_unit_test(test_making_folders),
        cmocka_unit_test(test_what_is_below_a_folder),
        cmocka_unit_test(test_atomic_files),
        cmocka_unit_test(test_targets_that_are_no_files),
        cmocka_unit_test(test_stale_temporary_files),
        cmocka_unit_test(test_names_of_any_length),
        cmocka_unit_test(test_a_name_that_is_too_long),
        cmocka_unit_test(test_files_changed_by_others),
        cmocka_unit_test(test_atomic_files_that_cannot_be_written),
        cmocka_unit_test(test_atomic_files_on_a_full_disk),
        cmocka_unit_test(test_a_crash_leaves_the_old_file),
        cmocka_unit_test(test_bytes_take_a_files_place_when_they_are_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
