/* Batch-norm's statistics: of parts merged, the running ones, and evaluation's scale and shift. Its backward pass is
 * tried with every convolution. */
#include "double/support/gradient.h"
#include "rmfer/ops/batchnorm.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

/* Parts of unequal size give the mean and variance of the whole; running ones move by the momentum, the variance
 * unbiased; evaluation uses those. */
static void check_statistics(struct workbench *bench)
{
    size_t channels = PICK(bench, 1, 5, 64, 65, 130), parts = PICK(bench, 1, 2, 7), pixels = 0;
    size_t *counts = workbench_counts(bench, parts);
    for (size_t p = 0; p < parts; p++) pixels += counts[p] = PICK(bench, 1, 2, 13, 40);
    struct batchnorm_case c = workbench_batchnorm(bench, channels);
    real *x = workbench_normal(bench, pixels * channels, 100, 2),
         *values = workbench_zeros(bench, parts * 2 * channels);
    real *wanted[4];
    for (int i = 0; i < 4; i++) wanted[i] = workbench_zeros(bench, channels);
    for (size_t p = 0, at = 0; p < parts; at += counts[p++])
        kernels_portable.moments((struct rows){counts[p], channels}, x + at * channels, channels,
                                 values + p * 2 * channels, values + p * 2 * channels + channels);
    for (size_t i = 0; i < channels; i++) {
        double mean = 0, squares = 0;
        for (size_t r = 0; r < pixels; r++) mean += (double)x[r * channels + i] / (double)pixels;
        for (size_t r = 0; r < pixels; r++) squares += pow((double)x[r * channels + i] - mean, 2);
        c.bn.running_mean[i] = 3;
        c.bn.running_var[i] = 5;
        wanted[0][i] = c.gamma[i] / sqrt(squares / (double)pixels + c.bn.epsilon);
        wanted[1][i] = c.beta[i] - mean * wanted[0][i];
        wanted[2][i] = 0.8 * 3 + 0.2 * mean;
        wanted[3][i] = 0.8 * 5 + 0.2 * squares / (pixels > 1 ? (double)pixels - 1 : 1);
    }
    struct moments moments = {parts, counts, values};
    batchnorm_from_batch(&bench->context, &c.bn, &moments, 0.2);
    assert_near("scale", wanted[0], c.bn.scale, channels, 1e-9);
    assert_near("shift", wanted[1], c.bn.shift, channels, 1e-9);
    assert_near("running mean", wanted[2], c.bn.running_mean, channels, 1e-9);
    assert_near("running variance", wanted[3], c.bn.running_var, channels, 1e-9);
    batchnorm_from_running(&c.bn);
    for (size_t i = 0; i < channels; i++) {
        wanted[0][i] = c.gamma[i] / sqrt((double)wanted[3][i] + c.bn.epsilon);
        wanted[1][i] = c.beta[i] - wanted[2][i] * wanted[0][i];
    }
    assert_near("scale of evaluation", wanted[0], c.bn.scale, channels, 1e-9);
    assert_near("shift of evaluation", wanted[1], c.bn.shift, channels, 1e-9);
}

static void test_statistics(void **state)
{
    (void)state;
    workbench_trials(check_statistics, 0, 60);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_statistics),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
