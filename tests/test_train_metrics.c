/* Metrics against numbers worked out by hand or by the definition, pair by pair. */
#include "support/golden.h"

#include "rmfer/train/metrics.h"

#include "rmfer/base/random.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void assert_near(double actual, double expected)
{
    if (!(fabs(actual - expected) <= 1e-9 * (1 + fabs(expected)))) fail_msg("%.17g is not %.17g", actual, expected);
}

static void fill(struct confusion *confusion, const uint64_t *counts, size_t classes)
{
    struct error err = {0};
    assert_int_equal(confusion_init(confusion, classes, &err), STATUS_OK);
    for (size_t truth = 0; truth < classes; truth++)
        for (size_t guess = 0; guess < classes; guess++)
            for (uint64_t i = 0; i < counts[truth * classes + guess]; i++) confusion_add(confusion, truth, guess);
}

static void test_accuracies_of_a_small_matrix(void **state)
{
    (void)state;
    static const uint64_t counts[9] = {8, 1, 1, /**/ 2, 3, 0, /**/ 0, 1, 0};
    struct confusion confusion;
    fill(&confusion, counts, 3);
    assert_memory_equal(confusion.counts, counts, sizeof counts);
    assert_int_equal(confusion_total(&confusion), 16);
    assert_int_equal(confusion_correct(&confusion), 11);
    assert_near(confusion_overall_accuracy(&confusion), 11.0 / 16);
    assert_near(confusion_average_accuracy(&confusion), (0.8 + 0.6 + 0.0) / 3);
    assert_near(confusion_precision(&confusion, 0), 0.8);
    assert_near(confusion_precision(&confusion, 1), 0.6);
    assert_near(confusion_precision(&confusion, 2), 0);
    assert_near(confusion_recall(&confusion, 1), 0.6);
    assert_near(confusion_f1(&confusion, 0), 2 * 0.8 * 0.8 / 1.6);
    assert_near(confusion_f1(&confusion, 2), 0);
    confusion_free(&confusion);
}

static void test_a_class_without_samples_is_left_out_of_the_mean(void **state)
{
    (void)state;
    static const uint64_t counts[9] = {3, 1, 0, /**/ 0, 0, 0, /**/ 1, 1, 2};
    struct confusion confusion;
    fill(&confusion, counts, 3);
    assert_true(isnan(confusion_recall(&confusion, 1)));
    assert_near(confusion_average_accuracy(&confusion), (0.75 + 0.5) / 2);
    assert_near(confusion_precision(&confusion, 1), 0); /* predicted twice, never right */
    assert_near(confusion_f1(&confusion, 1), 0);
    confusion_clear(&confusion);
    assert_true(isnan(confusion_overall_accuracy(&confusion)));
    assert_true(isnan(confusion_average_accuracy(&confusion)));
    assert_true(isnan(confusion_f1(&confusion, 1)));
    confusion_free(&confusion);
}

enum { POINTS = 23, DIMENSIONS = 5, CLASSES = 4 };

static void draw_points(real points[POINTS * DIMENSIONS], int32_t labels[POINTS])
{
    struct random_stream stream = random_stream(1, RANDOM_TEST, 2, 3);
    for (int i = 0; i < POINTS * DIMENSIONS; i++) points[i] = (real)(random_normal(&stream) + (i % 3));
    for (int i = 0; i < POINTS; i++) labels[i] = (int32_t)random_below(&stream, CLASSES - 1); /* the last has none */
}

static double cosine(const real *a, const real *b)
{
    double ab = 0, aa = 0, bb = 0;
    for (int k = 0; k < DIMENSIONS; k++) {
        ab += (double)a[k] * (double)b[k];
        aa += (double)a[k] * (double)a[k];
        bb += (double)b[k] * (double)b[k];
    }
    return ab / sqrt(aa * bb);
}

