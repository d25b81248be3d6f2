/* Convolutions with the batch-norms around them: central differences, and the forward pass against its definition.
 *
 * An operation's gradient enters through the batch-norm behind it and leaves through the one before it, as in the
 * network, so a case is always the operation with its neighbours. */
#include "double/support/gradient.h"
#include "rmfer/ops/conv1x1.h"
#include "rmfer/ops/depthwise.h"
#include "rmfer/ops/squeeze_excite.h"
#include "rmfer/ops/stem.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

enum { TRIALS = 60 };

static const double EXACT = 1e-11;

/* ---- 1x1 convolution
 * ------------------------------------------------------------------------------------------------ */

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
    return (struct conv1x1_input){c->x, gated ? &c->before.bn : NULL, gated ? c->gate : NULL};
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
    conv1x1_infer(&bench->context, &c.conv, &c.tiling, (struct conv1x1_input){c.x, NULL, gated ? c.gate : NULL},
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

/* ---- depthwise convolution
 * ------------------------------------------------------------------------------------------ */

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

static void draw_geometry(struct workbench *bench, struct depthwise *conv)
{
    size_t kernel = (size_t)conv->kernel, stride = (size_t)conv->stride;
    size_t sizes[2] = {conv->height, conv->width}, outputs[2], pads[2];
    bool same = workbench_below(bench, 2) != 0;
    for (int i = 0; i < 2; i++) {
        outputs[i] = same ? (sizes[i] + stride - 1) / stride : (sizes[i] - 1) / stride + 1;
        size_t read = (outputs[i] - 1) * stride + kernel;
        pads[i] = same ? (read > sizes[i] ? (read - sizes[i]) / 2 : 0) : (kernel - 1) / 2;
    }
    conv->output_height = outputs[0];
    conv->output_width = outputs[1];
    conv->pad_top = pads[0];
    conv->pad_left = pads[1];
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
    draw_geometry(bench, conv);
    c.images = PICK(bench, 1, 2, 3);
    c.inputs = c.images * conv->height * conv->width * conv->channels;
    c.outputs = c.images * conv->output_height * conv->output_width * conv->channels;
    size_t taps = (size_t)(conv->kernel * conv->kernel), parts = c.images * depthwise_moment_parts(&bench->context, conv);
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

/* y by definition: the sum over taps, zeros outside. `a` is the input as the convolution sees it. */
static void convolve(const struct depthwise *conv, size_t images, const real *a, real *y)
{
    size_t kernel = (size_t)conv->kernel, stride = (size_t)conv->stride, channels = conv->channels;
    for (size_t i = 0; i < images * conv->output_height * conv->output_width * channels; i++) {
        size_t c = i % channels, pixel = i / channels, ox = pixel % conv->output_width;
        size_t oy = pixel / conv->output_width % conv->output_height;
        size_t image = pixel / conv->output_width / conv->output_height;
        y[i] = 0;
        for (size_t tap = 0; tap < kernel * kernel; tap++) {
            size_t iy = oy * stride + tap / kernel, ix = ox * stride + tap % kernel;
            if (iy < conv->pad_top || iy - conv->pad_top >= conv->height) continue;
            if (ix < conv->pad_left || ix - conv->pad_left >= conv->width) continue;
            size_t at = (image * conv->height + iy - conv->pad_top) * conv->width + ix - conv->pad_left;
            y[i] += a[at * channels + c] * conv->weight[c * kernel * kernel + tap];
        }
    }
}

static void assert_convolution(const struct depthwise_case *c)
{
    real *a = workbench_copy(c->bench, c->x, c->inputs), *wanted = workbench_zeros(c->bench, c->outputs);
    for (size_t i = 0; c->activates && i < c->inputs; i++) {
        size_t channel = i % c->conv.channels;
        a[i] = silu((double)(a[i] * c->before.bn.scale[channel] + c->before.bn.shift[channel]));
    }
    convolve(&c->conv, c->images, a, wanted);
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
    for (size_t i = 0; i < c.images * channels; i++)
        at_pixel[i] /= (real)(c.conv.output_height * c.conv.output_width);
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

static void check_depthwise_infer(struct workbench *bench)
{
    struct depthwise_case c = draw_depthwise(bench);
    size_t channels = c.conv.channels, plane = c.conv.output_height * c.conv.output_width;
    bool pools = workbench_below(bench, 2) != 0;
    real *wanted = workbench_zeros(bench, c.outputs), *means = workbench_zeros(bench, c.images * channels);
    real *got = workbench_zeros(bench, c.outputs), *pooled = workbench_normal(bench, c.images * channels, 0, 1);
    depthwise_loss(&c);
    convolve(&c.conv, c.images, c.x, wanted);
    for (size_t i = 0; i < c.outputs; i++) {
        size_t channel = i % channels;
        wanted[i] = silu((double)(wanted[i] * c.after.bn.scale[channel] + c.after.bn.shift[channel]));
        means[i / (plane * channels) * channels + channel] += wanted[i] / (real)plane;
    }
    depthwise_infer(&bench->context, &c.conv, c.images, c.x, &c.after.bn, got, pools ? pooled : NULL);
    assert_near("depthwise_infer", wanted, got, c.outputs, EXACT);
    if (pools) assert_near("depthwise_infer's means", means, pooled, c.images * channels, EXACT);
}

/* ---- the stem
 * ------------------------------------------------------------------------------------------------------- */

struct stem_case {
    struct workbench *bench;
    struct stem stem;
    struct tiling tiling;
    struct batchnorm_case after;
    size_t images, outputs;
    real *pictures, *weight, *y, *map, *map_weights, *moment_values;
    size_t *moment_counts;
    struct moments moments;
};

static double stem_loss(void *setup)
{
    struct stem_case *c = setup;
    const struct op_context *context = &c->bench->context;
    stem_pack(context, &c->stem);
    stem_forward(context, &c->stem, &c->tiling, c->pictures, NULL, c->y, c->moment_values, c->moment_counts);
    batchnorm_from_batch(context, &c->after.bn, &c->moments, 0.1);
    batchnorm_apply(context, &c->tiling, &c->after.bn, c->y, NULL, NULL, c->map);
    return weighted_sum(c->map, c->map_weights, c->outputs);
}

static struct stem_case draw_stem(struct workbench *bench)
{
    struct stem_case c = {.bench = bench, .images = PICK(bench, 1, 2, 3)};
    struct depthwise shape = {.kernel = STEM_KERNEL, .stride = STEM_STRIDE};
    shape.height = PICK(bench, 1, 2, 3, 6, 9, 33);
    shape.width = PICK(bench, 1, 2, 5, 8, 13, 32);
    draw_geometry(bench, &shape);
    c.stem = (struct stem){.output = PICK(bench, 1, 3, 8, 17),
                           .height = shape.height,
                           .width = shape.width,
                           .output_height = shape.output_height,
                           .output_width = shape.output_width,
                           .pad_top = shape.pad_top,
                           .pad_left = shape.pad_left};
    size_t plane = shape.output_height * shape.output_width;
    c.tiling = tiling_of(&bench->context, c.images, plane);
    c.outputs = c.images * plane * c.stem.output;
    c.pictures = workbench_normal(bench, c.images * shape.height * shape.width * STEM_INPUT, 0, 1);
    c.stem.weight = c.weight = workbench_normal(bench, c.stem.output * STEM_PATCH, 0, 0.5);
    c.stem.dweight = workbench_normal(bench, c.stem.output * STEM_PATCH, 0, 1);
    c.stem.packed = workbench_zeros(bench, stem_packed_reals(&bench->context, &c.stem));
    c.after = workbench_batchnorm(bench, c.stem.output);
    c.y = workbench_zeros(bench, c.outputs);
    c.map = workbench_zeros(bench, c.outputs);
    c.map_weights = workbench_normal(bench, c.outputs, 0, 1);
    c.moment_values = workbench_zeros(bench, c.tiling.tiles * 2 * c.stem.output);
    c.moment_counts = workbench_counts(bench, c.tiling.tiles);
    c.moments = (struct moments){c.tiling.tiles, c.moment_counts, c.moment_values};
    workbench_scratch(bench, stem_scratch_reals(&c.stem, &c.tiling));
    return c;
}

static void convolve_pictures(const struct stem_case *c, real *y)
{
    const struct stem *s = &c->stem;
    for (size_t i = 0; i < c->outputs; i++) {
        size_t o = i % s->output, pixel = i / s->output, ox = pixel % s->output_width;
        size_t oy = pixel / s->output_width % s->output_height, image = pixel / s->output_width / s->output_height;
        y[i] = 0;
        for (size_t tap = 0; tap < STEM_PATCH; tap++) {
            size_t iy = oy * STEM_STRIDE + tap / STEM_KERNEL % STEM_KERNEL, ix = ox * STEM_STRIDE + tap % STEM_KERNEL;
            if (iy < s->pad_top || iy - s->pad_top >= s->height) continue;
            if (ix < s->pad_left || ix - s->pad_left >= s->width) continue;
            size_t at = (image * s->height + iy - s->pad_top) * s->width + ix - s->pad_left;
            y[i] +=
                c->pictures[at * STEM_INPUT + tap / (STEM_KERNEL * STEM_KERNEL)] * c->weight[o * STEM_PATCH + tap];
        }
    }
}

static void check_stem(struct workbench *bench)
{
    struct stem_case c = draw_stem(bench);
    struct gradient_check check = {.operation = "stem", .loss = stem_loss, .setup = &c};
    size_t m = c.stem.output, weights = m * STEM_PATCH;
    real *wanted = workbench_zeros(bench, c.outputs);
    stem_loss(&c);
    convolve_pictures(&c, wanted);
    assert_near("stem", wanted, c.y, c.outputs, EXACT);
    real *sums = workbench_zeros(bench, 2 * m), *before = workbench_copy(bench, c.stem.dweight, weights);
    batchnorm_apply_backward(&bench->context, &c.tiling, &c.after.bn, c.y, NULL, c.map_weights,
                             workbench_zeros(bench, c.tiling.segments * 2 * m),
                             workbench_zeros(bench, c.images * 2 * m), sums);
    batchnorm_backward(&c.after.bn, sums, c.outputs / m);
    stem_backward(&bench->context, &c.stem, &c.tiling, c.pictures, c.y, &c.after.bn, c.map_weights,
                  workbench_normal(bench, (size_t)bench->context.threads * weights, 0, 1));
    assert_gradient(bench, &check, "weight", c.weight, c.stem.dweight, before, weights);
    assert_batchnorm_gradient(bench, &check, "batch-norm", &c.after);
    stem_loss(&c);
    for (size_t i = 0; i < c.outputs; i++)
        wanted[i] = silu((double)(wanted[i] * c.after.bn.scale[i % m] + c.after.bn.shift[i % m]));
    stem_forward(&bench->context, &c.stem, &c.tiling, c.pictures, &c.after.bn, c.map, NULL, NULL);
    assert_near("the stem of inference", wanted, c.map, c.outputs, EXACT);
}

/* ---- squeeze-excitation
 * --------------------------------------------------------------------------------------------- */

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
        {wide, narrow, c.weights[0], c.weights[1], c.gradients[0], c.gradients[1]},
        {narrow, wide, c.weights[2], c.weights[3], c.gradients[2], c.gradients[3]},
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
    squeeze_excite_backward(&bench->context, &c.se, c.images, c.mean, c.saved,
                            workbench_copy(bench, c.gate_weights, count), dmean,
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

/* ---- batch-norm's statistics
 * ---------------------------------------------------------------------------------------- */

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

/* ---- the tests
 * ------------------------------------------------------------------------------------------------------ */

static void run_trials(void (*check)(struct workbench *))
{
    struct workbench bench;
    workbench_init(&bench);
    for (uint64_t trial = 0; trial < TRIALS; trial++) {
        workbench_start(&bench, trial);
        check(&bench);
    }
    workbench_free(&bench);
}

static void check_plain(struct workbench *bench)
{
    check_conv(bench, CONV_PLAIN, "conv1x1");
}

static void check_pooled(struct workbench *bench)
{
    check_conv(bench, CONV_POOLED, "conv1x1 behind a mean over pixels");
}

#define TRIAL_TEST(name)                  \
    static void test_##name(void **state) \
    {                                     \
        (void)state;                      \
        run_trials(check_##name);         \
    }

TRIAL_TEST(plain)
TRIAL_TEST(gated)
TRIAL_TEST(pooled)
TRIAL_TEST(infer)
TRIAL_TEST(depthwise)
TRIAL_TEST(depthwise_infer)
TRIAL_TEST(stem)
TRIAL_TEST(gate)
TRIAL_TEST(statistics)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plain), cmocka_unit_test(test_gated),     cmocka_unit_test(test_pooled),
        cmocka_unit_test(test_infer), cmocka_unit_test(test_depthwise), cmocka_unit_test(test_depthwise_infer),
        cmocka_unit_test(test_stem),  cmocka_unit_test(test_gate),      cmocka_unit_test(test_statistics),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
