/* The orders of an epoch: what is drawn how often, and that (seed, epoch) decides everything. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "rmfer/data/sampler.h"

#include <string.h>

enum { COUNT = 6000, CLASSES = 4 };

static struct dataset_sample samples[COUNT];

/* Three classes of 100, 900 and 5,000 samples, mixed; the fourth has none. */
static struct dataset three_classes(void)
{
    for (size_t i = 0; i < COUNT; i++)
        samples[i] = (struct dataset_sample){.label = i % 60 == 0 ? 3 : i % 60 < 10 ? 0 : 1};
    return (struct dataset){.samples = samples, .count = COUNT, .class_count = CLASSES, .split = "train"};
}

static struct sampler made(const struct dataset *dataset, enum sampler_order order, uint64_t seed)
{
    struct sampler sampler;
    struct error err = {0};
    if (sampler_init(&sampler, dataset, order, seed, &err) != STATUS_OK) fail_msg("%s", err.message);
    return sampler;
}

static void test_balanced_classes_are_equally_likely(void **state)
{
    (void)state;
    struct dataset dataset = three_classes();
    struct sampler sampler = made(&dataset, ORDER_BALANCED, 7);
    static int64_t ids[COUNT];
    static unsigned times[COUNT];
    memset(times, 0, sizeof times);
    size_t of_class[CLASSES] = {0};
    enum { EPOCHS = 30 };
    for (uint64_t epoch = 0; epoch < EPOCHS; epoch++) {
        sampler_epoch(&sampler, epoch, ids);
        for (size_t i = 0; i < COUNT; i++) {
            of_class[samples[ids[i]].label]++;
            times[ids[i]]++;
        }
    }
    /* 60,000 expected of each; five standard deviations of a binomial are 1,000. */
    assert_int_equal(of_class[2], 0);
    for (int class = 0; class < CLASSES; class ++)
        if (class != 2) assert_in_range(of_class[class], 59000, 61000);
    /* Within the class of 100: 600 expected of each sample, standard deviation 24.4. Chi-squared of 99 degrees of
     * freedom is above 180 once in a million. */
    double chi_squared = 0;
    double expected = (double)of_class[3] / 100;
    for (size_t i = 0; i < COUNT; i += 60)
        chi_squared += ((double)times[i] - expected) * ((double)times[i] - expected) / expected;
    assert_true(chi_squared < 180);
    sampler_free(&sampler);
}

static void test_shuffle_has_each_sample_once(void **state)
{
    (void)state;
    struct dataset dataset = three_classes();
    struct sampler sampler = made(&dataset, ORDER_SHUFFLE, 7);
    static int64_t ids[COUNT], other[COUNT];
    static bool seen[COUNT];
    memset(seen, 0, sizeof seen);
    sampler_epoch(&sampler, 3, ids);
    size_t in_place = 0;
    for (size_t i = 0; i < COUNT; i++) {
        assert_false(seen[ids[i]]);
        seen[ids[i]] = true;
        in_place += ids[i] == (int64_t)i;
    }
    assert_true(in_place < 12);
    sampler_epoch(&sampler, 4, other);
    assert_memory_not_equal(ids, other, sizeof ids);
    sampler_epoch(&sampler, 3, other);
    assert_memory_equal(ids, other, sizeof ids);
    sampler_free(&sampler);
    sampler = made(&dataset, ORDER_SHUFFLE, 8);
    sampler_epoch(&sampler, 3, other);
    assert_memory_not_equal(ids, other, sizeof ids);
    sampler_free(&sampler);
    sampler = made(&dataset, ORDER_SEQUENTIAL, 8);
    sampler_epoch(&sampler, 3, other);
    for (size_t i = 0; i < COUNT; i++) assert_int_equal(other[i], i);
    sampler_free(&sampler);
    sampler = made(&dataset, ORDER_MIXED, 7);
    sampler_epoch(&sampler, 0, other);
    sampler_epoch(&sampler, 3, ids);
    assert_memory_equal(ids, other, sizeof ids);
    sampler_free(&sampler);
    sampler = made(&dataset, ORDER_SHUFFLE, 7);
    sampler_epoch(&sampler, 0, ids);
    assert_memory_equal(ids, other, sizeof ids);
    sampler_free(&sampler);
}

static void test_replacements_are_balanced_and_fixed(void **state)
{
    (void)state;
    struct dataset dataset = three_classes();
    struct sampler sampler = made(&dataset, ORDER_BALANCED, 7);
    size_t rare = 0;
    for (uint64_t position = 0; position < 3000; position++) {
        int64_t id = sampler_replacement(&sampler, 2, position, 1);
        assert_int_equal(id, sampler_replacement(&sampler, 2, position, 1));
        rare += samples[id].label == 3;
    }
    assert_in_range(rare, 870, 1130); /* a third of 3,000, five standard deviations */
    size_t equal = 0;
    for (uint64_t attempt = 1; attempt < 20; attempt++)
        equal += sampler_replacement(&sampler, 2, 5, attempt) == sampler_replacement(&sampler, 2, 5, attempt + 1);
    assert_true(equal < 5);
    sampler_free(&sampler);
}

static void test_what_cannot_be_sampled(void **state)
{
    (void)state;
    struct dataset dataset = three_classes();
    struct sampler sampler;
    struct error err = {0};
    samples[17].label = -1;
    assert_int_equal(sampler_init(&sampler, &dataset, ORDER_BALANCED, 1, &err), STATUS_FAILED);
    assert_non_null(strstr(err.message, "1 of 6000 samples have none"));
    assert_int_equal(sampler_init(&sampler, &dataset, ORDER_SHUFFLE, 1, NULL), STATUS_OK);
    sampler_free(&sampler);
    dataset.count = 0;
    error_clear(&err);
    assert_int_equal(sampler_init(&sampler, &dataset, ORDER_SHUFFLE, 1, &err), STATUS_FAILED);
    assert_non_null(strstr(err.message, "no samples"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_balanced_classes_are_equally_likely),
        cmocka_unit_test(test_shuffle_has_each_sample_once),
        cmocka_unit_test(test_replacements_are_balanced_and_fixed),
        cmocka_unit_test(test_what_cannot_be_sampled),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
