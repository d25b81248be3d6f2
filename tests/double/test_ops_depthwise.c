/* The depthwise convolution with the batch-norms around it, by central differences and against its definition.
 *
 * An operation's gradient enters through the batch-norm behind it and leaves through the one before it, as in the
 * network, so a case is always the operation with its neighbours. */
#include "double/support/gradient.h"
#include "rmfer/ops/depthwise.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

static const double EXACT = 1e-11;

struct depthwise_case {
    struct workbench *bench;
    struct depthwise conv;
    size_t images, inputs, outputs; /* reals of the maps */
    bool activates;                 /* the input goes through batch-norm and SiLU */
    struct batchnorm_case before, after;
    real *x, *weight, *gate, *y, *map_weights, *mean_weights;
    struct moments moments;
    real *moment_values;
    size_t *moment_counts;
};

/* The loss's upstream at an output: the map's own weight through the gate, and the mean's. */
static double depthwise_upper(const struct depthwise_case *c, size_t i)
{
    size_t channels = c->conv.channels, plane = c->conv.output_height * c->conv.output_width;
    size_t at = i / (plane * channels) * channels + i % channels;
    return (double)(c->map_weights[i] * c->gate[at] + c->mean_weights[at] / (real)plane);
}

static double depthwise_loss(void *setup)
{
    struct depthwise_case *c = setup;
    size_t channels = c->conv.channels;
    double total = 0;
    depthwise_pack(&c->conv);
    if (c->activates) batchnorm_from_map(c->bench, &c->before.bn, c->x, c->images * c->conv.height * c->conv.width);
    depthwise_forward(&c->bench->context, &c->conv, c->images, c->x, c->activates ? &c->before.bn : NULL, c->y,
                      c->moment_values, c->moment_counts);
    batchnorm_from_batch(&c->bench->context, &c->after.bn, &c->moments, 0.1);
    for (size_t i = 0; i < c->outputs; i++) {
        size_t channel = i % channels;
        double z = (double)(c->y[i] * c->after.bn.scale[channel] + c->after.bn.shift[channel]);
        total += silu(z) * depthwise_upper(c, i);
    }
    return total;
}

static struct depthwise_case draw_depthwise(struct workbench *bench)
{
    struct depthwise_case c = {.bench = bench, .activates = workbench_below(bench, 2) != 0};
    struct depthwise *conv = &c.conv;
    conv->channels = PICK(bench, 1, 2, 7, 16, 17, 33);
    conv->kernel = workbench_below(bench, 2) ? 3 : 5;
    conv->stride = 1 + (int)workbench_below(bench, 2);
    conv->height = PICK(bench, 1, 2, 3, 4, 5, 7, 10, 13);
    conv->width = PICK(bench, 1, 2, 3, 4, 5, 8, 11, 70);
    workbench_geometry(bench, conv);
    c.images = PICK(bench, 1, 2, 3);
    c.inputs = c.images * conv->height * conv->width * conv->channels;
    c.outputs = c.images * conv->output_height * conv->output_width * conv->channels;
    size_t taps = (size_t)(conv->kernel * conv->kernel),
           parts = c.images * depthwise_moment_parts(&bench->context, conv);
    c.x = workbench_normal(bench, c.inputs, 0.2, 1);
    conv->weight = c.weight = workbench_normal(bench, conv->channels * taps, 0, 0.5);
    conv->dweight = workbench_normal(bench, conv->channels * taps, 0, 1);
    conv->packed = workbench_zeros(bench, depthwise_packed_reals(conv));
    c.gate = workbench_normal(bench, c.images * conv->channels, 0.5, 0.3);
    c.mean_weights = workbench_normal(bench, c.images * conv->channels, 0, 1);
    c.map_weights = workbench_normal(bench, c.outputs, 0, 1);
    c.y = workbench_zeros(bench, c.outputs);
    c.before = workbench_batchnorm(bench, conv->channels);
    c.after = workbench_batchnorm(bench, conv->channels);
    c.moment_values = workbench_zeros(bench, parts * 2 * conv->channels);
    c.moment_counts = workbench_counts(bench, parts);
    c.moments = (struct moments){parts, c.moment_counts, c.moment_values};
    workbench_scratch(bench, depthwise_scratch_reals(&bench->context, conv));
    return c;
}

