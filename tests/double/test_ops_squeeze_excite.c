/* Squeeze-excitation by central differences. */
#include "double/support/gradient.h"
#include "rmfer/ops/squeeze_excite.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

struct gate_case {
    struct workbench *bench;
    struct squeeze_excite se;
    struct squeeze_excite_saved saved;
    struct batchnorm_case bn;
    size_t images, pixels;
    real *x, *weights[4], *gradients[4], *squeezed, *mean, *gate_weights, *mean_weights;
};

static double gate_loss(void *setup)
{
    struct gate_case *c = setup;
    const struct op_context *context = &c->bench->context;
    size_t count = c->images * c->se.channels;
    batchnorm_from_map(c->bench, &c->bn.bn, c->x, c->images * c->pixels);
    squeeze_forward(context, c->images, c->pixels, c->x, &c->bn.bn, c->squeezed, c->mean);
    squeeze_excite_forward(context, &c->se, c->images, c->mean, c->saved);
    return weighted_sum(c->saved.gate, c->gate_weights, count) + weighted_sum(c->mean, c->mean_weights, count);
}

static struct gate_case draw_gate(struct workbench *bench)
{
    struct gate_case c = {.bench = bench, .images = PICK(bench, 1, 2, 4), .pixels = PICK(bench, 1, 2, 9, 30, 200)};
    size_t wide = PICK(bench, 1, 3, 8, 17, 33), narrow = PICK(bench, 1, 2, 5);
    size_t counts[4] = {wide * narrow, narrow, wide * narrow, wide};
    for (int i = 0; i < 4; i++) {
        c.weights[i] = workbench_normal(bench, counts[i], 0, 0.8);
        c.gradients[i] = workbench_normal(bench, counts[i], 0, 1);
    }
    c.se = (struct squeeze_excite){
        wide,
        narrow,
        {wide, narrow, c.weights[0], c.weights[1], c.gradients[0], c.gradients[1], NULL},
        {narrow, wide, c.weights[2], c.weights[3], c.gradients[2], c.gradients[3], NULL},
    };
    c.bn = workbench_batchnorm(bench, wide);
    c.x = workbench_normal(bench, c.images * c.pixels * wide, 0.5, 2);
    c.squeezed = workbench_zeros(bench, c.images * 3 * wide);
    c.mean = workbench_zeros(bench, c.images * wide);
    c.gate_weights = workbench_normal(bench, c.images * wide, 0, 1);
    c.mean_weights = workbench_normal(bench, c.images * wide, 0, 1);
    c.saved.reduced = workbench_zeros(bench, c.images * narrow);
    c.saved.activated = workbench_zeros(bench, c.images * narrow);
    c.saved.gate = workbench_zeros(bench, c.images * wide);
    return c;
}

static void check_gate(struct workbench *bench)
{
    struct gate_case c = draw_gate(bench);
    struct gradient_check check = {.operation = "squeeze-excitation", .loss = gate_loss, .setup = &c};
    size_t wide = c.se.channels, narrow = c.se.squeezed, count = c.images * wide, plane = c.pixels * wide;
    size_t counts[4] = {wide * narrow, narrow, wide * narrow, wide};
    static const char *const names[4] = {"reduce weight", "reduce bias", "expand weight", "expand bias"};
    real *before[4], *dmean = workbench_zeros(bench, count), *dx = workbench_zeros(bench, c.images * plane);
    for (int i = 0; i < 4; i++) before[i] = workbench_copy(bench, c.gradients[i], counts[i]);
    gate_loss(&c);
    squeeze_excite_backward(&c.se, c.images, c.mean, c.saved, workbench_copy(bench, c.gate_weights, count), dmean,
                            workbench_zeros(bench, c.images * narrow));
    for (size_t i = 0; i < count; i++) dmean[i] = (dmean[i] + c.mean_weights[i]) / (real)c.pixels;
    real *sums = workbench_normal(bench, 2 * wide, 0, 1);
    squeeze_backward(c.images, wide, dmean, c.squeezed, sums);
    batchnorm_backward(&c.bn.bn, sums, c.images * c.pixels);
    for (size_t n = 0; n < c.images; n++)
        kernels_portable.activated_bn_backward((struct rows){c.pixels, wide}, dx + n * plane, wide, NULL, 0,
                                               c.x + n * plane, wide, c.bn.bn.shift, NULL, dmean + n * wide,
                                               batchnorm_coefficients(&c.bn.bn));
    assert_gradient(bench, &check, "x", c.x, dx, NULL, c.images * plane);
    for (int i = 0; i < 4; i++)
        assert_gradient(bench, &check, names[i], c.weights[i], c.gradients[i], before[i], counts[i]);
    assert_batchnorm_gradient(bench, &check, "batch-norm", &c.bn);
}

static void test_gate(void **state)
{
    (void)state;
    workbench_trials(check_gate, 0, 60);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gate),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
