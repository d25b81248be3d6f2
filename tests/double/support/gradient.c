/* Numbers moved one by one, both ways, and the slope between. */
#include "double/support/gradient.h"

#include "rmfer/base/threads.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum { ROOM = 24 << 20 };

void workbench_init(struct workbench *bench)
{
    *bench = (struct workbench){0};
    assert_int_equal(arena_init(&bench->arena, ROOM, "the workbench", NULL), STATUS_OK);
}

void workbench_free(struct workbench *bench)
{
    arena_free(&bench->arena);
}

/* Every way an operation may go, whatever the size of its maps. */
static void draw_limits(struct workbench *bench)
{
    struct op_limits *limits = &bench->context.limits;
    if (workbench_below(bench, 2)) limits->stream_bytes = 0;
    limits->tile_rows = PICK(bench, 14, 28, limits->tile_rows);
    limits->band_pixels = PICK(bench, 1, 20, limits->band_pixels);
    limits->moment_pixels = PICK(bench, 1, limits->moment_pixels, 1000);
}

void workbench_start(struct workbench *bench, uint64_t index)
{
    bench->arena.used = 0;
    bench->random = random_stream(11, RANDOM_TEST, index, 1);
    /* Rarely more than one: waking a team costs more than these small cases do. */
    threads_set(workbench_below(bench, 4) ? 1 : 2 + (int)workbench_below(bench, 2));
    bench->context = op_context_of(&kernels_portable, threads_get());
    draw_limits(bench);
}

void workbench_trials(void (*check)(struct workbench *bench), uint64_t first, uint64_t count)
{
    struct workbench bench;
    workbench_init(&bench);
    for (uint64_t trial = 0; trial < count; trial++) {
        workbench_start(&bench, first + trial);
        check(&bench);
    }
    workbench_free(&bench);
}

void workbench_scratch(struct workbench *bench, size_t reals)
{
    bench->context.scratch_reals = (reals + 7) / 8 * 8;
    bench->context.scratch = workbench_zeros(bench, (size_t)bench->context.threads * bench->context.scratch_reals);
}

size_t workbench_below(struct workbench *bench, size_t bound)
{
    return (size_t)random_below(&bench->random, bound);
}

size_t workbench_pick(struct workbench *bench, const size_t *sizes, size_t count)
{
    return sizes[workbench_below(bench, count)];
}

real *workbench_zeros(struct workbench *bench, size_t count)
{
    real *taken = arena_take(&bench->arena, (count + 1) * sizeof *taken);
    memset(taken, 0, count * sizeof *taken);
    return taken;
}

real *workbench_normal(struct workbench *bench, size_t count, double centre, double scale)
{
    real *taken = workbench_zeros(bench, count);
    for (size_t i = 0; i < count; i++) taken[i] = (real)(centre + scale * random_normal(&bench->random));
    return taken;
}

real *workbench_copy(struct workbench *bench, const real *from, size_t count)
{
    real *taken = workbench_zeros(bench, count);
    memcpy(taken, from, count * sizeof *taken);
    return taken;
}

size_t *workbench_counts(struct workbench *bench, size_t count)
{
    size_t *taken = arena_take(&bench->arena, (count + 1) * sizeof *taken);
    memset(taken, 0, count * sizeof *taken);
    return taken;
}

struct batchnorm_case workbench_batchnorm(struct workbench *bench, size_t channels)
{
    struct batchnorm_case c = {.bn = {.channels = channels, .epsilon = workbench_below(bench, 2) ? 1e-3 : 1e-5}};
    c.bn.gamma = c.gamma = workbench_normal(bench, channels, 1, 0.3);
    c.bn.beta = c.beta = workbench_normal(bench, channels, 0, 0.3);
    c.bn.dgamma = workbench_normal(bench, channels, 0, 1);
    c.bn.dbeta = workbench_normal(bench, channels, 0, 1);
    c.dgamma_before = workbench_copy(bench, c.bn.dgamma, channels);
    c.dbeta_before = workbench_copy(bench, c.bn.dbeta, channels);
    real **rest[] = {&c.bn.running_mean, &c.bn.running_var, &c.bn.mean,  &c.bn.rstd,
                     &c.bn.scale,        &c.bn.shift,       &c.bn.slope, &c.bn.offset};
    for (size_t i = 0; i < sizeof rest / sizeof rest[0]; i++) *rest[i] = workbench_zeros(bench, channels);
    return c;
}

