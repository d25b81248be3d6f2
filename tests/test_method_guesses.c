/* Guesses, thresholds, sharpening, alignment and mixtures against the numbers that scripts/golden_methods.py worked out
 * in NumPy (tests/golden/method_numbers.safetensors), and what a distribution of shares must look like. */
#include "support/golden.h"

#include "method/guesses.h"
#include "method/mixup.h"
#include "rmfer/ops/rows.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { ROWS = 6, CLASSES = 5, COUNT = ROWS * CLASSES, WIDE = 12 };
#define BOUND 2e-6

struct numbers {
    struct golden *golden;
    real logits[COUNT], targets[COUNT];
};

static int open_numbers(void **state)
{
    static struct numbers n;
    n.golden = golden_open("tests/golden/method_numbers.safetensors");
    assert_non_null(n.golden);
    assert_true(golden_integer(n.golden, "rows") == ROWS && golden_integer(n.golden, "classes") == CLASSES);
    for (size_t i = 0; i < COUNT; i++) n.logits[i] = (real)(3 * golden_uniform(golden_key("numbers.logits"), i));
    golden_targets(true, 0, ROWS, CLASSES, n.targets);
    *state = &n;
    return 0;
}

static int close_numbers(void **state)
{
    struct numbers *n = *state;
    golden_close(n->golden);
    return 0;
}

static void matches(const struct numbers *n, const char *name, const real *got, size_t count)
{
    assert_true(golden_matches(n->golden, name, got, count, BOUND, NULL));
}

static void test_softmax_and_sharpening(void **state)
{
    const struct numbers *n = *state;
    real p[COUNT], sharp[COUNT];
    guesses_softmax(ROWS, CLASSES, n->logits, 0.4, p);
    matches(n, "cold", p, COUNT);
    guesses_softmax(ROWS, CLASSES, n->logits, 1, p);
    matches(n, "softmax", p, COUNT);
    memcpy(sharp, p, sizeof sharp);
    guesses_sharpen(ROWS, CLASSES, 0.5, sharp);
    matches(n, "sharpened_half", sharp, COUNT);
    memcpy(sharp, p, sizeof sharp);
    guesses_sharpen(ROWS, CLASSES, 0.01, sharp);
    matches(n, "sharpened_cold", sharp, COUNT);
    memcpy(sharp, p, sizeof sharp);
    guesses_average(COUNT, sharp, n->targets, sharp);
    for (size_t i = 0; i < COUNT; i++) assert_true(fabsf(sharp[i] - (p[i] + n->targets[i]) / 2) < 1e-7f);
}

static void test_thresholds(void **state)
{
    const struct numbers *n = *state;
    const double thresholds[CLASSES] = {0.3, 0.6, 0.4, 0.7, 0.5};
    real p[COUNT], targets[COUNT], sure[ROWS];
    guesses_softmax(ROWS, CLASSES, n->logits, 1, p);
    guesses_above(ROWS, CLASSES, n->logits, 0.55, 0, targets, sure);
    matches(n, "sure", sure, ROWS);
    for (size_t i = 0; i < ROWS; i++) assert_true(targets[i * CLASSES + row_largest(CLASSES, p + i * CLASSES)] == 1);
    guesses_above(ROWS, CLASSES, n->logits, 0.55, 0.4, targets, sure);
    matches(n, "sure", sure, ROWS); /* the temperature has no say in it */
    matches(n, "cold", targets, COUNT);
    guesses_above_each(ROWS, CLASSES, p, thresholds, targets, sure);
    matches(n, "sure_each", sure, ROWS);
}

static void test_alignment(void **state)
{
    const struct numbers *n = *state;
    double mean[CLASSES] = {0}, shares[CLASSES];
    real p[COUNT], rounded[CLASSES];
    guesses_softmax(ROWS, CLASSES, n->logits, 1, p);
    guesses_follow_mean(ROWS, CLASSES, n->targets, 0.2, mean); /* the first batch is taken whole */
    guesses_follow_mean(ROWS, CLASSES, p, 0.2, mean);
    for (size_t c = 0; c < CLASSES; c++) {
        rounded[c] = (real)mean[c];
        shares[c] = 2 * ((double)c + 1) / (CLASSES * (CLASSES + 1));
    }
    matches(n, "mean", rounded, CLASSES);
    guesses_align(ROWS, CLASSES, shares, mean, p);
    matches(n, "aligned", p, COUNT);
}

