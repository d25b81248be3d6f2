/* Every way an operation can go gives the same numbers: maps kept or written past the caches, small tiles or large
 * ones, one worker or several, every instruction set, and whatever team OpenMP gives. With kept maps stored in 16 bits
 * they are the numbers that maps of reals give once they are rounded, statistics included.
 *
 * A run starts from the same inputs and fills everything else with NaN, so that what is read before it was written
 * shows. Streaming and teams must not change a bit; tiles, workers and instruction sets change the order of sums. The
 * portable kernels on the plain way, which the tests in double precision hold against definitions and central
 * differences (they force the same ways), are what the others are compared with. */
#include "rmfer/base/half.h"
#include "rmfer/base/memory.h"
#include "rmfer/base/random.h"
#include "rmfer/ops/conv1x1.h"
#include "rmfer/ops/blocked.h"
#include "rmfer/ops/depthwise.h"
#include "rmfer/ops/expand_depthwise.h"
#include "rmfer/ops/linear.h"
#include "rmfer/ops/squeeze_excite.h"
#include "rmfer/ops/stem.h"

#include <math.h>
#include <omp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

/* Sums of up to 900 products whose order differs: sqrt(900) roundings of 6e-8 are 2e-6 of their length. */
static const double NEAR = 1e-5;

enum { ROOM = 16 << 20, MOST = 1 << 19 };

/* One run: room that starts anew, what the operation may choose, and the outputs one behind the other. */
struct run {
    struct arena arena;
    struct random_stream random;
    struct op_context context;
    enum storage rounds; /* what kept maps are rounded to; stored as context.storage says */
    real *out;
    size_t count;
};

typedef void operation(struct run *run);

static real *untouched(struct run *run, size_t count)
{
    real *taken = arena_take(&run->arena, (count + 1) * sizeof *taken);
    for (size_t i = 0; i < count; i++) taken[i] = (real)NAN;
    return taken;
}

static real *drawn(struct run *run, size_t count, double centre, double scale)
{
    real *taken = untouched(run, count);
    for (size_t i = 0; i < count; i++) taken[i] = (real)(centre + scale * random_normal(&run->random));
    return taken;
}

static size_t *counts(struct run *run, size_t count)
{
    return arena_take(&run->arena, (count + 1) * sizeof(size_t));
}

static void keep(struct run *run, const real *values, size_t count)
{
    assert_true(run->count + count <= MOST);
    memcpy(run->out + run->count, values, count * sizeof *values);
    run->count += count;
}

/* ---- kept maps --------------------------------------------------------------------------------------------------- */

static uint16_t narrowed(enum storage storage, real value)
{
    return storage == STORAGE_FLOAT16 ? half_from_float(value) : bfloat16_from_float(value);
}

static real widened(enum storage storage, uint16_t kept)
{
    return storage == STORAGE_FLOAT16 ? half_to_float(kept) : bfloat16_to_float(kept);
}

static real kept_number(const struct run *run, const void *map, size_t i)
{
    if (run->context.storage != STORAGE_REAL) return widened(run->rounds, ((const uint16_t *)map)[i]);
    return ((const real *)map)[i];
}

/* A map of drawn numbers that `rounds` can hold. */
static void *kept_drawn(struct run *run, size_t count, double centre, double scale)
{
    real *values = drawn(run, count, centre, scale);
    uint16_t *narrow = arena_take(&run->arena, (count + 1) * sizeof *narrow);
    if (run->rounds == STORAGE_REAL) return values;
    for (size_t i = 0; i < count; i++) {
        narrow[i] = narrowed(run->rounds, values[i]);
        values[i] = widened(run->rounds, narrow[i]);
    }
    return run->context.storage == STORAGE_REAL ? (void *)values : narrow;
}

/* Rounds a map of reals that an operation wrote, and makes its moments those of what is left: what narrow storage does.
 */
static void round_kept(const struct run *run, void *map, size_t rows, size_t channels, struct moments *moments)
{
    real *values = map, *means = (real *)moments->values, *squares = means + channels;
    if (run->context.storage != STORAGE_REAL || run->rounds == STORAGE_REAL) return;
    for (size_t i = 0; i < rows * channels; i++) values[i] = widened(run->rounds, narrowed(run->rounds, values[i]));
    moments->parts = 1;
    *(size_t *)moments->counts = rows;
    for (size_t c = 0; c < channels; c++) {
        double mean = 0, square = 0;
        for (size_t r = 0; r < rows; r++) mean += (double)values[r * channels + c] / (double)rows;
        for (size_t r = 0; r < rows; r++) {
            double away = (double)values[r * channels + c] - mean;
            square += away * away;
        }
        means[c] = (real)mean;
        squares[c] = (real)square;
    }
}

