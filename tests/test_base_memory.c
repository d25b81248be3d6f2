/* Blocks, growing, arenas and what is planned in them, and allocations that fail. */
#include "rmfer/base/plan.h"
#include "support/child.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static bool all_zero(const void *block, size_t bytes)
{
    const unsigned char *at = block;
    for (size_t i = 0; i < bytes; i++)
        if (at[i] != 0) return false;
    return true;
}

static void test_blocks_are_zeroed_and_aligned(void **state)
{
    (void)state;
    for (size_t bytes = 0; bytes < 300; bytes += 7) {
        void *block = memory_allocate(bytes, 1, "a block", NULL);
        assert_non_null(block);
        assert_int_equal((uintptr_t)block % 64, 0);
        assert_true(all_zero(block, bytes));
        memset(block, 0xff, bytes);
        memory_free(block);
    }
    memory_free(NULL);
}

static void test_impossible_blocks_are_refused(void **state)
{
    (void)state;
    struct error err = {0};
    assert_null(memory_allocate(SIZE_MAX / 2, 3, "the impossible", &err));
    assert_non_null(strstr(err.message, "the impossible"));
    assert_null(memory_allocate(SIZE_MAX, 1, "x", NULL));
    assert_null(memory_allocate(SIZE_MAX - 10, 1, "x", NULL));
    char *kept = memory_allocate(4, 1, "kept", NULL);
    memcpy(kept, "abc", 4);
    assert_null(memory_grow(kept, 4, SIZE_MAX, 8, "x", NULL));
    assert_string_equal(kept, "abc");
    memory_free(kept);
    assert_int_equal(size_multiply(SIZE_MAX, 2), SIZE_MAX);
    assert_int_equal(size_multiply((size_t)1 << 32, (size_t)1 << 32), SIZE_MAX);
    assert_int_equal(size_multiply(7, 6), 42);
    assert_int_equal(size_add(SIZE_MAX, 1), SIZE_MAX);
    assert_int_equal(size_add(40, 2), 42);
    assert_int_equal(arena_rounded(SIZE_MAX - 3), SIZE_MAX);
}

static void test_growing_keeps_what_was_there(void **state)
{
    (void)state;
    int *numbers = memory_grow(NULL, 0, 3, sizeof *numbers, "numbers", NULL);
    assert_non_null(numbers);
    for (int i = 0; i < 3; i++) numbers[i] = i + 1;
    numbers = memory_grow(numbers, 3, 100, sizeof *numbers, "numbers", NULL);
    assert_non_null(numbers);
    assert_true(numbers[0] == 1 && numbers[2] == 3 && all_zero(numbers + 3, 97 * sizeof *numbers));
    numbers = memory_grow(numbers, 100, 2, sizeof *numbers, "numbers", NULL);
    assert_true(numbers != NULL && numbers[1] == 2);
    memory_free(numbers);
    char *text = memory_copy_string("", NULL);
    assert_string_equal(text, "");
    memory_free(text);
}

static void test_chosen_allocations_fail(void **state)
{
    (void)state;
    struct arena arena;
    unsigned long before = memory_allocation_count();
    memory_fail_after(2);
    void *first = memory_allocate(1, 1, "first", NULL), *second = memory_allocate(1, 1, "second", NULL);
    void *third = memory_allocate(1, 1, "third", NULL);
    assert_true(first != NULL && second == NULL && third != NULL);
    assert_int_equal(memory_allocation_count() - before, 3);
    memory_free(first);
    memory_free(third);
    memory_fail_after(1);
    assert_int_equal(arena_init(&arena, 100, "an arena", NULL), STATUS_FAILED);
    assert_null(arena.base);
    arena_free(&arena);
    memory_fail_after(0);
}

static void test_arenas(void **state)
{
    (void)state;
    struct arena arena;
    struct error err = {0};
    assert_int_equal(arena_init(&arena, 5 * 64, "an arena", &err), STATUS_OK);
    char *last = NULL;
    for (size_t i = 0; i < 5; i++) {
        char *piece = arena_take(&arena, 1 + i * 15);
        assert_int_equal((uintptr_t)piece % 64, 0);
        assert_true(all_zero(piece, 64));
        assert_true(last == NULL || piece == last + 64);
        last = piece;
    }
    assert_int_equal(arena.used, 5 * 64);
    arena_free(&arena);
    arena_free(&arena);
    assert_null(arena.base);
    assert_int_equal(arena_init(&arena, SIZE_MAX, "too much", &err), STATUS_FAILED);
    assert_int_equal(arena_init(&arena, SIZE_MAX / 4, "too much", NULL), STATUS_FAILED);
    assert_true(memory_peak_resident() > 100000);
}

struct planned {
    size_t count;
    real *first;
    int32_t *second;
    int runs;
};

static void place_planned(void *self, struct plan *plan)
{
    struct planned *planned = self;
    planned->first = plan_reals(plan, planned->count);
    planned->second = plan_take(plan, planned->count, sizeof *planned->second);
    planned->runs++;
}

static void test_plans(void **state)
{
    (void)state;
    struct {
        status (*make)(struct arena *, plan_place *, void *, const char *, struct error *);
    } const ways[] = {{plan_arena_init}, {plan_arena_reserve}};
    for (size_t w = 0; w < sizeof ways / sizeof *ways; w++) {
        struct arena arena;
        struct error err = {0};
        struct planned planned = {.count = 100};
        assert_int_equal(ways[w].make(&arena, place_planned, &planned, "a plan", &err), STATUS_OK);
        assert_int_equal(planned.runs, 2);
        assert_ptr_equal(planned.first, arena.base);
        assert_ptr_equal(planned.second, arena.base + arena_rounded(100 * sizeof(real)));
        assert_int_equal(arena.used, arena_rounded(100 * sizeof(real)) + arena_rounded(100 * sizeof(int32_t)));
        arena_free(&arena);
        planned = (struct planned){0};
        assert_int_equal(ways[w].make(&arena, place_planned, &planned, "nothing", &err), STATUS_OK);
        assert_null(arena.base);
        planned = (struct planned){.count = SIZE_MAX / 2};
        assert_int_equal(ways[w].make(&arena, place_planned, &planned, "too much", &err), STATUS_FAILED);
        assert_null(arena.base);
        assert_int_equal(planned.runs, 1);
    }
}

static void take_too_much(const char *argument)
{
    struct arena arena;
    (void)argument;
    if (arena_init(&arena, 1000, "an arena", NULL) != STATUS_OK) _exit(3);
    arena_take(&arena, arena.size + 1);
}

static void test_running_out_of_an_arena_is_a_bug(void **state)
{
    (void)state;
    int ended = in_a_child(take_too_much, NULL);
    assert_true(WIFSIGNALED(ended) && WTERMSIG(ended) == SIGABRT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_blocks_are_zeroed_and_aligned),
        cmocka_unit_test(test_impossible_blocks_are_refused),
        cmocka_unit_test(test_growing_keeps_what_was_there),
        cmocka_unit_test(test_chosen_allocations_fail),
        cmocka_unit_test(test_arenas),
        cmocka_unit_test(test_plans),
        cmocka_unit_test(test_running_out_of_an_arena_is_a_bug),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
