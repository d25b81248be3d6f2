/* Matrix products and the linear layer behind dropout: definition and central differences. */
#include "double/support/gradient.h"
#include "rmfer/ops/dropout.h"
#include "rmfer/ops/linear.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

static const double EXACT = 1e-11;

static void check_product(struct workbench *bench)
{
    struct product p = {.m = PICK(bench, 1, 2, 7, 16), .n = PICK(bench, 1, 3, 8, 17), .k = PICK(bench, 1, 2, 9, 130)};
    p.transpose_a = workbench_below(bench, 2) != 0;
    p.transpose_b = workbench_below(bench, 2) != 0;
    p.accumulate = workbench_below(bench, 2) != 0;
    real *a = workbench_normal(bench, p.m * p.k, 0, 1), *b = workbench_normal(bench, p.k * p.n, 0, 1);
    real *c = workbench_normal(bench, p.m * p.n, 0, 1), *wanted = workbench_copy(bench, c, p.m * p.n);
    for (size_t i = 0; i < p.m; i++)
        for (size_t j = 0; j < p.n; j++) {
            double total = p.accumulate ? (double)wanted[i * p.n + j] : 0;
            for (size_t l = 0; l < p.k; l++)
                total += (double)(p.transpose_a ? a[l * p.m + i] : a[i * p.k + l]) *
                         (double)(p.transpose_b ? b[j * p.k + l] : b[l * p.n + j]);
            wanted[i * p.n + j] = (real)total;
        }
    product_run(p, a, b, c);
    assert_near("product", wanted, c, p.m * p.n, EXACT);
}

struct linear_case {
    struct workbench *bench;
    struct linear layer;
    size_t n;
    real *x, *weight, *bias, *y, *out_weights, *factors;
};

/* Dropout before the layer, as f_FER has it. */
static double linear_loss(void *setup)
{
    struct linear_case *c = setup;
    size_t used = c->bench->arena.used;
    real *x = workbench_copy(c->bench, c->x, c->n * c->layer.input);
    dropout_apply(c->n * c->layer.input, c->factors, x);
    linear_forward(&c->bench->context, &c->layer, c->n, x, c->y);
    c->bench->arena.used = used;
    return weighted_sum(c->y, c->out_weights, c->n * c->layer.output);
}

static void check_linear(struct workbench *bench)
{
    struct linear_case c = {.bench = bench, .n = PICK(bench, 1, 2, 5)};
    size_t input = PICK(bench, 1, 3, 16, 33), output = PICK(bench, 1, 2, 8, 21);
    c.x = workbench_normal(bench, c.n * input, 0, 1);
    c.weight = workbench_normal(bench, input * output, 0, 1);
    c.bias = workbench_normal(bench, output, 0, 1);
    c.y = workbench_zeros(bench, c.n * output);
    c.out_weights = workbench_normal(bench, c.n * output, 0, 1);
    c.factors = workbench_zeros(bench, c.n * input);
    dropout_factors(&bench->random, 0.3, c.n * input, c.factors);
    real *dweight = workbench_normal(bench, input * output, 0, 1), *dbias = workbench_normal(bench, output, 0, 1);
    real *weight_before = workbench_copy(bench, dweight, input * output);
    real *bias_before = workbench_copy(bench, dbias, output);
    c.layer = (struct linear){input, output, c.weight, c.bias, dweight, dbias, NULL};
    struct gradient_check check = {.operation = "linear behind dropout", .loss = linear_loss, .setup = &c};
    real *x = workbench_copy(bench, c.x, c.n * input), *dx = workbench_normal(bench, c.n * input, 0, 1);
    dropout_apply(c.n * input, c.factors, x);
    linear_backward(&c.layer, c.n, x, c.out_weights, dx);
    dropout_apply(c.n * input, c.factors, dx);
    assert_gradient(bench, &check, "x", c.x, dx, NULL, c.n * input);
    assert_gradient(bench, &check, "weight", c.weight, dweight, weight_before, input * output);
    assert_gradient(bench, &check, "bias", c.bias, dbias, bias_before, output);
    /* Where dx is not wanted the rest is the same. */
    real *again = workbench_copy(bench, weight_before, input * output);
    c.layer.dweight = again;
    linear_backward(&c.layer, c.n, x, c.out_weights, NULL);
    assert_near("weight gradient without dx", dweight, again, input * output, EXACT);
}

/* Packed: the same numbers, and of every row the same bits with and without the others. */
static void check_packed(struct workbench *bench)
{
    const struct op_context *context = &bench->context;
    size_t n = PICK(bench, 1, 2, 5, 30), input = PICK(bench, 1, 3, 33, 130), output = PICK(bench, 1, 8, 21, 90);
    struct linear layer = {.input = input, .output = output};
    layer.weight = workbench_normal(bench, input * output, 0, 1);
    layer.bias = workbench_normal(bench, output, 0, 1);
    real *x = workbench_normal(bench, n * input, 0, 1), *wanted = workbench_zeros(bench, n * output);
    real *y = workbench_zeros(bench, n * output), *alone = workbench_zeros(bench, output);
    linear_forward(context, &layer, n, x, wanted);
    linear_pack(context, &layer, workbench_zeros(bench, linear_packed_reals(context, &layer)));
    linear_forward(context, &layer, n, x, y);
    assert_near("packed", wanted, y, n * output, EXACT);
    for (size_t i = 0; i < n; i++) {
        linear_forward(context, &layer, 1, x + i * input, alone);
        assert_memory_equal(alone, y + i * output, output * sizeof *alone);
    }
}

static void test_product(void **state)
{
    (void)state;
    workbench_trials(check_product, 1000, 40);
}

static void test_linear(void **state)
{
    (void)state;
    workbench_trials(check_linear, 1000, 40);
}

static void test_packed(void **state)
{
    (void)state;
    workbench_trials(check_packed, 1000, 40);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_product),
        cmocka_unit_test(test_linear),
        cmocka_unit_test(test_packed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