static void keep_kept(struct run *run, const void *map, size_t count)
{
    assert_true(run->count + count <= MOST);
    for (size_t i = 0; i < count; i++) run->out[run->count++] = kept_number(run, map, i);
}

static void scratch(struct run *run, size_t reals)
{
    run->context.scratch_reals = (reals + 15) / 16 * 16;
    run->context.scratch = untouched(run, (size_t)run->context.threads * run->context.scratch_reals);
}

static struct batchnorm layer(struct run *run, size_t channels)
{
    struct batchnorm bn = {.channels = channels, .epsilon = 1e-3};
    bn.gamma = drawn(run, channels, 1, 0.2);
    bn.beta = drawn(run, channels, 0, 0.2);
    bn.dgamma = drawn(run, channels, 0, 1);
    bn.dbeta = drawn(run, channels, 0, 1);
    bn.running_mean = drawn(run, channels, 0, 1);
    bn.running_var = drawn(run, channels, 3, 0.1);
    real **rest[] = {&bn.mean, &bn.rstd, &bn.scale, &bn.shift, &bn.slope, &bn.offset};
    for (size_t i = 0; i < sizeof rest / sizeof rest[0]; i++) *rest[i] = untouched(run, channels);
    return bn;
}

/* A layer as it stands inside a backward pass. */
static struct batchnorm passed_layer(struct run *run, size_t channels)
{
    enum { PIXELS = 100 };
    struct batchnorm bn = layer(run, channels);
    size_t count = PIXELS;
    real *values = drawn(run, 2 * channels, 0, 1); /* means, then sums of squares */
    for (size_t c = channels; c < 2 * channels; c++) values[c] = PIXELS * (3 + values[c] / 10);
    batchnorm_from_batch(&run->context, &bn, &(struct moments){1, &count, values}, 0.1);
    batchnorm_backward(&bn, drawn(run, 2 * channels, 0, 1), PIXELS);
    return bn;
}

static void keep_statistics(struct run *run, const struct moments *moments, size_t channels)
{
    struct batchnorm bn = layer(run, channels);
    batchnorm_from_batch(&run->context, &bn, moments, 0.1);
    keep(run, bn.scale, channels);
    keep(run, bn.shift, channels);
    keep(run, bn.running_mean, channels);
    keep(run, bn.running_var, channels);
}

/* ---- the operations ---------------------------------------------------------------------------------------------- */

static void run_conv1x1(struct run *run, size_t images, size_t pixels)
{
    enum { K = 21, N = 17 };
    const struct op_context *context = &run->context;
    struct conv1x1 conv = {.input = K, .output = N};
    struct tiling tiling = tiling_of(context, images, pixels);
    size_t rows = images * pixels;
    conv.weight = drawn(run, K * N, 0, 0.3);
    conv.dweight = drawn(run, K * N, 0, 1);
    conv.packed = untouched(run, conv1x1_packed_reals(context, &conv));
    conv.packed_transposed = untouched(run, conv1x1_packed_transposed_reals(context, &conv));
    scratch(run, conv1x1_scratch_reals(&conv, &tiling));
    conv1x1_pack(context, &conv);
    struct batchnorm before = passed_layer(run, K), behind = passed_layer(run, N);
    struct conv1x1_input input = {kept_drawn(run, rows * K, 0, 1), &before, drawn(run, images * K, 0.5, 0.2), false};
    real *y = untouched(run, rows * N), *du = untouched(run, rows * K);
    struct moments moments = {tiling.tiles, counts(run, tiling.tiles), untouched(run, tiling.tiles * 2 * N)};
    conv1x1_forward(context, &conv, &tiling, input, y, (real *)moments.values, (size_t *)moments.counts);
    round_kept(run, y, rows, N, &moments);
    keep_kept(run, y, rows * N);
    keep_statistics(run, &moments, N);
    struct conv1x1_upstream upstream = {y, &behind, drawn(run, rows * N, 0, 1), drawn(run, images, 1, 0.3), NULL};
    real *segments = untouched(run, tiling.segments * 3 * K), *sums = untouched(run, images * 3 * K);
    real *partials = untouched(run, (size_t)context->threads * K * N);
    conv1x1_gated_backward(context, &conv, &tiling, input, upstream, du, segments, partials);
    segments_sum(context, &tiling, 3 * K, segments, sums);
    keep(run, du, rows * K);
    keep(run, sums, images * 3 * K);
    conv1x1_backward(context, &conv, &tiling, drawn(run, rows * K, 0, 1), upstream, du, true,
                     untouched(run, (size_t)context->threads * K * N));
    keep(run, du, rows * K);
    keep(run, conv.dweight, K * N);
}