static void test_similarity_is_the_mean_over_pairs(void **state)
{
    (void)state;
    real points[POINTS * DIMENSIONS];
    int32_t labels[POINTS];
    draw_points(points, labels);
    double sums[2] = {0}, counts[2] = {0}, same, different;
    for (int i = 0; i < POINTS; i++) {
        for (int j = i + 1; j < POINTS; j++) {
            int kind = labels[i] == labels[j] ? 0 : 1;
            sums[kind] += cosine(points + i * DIMENSIONS, points + j * DIMENSIONS);
            counts[kind]++;
        }
    }
    struct similarity similarity;
    struct error err = {0};
    assert_int_equal(similarity_init(&similarity, DIMENSIONS, CLASSES, &err), STATUS_OK);
    for (int round = 0; round < 2; round++) { /* the second time after clearing */
        for (int i = 0; i < POINTS; i++) similarity_add(&similarity, points + i * DIMENSIONS, (size_t)labels[i]);
        similarity_means(&similarity, &same, &different);
        assert_near(same, sums[0] / counts[0]);
        assert_near(different, sums[1] / counts[1]);
        similarity_clear(&similarity);
    }
    similarity_add(&similarity, points, 0);
    similarity_means(&similarity, &same, &different);
    assert_true(isnan(same) && isnan(different));
    similarity_free(&similarity);
}

static void test_centre_distance_of_two_pairs(void **state)
{
    (void)state;
    /* Class 0 at (0,0), (2,0), class 1 at (0,4), (2,4): every point is 1 from its centre, and sqrt(5) from the mean.
     */
    static const real points[] = {0, 0, 2, 0, 0, 4, 2, 4, 99, 99};
    static const int32_t labels[] = {0, 0, 1, 1, -1};
    double distance;
    struct error err = {0};
    assert_int_equal(centre_distance(points, labels, 5, 2, 2, &distance, &err), STATUS_OK);
    assert_near(distance, 1 / sqrt(5));
    real moved[10];
    for (int i = 0; i < 10; i++) moved[i] = 3 * points[i] + 7;
    assert_int_equal(centre_distance(moved, labels, 5, 2, 2, &distance, &err), STATUS_OK);
    assert_near(distance, 1 / sqrt(5));
    assert_int_equal(centre_distance(points, labels, 0, 2, 2, &distance, &err), STATUS_OK);
    assert_true(isnan(distance));
}

/* Against NumPy's numbers; every seventh row has no label. */
static void test_agreement_of_valence_and_arousal(void **state)
{
    (void)state;
    enum { ROWS = 40 };
    struct golden *golden = golden_open("tests/golden/agreement.safetensors");
    assert_non_null(golden);
    size_t count, two;
    const float *predicted = golden_tensor(golden, "predicted", &count);
    const float *wanted = golden_tensor(golden, "concordance", &two), *rmse = golden_tensor(golden, "rmse", &two);
    real truth[2 * ROWS];
    assert_int_equal(count, 2 * ROWS);
    for (size_t i = 0; i < 2 * ROWS; i++)
        truth[i] = i / 2 % 7 == 3 ? NAN : (real)golden_uniform(golden_key("agreement.truth"), i);
    struct affect_agreement agreement = affect_agreement(ROWS, predicted, truth);
    assert_int_equal(agreement.n, golden_integer(golden, "known"));
    for (size_t d = 0; d < 2; d++) {
        assert_true(fabs(agreement.concordance[d] - (double)wanted[d]) < 1e-6);
        assert_true(fabs(agreement.rmse[d] - (double)rmse[d]) < 1e-6);
    }
    for (size_t i = 0; i < 2 * ROWS; i++) truth[i] = NAN;
    agreement = affect_agreement(ROWS, predicted, truth);
    assert_true(agreement.n == 0 && isnan(agreement.concordance[0]) && isnan(agreement.rmse[1]));
    golden_close(golden);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_accuracies_of_a_small_matrix),
        cmocka_unit_test(test_a_class_without_samples_is_left_out_of_the_mean),
        cmocka_unit_test(test_similarity_is_the_mean_over_pairs),
        cmocka_unit_test(test_centre_distance_of_two_pairs),
        cmocka_unit_test(test_agreement_of_valence_and_arousal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
