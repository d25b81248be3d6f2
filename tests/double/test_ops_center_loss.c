/* The losses about class centres: worked out by hand, and by central differences. */
#include "double/support/gradient.h"
#include "rmfer/ops/center_loss.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void test_by_hand(void **state)
{
    const real features[6] = {1, 2, 5, 5, 3, 0}, attention[6] = {1, 0.5, 1, 1, 1, 0};
    const int32_t labels[3] = {1, -1, 0};
    const double centers[4] = {0, 0, 1, 1};
    struct center_rows rows = {3, 2, features, labels, centers, NULL};
    real dfeatures[6], dattention[6];
    (void)state;
    /* Away by (0, 1) and (3, 0); the second row has no class. */
    assert_true(fabs(center_loss(&rows, 4, dfeatures, NULL) - (1 + 9) / 4.0) < 1e-12);
    assert_true(dfeatures[0] == 0 && fabs(dfeatures[1] - 2) < 1e-12 && dfeatures[2] == 0 &&
                fabs(dfeatures[4] - 6) < 1e-12);
    rows.attention = attention;
    assert_true(fabs(center_loss(&rows, 4, dfeatures, dattention) - (0.5 + 9) / 4) < 1e-12);
    assert_true(fabs(dfeatures[1] - 1) < 1e-12 && fabs(dattention[1] - 1) < 1e-12 && fabs(dattention[4] - 9) < 1e-12);
    assert_true(dattention[2] == 0 && dattention[5] == 0);
}

static void test_islands_by_hand(void **state)
{
    /* Cosines 0 and, with the third, 1 / sqrt(2) twice; the fourth has no place yet. */
    const double centers[8] = {2, 0, 0, 3, 1, 1, 0, 0};
    double slopes[8];
    (void)state;
    assert_true(fabs(island_loss(4, 2, centers, slopes) - 2 * (3 + sqrt(2))) < 1e-12);
    assert_true(slopes[6] == 0 && slopes[7] == 0);
}

struct island_case {
    size_t classes, d;
    double *centers, *slopes;
};

static double islands(void *setup)
{
    struct island_case *c = setup;
    return island_loss(c->classes, c->d, c->centers, c->slopes);
}

struct pull_case {
    struct center_rows rows;
    real *features, *attention, *dfeatures, *dattention;
};

static double pull(void *setup)
{
    struct pull_case *c = setup;
    return center_loss(&c->rows, 0.7, c->dfeatures, c->dattention);
}

static void check(struct workbench *bench)
{
    size_t classes = PICK(bench, 2, 3, 7), d = PICK(bench, 2, 5, 16), n = PICK(bench, 1, 4, 9);
    real *centers = workbench_normal(bench, classes * d, 0.3, 1);
    struct island_case islands_of = {classes, d, centers, workbench_zeros(bench, classes * d)};
    islands(&islands_of);
    struct gradient_check islands_check = {.operation = "islands", .loss = islands, .setup = &islands_of};
    assert_gradient(bench, &islands_check, "centers", centers, workbench_copy(bench, islands_of.slopes, classes * d),
                    NULL, classes * d);
    int32_t labels[16];
    for (size_t i = 0; i < n; i++) labels[i] = i == 2 ? -1 : (int32_t)workbench_below(bench, classes);
    struct pull_case c = {.features = workbench_normal(bench, n * d, 0, 1),
                          .attention = workbench_normal(bench, n * d, 1, 0.3),
                          .dfeatures = workbench_zeros(bench, n * d),
                          .dattention = workbench_zeros(bench, n * d)};
    c.rows = (struct center_rows){n, d, c.features, labels, centers, c.attention};
    pull(&c);
    real *dfeatures = workbench_copy(bench, c.dfeatures, n * d),
         *dattention = workbench_copy(bench, c.dattention, n * d);
    struct gradient_check pull_check = {.operation = "center", .loss = pull, .setup = &c, .scale = 0.7};
    assert_gradient(bench, &pull_check, "features", c.features, dfeatures, NULL, n * d);
    assert_gradient(bench, &pull_check, "attention", c.attention, dattention, NULL, n * d);
}

static void test_gradients(void **state)
{
    (void)state;
    workbench_trials(check, 1300, 30);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_by_hand),
        cmocka_unit_test(test_islands_by_hand),
        cmocka_unit_test(test_gradients),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