static void test_squared_error(void **state)
{
    const struct numbers *n = *state;
    real gradient[COUNT], loss = (real)guesses_squared_error(ROWS, CLASSES, n->logits, n->targets, 1, gradient);
    matches(n, "squared_error", &loss, 1);
    assert_true(golden_matches(n->golden, "squared_error_slope", gradient, COUNT, 2e-5, NULL));
}

static void test_mixtures(void **state)
{
    const struct numbers *n = *state;
    real rows[ROWS * WIDE], mixed[ROWS * WIDE], targets[COUNT];
    const real *pictures[ROWS], *borrowed[ROWS];
    int64_t partners[ROWS];
    char name[32];
    for (size_t i = 0; i < ROWS * WIDE; i++) rows[i] = (real)golden_uniform(golden_key("numbers.rows"), i);
    struct mixup mixup = {.capacity = ROWS,
                          .picture_reals = WIDE,
                          .classes = CLASSES,
                          .pictures = pictures,
                          .targets = borrowed,
                          .partners = partners};
    for (int draw = 0; draw < golden_integer(n->golden, "draws"); draw++) {
        mixup_begin(&mixup);
        mixup_add(&mixup, 2, rows, n->targets);
        mixup_add(&mixup, ROWS - 2, rows + 2 * WIDE, n->targets + 2 * CLASSES);
        mixup_draw(&mixup, (uint64_t)golden_integer(n->golden, "seed"), (uint64_t)draw, 0.75);
        for (size_t i = 0; i < ROWS; i++) mixup_make(&mixup, i, mixed + i * WIDE, targets + i * CLASSES);
        snprintf(name, sizeof name, "mixed.%d", draw);
        matches(n, name, mixed, ROWS * WIDE);
        snprintf(name, sizeof name, "mixed_targets.%d", draw);
        matches(n, name, targets, COUNT);
    }
    mixup_draw(&mixup, 7, 1, 0);
    assert_true(mixup.share == 1); /* nothing is mixed */
}

static int compare_sizes(const void *a, const void *b)
{
    size_t x = *(const size_t *)a, y = *(const size_t *)b;
    return (x > y) - (x < y);
}

static void test_interleaving(void **state)
{
    const struct numbers *n = *state;
    static const size_t shapes[][2] = {{4, 3}, {5, 5}, {3, 5}, {16, 3}};
    for (size_t s = 0; s < sizeof shapes / sizeof shapes[0]; s++) {
        size_t batch = shapes[s][0], parts = shapes[s][1], order[16], labelled = 0, stored;
        char name[40];
        snprintf(name, sizeof name, "interleaved.%zu.%zu", batch, parts);
        const float *expected = golden_tensor(n->golden, name, &stored);
        assert_true(expected != NULL && stored == batch * parts);
        for (size_t number = 0; number < parts; number++) {
            size_t own = mixup_interleave(batch, parts, number, order);
            for (size_t i = 0; i < batch; i++) assert_true((order[i] < batch) == (i < own)); /* labelled in front */
            labelled += own;
            qsort(order, batch, sizeof *order, compare_sizes);
            for (size_t i = 0; i < batch; i++) assert_true((double)order[i] == (double)expected[number * batch + i]);
        }
        assert_int_equal(labelled, batch);
    }
}

/* Beta(a, a) has mean 1/2 and variance 1 / (4 (2 a + 1)); of 20,000 draws they are known to a hundredth. */
static void test_shares_are_of_a_beta_distribution(void **state)
{
    (void)state;
    static const double alphas[] = {0.1, 0.5, 0.75, 1, 4};
    enum { DRAWS = 20000 };
    for (size_t a = 0; a < sizeof alphas / sizeof alphas[0]; a++) {
        struct random_stream stream = random_stream(1, RANDOM_TEST, a, 0);
        double sum = 0, squares = 0;
        for (int i = 0; i < DRAWS; i++) {
            double share = mixup_beta(&stream, alphas[a]);
            assert_true(share >= 0 && share <= 1);
            sum += share;
            squares += (share - 0.5) * (share - 0.5);
        }
        assert_true(fabs(sum / DRAWS - 0.5) < 0.01);
        assert_true(fabs(squares / DRAWS - 1 / (4 * (2 * alphas[a] + 1))) < 0.006);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_softmax_and_sharpening),
        cmocka_unit_test(test_thresholds),
        cmocka_unit_test(test_alignment),
        cmocka_unit_test(test_squared_error),
        cmocka_unit_test(test_mixtures),
        cmocka_unit_test(test_interleaving),
        cmocka_unit_test(test_shares_are_of_a_beta_distribution),
    };
    return cmocka_run_group_tests(tests, open_numbers, close_numbers);
}
