/* An evaluation's numbers: in the list's order, and the attention branch's whatever that order; as JSON and as a
 * table. */
#include "rmfer/train/evaluation.h"

#include "rmfer/base/threads.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

/* ---- a data set sorted by class ---------------------------------------------------------------------------------- */

enum { PICTURES = 32, CLASSES = 2, BATCH = 8, PIXELS = PIXEL_SIDE * PIXEL_SIDE };

static uint8_t pixels[PICTURES * PIXELS];
static struct dataset_sample samples[PICTURES];

/* Gray pictures, those of class 0 first. Those of a class show the same, or each shows something else. */
static struct dataset sorted_by_class(bool same)
{
    static char name[] = "picture";
    for (size_t i = 0; i < PICTURES; i++) {
        size_t label = i * CLASSES / PICTURES, shown = same ? label : i;
        for (size_t p = 0; p < PIXELS; p++)
            pixels[i * PIXELS + p] = (uint8_t)((p % PIXEL_SIDE * (2 + shown) + p / PIXEL_SIDE * 5) % 256);
        samples[i] = (struct dataset_sample){.pixels = (int64_t)(i * PIXELS), .label = (int32_t)label};
    }
    return (struct dataset){.kind = "drawn",
                            .split = "test",
                            .class_count = CLASSES,
                            .samples = samples,
                            .count = PICTURES,
                            .pixels = pixels,
                            .pixel_count = sizeof pixels,
                            .names = {.bytes = name, .length = sizeof name}};
}

static struct model new_model(int classes)
{
    struct architecture architecture;
    struct model model;
    assert_int_equal(architecture_find(&architecture, "tf_efficientnet_b0", NULL), STATUS_OK);
    assert_int_equal(model_create(&model, &architecture, classes, true, NULL), STATUS_OK);
    model_initialise(&model, 1);
    return model;
}

static struct evaluator *new_evaluator(const struct dataset *dataset, const struct model *model, bool with_attention,
                                       const bool *may_predict)
{
    struct evaluation_setup setup = {.dataset = dataset,
                                     .batch = BATCH,
                                     .image_size = 32,
                                     .workers = 1,
                                     .prefetch = 2,
                                     .max_bad = 0.5,
                                     .std = {1, 1, 1},
                                     .keep_features = true,
                                     .with_attention = with_attention,
                                     .may_predict = may_predict,
                                     .ial_temperature = 1e6, /* everybody looks at everybody alike */
                                     .self_mask = SELF_MASK_NONE};
    struct evaluator *evaluator;
    struct error err = {0};
    if (evaluator_create(&evaluator, model, &setup, &err) != STATUS_OK) fail_msg("%s", err.message);
    return evaluator;
}

static const struct evaluation *evaluate(struct evaluator *evaluator, const struct model *model)
{
    const struct evaluation *evaluation;
    struct error err = {0};
    if (evaluator_run(evaluator, model, &evaluation, &err) != STATUS_OK) fail_msg("%s", err.message);
    return evaluation;
}

/* f_IAL becomes the plane half way between two feature vectors: class 0 is on the side of the first. */
static void tell_apart(struct model *model, const real *first, const real *second)
{
    struct parameters *all = &model->parameters;
    real *weight = parameter_write(all, &all->items[model->ial.weight]),
         *bias = parameter_write(all, &all->items[model->ial.bias]);
    size_t d = (size_t)model->architecture.features;
    bias[0] = bias[1] = 0;
    for (size_t i = 0; i < d; i++) {
        weight[i] = first[i] - second[i];
        weight[d + i] = 0;
        bias[0] -= weight[i] * (first[i] + second[i]) / 2;
    }
}

/* In batches of one class everybody sees the answer; in mixed ones a batch has one mean, and so one answer for both.
 */
static void test_attention_does_not_see_the_list_s_order(void **state)
{
    (void)state;
    struct dataset dataset = sorted_by_class(true);
    struct model model = new_model(CLASSES);
    struct evaluator *evaluator = new_evaluator(&dataset, &model, true, NULL);
    size_t d = (size_t)model.architecture.features;
    const struct evaluation *found = evaluate(evaluator, &model);
    assert_int_equal(found->n, PICTURES);
    tell_apart(&model, found->features, found->features + (PICTURES - 1) * d);
    double accuracy = evaluate(evaluator, &model)->ial_accuracy;
    assert_in_range((unsigned)(100 * accuracy), 50, 85);
    assert_true(evaluate(evaluator, &model)->ial_accuracy == accuracy); /* another round, the same batches */
    evaluator_free(evaluator);
    model_free(&model);
}

