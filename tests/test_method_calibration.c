/* Calibration against closed forms and against NumPy: the likelihood, the bins, the temperature, and what is no answer.
 */
#include "rmfer/method/calibration.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static void assert_near(double actual, double expected, double bound)
{
    if (!(fabs(actual - expected) <= bound)) fail_msg("%.17g is not %.17g", actual, expected);
}

/* NumPy 1.26 on z[i,c] = 3 sin(1.7 i + 2.3 c + 0.1 i c) as float32, the label the largest one but for every third row;
 * bins by comparison with linspace(0, 1, 16), the temperature by golden section. */
enum { ROWS = 40, CLASSES = 5 };

static void draw_rows(real logits[ROWS * CLASSES], int32_t labels[ROWS])
{
    for (int i = 0; i < ROWS; i++) {
        int best = 0;
        for (int c = 0; c < CLASSES; c++) {
            logits[i * CLASSES + c] = (real)(3 * sin(1.7 * i + 2.3 * c + 0.1 * i * c));
            if (logits[i * CLASSES + c] > logits[i * CLASSES + best]) best = c;
        }
        labels[i] = i % 3 != 0 ? best : (i * 7 + 3) % CLASSES;
    }
}

static void test_numbers_are_numpys(void **state)
{
    (void)state;
    real logits[ROWS * CLASSES];
    int32_t labels[ROWS];
    draw_rows(logits, labels);
    struct scored_rows rows = {logits, labels, ROWS, CLASSES, NULL, NULL};
    struct calibration plain = calibration_measure(&rows, 1), hot = calibration_measure(&rows, 2.5);
    assert_near(plain.negative_log_likelihood, 1.41999775532765, 1e-6);
    assert_near(plain.expected_calibration_error, 0.297944797093242, 1e-6);
    assert_near(hot.negative_log_likelihood, 1.29277895121896, 1e-6);
    assert_near(hot.expected_calibration_error, 0.32845489110462, 1e-6);
    double temperature = calibration_fit_temperature(&rows);
    assert_near(temperature, 1.945351724, 1e-5);
    struct calibration best = calibration_measure(&rows, temperature);
    assert_near(best.negative_log_likelihood, 1.28077953431216, 1e-9 + 1e-7);
    assert_near(best.expected_calibration_error, 0.308948985598338, 1e-5);
    for (double factor = 0.98; factor < 1.03; factor += 0.04)
        assert_true(calibration_measure(&rows, factor * temperature).negative_log_likelihood >
                    best.negative_log_likelihood);
}

/* K outputs, the first one `gap` above the equal others in every row, true in a share of them: the best p is that
 * share, so that 1 / temperature = log(share (K - 1) / (1 - share)) / gap. */
static void check_share(int right, int all, int classes, double gap)
{
    real logits[64 * 8] = {0};
    int32_t labels[64];
    for (int i = 0; i < all; i++) {
        logits[i * classes] = (real)gap;
        labels[i] = i < right ? 0 : 1;
    }
    struct scored_rows rows = {logits, labels, (size_t)all, (size_t)classes, NULL, NULL};
    double share = (double)right / all, inverse = log(share * (classes - 1) / (1 - share)) / gap;
    double temperature = calibration_fit_temperature(&rows);
    assert_near(temperature, 1 / inverse, 1e-9 / inverse);
    struct calibration calibrated = calibration_measure(&rows, temperature), plain = calibration_measure(&rows, 1);
    assert_near(calibrated.expected_calibration_error, 0, 1e-9);
    double p = 1 / (1 + (classes - 1) * exp(-gap));
    assert_near(plain.expected_calibration_error, fabs(p - share), 1e-6);
    assert_near(plain.negative_log_likelihood, -log(p) + (1 - share) * gap, 1e-6);
}

static void test_the_temperature_of_equal_rows_has_a_closed_form(void **state)
{
    (void)state;
    check_share(3, 4, 2, 2);
    check_share(63, 64, 2, 0.5);
    check_share(9, 16, 8, 6);
    check_share(1, 2, 8, 30); /* far from where the search begins */
    check_share(40, 64, 3, 0.125);
}

