/* The engine against PyTorch on tiny networks: every file of tests/golden/engine that scripts/golden_engine.py wrote.
 * Forward in eval and train mode, losses, similarities, every gradient, running statistics, several steps. */
#include "support/golden_case.h"

#include <glob.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum { MOST_CASES = 100, LEAST_CASES = 30 };

static char names[MOST_CASES][64];

static void test_case(void **state)
{
    assert_true(golden_case_run(*state));
}

/* The file's name without folder and ending. */
static void set_name(char *name, size_t size, const char *path)
{
    const char *slash = strrchr(path, '/');
    snprintf(name, size, "%s", slash == NULL ? path : slash + 1);
    char *dot = strchr(name, '.');
    if (dot != NULL) *dot = '\0';
}

int main(void)
{
    glob_t files;
    if (glob("tests/golden/engine/*.safetensors", 0, NULL, &files) != 0 || files.gl_pathc < LEAST_CASES ||
        files.gl_pathc > MOST_CASES) {
        printf("tests/golden/engine: fewer or more golden files than expected\n");
        return 1;
    }
    struct CMUnitTest tests[MOST_CASES] = {{0}};
    for (size_t i = 0; i < files.gl_pathc; i++) {
        set_name(names[i], sizeof names[i], files.gl_pathv[i]);
        tests[i] = (struct CMUnitTest){names[i], test_case, NULL, NULL, files.gl_pathv[i]};
    }
    int failed = _cmocka_run_group_tests("golden_engine", tests, files.gl_pathc, NULL, NULL);
    globfree(&files);
    return failed;
}
