/* What a process may use, read from trees of files as the system shows them, and the refusal of more memory than that. */
#include "rmfer/base/limits.h"
#include "rmfer/base/memory.h"
#include "support/scratch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

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

static void test_more_memory_than_there_is_is_refused(void **state)
{
    (void)state;
    struct arena arena;
    struct error err = {0};
    size_t left = limits_memory_left("");
    if (left >= SIZE_MAX / 4) skip();
    assert_int_equal(arena_init(&arena, left + ((size_t)1 << 34), "a plan", &err), STATUS_FAILED);
    assert_non_null(strstr(err.message, "a plan takes "));
    assert_non_null(strstr(err.message, " MiB left"));
    assert_null(arena.base);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make, finish)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_nothing_known_is_no_limit), TEST(test_the_machine_alone),
        TEST(test_groups_of_version_2),       TEST(test_groups_of_version_1),
        TEST(test_more_memory_than_there_is_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
