/* One process: sums and rows are its own; started as one of several by a launcher it refuses and says how to build.
 * Several: tests/many. */
#include "rmfer/dist/dist.h"
#include "rmfer/dist/gradients.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void forget_launchers(void)
{
    static const char *const names[] = {"OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "MPI_LOCALNRANKS", "SLURM_STEP_NUM_TASKS",
                                        "SLURM_STEP_ID"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) unsetenv(names[i]);
}

static void test_one_process(void **state)
{
    (void)state;
    struct dist *dist;
    struct dist_gradients *sums;
    struct error err = {0};
    double values[2] = {1.5, 2};
    int32_t own[2] = {3, 4}, all[2] = {0};
    real slab[4] = {1, 2, 3, 4};
    forget_launchers();
    assert_int_equal(dist_begin(&dist, &err), STATUS_OK);
    assert_true(dist_rank(dist) == 0 && dist_size(dist) == 1 && !dist_is_many(dist) && dist_machines(dist) == NULL);
    dist_sum(dist, values, 2);
    assert_true(values[0] == 1.5 && values[1] == 2);
    dist_gather(dist, 2, sizeof own[0], own, all);
    assert_memory_equal(own, all, sizeof own);
    assert_true(dist_any(dist, true) && !dist_any(dist, false));
    error_set_usage(&err, "a file is missing");
    assert_int_equal(dist_agree(dist, STATUS_USAGE, &err), STATUS_USAGE);
    assert_string_equal(err.message, "a file is missing"); /* no rank in front of it */
    error_clear(&err);
    assert_int_equal(dist_same(dist, "weights", own, sizeof own, &err), STATUS_OK);
    assert_int_equal(dist_gradients_create(&sums, dist, slab, 4, 2, &err), STATUS_OK);
    assert_null(sums);
    dist_gradients_finish(sums);
    assert_true(slab[0] == 1 && slab[3] == 4 && dist_gradients_machines(sums) == NULL);
    dist_gradients_free(sums);
    dist_end(dist);
}

/* There where this was linked with MPI, by which alone the two builds differ. */
__attribute__((weak)) int MPI_Initialized(int *flag);

static void test_one_of_several_without_mpi(void **state)
{
    (void)state;
    if (MPI_Initialized != NULL) skip();
    struct dist *dist;
    struct error err = {0};
    forget_launchers();
    setenv("OMPI_COMM_WORLD_SIZE", "4", 1);
    assert_int_equal(dist_begin(&dist, &err), STATUS_USAGE);
    assert_non_null(strstr(err.message, "one of 4 processes"));
    assert_non_null(strstr(err.message, "make MPI=1"));
    error_clear(&err);
    setenv("OMPI_COMM_WORLD_SIZE", "1", 1);
    assert_int_equal(dist_begin(&dist, &err), STATUS_OK);
    dist_end(dist);
    forget_launchers();
    setenv("SLURM_STEP_NUM_TASKS", "2", 1); /* a batch job's own shell has it, too */
    assert_int_equal(dist_begin(&dist, &err), STATUS_OK);
    dist_end(dist);
    setenv("SLURM_STEP_ID", "0", 1);
    assert_int_equal(dist_begin(&dist, &err), STATUS_USAGE);
    forget_launchers();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_process),
        cmocka_unit_test(test_one_of_several_without_mpi),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
