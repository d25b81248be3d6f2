/* Parts of `rmfer predict` below the command line, and helpers of the scripts that test it:
 *   --fixtures DIR           writes what tests/cli_predict.sh uses
 *   --video FILE FRAMES      writes a video of that many small frames
 *   --peak FILE COMMAND...   runs the command and writes its largest resident memory, in KiB */
#define _GNU_SOURCE /* wait4 beside C11 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "cmd/predict_output.h"
#include "rmfer/base/file.h"
#include "rmfer/base/file_write.h"
#include "rmfer/base/memory.h"
#include "support/predict_case.h"
#include "support/scratch.h"
#include "support/video_file.h"

#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- NumPy ------------------------------------------------------------------------------------------------------- */

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

/* ---- helpers ----------------------------------------------------------------------------------------------------- */

static int write_video(const char *path, int count)
{
    struct image *frames = calloc((size_t)count, sizeof *frames);
    struct error err = {0};
    size_t size;
    for (int i = 0; i < count; i++) {
        if (image_create(&frames[i], 32, 24, &err) != STATUS_OK) return 1;
        memset(frames[i].rgb, i, 32 * 24 * 3);
    }
    uint8_t *bytes = video_file_avi(frames, (size_t)count, 25, &size);
    status result = file_write_whole(path, bytes, size, true, &err);
    for (int i = 0; i < count; i++) image_free(&frames[i]);
    free(frames);
    free(bytes);
    return (int)result;
}

static int write_peak(const char *path, char **command)
{
    struct rusage usage;
    int ended;
    pid_t child = fork();
    if (child == 0) {
        execv(command[0], command);
        _exit(127);
    }
    if (child < 0 || wait4(child, &ended, 0, &usage) != child) return 1;
    FILE *file = fopen(path, "w");
    if (file == NULL || fprintf(file, "%ld\n", usage.ru_maxrss) < 0 || fclose(file) != 0) return 1;
    return WIFEXITED(ended) ? WEXITSTATUS(ended) : 1;
}

int main(int argc, char **argv)
{
    if (argc == 4 && strcmp(argv[1], "--video") == 0) return write_video(argv[2], atoi(argv[3]));
    if (argc > 3 && strcmp(argv[1], "--peak") == 0) return write_peak(argv[2], argv + 3);
    if (argc == 3 && strcmp(argv[1], "--fixtures") == 0) {
        predict_case_write(argv[2]);
        return 0;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(npy_files_have_their_header),
    };
    return cmocka_run_group_tests_name("predict", tests, predict_case_begin, predict_case_end);
}
