/* The 1x1 convolution with the batch-norms around it, by central differences and against its definition.
 *
 * An operation's gradient enters through the batch-norm behind it and leaves through the one before it, as in the
 * network, so a case is always the operation with its neighbours. */
#include "double/support/gradient.h"
#include "rmfer/ops/conv1x1.h"
#include "rmfer/ops/squeeze_excite.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

static const double EXACT = 1e-11;

enum conv_kind {
    CONV_PLAIN, /* bn(W x), with drop-path factors and a residual or without */
    CONV_GATED, /* bn(W (silu(bn(x)) * gate)) */
    CONV_POOLED /* mean over pixels of silu(bn(W x)) */
};

struct conv_case {
    struct workbench *bench;
    enum conv_kind kind;
    size_t images, pixels, input, output;
    struct conv1x1 conv;
    struct tiling tiling;
    struct batchnorm_case before, after;
    real *x, *weight, *gate, *keep, *residual, *y, *map, *out_weights;
    struct moments moments;
    real *moment_values, *squeezed;
    size_t *moment_counts;
};

static struct conv1x1_input conv_input(const struct conv_case *c)
{
    bool gated = c->kind == CONV_GATED;
    return (struct conv1x1_input){c->x, gated ? &c->before.bn : NULL, gated ? c->gate : NULL, false};
}

static double conv_loss(void *setup)
{
    struct conv_case *c = setup;
    const struct op_context *context = &c->bench->context;
    conv1x1_pack(context, &c->conv);
    if (c->kind == CONV_GATED) batchnorm_from_map(c->bench, &c->before.bn, c->x, c->images * c->pixels);
    conv1x1_forward(context, &c->conv, &c->tiling, conv_input(c), c->y, c->moment_values, c->moment_counts);
    batchnorm_from_batch(context, &c->after.bn, &c->moments, 0.1);
    if (c->kind == CONV_POOLED) {
        squeeze_forward(context, c->images, c->pixels, c->y, &c->after.bn, c->squeezed, c->map);
        return weighted_sum(c->map, c->out_weights, c->images * c->output);
    }
    batchnorm_apply(context, &c->tiling, &c->after.bn, c->y, c->keep, c->residual, c->map);
    return weighted_sum(c->map, c->out_weights, c->images * c->pixels * c->output);
}

static struct conv_case draw_conv(struct workbench *bench, enum conv_kind kind)
{
    struct conv_case c = {.bench = bench, .kind = kind};
    c.images = PICK(bench, 1, 2, 3, 5);
    c.pixels = PICK(bench, 1, 1, 2, 9, 25, 49, 170, 345);
    c.input = PICK(bench, 1, 2, 3, 8, 16, 17, 21);
    c.output = PICK(bench, 1, 2, 3, 8, 16, 17, 21);
    c.tiling = tiling_of(&bench->context, c.images, c.pixels);
    size_t rows = c.images * c.pixels;
    c.x = workbench_normal(bench, rows * c.input, 0.3, 1);
    c.weight = workbench_normal(bench, c.input * c.output, 0, 0.7);
    c.gate = workbench_normal(bench, c.images * c.input, 0.5, 0.2);
    if (workbench_below(bench, 2)) c.residual = workbench_normal(bench, rows * c.output, 0, 1);
    if (workbench_below(bench, 2)) {
        c.keep = workbench_zeros(bench, c.images);
        for (size_t i = 0; i < c.images; i++) c.keep[i] = workbench_below(bench, 3) ? 1.5 : 0;
    }
    c.out_weights = workbench_normal(bench, rows * c.output, 0, 1);
    c.y = workbench_zeros(bench, rows * c.output);
    c.map = workbench_zeros(bench, rows * c.output);
    c.squeezed = workbench_zeros(bench, c.images * 3 * c.output);
    c.before = workbench_batchnorm(bench, c.input);
    c.after = workbench_batchnorm(bench, c.output);
    c.conv = (struct conv1x1){.input = c.input, .output = c.output, .weight = c.weight};
    c.conv.dweight = workbench_normal(bench, c.input * c.output, 0, 1);
    c.conv.packed = workbench_zeros(bench, conv1x1_packed_reals(&bench->context, &c.conv));
    c.conv.packed_transposed = workbench_zeros(bench, conv1x1_packed_transposed_reals(&bench->context, &c.conv));
    c.moment_values = workbench_zeros(bench, c.tiling.tiles * 2 * c.output);
    c.moment_counts = workbench_counts(bench, c.tiling.tiles);
    c.moments = (struct moments){c.tiling.tiles, c.moment_counts, c.moment_values};
    workbench_scratch(bench, conv1x1_scratch_reals(&c.conv, &c.tiling) + 2 * c.output);
    return c;
}

