/* The first half of an inverted bottleneck at inference against its definition, one step after the other, and the
 * blocked map that it leaves as the input of a projection. */
#include "double/support/gradient.h"
#include "rmfer/ops/blocked.h"
#include "rmfer/ops/expand_depthwise.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

static const double EXACT = 1e-11;

struct half_case {
    struct workbench *bench;
    struct conv1x1 expand, project;
    struct depthwise conv;
    struct batchnorm_case expand_bn, depthwise_bn, project_bn;
    struct expand_depthwise half;
    size_t images, inputs, pixels; /* reals of x, pixels of an output map */
    real *x;
};

static struct conv1x1 draw_conv1x1(struct workbench *bench, size_t input, size_t output)
{
    struct conv1x1 conv = {.input = input, .output = output};
    conv.weight = workbench_normal(bench, input * output, 0, 0.5);
    conv.packed = workbench_zeros(bench, conv1x1_packed_reals(&bench->context, &conv));
    conv1x1_pack(&bench->context, &conv);
    return conv;
}

static void draw_depthwise(struct workbench *bench, struct depthwise *conv)
{
    conv->channels = PICK(bench, 1, 2, 7, 16, 17, 33);
    conv->kernel = workbench_below(bench, 2) ? 3 : 5;
    conv->stride = 1 + (int)workbench_below(bench, 2);
    conv->height = PICK(bench, 1, 2, 3, 4, 5, 7, 10, 13);
    conv->width = PICK(bench, 1, 2, 3, 4, 5, 8, 11, 70);
    workbench_geometry(bench, conv);
    conv->weight = workbench_normal(bench, conv->channels * (size_t)(conv->kernel * conv->kernel), 0, 0.5);
    conv->packed = workbench_zeros(bench, depthwise_packed_reals(conv));
    depthwise_pack(conv);
}

/* Scale and shift from the statistics of some map. */
static struct batchnorm_case draw_norm(struct workbench *bench, size_t channels)
{
    enum { PIXELS = 20 };
    struct batchnorm_case norm = workbench_batchnorm(bench, channels);
    batchnorm_from_map(bench, &norm.bn, workbench_normal(bench, PIXELS * channels, 0.1, 1), PIXELS);
    return norm;
}

static void draw_half(struct workbench *bench, struct half_case *c)
{
    enum { OUTPUT = 5 };
    *c = (struct half_case){.bench = bench};
    draw_depthwise(bench, &c->conv);
    bool expands = workbench_below(bench, 3) != 0;
    size_t channels = c->conv.channels, input = expands ? PICK(bench, 1, 3, 8, 20) : channels;
    c->images = PICK(bench, 1, 2, 3, 5);
    c->inputs = c->images * c->conv.height * c->conv.width * input;
    c->pixels = c->conv.output_height * c->conv.output_width;
    c->x = workbench_normal(bench, c->inputs, 0.2, 1);
    c->expand = draw_conv1x1(bench, input, channels);
    c->project = draw_conv1x1(bench, channels, OUTPUT);
    c->expand_bn = draw_norm(bench, channels);
    c->depthwise_bn = draw_norm(bench, channels);
    c->project_bn = draw_norm(bench, OUTPUT);
    c->half = (struct expand_depthwise){expands ? &c->expand : NULL, &c->expand_bn.bn, &c->conv, &c->depthwise_bn.bn};
    struct tiling tiling = tiling_of(&bench->context, c->images, c->pixels);
    workbench_scratch(bench, expand_depthwise_scratch_reals(&bench->context, &c->half) +
                                 conv1x1_scratch_reals(&c->project, &tiling));
}

static void activate(const struct batchnorm *bn, real *map, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        size_t channel = i % bn->channels;
        map[i] = (real)silu((double)(map[i] * bn->scale[channel] + bn->shift[channel]));
    }
}

