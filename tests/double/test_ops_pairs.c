/* What self-supervised heads and losses are made of, by central differences: batch-norm of rows, InfoNCE against a
 * queue, and a head of several layers. */
#include "double/support/gradient.h"
#include "method/self_supervised.h"
#include "rmfer/ops/batchnorm_rows.h"
#include "rmfer/ops/cosine.h"
#include "rmfer/ops/queue_contrastive.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

/* ---- batch-norm ---- */

struct norm_case {
    struct batchnorm_rows bn;
    size_t n;
    real *gamma, *beta, *x, *y, *out_weights;
};

static double norm_loss(void *setup)
{
    struct norm_case *c = setup;
    batchnorm_rows_forward(&c->bn, c->n, c->x, c->y);
    return weighted_sum(c->y, c->out_weights, c->n * c->bn.d);
}

static void check_norm(struct workbench *bench)
{
    struct norm_case c = {.n = PICK(bench, 2, 3, 9)};
    size_t d = PICK(bench, 1, 4, 17), count = c.n * d;
    c.gamma = workbench_normal(bench, d, 1, 0.5);
    c.beta = workbench_normal(bench, d, 0, 1);
    c.x = workbench_normal(bench, count, 0.5, 2);
    c.y = workbench_zeros(bench, count);
    c.out_weights = workbench_normal(bench, count, 0, 1);
    real *dgamma_before = workbench_normal(bench, d, 0, 1), *dbeta_before = workbench_normal(bench, d, 0, 1);
    c.bn = (struct batchnorm_rows){.d = d,
                                   .epsilon = 1e-3,
                                   .gamma = c.gamma,
                                   .beta = c.beta,
                                   .dgamma = workbench_copy(bench, dgamma_before, d),
                                   .dbeta = workbench_copy(bench, dbeta_before, d),
                                   .mean = workbench_zeros(bench, d),
                                   .rstd = workbench_zeros(bench, d)};
    struct gradient_check check = {.operation = "batch-norm of rows", .loss = norm_loss, .setup = &c};
    real *dx = workbench_copy(bench, c.out_weights, count);
    norm_loss(&c);
    batchnorm_rows_backward(&c.bn, c.n, c.x, dx, dx);
    assert_gradient(bench, &check, "x", c.x, dx, NULL, count);
    assert_gradient(bench, &check, "gamma", c.gamma, c.bn.dgamma, dgamma_before, d);
    assert_gradient(bench, &check, "beta", c.beta, c.bn.dbeta, dbeta_before, d);
}

static void test_batchnorm_of_rows(void **state)
{
    const real x[4] = {1, 10, 3, 20}, gamma[2] = {2, 1}, beta[2] = {0, 5};
    real y[4], mean[2], rstd[2];
    struct batchnorm_rows bn = {.d = 2, .gamma = gamma, .beta = beta, .mean = mean, .rstd = rstd};
    (void)state;
    batchnorm_rows_forward(&bn, 2, x, y); /* deviations 1 and 5 */
    assert_true(fabs(y[0] + 2) < 1e-12 && fabs(y[2] - 2) < 1e-12 && fabs(y[1] - 4) < 1e-12 && fabs(y[3] - 6) < 1e-12);
    workbench_trials(check_norm, 1100, 30);
}

/* ---- the queue ---- */

struct queue_case {
    struct workbench *bench;
    struct queue_contrastive setup;
    real *queries, *keys, *queue, *room, *dqueries;
};

static double queue_loss(void *setup)
{
    struct queue_case *c = setup;
    return queue_contrastive_loss(&c->setup, c->queries, c->keys, c->queue, 0.7, c->room, c->dqueries);
}

static void check_queue(struct workbench *bench)
{
    struct queue_case c = {
        .bench = bench,
        .setup = {
            .n = PICK(bench, 1, 3, 6), .d = PICK(bench, 2, 8), .queued = PICK(bench, 1, 5, 12), .temperature = 0.3}};
    size_t count = c.setup.n * c.setup.d;
    c.queries = workbench_normal(bench, count, 0, 0.5);
    c.keys = workbench_normal(bench, count, 0, 0.5);
    c.queue = workbench_normal(bench, c.setup.queued * c.setup.d, 0, 0.5);
    c.room = workbench_zeros(bench, c.setup.n * c.setup.queued);
    c.dqueries = workbench_zeros(bench, count);
    struct gradient_check check = {.operation = "queue", .loss = queue_loss, .setup = &c, .scale = 0.7};
    queue_loss(&c);
    real *dqueries = workbench_copy(bench, c.dqueries, count);
    assert_gradient(bench, &check, "queries", c.queries, dqueries, NULL, count);
}

/* One key and one remembered: -log(e^2 / (e^2 + e^1)) at temperature .5, similarities 1 and .5. */
static void test_queue(void **state)
{
    const real query[2] = {1, 0}, key[2] = {1, 0}, queue[2] = {0.5, 0.8};
    struct workbench bench;
    struct queue_contrastive setup = {1, 2, 1, 0.5};
    real room[1], dquery[2];
    (void)state;
    workbench_init(&bench);
    workbench_start(&bench, 1);
    double loss = queue_contrastive_loss(&setup, query, key, queue, 1, room, dquery);
    assert_true(fabs(loss - log(1 + exp(-1))) < 1e-12);
    workbench_free(&bench);
    workbench_trials(check_queue, 1200, 30);
}

/* ---- agreement ---- */

static void test_agreement(void **state)
{
    /* Pairs (a, c) and (b, d): targets of the first are the second ones' rows. */
    const real p[8] = {1, 0, 0, 1, 0.6, 0.8, 1, 0}, targets[8] = {1, 0, 1, 0, 0, 1, 0.6, 0.8};
    real dp[8];
    (void)state;
    double sum = self_supervised_agreement(2, 2, p, targets, 3, dp);
    assert_true(fabs(sum - (0 + 0.8 + 0.6 + 1) / 2) < 1e-12);
    assert_true(fabs(dp[1] - 1.5) < 1e-12 && fabs(dp[4] - 1.5) < 1e-12 && fabs(dp[2] - 0.9) < 1e-12 && dp[5] == 0);
}

static void test_similarities(void **state)
{
    const real first[4] = {1, 0, 0, 1}, second[4] = {1, 0, 1, 0};
    struct step_outcome outcome = {0};
    (void)state;
    self_supervised_similarities(2, 2, first, second, &outcome);
    assert_true(outcome.figures[PAIR_SIMILARITY].sum == 1 && outcome.figures[PAIR_SIMILARITY].count == 2);
    assert_true(outcome.figures[STRANGER_SIMILARITY].sum == 1 && outcome.figures[STRANGER_SIMILARITY].count == 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_batchnorm_of_rows),
        cmocka_unit_test(test_queue),
        cmocka_unit_test(test_agreement),
        cmocka_unit_test(test_similarities),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