static void conv1x1_of_parts(struct run *run)
{
    run_conv1x1(run, 2, 19 * 23);
}

static void conv1x1_of_whole_images(struct run *run)
{
    run_conv1x1(run, 7, 25);
}

static struct depthwise depthwise_layer(struct run *run, int kernel, int stride)
{
    struct depthwise conv = {.channels = 37, .kernel = kernel, .stride = stride, .height = 19, .width = 23};
    size_t taps = (size_t)(kernel * kernel) * conv.channels;
    conv.output_height = (conv.height - 1) / (size_t)stride + 1;
    conv.output_width = (conv.width - 1) / (size_t)stride + 1;
    conv.pad_top = conv.pad_left = (size_t)kernel / 2;
    conv.weight = drawn(run, taps, 0, 0.3);
    conv.dweight = drawn(run, taps, 0, 1);
    conv.packed = untouched(run, taps);
    depthwise_pack(&conv);
    scratch(run, depthwise_scratch_reals(&run->context, &conv));
    return conv;
}

static void run_depthwise(struct run *run, size_t images, int kernel, int stride, bool activates)
{
    const struct op_context *context = &run->context;
    struct depthwise conv = depthwise_layer(run, kernel, stride);
    size_t c = conv.channels, inputs = images * conv.height * conv.width * c, taps = (size_t)(kernel * kernel) * c;
    size_t outputs = images * conv.output_height * conv.output_width * c;
    size_t parts = images * depthwise_moment_parts(context, &conv);
    struct batchnorm before = passed_layer(run, c), behind = passed_layer(run, c);
    void *x = activates ? kept_drawn(run, inputs, 0, 1) : drawn(run, inputs, 0, 1), *y = untouched(run, outputs);
    struct moments moments = {parts, counts(run, parts), untouched(run, parts * 2 * c)};
    depthwise_forward(context, &conv, images, x, activates ? &before : NULL, y, (real *)moments.values,
                      (size_t *)moments.counts);
    round_kept(run, y, outputs / c, c, &moments);
    keep_kept(run, y, outputs);
    keep_statistics(run, &moments, c);
    struct depthwise_upstream upstream = {y, &behind, drawn(run, outputs, 0, 1), drawn(run, images * c, 0.5, 0.2),
                                          drawn(run, images * c, 0, 0.1)};
    real *dz = untouched(run, inputs), *sums = untouched(run, images * 2 * c);
    depthwise_backward(context, &conv, images, x, activates ? &before : NULL, upstream, activates ? NULL : x, dz, sums,
                       untouched(run, (size_t)context->threads * taps));
    keep(run, dz, inputs);
    if (activates) keep(run, sums, images * 2 * c);
    keep(run, conv.dweight, taps);
}

static void depthwise_3x3(struct run *run)
{
    run_depthwise(run, 4, 3, 1, true);
}

static void depthwise_5x5_of_one_image(struct run *run)
{
    run_depthwise(run, 1, 5, 2, true);
}

static void depthwise_of_the_map_itself(struct run *run)
{
    run_depthwise(run, 2, 3, 2, false);
}

static struct conv1x1 packed_conv1x1(struct run *run, size_t input, size_t output)
{
    struct conv1x1 conv = {.input = input, .output = output, .weight = drawn(run, input * output, 0, 0.3)};
    conv.packed = untouched(run, conv1x1_packed_reals(&run->context, &conv));
    conv1x1_pack(&run->context, &conv);
    return conv;
}

