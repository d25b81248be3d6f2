/* Parts of `rmfer predict` below the command line. With `--fixtures DIR` it writes what tests/cli_predict.sh uses. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "cmd/predict_output.h"
#include "rmfer/base/file.h"
#include "rmfer/base/memory.h"
#include "support/predict_case.h"
#include "support/scratch.h"

#include <stdio.h>
#include <string.h>

/* ---- NumPy
 * --------------------------------------------------------------------------------------------------------- */

static void npy_files_have_their_header(void **state)
{
    struct error err = {0};
    struct npy_rows *rows;
    uint8_t *bytes;
    size_t size;
    float values[6] = {1, -2, 3.5f, 4, 5, 6};
    static const char dictionary[] = "{'descr': '<f4', 'fortran_order': False, 'shape': (3, 2), }";
    (void)state;
    const char *path = scratch_path(predict_case_folder(), "rows.npy");
    assert_int_equal(npy_rows_open(&rows, path, 2, &err), STATUS_OK);
    assert_int_equal(npy_rows_append(rows, values, 1, &err), STATUS_OK);
    assert_int_equal(npy_rows_append(rows, NULL, 0, &err), STATUS_OK);
    assert_int_equal(npy_rows_append(rows, values + 2, 2, &err), STATUS_OK);
    assert_false(file_exists(path)); /* nothing half done is seen */
    assert_int_equal(npy_rows_finish(rows, &err), STATUS_OK);
    npy_rows_free(rows);
    assert_int_equal(file_read(path, 4096, &bytes, &size, &err), STATUS_OK);
    assert_int_equal(size, 128 + sizeof values);
    assert_memory_equal(bytes, "\x93NUMPY\x01\x00\x76\x00", 10);
    assert_memory_equal(bytes + 10, dictionary, sizeof dictionary - 1);
    for (size_t i = 10 + sizeof dictionary - 1; i < 127; i++) assert_int_equal(bytes[i], ' ');
    assert_int_equal(bytes[127], '\n');
    assert_memory_equal(bytes + 128, values, sizeof values);
    memory_free(bytes);
}

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "--fixtures") == 0) {
        predict_case_write(argv[2]);
        return 0;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(npy_files_have_their_header),
    };
    return cmocka_run_group_tests_name("predict", tests, predict_case_begin, predict_case_end);
}
