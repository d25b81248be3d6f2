/* The trainer's small parts: the table of phases, JSON lines, and the lines of metrics that stay when a run goes on.
 */
#include "rmfer/base/json_writer.h"
#include "train/run_folder.h"

#include "rmfer/base/file.h"
#include "rmfer/base/memory.h"
#include "rmfer/method/method.h"
#include "rmfer/method/rmfer.h"
#include "rmfer/train/evaluation.h"
#include "support/scratch.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static void near(double actual, double expected)
{
    if (!(fabs(actual - expected) <= 1e-12)) fail_msg("%.17g is not %.17g", actual, expected);
}

/* ---- phases ------------------------------------------------------------------------------------------------------
 */

static struct phase_table table_of(const char *const *overrides, size_t count)
{
    struct error err = {0};
    struct config config;
    if (config_defaults(&config, overrides, count, &err) != STATUS_OK) fail_msg("%s", err.message);
    struct phase_table table = {0};
    method_find("rmfer")->phases(&config, &table);
    config_free(&config);
    return table;
}

static void test_the_recipe_has_two_phases(void **state)
{
    (void)state;
    struct phase_table table = table_of(NULL, 0);
    assert_int_equal(table.count, 2);
    const struct phase *first = phase_table_at(&table, 0), *second = phase_table_at(&table, 5);
    assert_ptr_equal(first, phase_table_at(&table, 4));
    assert_ptr_equal(second, phase_table_at(&table, 1000));
    assert_int_equal(first->number, 1);
    assert_int_equal(second->number, 2);
    near(first->weights[RMFER_IAL], 1.2);
    near(first->weights[RMFER_ACL], 0);
    near(second->weights[RMFER_IAL], 1.2);
    near(second->weights[RMFER_ACL], 1);
    near(first->rates.learning_rate[GROUP_BACKBONE], 1e-4);
    near(first->rates.learning_rate[GROUP_FER], 1e-4);
    near(first->rates.learning_rate[GROUP_PROJECTION], 6e-6);
    near(first->rates.learning_rate[GROUP_IAL], 6e-6);
    for (int group = 0; group < GROUP_METHOD; group++) {
        near(second->rates.learning_rate[group], 2e-6);
        assert_false(first->rates.frozen[group] || second->rates.frozen[group]);
    }
}

static void test_rates_may_stay_in_phase_2(void **state)
{
    (void)state;
    static const char *const overrides[] = {"train.phase2_lr=same"};
    struct phase_table table = table_of(overrides, 1);
    near(phase_table_at(&table, 5)->rates.learning_rate[GROUP_BACKBONE], 1e-4);
    near(phase_table_at(&table, 5)->rates.learning_rate[GROUP_IAL], 6e-6);
}

static void test_what_no_loss_reaches_is_frozen(void **state)
{
    (void)state;
    static const char *const baseline[] = {"ial.weight=0", "acl.weight=0", "train.freeze_backbone=true"};
    struct phase_table table = table_of(baseline, 3);
    assert_int_equal(table.count, 2);
    assert_int_equal(table.phases[1].end_epoch, 20);
    assert_true(table.phases[0].rates.frozen[GROUP_BACKBONE]);
    assert_false(table.phases[0].rates.frozen[GROUP_FER]);
    assert_true(table.phases[0].rates.frozen[GROUP_PROJECTION]);
    assert_true(table.phases[0].rates.frozen[GROUP_IAL]);
    static const char *const only_acl[] = {"ial.weight=0"};
    table = table_of(only_acl, 1);
    assert_int_equal(table.count, 2);
    assert_true(table.phases[0].rates.frozen[GROUP_PROJECTION]);
    assert_false(table.phases[1].rates.frozen[GROUP_PROJECTION]);
    assert_true(table.phases[1].rates.frozen[GROUP_IAL]);
}

static void test_phases_of_no_length_are_not_there(void **state)
{
    (void)state;
    static const char *const at_once[] = {"train.warmup_epochs=0"}, *const never[] = {"train.warmup_epochs=20"},
                             *const empty[] = {"rmset.fraction=0"};
    struct phase_table table = table_of(at_once, 1);
    assert_int_equal(table.count, 1);
    assert_int_equal(table.phases[0].number, 2);
    table = table_of(never, 1);
    assert_int_equal(table.count, 1);
    assert_int_equal(table.phases[0].number, 1);
    table = table_of(empty, 1);
    assert_int_equal(table.count, 2);
    near(table.phases[1].weights[RMFER_ACL], 0);
}

/* Two rows of the ablation differ in the weights of their losses and in nothing else. */
static void test_a_weight_of_0_changes_no_epoch_and_no_rate(void **state)
{
    (void)state;
    static const char *const off[] = {"acl.weight=0"};
    struct phase_table full = table_of(NULL, 0), row = table_of(off, 1);
    assert_int_equal(row.count, full.count);
    for (size_t i = 0; i < full.count; i++) {
        const struct phase *a = &full.phases[i], *b = &row.phases[i];
        assert_int_equal(a->number, b->number);
        assert_int_equal(a->first_epoch, b->first_epoch);
        assert_int_equal(a->end_epoch, b->end_epoch);
        assert_memory_equal(&a->rates, &b->rates, sizeof a->rates);
        near(b->weights[RMFER_ACL], 0);
        near(b->weights[RMFER_IAL], a->weights[RMFER_IAL]);
    }
}

/* ---- JSON --------------------------------------------------------------------------------------------------------
 */