static void assert_product(const struct conv_case *c)
{
    size_t rows = c->images * c->pixels;
    real *wanted = workbench_zeros(c->bench, rows * c->output);
    for (size_t r = 0; r < rows; r++)
        for (size_t k = 0; k < c->input; k++) {
            double a = (double)c->x[r * c->input + k];
            if (c->kind == CONV_GATED)
                a = silu(a * (double)c->before.bn.scale[k] + (double)c->before.bn.shift[k]) *
                    (double)c->gate[r / c->pixels * c->input + k];
            for (size_t j = 0; j < c->output; j++) wanted[r * c->output + j] += a * c->weight[j * c->input + k];
        }
    assert_near("conv1x1", wanted, c->y, rows * c->output, EXACT);
}

/* Runs the batch-norm behind the convolution backwards and says where dy comes from. */
static struct conv1x1_upstream conv_upstream(struct conv_case *c)
{
    struct workbench *bench = c->bench;
    size_t m = c->output;
    real *sums = workbench_zeros(bench, 2 * m);
    struct conv1x1_upstream upstream = {.y = c->y, .bn = &c->after.bn};
    if (c->kind == CONV_POOLED) {
        real *at_pixel = workbench_copy(bench, c->out_weights, c->images * m);
        for (size_t i = 0; i < c->images * m; i++) at_pixel[i] /= (real)c->pixels;
        squeeze_backward(c->images, m, at_pixel, c->squeezed, sums);
        upstream.pooled = at_pixel;
    } else {
        batchnorm_apply_backward(&bench->context, &c->tiling, &c->after.bn, c->y, c->keep, c->out_weights,
                                 workbench_zeros(bench, c->tiling.segments * 2 * m),
                                 workbench_zeros(bench, c->images * 2 * m), sums);
        upstream.dy = c->out_weights;
        upstream.keep = c->keep;
    }
    batchnorm_backward(&c->after.bn, sums, c->images * c->pixels);
    return upstream;
}

static real *conv_partials(struct conv_case *c)
{
    return workbench_normal(c->bench, (size_t)c->bench->context.threads * c->input * c->output, 0, 1);
}

static void check_conv(struct workbench *bench, enum conv_kind kind, const char *name)
{
    struct conv_case c = draw_conv(bench, kind);
    struct gradient_check check = {.operation = name, .loss = conv_loss, .setup = &c};
    size_t inputs = c.images * c.pixels * c.input;
    bool accumulate = workbench_below(bench, 2) != 0;
    conv_loss(&c);
    assert_product(&c);
    real *weight_before = workbench_copy(bench, c.conv.dweight, c.input * c.output);
    real *dx = workbench_normal(bench, inputs, 0, 1), *before = workbench_copy(bench, dx, inputs);
    conv1x1_backward(&bench->context, &c.conv, &c.tiling, c.x, conv_upstream(&c), dx, accumulate, conv_partials(&c));
    assert_gradient(bench, &check, "x", c.x, dx, accumulate ? before : NULL, inputs);
    assert_gradient(bench, &check, "weight", c.weight, c.conv.dweight, weight_before, c.input * c.output);
    assert_batchnorm_gradient(bench, &check, "batch-norm", &c.after);
}

/* The batch-norm before the gate: its sums follow from the gated ones, its dx from du. */
static void leave_gate(struct conv_case *c, const real *du, const real *image_sums, real *dx)
{
    size_t k = c->input, plane = c->pixels * k;
    real *sums = workbench_zeros(c->bench, 2 * k), *nothing = workbench_zeros(c->bench, k);
    for (size_t n = 0; n < c->images; n++)
        for (size_t i = 0; i < 2 * k; i++) sums[i] += c->gate[n * k + i % k] * image_sums[n * 3 * k + k + i];
    batchnorm_backward(&c->before.bn, sums, c->images * c->pixels);
    for (size_t n = 0; n < c->images; n++)
        kernels_portable.activated_bn_backward((struct rows){c->pixels, k}, dx + n * plane, k, du + n * plane, k,
                                               c->x + n * plane, k, c->before.bn.shift, c->gate + n * k, nothing,
                                               batchnorm_coefficients(&c->before.bn));
}