static void test_bins_have_closed_upper_ends(void **state)
{
    (void)state;
    /* p = 2/3 belongs to bin (9/15, 10/15]; with p of 0.64 in the same bin the two make up for each other: one right,
     * one wrong, |2/3 + 0.64 - 1| / 2. A rounding below or above the edge would part them. */
    const double second = log(0.64 / 0.36);
    real logits[4] = {(real)log(1.9999), 0, (real)second, 0};
    int32_t labels[2] = {0, 1};
    struct scored_rows rows = {logits, labels, 2, 2, NULL, NULL};
    double p = 1.9999 / 2.9999;
    assert_near(calibration_measure(&rows, 1).expected_calibration_error, (p + 0.64 - 1) / 2, 1e-6);
    logits[0] = (real)log(2.0001);
    p = 2.0001 / 3.0001;
    assert_near(calibration_measure(&rows, 1).expected_calibration_error, ((1 - p) + 0.64) / 2, 1e-6);
}

static void test_outputs_that_may_not_be_predicted_have_no_probability(void **state)
{
    (void)state;
    static const bool may_predict[3] = {true, false, true};
    static const real with[] = {1, 9, 0, /**/ 0, -9, 2}, without[] = {1, 0, /**/ 0, 2};
    static const int32_t three[] = {2, 2}, two[] = {1, 1};
    struct scored_rows rows = {with, three, 2, 3, may_predict, NULL}, expected = {without, two, 2, 2, NULL, NULL};
    struct calibration a = calibration_measure(&rows, 1.3), b = calibration_measure(&expected, 1.3);
    assert_near(a.negative_log_likelihood, b.negative_log_likelihood, 1e-12);
    assert_near(a.expected_calibration_error, b.expected_calibration_error, 1e-12);
}

static void test_unlabelled_rows_are_passed_over(void **state)
{
    (void)state;
    real logits[(ROWS + 2) * CLASSES] = {0};
    int32_t labels[ROWS + 2] = {-1, CLASSES};
    logits[0] = NAN;
    draw_rows(logits + 2 * CLASSES, labels + 2);
    struct scored_rows rows = {logits, labels, ROWS + 2, CLASSES, NULL, NULL};
    assert_near(calibration_measure(&rows, 1).negative_log_likelihood, 1.41999775532765, 1e-6);
    assert_near(calibration_fit_temperature(&rows), 1.945351724, 1e-5);
}

static void check_no_temperature(const real *logits, const int32_t *labels, size_t n, size_t classes, double nearest)
{
    struct scored_rows rows = {logits, labels, n, classes, NULL, NULL};
    assert_true(isnan(calibration_fit_temperature(&rows)));
    double found = calibration_nearest_temperature(&rows);
    assert_true(found == nearest || (isnan(found) && isnan(nearest)));
}

static void test_what_has_no_temperature(void **state)
{
    (void)state;
    static const real apart[] = {2, 0, /**/ 0, 3}, flat[] = {1, 1, /**/ 1, 1};
    static const int32_t right[] = {0, 1}, wrong[] = {1, 0}, one_class[] = {0, 0};
    check_no_temperature(apart, right, 2, 2, 1.0 / CALIBRATION_HOTTEST); /* the colder the better */
    check_no_temperature(apart, wrong, 2, 2, CALIBRATION_HOTTEST);       /* the hotter the better */
    check_no_temperature(flat, right, 2, 2, NAN);                        /* says nothing */
    check_no_temperature(apart, right, 0, 2, NAN);                       /* no rows */
    check_no_temperature(apart, one_class, 2, 1, NAN);                   /* one output is always right */
    real broken[] = {NAN, 0, /**/ 0, 3};
    check_no_temperature(broken, right, 2, 2, NAN);
    struct scored_rows rows = {broken, right, 2, 2, NULL, NULL};
    assert_true(isnan(calibration_measure(&rows, 1).negative_log_likelihood));
    broken[0] = INFINITY;
    assert_true(isnan(calibration_measure(&rows, 1).expected_calibration_error));
    rows.n = 0;
    assert_true(isnan(calibration_measure(&rows, 1).negative_log_likelihood));
    rows = (struct scored_rows){apart, one_class, 2, 1, NULL, NULL};
    assert_near(calibration_measure(&rows, 1).negative_log_likelihood, 0, 0);
    assert_near(calibration_measure(&rows, 1).expected_calibration_error, 0, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_numbers_are_numpys),
        cmocka_unit_test(test_the_temperature_of_equal_rows_has_a_closed_form),
        cmocka_unit_test(test_bins_have_closed_upper_ends),
        cmocka_unit_test(test_outputs_that_may_not_be_predicted_have_no_probability),
        cmocka_unit_test(test_unlabelled_rows_are_passed_over),
        cmocka_unit_test(test_what_has_no_temperature),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
