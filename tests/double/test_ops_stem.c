/* The stem, its gradient by central differences, its output against its definition. */
#include "double/support/gradient.h"
#include "rmfer/ops/stem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

static const double EXACT = 1e-11;

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
    workbench_geometry(bench, &shape);
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
            y[i] += c->pictures[at * STEM_INPUT + tap / (STEM_KERNEL * STEM_KERNEL)] * c->weight[o * STEM_PATCH + tap];
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

static void test_stem(void **state)
{
    (void)state;
    workbench_trials(check_stem, 0, 60);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_stem),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
