/* The whole B0 and B2 against PyTorch: forward in both modes and every gradient, in both flavours, at the usual size
 * and at an odd one. The golden files are large, so scripts/golden_engine.py makes them on the spot where Python has
 * torch; elsewhere, and under sanitizers (which would take minutes), these tests are skipped. */
#include "support/golden_case.h"

#include <glob.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { SANITIZED = 1 };
#else
enum { SANITIZED = 0 };
#endif

/* The Python that has torch: RMFER_PYTHON, Debian's, or the first on the path. NULL when none has. */
static const char *python_with_torch(void)
{
    const char *candidates[] = {getenv("RMFER_PYTHON"), "/usr/bin/python3", "python3"};
    for (size_t i = 0; i < sizeof candidates / sizeof candidates[0]; i++) {
        char command[600];
        if (candidates[i] == NULL) continue;
        snprintf(command, sizeof command, "'%.500s' -c 'import torch, numpy' >/dev/null 2>&1", candidates[i]);
        if (system(command) == 0) return candidates[i];
    }
    return NULL;
}

static void remove_folder(const char *folder)
{
    glob_t files;
    char pattern[128];
    snprintf(pattern, sizeof pattern, "%s/*", folder);
    if (glob(pattern, 0, NULL, &files) == 0) {
        for (size_t i = 0; i < files.gl_pathc; i++) unlink(files.gl_pathv[i]);
        globfree(&files);
    }
    rmdir(folder);
}

/* Runs every case of the folder; returns how many there were and sets how many agreed. */
static size_t run_folder(const char *folder, size_t *agreed)
{
    glob_t files;
    char pattern[128];
    snprintf(pattern, sizeof pattern, "%s/*.safetensors", folder);
    *agreed = 0;
    if (glob(pattern, 0, NULL, &files) != 0) return 0;
    size_t count = files.gl_pathc;
    for (size_t i = 0; i < count; i++)
        if (golden_case_run(files.gl_pathv[i])) (*agreed)++;
    globfree(&files);
    return count;
}

static void whole_network(void **state)
{
    const char *size = *state, *python = SANITIZED ? NULL : python_with_torch();
    if (python == NULL) {
        printf("skipped: the whole network against PyTorch: %s\n",
               SANITIZED ? "not under a sanitizer" : "no python3 with torch (Debian/Ubuntu: python3-torch)");
        skip();
    }
    char folder[] = "/tmp/rmfer-golden-XXXXXX", command[800];
    assert_non_null(mkdtemp(folder));
    snprintf(command, sizeof command, "PYTHONDONTWRITEBYTECODE=1 '%.500s' scripts/golden_engine.py %s --full %s",
             python != NULL ? python : "", folder, size);
    int made = system(command);
    size_t agreed = 0, count = made == 0 ? run_folder(folder, &agreed) : 0;
    remove_folder(folder);
    assert_int_equal(made, 0);
    assert_int_equal(count, 4);
    assert_int_equal(agreed, count);
}

int main(void)
{
    static char b0[] = "b0", b2[] = "b2";
    const struct CMUnitTest tests[] = {
        {"whole_b0", whole_network, NULL, NULL, b0},
        {"whole_b2", whole_network, NULL, NULL, b2},
    };
    return cmocka_run_group_tests_name("golden_full", tests, NULL, NULL);
}