static void test_json_is_written_with_its_commas(void **state)
{
    (void)state;
    struct text out = {0};
    struct error err = {0};
    struct json_writer json = json_writer(&out, &err);
    json_open(&json, '{');
    json_string_member(&json, "a \"quoted\" name", "tab\tback\\slash");
    json_integer_member(&json, "n", -12);
    json_real_member(&json, "x", 0.1);
    json_real_member(&json, "float", (double)0.1f);
    json_real_member(&json, "nothing", NAN);
    json_name(&json, "list");
    json_open(&json, '[');
    json_open(&json, '[');
    json_close(&json, ']');
    json_integer(&json, 1);
    json_real(&json, 1e300);
    json_close(&json, ']');
    json_real_member(&json, "last", -INFINITY);
    json_close(&json, '}');
    assert_int_equal(json.result, STATUS_OK);
    assert_string_equal(out.bytes, "{\"a \\\"quoted\\\" name\": \"tab\\u0009back\\\\slash\", \"n\": -12, \"x\": 0.1, "
                                   "\"float\": 0.10000000149011612, \"nothing\": null, \"list\": [[], 1, 1e+300], "
                                   "\"last\": null}");
    text_free(&out);
}

static void test_an_evaluation_as_json(void **state)
{
    (void)state;
    static const char *const classes[] = {"Neutral", "Anger", "Fear"};
    struct evaluation_names names = {"rafdb", "test", "a.safetensors", classes, NULL, 0};
    struct evaluation evaluation = {.n = 4,
                                    .loss = 0.5,
                                    .ial_accuracy = NAN,
                                    .same_class_similarity = NAN,
                                    .different_class_similarity = NAN,
                                    .projected_same_class_similarity = NAN,
                                    .projected_different_class_similarity = NAN,
                                    .centre_distance = NAN,
                                    .temperature = 1.5,
                                    .plain = {0.5, 0.25},
                                    .calibrated = {NAN, 0.125}};
    struct error err = {0};
    struct text out = {0};
    assert_int_equal(confusion_init(&evaluation.confusion, 3, &err), STATUS_OK);
    confusion_add(&evaluation.confusion, 0, 0);
    confusion_add(&evaluation.confusion, 0, 0);
    confusion_add(&evaluation.confusion, 0, 1);
    confusion_add(&evaluation.confusion, 1, 1);
    assert_int_equal(evaluation_print_json(&evaluation, &names, &out, &err), STATUS_OK);
    assert_string_equal(
        out.bytes,
        "{\"dataset\": \"rafdb\", \"split\": \"test\", \"checkpoint\": \"a.safetensors\", \"classes\": "
        "[\"Neutral\", \"Anger\", \"Fear\"], \"n\": 4, \"overall_accuracy\": 0.75, \"overall_interval\": "
        "[0.30064184258240184, 0.95441273919029945], \"average_accuracy\": 0.83333333333333326, "
        "\"average_interval\": [0.37500717298764707, 0.96925402763980184], \"loss\": 0.5, \"per_class\": {\"Neutral\": {\"n\": 3, \"recall\": "
        "0.66666666666666663, \"recall_interval\": [0.20765960080204771, 0.93850805527960368], \"precision\": 1, \"f1\": 0.8}, \"Anger\": {\"n\": 1, "
        "\"recall\": 1, \"recall_interval\": [0.20654931437723745, 1], \"precision\": 0.5, \"f1\": 0.66666666666666663}, \"Fear\": "
        "{\"n\": 0, \"recall\": null, \"recall_interval\": [null, null], \"precision\": null, \"f1\": null}}, "
        "\"confusion\": [[2, 1, 0], [0, 1, 0], [0, 0, 0]], \"classes_without_samples\": [\"Fear\"], "
        "\"calibration\": {\"bins\": 15, \"negative_log_likelihood\": 0.5, \"expected_calibration_error\": 0.25, "
        "\"temperature\": 1.5, \"at_temperature\": {\"negative_log_likelihood\": null, "
        "\"expected_calibration_error\": 0.125}}, "
        "\"unreadable\": 0}");
    out.length = 0;
    assert_int_equal(evaluation_print_table(&evaluation, &names, &out, &err), STATUS_OK);
    assert_non_null(strstr(out.bytes, "overall accuracy 75.00% [30.06%, 95.44%]   average accuracy 83.33% ["));
    assert_non_null(strstr(out.bytes, "no samples, left out of the average: Fear\n"));
    text_free(&out);
    confusion_free(&evaluation.confusion);
}

/* ---- metrics.jsonl -----------------------------------------------------------------------------------------------
 */

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

/* A signal came during the evaluation of step 10; the run went on, evaluated, and was killed before its next checkpoint. */
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
    static const char three[] =
        "{\"step\": 5, \"loss\": 1}\n{\"step\": 10}\n{\"step\": 10, \"n\": 2}\n{\"step\": 15}\n";
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
        cmocka_unit_test(test_the_recipe_has_two_phases),
        cmocka_unit_test(test_rates_may_stay_in_phase_2),
        cmocka_unit_test(test_what_no_loss_reaches_is_frozen),
        cmocka_unit_test(test_phases_of_no_length_are_not_there),
        cmocka_unit_test(test_a_weight_of_0_changes_no_epoch_and_no_rate),
        cmocka_unit_test(test_json_is_written_with_its_commas),
        cmocka_unit_test(test_an_evaluation_as_json),
        cmocka_unit_test(test_lines_after_the_checkpoint_are_forgotten),
        cmocka_unit_test(test_an_evaluation_made_again_replaces_the_first),
        cmocka_unit_test(test_the_lock_is_not_lost_with_the_log),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