static void assert_convolution(const struct depthwise_case *c)
{
    real *a = workbench_copy(c->bench, c->x, c->inputs), *wanted = workbench_zeros(c->bench, c->outputs);
    for (size_t i = 0; c->activates && i < c->inputs; i++) {
        size_t channel = i % c->conv.channels;
        a[i] = silu((double)(a[i] * c->before.bn.scale[channel] + c->before.bn.shift[channel]));
    }
    depthwise_by_definition(&c->conv, c->images, a, wanted);
    assert_near("depthwise", wanted, c->y, c->outputs, EXACT);
    size_t pixels = 0;
    for (size_t p = 0; p < c->moments.parts; p++) pixels += c->moment_counts[p];
    assert_int_equal(pixels * c->conv.channels, c->outputs);
}

/* The batch-norm behind the convolution, backwards; sums as they are defined. */
static void enter_depthwise(struct depthwise_case *c)
{
    struct batchnorm *bn = &c->after.bn;
    size_t channels = c->conv.channels;
    real *sums = workbench_zeros(c->bench, 2 * channels);
    for (size_t i = 0; i < c->outputs; i++) {
        size_t channel = i % channels;
        double z = (double)(c->y[i] * bn->scale[channel] + bn->shift[channel]);
        double dz = depthwise_upper(c, i) * silu_slope(z);
        sums[channel] += dz;
        sums[channels + channel] += dz * (c->y[i] - bn->mean[channel]);
    }
    batchnorm_backward(bn, sums, c->outputs / channels);
}

static void check_depthwise(struct workbench *bench)
{
    struct depthwise_case c = draw_depthwise(bench);
    struct gradient_check check = {.operation = c.activates ? "depthwise of silu(bn(x))" : "depthwise",
                                   .loss = depthwise_loss,
                                   .setup = &c,
                                   .tolerance = 1e-6};
    size_t channels = c.conv.channels, weights = channels * (size_t)(c.conv.kernel * c.conv.kernel);
    depthwise_loss(&c);
    assert_convolution(&c);
    enter_depthwise(&c);
    real *at_pixel = workbench_copy(bench, c.mean_weights, c.images * channels);
    for (size_t i = 0; i < c.images * channels; i++) at_pixel[i] /= (real)(c.conv.output_height * c.conv.output_width);
    struct depthwise_upstream upstream = {c.y, &c.after.bn, c.map_weights, c.gate, at_pixel};
    real *before = workbench_copy(bench, c.conv.dweight, weights), *dz = workbench_normal(bench, c.inputs, 0, 1);
    real *image_sums = workbench_normal(bench, c.images * 2 * channels, 0, 1);
    real *partials = workbench_normal(bench, (size_t)bench->context.threads * weights, 0, 1);
    /* A residual may lie where dz goes, as in the network. */
    real *residual = !c.activates && workbench_below(bench, 2) ? dz : NULL;
    real *added = residual == NULL ? NULL : workbench_copy(bench, residual, c.inputs);
    depthwise_backward(&bench->context, &c.conv, c.images, c.x, c.activates ? &c.before.bn : NULL, upstream, residual,
                       dz, image_sums, partials);
    if (c.activates) {
        real *sums = workbench_zeros(bench, 2 * channels);
        size_t pixels = c.inputs / channels;
        rows_sum(&bench->context, c.images, 2 * channels, image_sums, sums);
        batchnorm_backward(&c.before.bn, sums, pixels);
        kernels_portable.bn_backward((struct rows){pixels, channels}, dz, channels, dz, channels, c.x, channels,
                                     batchnorm_coefficients(&c.before.bn));
        assert_batchnorm_gradient(bench, &check, "batch-norm before", &c.before);
    }
    assert_gradient(bench, &check, "x", c.x, dz, added, c.inputs);
    assert_gradient(bench, &check, "weight", c.weight, c.conv.dweight, before, weights);
    assert_batchnorm_gradient(bench, &check, "batch-norm behind", &c.after);
}

static void test_depthwise(void **state)
{
    (void)state;
    workbench_trials(check_depthwise, 0, 60);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_depthwise),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
