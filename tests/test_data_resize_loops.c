/* Resizing's inner loops for this processor against the plain C that defines them: every width, count of taps and place
 * in a picture, each buffer no larger than what may be touched. What the loops are for is held against Pillow in
 * test_data_golden.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "data/resize_loops.h"
#include "rmfer/base/memory.h"
#include "rmfer/base/random.h"

#include <stdio.h>
#include <string.h>

/* NULL where the processor has no more than plain C. */
static const struct resize_loops *own_loops(void)
{
#if defined(__x86_64__) && defined(__GNUC__)
    if (__builtin_cpu_supports("avx2")) return &resize_loops_avx2;
#endif
    return NULL;
}

/* Sums of weights reach beyond a byte on both sides, but not beyond 32 bits. */
static struct resize_pass random_pass(struct random_stream *stream, int pixels, int outputs, int taps)
{
    struct resize_pass pass = {.outputs = outputs, .taps = taps};
    int32_t *weights = malloc((size_t)outputs * (size_t)taps * sizeof *weights);
    int *bounds = malloc((size_t)outputs * 2 * sizeof *bounds);
    assert_true(weights != NULL && bounds != NULL);
    for (int i = 0; i < outputs; i++) {
        int most = taps < pixels ? taps : pixels, count = 1 + (int)random_below(stream, (uint64_t)most);
        bounds[2 * i] = (int)random_below(stream, (uint64_t)(pixels - count) + 1);
        bounds[2 * i + 1] = count;
        for (int t = 0; t < taps; t++)
            weights[(size_t)i * (size_t)taps + (size_t)t] = (int32_t)(random_between(stream, -1, 1.9) *
                                                                      (1 << RESIZE_WEIGHT_BITS) / count);
    }
    pass.weights = weights;
    pass.bounds = bounds;
    return pass;
}

static void free_pass(struct resize_pass *pass)
{
    free((void *)(uintptr_t)pass->weights);
    free((void *)(uintptr_t)pass->bounds);
}

static uint8_t *random_bytes(struct random_stream *stream, size_t count)
{
    uint8_t *bytes = malloc(count);
    assert_non_null(bytes);
    for (size_t i = 0; i < count; i++) bytes[i] = (uint8_t)random_below(stream, 256);
    return bytes;
}

/* A box of `rows` rows of `pixels` at the end of a picture `margin` pixels wider. */
static void compare_across(struct random_stream *stream, int pixels, int margin, int rows, int outputs, int taps)
{
    struct resize_pass pass = random_pass(stream, pixels, outputs, taps);
    size_t stride = 3 * (size_t)(pixels + margin), bytes = stride * (size_t)rows, to_stride = 3 * (size_t)outputs;
    uint8_t *source = random_bytes(stream, bytes);
    size_t begin = 3 * (size_t)margin;
    struct resize_rows from = {source + begin, stride, bytes - begin, pixels, rows};
    uint8_t *wanted = calloc((size_t)rows, to_stride), *given = calloc((size_t)rows, to_stride);
    uint8_t *scratch = memory_allocate(resize_scratch_bytes(&pass, pixels), 1, "a test's scratch", NULL);
    assert_true(wanted != NULL && given != NULL && scratch != NULL);
    resize_loops_portable.across(&pass, &from, wanted, to_stride, scratch);
    own_loops()->across(&pass, &from, given, to_stride, scratch);
    assert_memory_equal(wanted, given, to_stride * (size_t)rows);
    memory_free(scratch);
    free(given);
    free(wanted);
    free(source);
    free_pass(&pass);
}

static void compare_down(struct random_stream *stream, int width, int rows, int outputs, int taps)
{
    struct resize_pass pass = random_pass(stream, rows, outputs, taps);
    size_t stride = 3 * (size_t)width;
    uint8_t *source = random_bytes(stream, stride * (size_t)rows);
    uint8_t *wanted = calloc((size_t)outputs, stride), *given = calloc((size_t)outputs, stride);
    assert_true(wanted != NULL && given != NULL);
    resize_loops_portable.down(&pass, source, 0, stride, wanted);
    own_loops()->down(&pass, source, 0, stride, given);
    assert_memory_equal(wanted, given, stride * (size_t)outputs);
    free(given);
    free(wanted);
    free(source);
    free_pass(&pass);
}

static void test_both_give_the_same_bytes(void **state)
{
    (void)state;
    struct random_stream stream = random_stream(7, RANDOM_TEST, 0, 0);
    if (own_loops() == NULL) {
        puts("skipped: this processor has no vectors that resizing knows");
        return;
    }
    for (int round = 0; round < 3000; round++) {
        int pixels = 1 + (int)random_below(&stream, 70), outputs = 1 + (int)random_below(&stream, 70);
        int rows = 1 + (int)random_below(&stream, 9), taps = 1 + (int)random_below(&stream, round % 5 == 0 ? 40 : 8);
        compare_across(&stream, pixels, (int)random_below(&stream, 6), rows, outputs, taps);
        compare_down(&stream, pixels, outputs, rows, taps);
    }
}

/* More taps than a sum of 15-bit parts could hold if it did not wrap. */
static void test_many_taps(void **state)
{
    (void)state;
    struct random_stream stream = random_stream(8, RANDOM_TEST, 0, 0);
    if (own_loops() == NULL) return;
    compare_across(&stream, 3000, 0, 3, 11, 2500);
    compare_down(&stream, 12, 3000, 11, 2500);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_both_give_the_same_bytes),
        cmocka_unit_test(test_many_taps),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