/* An inverted bottleneck at inference: the blocked map between its halves may have parts that nothing wrote. */
static void run_bottleneck(struct run *run, size_t images, int kernel, int stride, bool expands)
{
    enum { INPUT = 9, OUTPUT = 83 };
    const struct op_context *context = &run->context;
    struct depthwise conv = depthwise_layer(run, kernel, stride);
    size_t c = conv.channels, pixels = conv.output_height * conv.output_width;
    struct conv1x1 expand = packed_conv1x1(run, INPUT, c), project = packed_conv1x1(run, c, OUTPUT);
    struct batchnorm before = passed_layer(run, c), behind = passed_layer(run, c), last = passed_layer(run, OUTPUT);
    struct expand_depthwise half = {expands ? &expand : NULL, &before, &conv, &behind};
    struct tiling tiling = tiling_of(context, images, pixels);
    real *x = drawn(run, images * conv.height * conv.width * (expands ? INPUT : c), 0, 1);
    real *middle = untouched(run, images * blocked_reals(pixels, c)), *mean = untouched(run, images * c);
    real *y = untouched(run, images * pixels * OUTPUT);
    size_t first = expand_depthwise_scratch_reals(context, &half), second = conv1x1_scratch_reals(&project, &tiling);
    scratch(run, first > second ? first : second);
    expand_depthwise_infer(context, &half, images, x, middle, mean);
    struct conv1x1_input input = {.x = middle, .gate = drawn(run, images * c, 0.5, 0.2), .blocked = true};
    conv1x1_infer(context, &project, &tiling, input, (struct conv1x1_after){.bn = &last}, y);
    keep(run, mean, images * c);
    keep(run, y, images * pixels * OUTPUT);
}

static void bottleneck_3x3(struct run *run)
{
    run_bottleneck(run, 4, 3, 1, true);
}

static void bottleneck_5x5_of_one_image(struct run *run)
{
    run_bottleneck(run, 1, 5, 2, true);
}

static void bottleneck_without_expansion(struct run *run)
{
    run_bottleneck(run, 2, 3, 2, false);
}

static void stem(struct run *run)
{
    enum { N = 19, IMAGES = 2, SIDE = 33, OUTPUT = 17, PIXELS = IMAGES * OUTPUT * OUTPUT };
    const struct op_context *context = &run->context;
    struct stem conv = {N,      SIDE,
                        SIDE,   OUTPUT,
                        OUTPUT, 1,
                        1,      drawn(run, N * STEM_PATCH, 0, 0.3),
                        NULL,   drawn(run, N * STEM_PATCH, 0, 1)};
    struct tiling tiling = tiling_of(context, IMAGES, OUTPUT * OUTPUT);
    conv.packed = untouched(run, stem_packed_reals(context, &conv));
    stem_pack(context, &conv);
    scratch(run, stem_scratch_reals(&conv, &tiling));
    struct batchnorm behind = passed_layer(run, N);
    real *pictures = drawn(run, IMAGES * SIDE * SIDE * STEM_INPUT, 0, 1), *y = untouched(run, PIXELS * N);
    struct moments moments = {tiling.tiles, counts(run, tiling.tiles), untouched(run, tiling.tiles * 2 * N)};
    stem_forward(context, &conv, &tiling, pictures, NULL, y, (real *)moments.values, (size_t *)moments.counts);
    round_kept(run, y, PIXELS, N, &moments);
    keep_kept(run, y, PIXELS * N);
    keep_statistics(run, &moments, N);
    stem_backward(context, &conv, &tiling, pictures, y, &behind, drawn(run, PIXELS * N, 0, 1),
                  untouched(run, (size_t)context->threads * N * STEM_PATCH));
    keep(run, conv.dweight, N * STEM_PATCH);
}

static void batchnorm(struct run *run)
{
    enum { C = 35, IMAGES = 3, PIXELS = 200, ALL = IMAGES * PIXELS * C };
    const struct op_context *context = &run->context;
    struct tiling tiling = tiling_of(context, IMAGES, PIXELS);
    struct batchnorm bn = passed_layer(run, C);
    void *x = kept_drawn(run, ALL, 0, 1);
    real *factors = drawn(run, IMAGES, 1, 0.3), *y = untouched(run, ALL);
    scratch(run, 2 * C + op_kept_room(context, PIXELS, C));
    batchnorm_apply(context, &tiling, &bn, x, factors, drawn(run, ALL, 0, 1), y);
    keep(run, y, ALL);
    real *sums = untouched(run, 2 * C);
    batchnorm_apply_backward(context, &tiling, &bn, x, factors, drawn(run, ALL, 0, 1),
                             untouched(run, tiling.segments * 2 * C), untouched(run, IMAGES * 2 * C), sums);
    keep(run, sums, 2 * C);
}

