/* Random numbers hang on their key alone, never change, and have the distributions they say. */
#include "rmfer/base/random.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void test_streams_hang_on_their_key(void **state)
{
    (void)state;
    const struct random_stream streams[] = {
        random_stream(1, RANDOM_AUGMENT, 2, 3), random_stream(1, RANDOM_AUGMENT, 2, 3),
        random_stream(1, RANDOM_AUGMENT, 3, 2), random_stream(2, RANDOM_AUGMENT, 1, 3),
        random_stream(1, RANDOM_DROPOUT, 2, 3), random_stream(1, RANDOM_AUGMENT, 2, 4),
        random_stream(0, RANDOM_AUGMENT, 0, 0), random_stream(0, RANDOM_SAMPLER, 0, 0)};
    enum { COUNT = sizeof streams / sizeof streams[0] };
    uint64_t first[COUNT];
    for (int i = 0; i < COUNT; i++) {
        struct random_stream own = streams[i];
        first[i] = random_bits(&own);
    }
    assert_true(first[0] == first[1]);
    for (int i = 1; i < COUNT; i++)
        for (int j = i + 1; j < COUNT; j++) assert_true(first[i] != first[j]);
}

/* The numbers are part of what a seed means: they may not change between versions. */
static void test_streams_never_change(void **state)
{
    (void)state;
    struct random_stream stream = random_stream(1, RANDOM_INITIALISE, 2, 3);
    const uint64_t wanted[3] = {UINT64_C(0x16af7ec89f7da8b0), UINT64_C(0x3722e21aec09974b),
                                UINT64_C(0x50dd30be1c07431a)};
    for (int i = 0; i < 3; i++) assert_true(random_bits(&stream) == wanted[i]);
}

/* Sixteen bins of uniform numbers: chi squared with 15 degrees of freedom exceeds 44.3 once in 10,000 times. */
static double chi_squared(const int *bins, int count, int drawn)
{
    double total = 0, expected = (double)drawn / count;
    for (int i = 0; i < count; i++) total += pow(bins[i] - expected, 2) / expected;
    return total;
}

static void test_uniform_numbers(void **state)
{
    (void)state;
    enum { DRAWN = 64000 };
    int bins[16] = {0}, next[16] = {0};
    for (int i = 0; i < DRAWN; i++) {
        struct random_stream stream = random_stream(3, RANDOM_TEST, (uint64_t)i, 0);
        double first = random_uniform(&stream), second = random_uniform(&stream);
        assert_true(first >= 0 && first < 1 && second >= 0 && second < 1);
        bins[(int)(first * 16)]++; /* first numbers of neighbouring keys */
        next[(int)(second * 16)]++;
    }
    assert_true(chi_squared(bins, 16, DRAWN) < 44.3);
    assert_true(chi_squared(next, 16, DRAWN) < 44.3);
    struct random_stream stream = random_stream(3, RANDOM_TEST, 0, 1);
    memset(bins, 0, sizeof bins);
    for (int i = 0; i < DRAWN; i++) bins[(int)((random_between(&stream, -2, 6) + 2) * 2)]++;
    assert_true(chi_squared(bins, 16, DRAWN) < 44.3);
    memset(bins, 0, sizeof bins);
    for (int i = 0; i < DRAWN; i++) bins[random_below(&stream, 13)]++;
    assert_true(chi_squared(bins, 13, DRAWN) < 39.2); /* 12 degrees of freedom */
    assert_true(bins[13] == 0 && bins[14] == 0 && bins[15] == 0);
    for (int i = 0; i < 100; i++) {
        assert_int_equal(random_below(&stream, 1), 0);
        assert_true(random_below(&stream, UINT64_MAX) < UINT64_MAX);
    }
}

/* Mean 0, variance 1, and the fourth power 3, each within five standard errors. */
static void test_normal_numbers(void **state)
{
    (void)state;
    enum { DRAWN = 100000 };
    struct random_stream stream = random_stream(4, RANDOM_TEST, 0, 0);
    double sum = 0, squares = 0, fourths = 0;
    for (int i = 0; i < DRAWN; i++) {
        double x = random_normal(&stream);
        assert_true(isfinite(x));
        sum += x;
        squares += x * x;
        fourths += x * x * x * x;
    }
    assert_true(fabs(sum / DRAWN) < 5 * 0.00316);
    assert_true(fabs(squares / DRAWN - 1) < 5 * 0.00447);
    assert_true(fabs(fourths / DRAWN - 3) < 5 * 0.031);
}

/* Each of the 24 orders of four things about as often. */
static void test_shuffling(void **state)
{
    (void)state;
    enum { DRAWN = 24000 };
    int orders[256] = {0}, bins[24], used = 0;
    struct random_stream stream = random_stream(5, RANDOM_TEST, 0, 0);
    for (int i = 0; i < DRAWN; i++) {
        int64_t items[4] = {0, 1, 2, 3};
        random_shuffle(&stream, items, 4);
        orders[items[0] * 64 + items[1] * 16 + items[2] * 4 + items[3]]++;
    }
    for (int i = 0; i < 256; i++)
        if (orders[i] > 0) bins[used++ % 24] = orders[i];
    assert_int_equal(used, 24);
    assert_true(chi_squared(bins, 24, DRAWN) < 56); /* 23 degrees of freedom, once in 10,000 */
    random_shuffle(&stream, NULL, 0);
    int64_t one[1] = {7};
    random_shuffle(&stream, one, 1);
    assert_int_equal(one[0], 7);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_streams_hang_on_their_key),
        cmocka_unit_test(test_streams_never_change),
        cmocka_unit_test(test_uniform_numbers),
        cmocka_unit_test(test_normal_numbers),
        cmocka_unit_test(test_shuffling),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
