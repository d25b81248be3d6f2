/* Messages by level, and the copy that goes to a file. */
#define _GNU_SOURCE /* fork and its kin beside C11 */
#include "rmfer/base/file.h"
#include "rmfer/base/log.h"
#include "rmfer/base/memory.h"
#include "support/scratch.h"

#include <fcntl.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
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

/* Sends standard error to `path` while all four kinds of message are written, and a text of two lines. */
static void write_messages(const char *path, enum log_level level, FILE *also)
{
    fflush(stderr);
    int kept = dup(STDERR_FILENO), file = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert_true(kept >= 0 && file >= 0);
    dup2(file, STDERR_FILENO);
    close(file);
    log_set_level(level);
    log_set_copy(also);
    log_error("e %d", 1);
    log_warning("w");
    log_info("i");
    log_verbose("v");
    log_info_lines("  ", "fact\n\nwarning: doubt\n");
    log_set_copy(NULL);
    assert_int_equal(log_get_level(), level);
    log_set_level(LOG_NORMAL);
    fflush(stderr);
    dup2(kept, STDERR_FILENO);
    close(kept);
}

static void test_messages_by_level(void **state)
{
    (void)state;
    char *folder = scratch_make();
    const char *path = scratch_path(folder, "messages");
    write_messages(path, LOG_QUIET, NULL);
    assert_content(path, "rmfer: error: e 1\n");
    write_messages(path, LOG_NORMAL, NULL);
    assert_content(path, "rmfer: error: e 1\nrmfer: warning: w\ni\n  fact\nrmfer: warning: doubt\n");
    FILE *copy = fopen(scratch_path(folder, "log.txt"), "w");
    assert_non_null(copy);
    write_messages(path, LOG_VERBOSE, copy);
    fclose(copy);
    assert_content(path, "rmfer: error: e 1\nrmfer: warning: w\ni\nv\n  fact\nrmfer: warning: doubt\n");
    /* The copy gets all of them, each behind "2024-01-31 12:00:00 ". */
    copy = fopen(scratch_path(folder, "log.txt"), "r");
    char line[100];
    int lines = 0;
    for (; fgets(line, sizeof line, copy) != NULL; lines++)
        assert_true(strlen(line) > 20 && line[4] == '-' && line[13] == ':' && line[19] == ' ');
    fclose(copy);
    assert_int_equal(lines, 6);
    scratch_remove(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_messages_by_level),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
