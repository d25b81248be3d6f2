/* A folder of golden files as the tests of a program. */
#ifndef TESTS_SUPPORT_GOLDEN_FILES_H
#define TESTS_SUPPORT_GOLDEN_FILES_H

#include <stddef.h>

/* Runs `test` for every file that `pattern` finds, each under the file's name and with its path as the state. Returns
 * main's status: also a failure where there are fewer than `least` files. */
int golden_files_run(const char *group, const char *pattern, size_t least, void (*test)(void **state));

#endif
