/* What moments agree on, against NumPy: the teacher's temperature, rho and the moments' shares by expectation and
 * maximisation, the labels, their alignment and certainty (scripts/golden_consensus.py); and without moments. */
#include "method/moment_consensus.h"
#include "rmfer/method/calibration.h"
#include "support/golden.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

enum { MOMENTS = 30, PERSONS = 5, ALONE = 6, CLASSES = 4, FACES = MOMENTS * PERSONS + ALONE };

static const double shares[CLASSES] = {0.4, 0.3, 0.2, 0.1};
static real logits[FACES * CLASSES], p[FACES * CLASSES], q[FACES * CLASSES];

static size_t company(const void *context, size_t face, size_t *numbers)
{
    size_t count = 0, moment = face - face % PERSONS;
    (void)context;
    for (size_t i = moment; face < MOMENTS * PERSONS && i < moment + PERSONS; i++)
        if (i != face) numbers[count++] = i;
    return count;
}

static size_t nobody(const void *context, size_t face, size_t *numbers)
{
    (void)context;
    (void)face;
    (void)numbers;
    return 0;
}

static struct consensus_faces make_faces(void)
{
    uint64_t key = golden_key("consensus.logits");
    for (size_t i = 0; i < FACES; i++) {
        size_t shown = i % PERSONS < 3 ? i / PERSONS % CLASSES : i % CLASSES;
        double sum = 0;
        for (size_t c = 0; c < CLASSES; c++) {
            logits[i * CLASSES + c] = (real)(1.5 * golden_uniform(key, i * CLASSES + c) + (c == shown ? 2 : 0));
            sum += exp((double)logits[i * CLASSES + c]);
        }
        for (size_t c = 0; c < CLASSES; c++) p[i * CLASSES + c] = (real)(exp((double)logits[i * CLASSES + c]) / sum);
    }
    return (struct consensus_faces){.count = FACES, .classes = CLASSES, .p = p, .shares = shares, .others = company};
}

static double one_number(const struct golden *golden, const char *name)
{
    size_t count;
    const float *values = golden_tensor(golden, name, &count);
    assert_true(values != NULL && count == 1);
    return (double)values[0];
}

static void test_estimates_and_labels(void **state)
{
    (void)state;
    struct golden *golden = golden_open("tests/golden/consensus.safetensors");
    assert_non_null(golden);
    struct consensus_faces faces = make_faces();
    real targets[FACES * CLASSES] = {0}, moments[CLASSES], certainty[FACES];
    double changed;
    for (size_t i = 0; i < FACES; i++) targets[i * CLASSES + i / PERSONS % CLASSES] = 1;
    struct scored_rows rows = {.logits = logits, .targets = targets, .n = FACES, .classes = CLASSES};
    double temperature = calibration_nearest_temperature(&rows);
    assert_true(fabs(temperature - one_number(golden, "temperature")) < 1e-4);
    struct consensus found = consensus_estimate(&faces, golden_integer(golden, "scans"));
    assert_true(fabs(found.rho - one_number(golden, "rho")) < 1e-6);
    for (size_t c = 0; c < CLASSES; c++) moments[c] = (real)found.moments[c];
    assert_true(golden_matches(golden, "moments", moments, CLASSES, 1e-6, NULL));
    consensus_labels(&faces, &found, q, &changed);
    assert_true(golden_matches(golden, "labels", q, FACES * CLASSES, 1e-6, NULL));
    assert_true(fabs(changed - one_number(golden, "changed")) < 1e-6 && changed > 0.05);
    for (size_t i = 0; i < FACES; i++) certainty[i] = (real)consensus_certainty(CLASSES, q + i * CLASSES, 0);
    assert_true(golden_matches(golden, "certainty", certainty, FACES, 1e-5, NULL));
    consensus_align(FACES, CLASSES, shares, 0.5, q);
    assert_true(golden_matches(golden, "aligned", q, FACES * CLASSES, 1e-6, NULL));
    golden_close(golden);
}

static void test_alone_a_face_keeps_what_the_teacher_says(void **state)
{
    (void)state;
    struct consensus_faces faces = make_faces();
    double changed;
    faces.others = nobody;
    struct consensus found = consensus_estimate(&faces, 3);
    assert_true(found.rho == 0);
    consensus_labels(&faces, &found, q, &changed);
    assert_true(changed == 0);
    for (size_t i = 0; i < FACES * CLASSES; i++) assert_true(fabs((double)(q[i] - p[i])) < 1e-6);
    consensus_align(FACES, CLASSES, shares, 0, q);
    for (size_t i = 0; i < FACES * CLASSES; i++) assert_true(fabs((double)(q[i] - p[i])) < 1e-6);
}

static void test_certainty_and_threshold(void **state)
{
    (void)state;
    const real sure[2] = {1, 0}, undecided[2] = {0.5, 0.5}, somewhat[2] = {0.75, 0.25};
    assert_true(consensus_certainty(2, sure, 1) == 1);
    assert_true(fabs(consensus_certainty(2, undecided, 0)) < 1e-12);
    assert_true(fabs(consensus_certainty(2, somewhat, 0.7) - 0.18872187554086717) < 1e-7);
    assert_true(consensus_certainty(2, somewhat, 0.8) == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_estimates_and_labels),
        cmocka_unit_test(test_alone_a_face_keeps_what_the_teacher_says),
        cmocka_unit_test(test_certainty_and_threshold),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
