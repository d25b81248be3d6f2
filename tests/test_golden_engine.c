/* The engine against PyTorch on tiny networks: every file of tests/golden/engine that scripts/golden_engine.py wrote.
 * Forward in eval and train mode, losses, similarities, every gradient, running statistics, several steps. */
#include "support/golden_case.h"
#include "support/golden_files.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

enum { LEAST_CASES = 30 };

static void test_case(void **state)
{
    assert_true(golden_case_run(*state));
}

int main(void)
{
    return golden_files_run("golden_engine", "tests/golden/engine/*.safetensors", LEAST_CASES, test_case);
}