static void squeeze(struct run *run)
{
    enum { C = 35, IMAGES = 5, PIXELS = 300 };
    const struct op_context *context = &run->context;
    struct batchnorm bn = passed_layer(run, C);
    real *sums = untouched(run, IMAGES * 3 * C), *mean = untouched(run, IMAGES * C);
    scratch(run, op_kept_room(context, PIXELS, C) + 1);
    squeeze_forward(context, IMAGES, PIXELS, kept_drawn(run, IMAGES * PIXELS * C, 0, 1), &bn, sums, mean);
    keep(run, sums, IMAGES * 3 * C);
    keep(run, mean, IMAGES * C);
}

static void dense(struct run *run)
{
    enum { IN = 70, OUT = 33, ROWS = 12 };
    struct linear dense = {IN,
                           OUT,
                           drawn(run, IN * OUT, 0, 0.3),
                           drawn(run, OUT, 0, 1),
                           drawn(run, IN * OUT, 0, 1),
                           drawn(run, OUT, 0, 1),
                           NULL};
    real *x = drawn(run, ROWS * IN, 0, 1), *y = untouched(run, ROWS * OUT), *dx = untouched(run, ROWS * IN);
    linear_forward(&run->context, &dense, ROWS, x, y);
    linear_backward(&dense, ROWS, x, drawn(run, ROWS * OUT, 0, 1), dx);
    keep(run, y, ROWS * OUT);
    keep(run, dx, ROWS * IN);
    keep(run, dense.dweight, IN * OUT);
    keep(run, dense.dbias, OUT);
}

static const struct {
    const char *name;
    operation *run;
} operations[] = {
    {"conv1x1 of parts of images", conv1x1_of_parts},
    {"conv1x1 of whole images", conv1x1_of_whole_images},
    {"depthwise 3x3", depthwise_3x3},
    {"depthwise 5x5 of one image", depthwise_5x5_of_one_image},
    {"depthwise of the map itself", depthwise_of_the_map_itself},
    {"bottleneck 3x3", bottleneck_3x3},
    {"bottleneck 5x5, one image", bottleneck_5x5_of_one_image},
    {"bottleneck without expansion", bottleneck_without_expansion},
    {"stem", stem},
    {"batchnorm", batchnorm},
    {"squeeze", squeeze},
    {"dense", dense},
};

enum { OPERATIONS = sizeof operations / sizeof operations[0] };

/* ---- ways and teams ---------------------------------------------------------------------------------------------- */

static struct run run_create(void)
{
    struct run run = {0};
    assert_int_equal(arena_init(&run.arena, ROOM, "a run", NULL), STATUS_OK);
    run.out = memory_allocate(MOST, sizeof *run.out, "outputs", NULL);
    assert_non_null(run.out);
    return run;
}

static void run_free(struct run *run)
{
    arena_free(&run->arena);
    memory_free(run->out);
}

static void run_again(struct run *run, size_t index, struct op_context context)
{
    run->arena.used = 0;
    run->count = 0;
    run->random = random_stream(5, RANDOM_TEST, index, 4);
    run->context = context;
    if (context.storage != STORAGE_REAL) run->rounds = context.storage;
    operations[index].run(run);
}

static void assert_same_bits(size_t index, const char *what, const struct run *a, const struct run *b)
{
    assert_int_equal(a->count, b->count);
    if (memcmp(a->out, b->out, a->count * sizeof *a->out) != 0)
        fail_msg("%s: %s changed bits", operations[index].name, what);
}

static void assert_near(size_t index, const struct run *got, const struct run *wanted)
{
    double apart = 0, length = 0;
    assert_int_equal(got->count, wanted->count);
    for (size_t i = 0; i < got->count; i++) {
        double difference = (double)got->out[i] - (double)wanted->out[i];
        /* One number far away must not hide in the length of the whole; NaN must not pass for near. */
        if (!(fabs(difference) <= 1e-4 * (1 + fabs((double)wanted->out[i]))))
            fail_msg("%s, %s: number %zu is %g, not %g", operations[index].name, got->context.kernels->name, i,
                     (double)got->out[i], (double)wanted->out[i]);
        apart += difference * difference;
        length += (double)wanted->out[i] * (double)wanted->out[i];
    }
    if (!(sqrt(apart) <= NEAR * sqrt(length)))
        fail_msg("%s, %s: %.1e apart", operations[index].name, got->context.kernels->name, sqrt(apart / length));
}

static struct op_context plain_context(const struct kernels *kernels, int threads)
{
    struct op_context context = op_context_of(kernels, threads);
    context.limits.stream_bytes = SIZE_MAX;
    return context;
}

