/* A run folder: lines of metrics that stay when a run goes on, its lock, what a killed run left. */
#include "train/run_folder.h"
#include "rmfer/base/file.h"
#include "rmfer/base/memory.h"
#include "support/scratch.h"

#include <math.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static void check_lines(const char *before, uint64_t step, bool evaluated, const char *after)
{
    char *folder = scratch_make();
    struct run_folder run;
    struct error err = {0};
    uint8_t *bytes;
    size_t size;
    if (before != NULL) scratch_text(folder, "metrics.jsonl", before);
    assert_int_equal(run_folder_init(&run, folder, &err), STATUS_OK);
    assert_int_equal(run_folder_open_metrics(&run, step, evaluated, &err), STATUS_OK);
    assert_int_equal(run_folder_write_metrics(&run, "{\"step\": 99}", &err), STATUS_OK);
    run_folder_free(&run);
    assert_int_equal(file_read(scratch_path(folder, "metrics.jsonl"), 1 << 20, &bytes, &size, &err), STATUS_OK);
    assert_string_equal((char *)bytes, after);
    memory_free(bytes);
    scratch_remove(folder);
}

static void check_kept(const char *before, uint64_t step, const char *after)
{
    check_lines(before, step, true, after);
}

/* A signal came during the evaluation of step 10; the run went on, evaluated, and was killed before its next
 * checkpoint. */
static void test_an_evaluation_made_again_replaces_the_first(void **state)
{
    (void)state;
#define LINES "{\"step\": 5, \"overall_accuracy\": 1}\n{\"step\": 10, \"lr\": \"overall\"}\n"
    static const char twice[] = LINES "{\"step\": 10, \"n\": 3, \"overall_accuracy\": 0.5}\n{\"step\": 11}\n";
    check_lines(twice, 10, false, LINES "{\"step\": 99}\n");
    check_lines(twice, 10, true, LINES "{\"step\": 10, \"n\": 3, \"overall_accuracy\": 0.5}\n{\"step\": 99}\n");
    check_lines(twice, 11, false,
                LINES "{\"step\": 10, \"n\": 3, \"overall_accuracy\": 0.5}\n{\"step\": 11}\n{\"step\": 99}\n");
#undef LINES
}

static void test_the_lock_is_not_lost_with_the_log(void **state)
{
    (void)state;
    char *folder = scratch_make();
    struct run_folder first, second;
    struct error err = {0};
    scratch_text(folder, "last.safetensors.tmp.0123456789abcdef", "left by a killed run");
    scratch_text(folder, "last.safetensors.tmp.mine", "somebody's");
    assert_int_equal(run_folder_init(&first, folder, &err), STATUS_OK);
    assert_int_equal(run_folder_lock(&first, &err), STATUS_OK);
    assert_false(file_exists(scratch_path(folder, "last.safetensors.tmp.0123456789abcdef")));
    assert_true(file_exists(scratch_path(folder, "last.safetensors.tmp.mine")));
    assert_int_equal(run_folder_open_log(&first, &err), STATUS_OK);
    assert_int_equal(unlink(scratch_path(folder, "log.txt")), 0);
    assert_int_equal(run_folder_init(&second, folder, &err), STATUS_OK);
    assert_int_equal(run_folder_lock(&second, &err), STATUS_FAILED);
    assert_non_null(strstr(err.message, "another process trains in this folder"));
    run_folder_free(&second);
    run_folder_free(&first);
    err = (struct error){0};
    assert_int_equal(run_folder_init(&second, folder, &err), STATUS_OK);
    assert_int_equal(run_folder_lock(&second, &err), STATUS_OK);
    run_folder_free(&second);
    scratch_remove(folder);
}

static void test_lines_after_the_checkpoint_are_forgotten(void **state)
{
    (void)state;
    static const char
        three[] = "{\"step\": 5, \"loss\": 1}\n{\"step\": 10}\n{\"step\": 10, \"n\": 2}\n{\"step\": 15}\n";
    check_kept(three, 10, "{\"step\": 5, \"loss\": 1}\n{\"step\": 10}\n{\"step\": 10, \"n\": 2}\n{\"step\": 99}\n");
    check_kept(
        three, 20,
        "{\"step\": 5, \"loss\": 1}\n{\"step\": 10}\n{\"step\": 10, \"n\": 2}\n{\"step\": 15}\n{\"step\": 99}\n");
    check_kept(three, 0, "{\"step\": 99}\n");
    check_kept("{\"step\": 1}\n{\"step\": 2, \"lo", 9, "{\"step\": 1}\n{\"step\": 99}\n"); /* cut short */
    check_kept("nonsense\n{\"step\": 1}\n", 9, "{\"step\": 99}\n");
    check_kept(NULL, 9, "{\"step\": 99}\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_an_evaluation_made_again_replaces_the_first),
        cmocka_unit_test(test_the_lock_is_not_lost_with_the_log),
        cmocka_unit_test(test_lines_after_the_checkpoint_are_forgotten),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