static void check_gated(struct workbench *bench)
{
    struct conv_case c = draw_conv(bench, CONV_GATED);
    struct gradient_check check = {.operation = "conv1x1 of a gated map", .loss = conv_loss, .setup = &c};
    size_t k = c.input, inputs = c.images * c.pixels * k;
    conv_loss(&c);
    assert_product(&c);
    real *weight_before = workbench_copy(bench, c.conv.dweight, k * c.output);
    real *du = workbench_normal(bench, inputs, 0, 1), *dx = workbench_zeros(bench, inputs);
    real *segments = workbench_normal(bench, c.tiling.segments * 3 * k, 0, 1);
    real *image_sums = workbench_zeros(bench, c.images * 3 * k), *dgate = workbench_zeros(bench, c.images * k);
    conv1x1_gated_backward(&bench->context, &c.conv, &c.tiling, conv_input(&c), conv_upstream(&c), du, segments,
                           conv_partials(&c));
    segments_sum(&bench->context, &c.tiling, 3 * k, segments, image_sums);
    for (size_t i = 0; i < c.images * k; i++) dgate[i] = image_sums[i / k * 3 * k + i % k];
    leave_gate(&c, du, image_sums, dx);
    assert_gradient(bench, &check, "x", c.x, dx, NULL, inputs);
    assert_gradient(bench, &check, "gate", c.gate, dgate, NULL, c.images * k);
    assert_gradient(bench, &check, "weight", c.weight, c.conv.dweight, weight_before, k * c.output);
    assert_batchnorm_gradient(bench, &check, "batch-norm before", &c.before);
    assert_batchnorm_gradient(bench, &check, "batch-norm behind", &c.after);
}

/* Inference's fused form is the same convolution, then batch-norm with SiLU or with a residual. */
static void check_infer(struct workbench *bench)
{
    struct conv_case c = draw_conv(bench, CONV_PLAIN);
    bool gated = workbench_below(bench, 2) != 0, activates = workbench_below(bench, 2) != 0;
    size_t count = c.images * c.pixels * c.output, inputs = c.images * c.pixels * c.input;
    real *got = workbench_zeros(bench, count), *wanted = workbench_zeros(bench, count);
    conv_loss(&c);
    struct conv1x1_after after = {&c.after.bn, activates, activates ? NULL : c.residual};
    conv1x1_infer(&bench->context, &c.conv, &c.tiling, (struct conv1x1_input){c.x, NULL, gated ? c.gate : NULL, false},
                  after, got);
    for (size_t i = 0; gated && i < inputs; i++) c.x[i] *= c.gate[i / (c.pixels * c.input) * c.input + i % c.input];
    struct conv1x1_input input = {.x = c.x};
    conv1x1_forward(&bench->context, &c.conv, &c.tiling, input, c.y, c.moment_values, c.moment_counts);
    for (size_t i = 0; i < count; i++) {
        size_t j = i % c.output;
        wanted[i] = c.y[i] * c.after.bn.scale[j] + c.after.bn.shift[j];
        if (activates)
            wanted[i] = silu(wanted[i]);
        else if (c.residual != NULL)
            wanted[i] += c.residual[i];
    }
    assert_near("conv1x1_infer", wanted, got, count, EXACT);
}

static void check_plain(struct workbench *bench)
{
    check_conv(bench, CONV_PLAIN, "conv1x1");
}

static void check_pooled(struct workbench *bench)
{
    check_conv(bench, CONV_POOLED, "conv1x1 behind a mean over pixels");
}

static void test_plain(void **state)
{
    (void)state;
    workbench_trials(check_plain, 0, 60);
}

static void test_gated(void **state)
{
    (void)state;
    workbench_trials(check_gated, 0, 60);
}

static void test_pooled(void **state)
{
    (void)state;
    workbench_trials(check_pooled, 0, 60);
}

static void test_infer(void **state)
{
    (void)state;
    workbench_trials(check_infer, 0, 60);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plain),
        cmocka_unit_test(test_gated),
        cmocka_unit_test(test_pooled),
        cmocka_unit_test(test_infer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
