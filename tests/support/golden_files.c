/* Finding the files and naming the tests. */
#include "support/golden_files.h"

#include <glob.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum { MOST_CASES = 100 };

/* The file's name without folder and ending. */
static void set_name(char *name, size_t size, const char *path)
{
    const char *slash = strrchr(path, '/');
    snprintf(name, size, "%s", slash == NULL ? path : slash + 1);
    char *dot = strchr(name, '.');
    if (dot != NULL) *dot = '\0';
}

int golden_files_run(const char *group, const char *pattern, size_t least, void (*test)(void **state))
{
    static char names[MOST_CASES][64];
    glob_t files;
    if (glob(pattern, 0, NULL, &files) != 0 || files.gl_pathc < least || files.gl_pathc > MOST_CASES) {
        printf("%s: fewer or more golden files than expected\n", pattern);
        return 1;
    }
    struct CMUnitTest tests[MOST_CASES] = {{0}};
    for (size_t i = 0; i < files.gl_pathc; i++) {
        set_name(names[i], sizeof names[i], files.gl_pathv[i]);
        tests[i] = (struct CMUnitTest){names[i], test, NULL, NULL, files.gl_pathv[i]};
    }
    int failed = _cmocka_run_group_tests(group, tests, files.gl_pathc, NULL, NULL);
    globfree(&files);
    return failed;
}