/* What is kept of a sample stands where the list has it, to the bit what it is without attention. */
static void test_samples_keep_their_places(void **state)
{
    (void)state;
    struct dataset dataset = sorted_by_class(false);
    struct model model = new_model(CLASSES);
    size_t d = (size_t)model.architecture.features;
    samples[5].label = -1;
    struct evaluator *with = new_evaluator(&dataset, &model, true, NULL),
                     *without = new_evaluator(&dataset, &model, false, NULL);
    for (int round = 0; round < 2; round++) {
        const struct evaluation *mixed = evaluate(with, &model), *plain = evaluate(without, &model);
        assert_int_equal(mixed->n, PICTURES - 1);
        assert_int_equal(plain->n, PICTURES - 1);
        for (int64_t i = 0; i < PICTURES - 1; i++) {
            assert_int_equal(mixed->ids[i], i < 5 ? i : i + 1);
            assert_int_equal(mixed->labels[i], samples[mixed->ids[i]].label);
        }
        assert_memory_equal(mixed->ids, plain->ids, (PICTURES - 1) * sizeof *plain->ids);
        assert_memory_equal(mixed->predicted, plain->predicted, (PICTURES - 1) * sizeof *plain->predicted);
        assert_memory_equal(mixed->logits, plain->logits, (PICTURES - 1) * CLASSES * sizeof *plain->logits);
        assert_memory_equal(mixed->features, plain->features, (PICTURES - 1) * d * sizeof *plain->features);
        assert_memory_equal(mixed->confusion.counts, plain->confusion.counts,
                            CLASSES * CLASSES * sizeof *plain->confusion.counts);
        assert_true(mixed->loss == plain->loss);
        assert_memory_equal(&mixed->plain, &plain->plain, sizeof plain->plain);
        assert_true(isnan(plain->ial_accuracy) && !isnan(mixed->ial_accuracy));
        assert_true(fabs(mixed->same_class_similarity - plain->same_class_similarity) < 1e-12);
    }
    evaluator_free(with);
    evaluator_free(without);
    model_free(&model);
}

/* The mean over the rows of sum_c t_c (log sum exp z - z_c), of the first `classes` outputs. */
static double loss_by_hand(const struct evaluation *found, size_t outputs, size_t classes, const double *target)
{
    double sum = 0;
    for (size_t i = 0; i < found->n; i++) {
        const real *z = found->logits + i * outputs;
        double exponentials = 0;
        for (size_t c = 0; c < classes; c++) exponentials += exp((double)z[c]);
        for (size_t c = 0; c < classes; c++) sum += target[c] * (log(exponentials) - (double)z[c]);
    }
    return sum / (double)found->n;
}

/* The loss knows no other outputs than the answers, as the calibration's likelihood does; a soft target's shares of
 * others are shared out. */
static void test_the_loss_is_over_what_may_be_predicted(void **state)
{
    (void)state;
    enum { OUTPUTS = 3 };
    static const bool two[OUTPUTS] = {true, true, false};
    static const double shared_out[] = {0.75, 0.25};
    static float targets[PICTURES * OUTPUTS];
    struct dataset dataset = sorted_by_class(false);
    struct model model = new_model(OUTPUTS);
    dataset.class_count = OUTPUTS;
    for (size_t i = 0; i < PICTURES; i++)
        memcpy(targets + i * OUTPUTS, (float[]){0.375f, 0.125f, 0.5f}, 3 * sizeof(float));
    for (int soft = 0; soft < 2; soft++) {
        dataset.targets = soft ? targets : NULL;
        struct evaluator *all = new_evaluator(&dataset, &model, false, NULL),
                         *some = new_evaluator(&dataset, &model, false, two);
        const struct evaluation *found = evaluate(some, &model);
        assert_int_equal(found->n, PICTURES);
        if (soft)
            assert_true(fabs(found->loss - loss_by_hand(found, OUTPUTS, 2, shared_out)) < 1e-9);
        else
            assert_true(fabs(found->loss - found->plain.negative_log_likelihood) < 1e-9);
        assert_true(evaluate(all, &model)->loss > found->loss);
        evaluator_free(all);
        evaluator_free(some);
    }
    model_free(&model);
}

/* ---- in print ---------------------------------------------------------------------------------------------------- */

static void test_an_evaluation_as_json(void **state)
{
    (void)state;
    static const char *const classes[] = {"Neutral", "Anger", "Fear"};
    struct evaluation_names names = {"rafdb", "test", "a.safetensors", classes, NULL, 0, -1};
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
    assert_non_null(strstr(out.bytes, "of features: same class -, different classes -\n")); /* no pairs to average */
    out.length = 0;
    evaluation.different_class_similarity = 0.25;
    assert_int_equal(evaluation_print_table(&evaluation, &names, &out, &err), STATUS_OK);
    assert_non_null(strstr(out.bytes, "of features: same class -, different classes 0.2500\n"));
    assert_non_null(strstr(out.bytes, "no samples, left out of the average: Fear\n"));
    text_free(&out);
    confusion_free(&evaluation.confusion);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_attention_does_not_see_the_list_s_order),
        cmocka_unit_test(test_samples_keep_their_places),
        cmocka_unit_test(test_the_loss_is_over_what_may_be_predicted),
        cmocka_unit_test(test_an_evaluation_as_json),
    };
    threads_set(1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
