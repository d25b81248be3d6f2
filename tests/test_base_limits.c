#define _GNU_SOURCE /* mincore, madvise */
/* What a process may use, read from trees of files as the system shows them, and the refusal of more memory than that.
 */
#include "rmfer/base/limits.h"
#include "rmfer/base/memory.h"
#include "support/scratch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

#include <cmocka.h>

static char *root;

static int make(void **state)
{
    (void)state;
    root = scratch_make();
    return 0;
}

static int finish(void **state)
{
    (void)state;
    scratch_remove(root);
    return 0;
}

static void test_nothing_known_is_no_limit(void **state)
{
    (void)state;
    assert_true(limits_memory_left(root) == SIZE_MAX);
    assert_int_equal(limits_quota_cores(root), 0);
}

static void test_the_machine_alone(void **state)
{
    (void)state;
    scratch_text(root, "proc/meminfo", "MemTotal: 9000 kB\nMemAvailable:    2048 kB\nSwapFree: 1024 kB\n");
    assert_int_equal(limits_memory_left(root), 3 << 20);
}

static void test_groups_of_version_2(void **state)
{
    (void)state;
    scratch_text(root, "proc/meminfo", "MemAvailable: 8388608 kB\n");
    scratch_text(root, "proc/self/cgroup", "0::/jobs/one\n");
    scratch_text(root, "sys/fs/cgroup/jobs/one/memory.max", "max\n");
    scratch_text(root, "sys/fs/cgroup/jobs/memory.max", "1000000\n");
    scratch_text(root, "sys/fs/cgroup/jobs/memory.current", "700000\n");
    scratch_text(root, "sys/fs/cgroup/jobs/memory.stat", "anon 1\ninactive_file 200000\n");
    assert_int_equal(limits_memory_left(root), 500000); /* the parent binds */
    scratch_text(root, "sys/fs/cgroup/jobs/memory.current", "2000000\n");
    assert_int_equal(limits_memory_left(root), 0);
    scratch_text(root, "sys/fs/cgroup/jobs/memory.current", "700000\n");
    scratch_text(root, "sys/fs/cgroup/jobs/one/memory.high", "max\n");
    assert_int_equal(limits_memory_left(root), 500000);
    scratch_text(root, "sys/fs/cgroup/jobs/one/memory.high", "400000\n"); /* without a memory.max */
    scratch_text(root, "sys/fs/cgroup/jobs/one/memory.current", "100000\n");
    assert_int_equal(limits_memory_left(root), 300000);
    scratch_text(root, "sys/fs/cgroup/jobs/memory.high", "600000\n"); /* below the memory.max beside it */
    assert_int_equal(limits_memory_left(root), 100000);
    scratch_text(root, "sys/fs/cgroup/cpu.max", "400000 100000\n");
    scratch_text(root, "sys/fs/cgroup/jobs/cpu.max", "max 100000\n");
    assert_int_equal(limits_quota_cores(root), 4);
    scratch_text(root, "sys/fs/cgroup/jobs/one/cpu.max", "50000 100000\n");
    assert_int_equal(limits_quota_cores(root), 1);
}

static void test_groups_of_version_1(void **state)
{
    (void)state;
    scratch_text(root, "proc/self/cgroup", "9:name=systemd:/\n4:hugetlb,memory:/a\n1:cpu,cpuacct:/a/b\n0::/\n");
    scratch_text(root, "sys/fs/cgroup/memory/a/memory.limit_in_bytes", "3000\n");
    scratch_text(root, "sys/fs/cgroup/memory/a/memory.usage_in_bytes", "1000\n");
    scratch_text(root, "sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
    scratch_text(root, "sys/fs/cgroup/cpu/a/b/cpu.cfs_quota_us", "-1\n");
    scratch_text(root, "sys/fs/cgroup/cpu/a/cpu.cfs_quota_us", "250000\n");
    scratch_text(root, "sys/fs/cgroup/cpu/a/cpu.cfs_period_us", "100000\n");
    assert_int_equal(limits_memory_left(root), 2000);
    assert_int_equal(limits_quota_cores(root), 3);
}

/* Much more, because what others give back meanwhile would be granted. */
static void test_more_memory_than_there_is_is_refused(void **state)
{
    (void)state;
    struct arena arena;
    struct error err = {0};
    size_t left = limits_memory_left("");
    if (left >= SIZE_MAX / 4) skip();
    size_t more = left + ((size_t)1 << 34);
    assert_int_equal(arena_init(&arena, more, "a plan", &err), STATUS_FAILED);
    assert_non_null(strstr(err.message, " MiB for a plan, this "));
    assert_non_null(strstr(err.message, " MiB left"));
    assert_null(arena.base);
    err = (struct error){0};
    assert_null(memory_allocate(more, 1, "a block", &err));
    assert_non_null(strstr(err.message, " MiB for a block, this "));
}

/* Each fits, both do not: arenas count before anything is written to them. */
static void test_arenas_are_counted_before_they_are_touched(void **state)
{
    (void)state;
    struct arena one = {0}, two = {0}, unused = {0};
    struct error err = {0};
    size_t left = limits_memory_left("");
    if (left >= SIZE_MAX / 4) skip();
    assert_int_equal(arena_init(&one, left / 2, "one", &err), STATUS_OK);
    assert_int_equal(arena_init(&two, left / 4 * 3, "two", &err), STATUS_FAILED);
    assert_non_null(strstr(err.message, " MiB for two, this "));
    assert_int_equal(memory_commit(left / 4 * 3, "both", &(struct error){0}), STATUS_FAILED);
    arena_free(&one);
    assert_int_equal(arena_reserve(&unused, left / 2, "unused", NULL), STATUS_OK);
    assert_int_equal(memory_commit(left / 4 * 3, "both", NULL), STATUS_FAILED);
    arena_free(&unused);
    assert_int_equal(arena_init(&two, left / 4 * 3, "two", NULL), STATUS_OK);
    arena_free(&two);
}

static bool is_resident(const char *page)
{
    unsigned char answer = 0;
    assert_int_equal(mincore((void *)(uintptr_t)page, 1, &answer), 0);
    return answer & 1;
}

/* By a system that can (Linux 5.14); what was written before stays. */
static void test_a_plan_that_fits_is_touched(void **state)
{
    (void)state;
    enum { BYTES = 8 << 20 };
    struct arena used, unused;
    assert_int_equal(arena_init(&used, BYTES, "used", NULL), STATUS_OK);
    assert_int_equal(arena_reserve(&unused, BYTES, "unused", NULL), STATUS_OK);
    used.base[0] = 'x';
    assert_false(is_resident(used.base + BYTES - (4 << 20)));
    assert_int_equal(memory_commit(0, "a plan", NULL), STATUS_OK);
    assert_int_equal(used.base[0], 'x');
    assert_false(is_resident(unused.base + BYTES - (4 << 20)));
    bool touched = is_resident(used.base + BYTES - (4 << 20));
    bool is_able = madvise(unused.base, 4096, 23 /* MADV_POPULATE_WRITE */) == 0;
    assert_int_equal(touched, is_able);
    arena_free(&used);
    arena_free(&unused);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make, finish)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_nothing_known_is_no_limit),
        TEST(test_the_machine_alone),
        TEST(test_groups_of_version_2),
        TEST(test_groups_of_version_1),
        TEST(test_more_memory_than_there_is_is_refused),
        TEST(test_arenas_are_counted_before_they_are_touched),
        TEST(test_a_plan_that_fits_is_touched),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
