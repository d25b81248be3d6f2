/* An evaluation as JSON and as a table. */
#include "rmfer/train/evaluation.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

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
        "\"average_interval\": [0.37500717298764707, 0.96925402763980184], \"loss\": 0.5, \"per_class\": "
        "{\"Neutral\": {\"n\": 3, \"recall\": "
        "0.66666666666666663, \"recall_interval\": [0.20765960080204771, 0.93850805527960368], \"precision\": 1, "
        "\"f1\": 0.8}, \"Anger\": {\"n\": 1, "
        "\"recall\": 1, \"recall_interval\": [0.20654931437723745, 1], \"precision\": 0.5, \"f1\": "
        "0.66666666666666663}, \"Fear\": "
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_an_evaluation_as_json),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
