/* What moments agree on, against NumPy: the teacher's temperature, the moments' shares by expectation and maximisation,
 * rho by what foretells best, the labels, their alignment and certainty (scripts/golden_consensus.py); without moments;
 * and drawn moments of which everything is known: rho is found, strangers agree on nothing, labels become better. */
#include "method/moment_consensus.h"
#include "rmfer/method/calibration.h"
#include "rmfer/base/random.h"
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
static double mean[CLASSES];
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
    consensus_mean(FACES, CLASSES, p, mean);
    return (struct consensus_faces){.count = FACES, .classes = CLASSES, .p = p, .shares = mean, .others = company};
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
    assert_true(fabs(found.rho - one_number(golden, "rho")) < 1e-3);
    found.rho = golden_number(golden, "given_rho");
    for (size_t c = 0; c < CLASSES; c++) moments[c] = (real)mean[c];
    assert_true(golden_matches(golden, "shares", moments, CLASSES, 1e-6, NULL));
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

/* ---- drawn moments ----------------------------------------------------------------------------------------------------
 *
 * A face's look is a normal number for each class, that of its expression shifted: the teacher knows all of this, its
 * probabilities are exact. Or it believes three classes in too many faces, as a network does that has seen them rarely.
 */

enum { DRAWN_MOMENTS = 800, DRAWN_PERSONS = 8, KINDS = 5, DRAWN = DRAWN_MOMENTS * DRAWN_PERSONS };

static const double kind_shares[KINDS] = {0.55, 0.3, 0.1, 0.03, 0.02};

struct drawing {
    real p[DRAWN * KINDS], q[DRAWN * KINDS];
    int shown[DRAWN];
    size_t places[DRAWN], at[DRAWN]; /* which face stands where, and where a face stands */
    double mean[KINDS];
};
static struct drawing drawing;

static int drawn_kind(struct random_stream *stream)
{
    double u = random_uniform(stream);
    int kind = 0;
    for (; kind < KINDS - 1 && u >= kind_shares[kind]; kind++) u -= kind_shares[kind];
    return kind;
}

static void look_at(struct random_stream *stream, size_t face, double bias)
{
    const double shift = 1.7;
    double power[KINDS], sum = 0;
    for (int k = 0; k < KINDS; k++) {
        double look = random_normal(stream) + (k == drawing.shown[face] ? shift : 0);
        power[k] = kind_shares[k] * exp(shift * look + (k > 1 ? bias : 0));
        sum += power[k];
    }
    for (int k = 0; k < KINDS; k++) drawing.p[face * KINDS + (size_t)k] = (real)(power[k] / sum);
}

static size_t drawn_company(const void *context, size_t face, size_t *numbers)
{
    size_t place = drawing.at[face], first = place - place % DRAWN_PERSONS, count = 0;
    (void)context;
    for (size_t i = first; i < first + DRAWN_PERSONS; i++)
        if (i != place) numbers[count++] = drawing.places[i];
    return count;
}

static struct consensus_faces draw_faces(double rho, double bias, bool shuffled)
{
    struct random_stream stream = random_stream(5, RANDOM_METHOD, 0, 0);
    int64_t places[DRAWN];
    for (size_t m = 0; m < DRAWN_MOMENTS; m++) {
        int expression = drawn_kind(&stream);
        for (size_t i = m * DRAWN_PERSONS; i < (m + 1) * DRAWN_PERSONS; i++) {
            drawing.shown[i] = random_uniform(&stream) < rho ? expression : drawn_kind(&stream);
            look_at(&stream, i, bias);
        }
    }
    for (size_t i = 0; i < DRAWN; i++) places[i] = (int64_t)i;
    if (shuffled) random_shuffle(&stream, places, DRAWN);
    for (size_t i = 0; i < DRAWN; i++) drawing.places[i] = (size_t)places[i];
    for (size_t i = 0; i < DRAWN; i++) drawing.at[drawing.places[i]] = i;
    consensus_mean(DRAWN, KINDS, drawing.p, drawing.mean);
    return (struct consensus_faces){
        .count = DRAWN, .classes = KINDS, .p = drawing.p, .shares = drawing.mean, .others = drawn_company};
}

static double right_share(const real *labels)
{
    size_t right = 0;
    for (size_t i = 0; i < DRAWN; i++) {
        const real *row = labels + i * KINDS;
        int best = 0;
        for (int k = 1; k < KINDS; k++)
            if (row[k] > row[best]) best = k;
        right += best == drawing.shown[i];
    }
    return (double)right / DRAWN;
}

/* Returns the gain of the labels over the teacher's own; pi is `shares_taken`, the teacher's mean where they are NULL.
 */
static double gain_by(const double *shares_taken, double rho, double bias, bool shuffled, double *found_rho)
{
    double changed;
    struct consensus_faces faces = draw_faces(rho, bias, shuffled);
    if (shares_taken != NULL) faces.shares = shares_taken;
    struct consensus found = consensus_estimate(&faces, 10);
    consensus_labels(&faces, &found, drawing.q, &changed);
    *found_rho = found.rho;
    return right_share(drawing.q) - right_share(drawing.p);
}

static double gain(double rho, double bias, bool shuffled, double *found_rho)
{
    return gain_by(NULL, rho, bias, shuffled, found_rho);
}

static void test_what_is_drawn_is_found(void **state)
{
    static const double rhos[] = {0.8, 0.4}, least_gains[] = {0.07, 0.005}, biases[] = {0, 1};
    double found;
    (void)state;
    for (int i = 0; i < 2; i++)
        for (int b = 0; b < 2; b++) {
            double gained = gain(rhos[i], biases[b], false, &found);
            print_message("rho %.1f, bias %.0f: found %.3f, labels better by %.3f\n", rhos[i], biases[b], found,
                          gained);
            assert_true(fabs(found - rhos[i]) < 0.04 && gained > least_gains[i]);
        }
}

static void test_strangers_agree_on_nothing(void **state)
{
    static const double biases[] = {0, 1};
    double found;
    (void)state;
    for (int b = 0; b < 2; b++) {
        double gained = gain(0.8, biases[b], true, &found);
        print_message("shuffled, bias %.0f: found %.3f, labels better by %.3f\n", biases[b], found, gained);
        assert_true(found < 0.1 && fabs(gained) < 0.005);
    }
    /* Why pi is the teacher's mean: with the true shares a biased teacher's strangers seem to agree. */
    double gained = gain_by(kind_shares, 0.8, 1, true, &found);
    print_message("shuffled, bias 1, by the true shares: found %.3f, labels better by %.3f\n", found, gained);
    assert_true(found > 0.15 && gained < -0.03);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_estimates_and_labels),
        cmocka_unit_test(test_alone_a_face_keeps_what_the_teacher_says),
        cmocka_unit_test(test_certainty_and_threshold),
        cmocka_unit_test(test_what_is_drawn_is_found),
        cmocka_unit_test(test_strangers_agree_on_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