/* Operation i in this context: near what is wanted, and the same bits where it writes past the caches. */
static void check_way(size_t i, struct op_context context, const struct run *wanted, struct run *kept,
                      struct run *streamed)
{
    run_again(kept, i, context);
    assert_near(i, kept, wanted);
    context.limits.stream_bytes = 0;
    run_again(streamed, i, context);
    assert_same_bits(i, "writing past the caches", streamed, kept);
}

static void check_ways(const struct kernels *kernels)
{
    static const size_t tiles[] = {14, 70, 168, 1000}, moments[] = {1, 64, 1000}, bands[] = {1, 168, 60};
    struct run wanted = run_create(), kept = run_create(), streamed = run_create();
    for (size_t i = 0; i < OPERATIONS; i++) {
        run_again(&wanted, i, plain_context(&kernels_portable, 1));
        for (size_t way = 0; way < 24; way++) {
            struct op_context context = plain_context(kernels, way % 2 == 0 ? 1 : 3);
            context.limits.tile_rows = tiles[way / 2 % 4];
            context.limits.moment_pixels = moments[way / 2 % 3];
            context.limits.band_pixels = bands[way / 2 % 3];
            check_way(i, context, &wanted, &kept, &streamed);
        }
    }
    run_free(&wanted);
    run_free(&kept);
    run_free(&streamed);
}

static void test_ways_portable(void **state)
{
    (void)state;
    check_ways(&kernels_portable);
}

static void check_ways_of(const char *name)
{
    const struct kernels *kernels = kernels_find(name);
    if (kernels == NULL) skip();
    check_ways(kernels);
}

static void test_ways_avx2(void **state)
{
    (void)state;
    check_ways_of("avx2");
}

static void test_ways_avx512(void **state)
{
    (void)state;
    check_ways_of("avx512");
}

/* Operations of the training step with kept maps in 16 bits, beside those with maps of reals that are rounded. */
static void check_storages_of(const struct kernels *kernels)
{
    static const size_t tiles[] = {14, 168};
    struct run wanted = run_create(), kept = run_create(), streamed = run_create();
    for (size_t i = 0; i < OPERATIONS; i++)
        for (size_t way = 0; way < 8; way++) {
            struct op_context context = plain_context(kernels, way % 2 == 0 ? 1 : 3);
            context.limits.tile_rows = tiles[way / 2 % 2];
            wanted.rounds = way < 4 ? STORAGE_BFLOAT16 : STORAGE_FLOAT16;
            run_again(&wanted, i, context);
            context.storage = wanted.rounds;
            check_way(i, context, &wanted, &kept, &streamed);
        }
    run_free(&wanted);
    run_free(&kept);
    run_free(&streamed);
}

static void test_storages(void **state)
{
    (void)state;
    static const char *const names[] = {"portable", "avx2", "avx512", "neon"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (kernels_find(names[i]) != NULL) check_storages_of(kernels_find(names[i]));
}

/* OpenMP's own settings while `run` is made again, and back. */
static void run_in_small_team(struct run *run, size_t index, struct op_context context, int kind)
{
    int levels = omp_get_max_active_levels();
    if (kind == 0) {
        omp_set_max_active_levels(0);
        run_again(run, index, context);
        omp_set_max_active_levels(levels);
        return;
    }
    if (kind == 1) {
        omp_set_dynamic(1);
        run_again(run, index, context);
        omp_set_dynamic(0);
        return;
    }
    omp_set_max_active_levels(kind == 2 ? 1 : 2);
#pragma omp parallel num_threads(2)
#pragma omp single
    run_again(run, index, context);
    omp_set_max_active_levels(levels);
}

static void test_any_team_gives_the_same_bits(void **state)
{
    (void)state;
    static const char *const names[] = {"OMP_MAX_ACTIVE_LEVELS=0", "OMP_DYNAMIC=true", "a caller's team, one level",
                                        "a caller's team, two levels"};
    struct run planned = run_create(), got = run_create();
    for (size_t i = 0; i < OPERATIONS; i++)
        for (int threads = 2; threads <= 9; threads += 7) {
            struct op_context context = plain_context(kernels_best(), threads);
            run_again(&planned, i, context);
            for (int kind = 0; kind < 4; kind++) {
                run_in_small_team(&got, i, context, kind);
                assert_same_bits(i, names[kind], &got, &planned);
            }
        }
    run_free(&planned);
    run_free(&got);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ways_portable),
        cmocka_unit_test(test_ways_avx2),
        cmocka_unit_test(test_ways_avx512),
        cmocka_unit_test(test_storages),
        cmocka_unit_test(test_any_team_gives_the_same_bits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