/* y[pixel] = W x[pixel] by definition. */
static void multiply(const struct conv1x1 *conv, size_t pixels, const real *x, real *y)
{
    for (size_t i = 0; i < pixels * conv->output; i++) {
        size_t pixel = i / conv->output, j = i % conv->output;
        y[i] = 0;
        for (size_t k = 0; k < conv->input; k++) y[i] += x[pixel * conv->input + k] * conv->weight[j * conv->input + k];
    }
}

/* The half's output [N,pixels,C], step by step. */
static real *define_half(const struct half_case *c)
{
    const struct depthwise *conv = &c->conv;
    size_t pixels = c->images * conv->height * conv->width, channels = conv->channels;
    real *wide = workbench_copy(c->bench, c->x, c->half.expand == NULL ? c->inputs : 1);
    if (c->half.expand != NULL) {
        wide = workbench_zeros(c->bench, pixels * channels);
        multiply(c->half.expand, pixels, c->x, wide);
        activate(c->half.expand_bn, wide, pixels * channels);
    }
    real *y = workbench_zeros(c->bench, c->images * c->pixels * channels);
    depthwise_by_definition(conv, c->images, wide, y);
    activate(c->half.depthwise_bn, y, c->images * c->pixels * channels);
    return y;
}

static void check_half(struct workbench *bench)
{
    struct half_case c;
    draw_half(bench, &c);
    size_t channels = c.conv.channels, count = c.images * c.pixels * channels;
    real *wanted = define_half(&c), *means = workbench_zeros(bench, c.images * channels);
    for (size_t i = 0; i < count; i++)
        means[i / (c.pixels * channels) * channels + i % channels] += wanted[i] / (real)c.pixels;
    real *blocked = workbench_normal(bench, c.images * blocked_reals(c.pixels, channels), 0, 1);
    real *mean = workbench_normal(bench, c.images * channels, 0, 1), *got = workbench_zeros(bench, count);
    expand_depthwise_infer(&bench->context, &c.half, c.images, c.x, blocked, mean);
    for (size_t i = 0; i < count; i++) {
        size_t channel = i % channels, pixel = i / channels % c.pixels, image = i / channels / c.pixels;
        size_t block = image * blocked_count(channels) + channel / BLOCK_CHANNELS;
        got[i] = blocked[(block * c.pixels + pixel) * BLOCK_CHANNELS + channel % BLOCK_CHANNELS];
    }
    assert_near("expand_depthwise_infer", wanted, got, count, EXACT);
    assert_near("expand_depthwise_infer's means", means, mean, c.images * channels, EXACT);
}

/* A projection reads the blocked map as it reads any other. */
static void check_projection(struct workbench *bench)
{
    struct half_case c;
    draw_half(bench, &c);
    size_t channels = c.conv.channels, rows = c.images * c.pixels, count = rows * c.project.output;
    real *plain = define_half(&c), *mean = workbench_zeros(bench, c.images * channels);
    real *gate = workbench_normal(bench, c.images * channels, 0.5, 0.3);
    real *blocked = workbench_normal(bench, c.images * blocked_reals(c.pixels, channels), 0, 1);
    real *wanted = workbench_zeros(bench, count), *got = workbench_zeros(bench, count);
    struct tiling tiling = tiling_of(&bench->context, c.images, c.pixels);
    struct conv1x1_after after = {.bn = &c.project_bn.bn};
    expand_depthwise_infer(&bench->context, &c.half, c.images, c.x, blocked, mean);
    conv1x1_infer(&bench->context, &c.project, &tiling, (struct conv1x1_input){.x = plain, .gate = gate}, after,
                  wanted);
    conv1x1_infer(&bench->context, &c.project, &tiling,
                  (struct conv1x1_input){.x = blocked, .gate = gate, .blocked = true}, after, got);
    assert_near("conv1x1_infer of a blocked map", wanted, got, count, EXACT);
}

static void test_half(void **state)
{
    (void)state;
    workbench_trials(check_half, 0, 120);
}

static void test_projection(void **state)
{
    (void)state;
    workbench_trials(check_projection, 0, 60);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_half),
        cmocka_unit_test(test_projection),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
