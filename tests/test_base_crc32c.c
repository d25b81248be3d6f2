/* The three ways of one sum, bit by bit, by tables and by the processor's instruction, agree on every length, place and
 * cut. The published values are test_train_events.c's. */
#include "rmfer/base/crc32c.h"

#include "rmfer/base/memory.h"
#include "rmfer/base/random.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

enum { MANY = 700001 };

static uint8_t *noise(void)
{
    uint8_t *bytes = memory_allocate(MANY, 1, "noise", NULL);
    assert_non_null(bytes);
    struct random_stream stream = random_stream(5, RANDOM_TEST, 0, 0);
    for (size_t i = 0; i < MANY; i++) bytes[i] = (uint8_t)random_below(&stream, 256);
    return bytes;
}

static void assert_agree(const uint8_t *bytes, size_t size, size_t cut)
{
    struct crc32c_tables tables;
    crc32c_prepare(&tables);
    uint32_t wanted = crc32c(bytes, size);
    for (int only = 0; only < 2; only++) {
        tables.only = only == 1;
        uint32_t sum = crc32c_extend(&tables, 0, bytes, cut);
        assert_int_equal(crc32c_extend(&tables, sum, bytes + cut, size - cut), wanted);
    }
}

static void test_all_ways_agree(void **state)
{
    (void)state;
    uint8_t *bytes = noise();
    for (size_t size = 0; size < 70; size++)
        for (size_t cut = 0; cut <= size; cut += 3) assert_agree(bytes + size % 5, size, cut);
    for (size_t size = 3 * 65536 - 2; size < 3 * 65536 + 3; size++) assert_agree(bytes + 1, size, 0);
    assert_agree(bytes, MANY, 0);
    assert_agree(bytes, MANY, 1);
    assert_agree(bytes, MANY, MANY / 2);
    memory_free(bytes);
}

/* Also where three stretches are summed at once. */
static void test_a_flipped_bit_changes_the_sum(void **state)
{
    (void)state;
    uint8_t *bytes = noise();
    struct crc32c_tables tables;
    crc32c_prepare(&tables);
    uint32_t whole = crc32c_extend(&tables, 0, bytes, MANY);
    for (size_t bit = 0; bit < (size_t)8 * MANY; bit += 70001) {
        bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
        assert_int_not_equal(crc32c_extend(&tables, 0, bytes, MANY), whole);
        bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    memory_free(bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_ways_agree),
        cmocka_unit_test(test_a_flipped_bit_changes_the_sum),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