void batchnorm_from_map(struct workbench *bench, struct batchnorm *bn, const real *x, size_t pixels)
{
    size_t used = bench->arena.used, counts[1] = {pixels};
    real *values = workbench_zeros(bench, 2 * bn->channels);
    kernels_portable.moments((struct rows){pixels, bn->channels}, x, bn->channels, values, values + bn->channels);
    struct moments moments = {1, counts, values};
    batchnorm_from_batch(&bench->context, bn, &moments, 0.1);
    bench->arena.used = used;
}

static double loss_at(const struct gradient_check *check, real *value, double moved)
{
    real kept = *value;
    *value = kept + (real)moved;
    double loss = check->loss(check->setup);
    *value = kept;
    return loss;
}

/* Of four points all but the fifth derivative cancels out, of two all but the third. */
static double difference(const struct gradient_check *check, real *value, double step)
{
    double near = loss_at(check, value, step) - loss_at(check, value, -step);
    if (check->two_points) return near / (2 * step);
    return (8 * near - loss_at(check, value, 2 * step) + loss_at(check, value, -2 * step)) / (12 * step);
}

void assert_gradient(struct workbench *bench, const struct gradient_check *check, const char *variable, real *values,
                     const real *gradient, const real *before, size_t count)
{
    double scale = check->scale == 0 ? 1 : check->scale, step = check->step == 0 ? 2e-5 : check->step;
    double tolerance = check->tolerance == 0 ? 1e-7 : check->tolerance;
    size_t samples = check->samples == 0 ? 6 : check->samples;
    /* Batch-norm of one pixel multiplies rounding errors by up to 1 / sqrt(eps). */
    double squares = 0, rounding = 5e-13 / step * (1 + fabs(check->loss(check->setup)));
    for (size_t i = 0; i < count; i++) {
        double g = ((double)gradient[i] - (before == NULL ? 0 : (double)before[i])) / scale;
        squares += g * g / (double)count;
    }
    for (size_t s = 0; s < samples && s < count; s++) {
        size_t i = count <= samples ? s : workbench_below(bench, count);
        double said = ((double)gradient[i] - (before == NULL ? 0 : (double)before[i])) / scale;
        double seen = difference(check, &values[i], step);
        if (fabs(said - seen) <= tolerance * (fabs(seen) + sqrt(squares)) + rounding) continue;
        fail_msg("%s: gradient of %s[%zu of %zu] is %.12g, central differences say %.12g", check->operation, variable,
                 i, count, said, seen);
    }
}

void assert_batchnorm_gradient(struct workbench *bench, const struct gradient_check *check, const char *variable,
                               struct batchnorm_case *c)
{
    char name[64];
    snprintf(name, sizeof name, "%s weight", variable);
    assert_gradient(bench, check, name, c->gamma, c->bn.dgamma, c->dgamma_before, c->bn.channels);
    snprintf(name, sizeof name, "%s bias", variable);
    assert_gradient(bench, check, name, c->beta, c->bn.dbeta, c->dbeta_before, c->bn.channels);
}

void assert_near(const char *what, const real *wanted, const real *got, size_t count, double tolerance)
{
    for (size_t i = 0; i < count; i++) {
        double a = (double)wanted[i], b = (double)got[i];
        if (fabs(a - b) <= tolerance * (1 + fabs(a))) continue;
        fail_msg("%s[%zu of %zu] is %.12g, should be %.12g", what, i, count, b, a);
    }
}

double weighted_sum(const real *values, const real *weights, size_t count)
{
    double total = 0;
    for (size_t i = 0; i < count; i++) total += (double)values[i] * (double)weights[i];
    return total;
}

double silu(double z)
{
    return z / (1 + exp(-z));
}

double silu_slope(double z)
{
    double s = 1 / (1 + exp(-z));
    return s + z * s * (1 - s);
}

void workbench_geometry(struct workbench *bench, struct depthwise *conv)
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

void depthwise_by_definition(const struct depthwise *conv, size_t images, const real *a, real *y)
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
