/* Each kernel is run on the same numbers by the fastest table and by the portable one, in turns, one thread; the
 * fastest of several runs counts, for whatever else the machine does only adds to it. Shapes and tails of every kind
 * are the business of tests/test_kern_kernels.c; here is one shape each, large enough to time. */
#include "cmd/bench_kernels.h"

#include "rmfer/base/clock.h"
#include "rmfer/base/json_writer.h"
#include "rmfer/base/memory.h"
#include "rmfer/base/random.h"
#include "rmfer/kern/kernels.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* A tile of a 1x1 convolution, and a row of a depthwise one in a block of channels (maps of B2's third stage). */
enum { ROWS = 168, CHANNELS = 288, INPUT = 48, WIDTH = 33, BLOCK = 16, TAPS = 5 };
enum { MAP = ROWS * CHANNELS, PADDED = 2 * WIDTH + TAPS };

/* Fresh for every run: what a kernel adds to starts at the same numbers. */
struct room {
    real x[MAP], other[MAP], narrow[ROWS * INPUT];
    real packed[(INPUT + 64) * (CHANNELS + 64)];
    real scale[CHANNELS], shift[CHANNELS], mean[CHANNELS], gate[CHANNELS];
    real gradient[(PADDED + 2 * TAPS) * BLOCK]; /* of a row, zeros on both sides */
    uint16_t halves[MAP];
    real y[MAP], second[MAP], sums[3 * CHANNELS], weights[INPUT * CHANNELS];
};

struct kernel_case {
    const char *name;
    double work; /* multiply-adds of a product or a convolution, else numbers of the map */
    void (*run)(const struct kernels *kernels, struct room *room);
};

static const struct rows SIZE = {ROWS, CHANNELS};

static struct affine affine_of(const struct room *r)
{
    return (struct affine){r->scale, r->shift, r->mean};
}

static struct bn_backward backward_of(const struct room *r)
{
    return (struct bn_backward){r->scale, r->gate, r->shift, r->mean};
}

static void run_gemm(const struct kernels *k, struct room *r)
{
    k->gemm(ROWS, CHANNELS, INPUT, r->narrow, INPUT, r->packed, r->y, CHANNELS, false);
}

static void run_gemm_transposed(const struct kernels *k, struct room *r)
{
    k->gemm_transposed(CHANNELS, INPUT, ROWS, r->x, CHANNELS, r->narrow, INPUT, r->weights, INPUT);
}

static void run_stream(const struct kernels *k, struct room *r)
{
    k->stream(SIZE, r->y, CHANNELS, r->x, CHANNELS);
}

/* The input, too, is rounded, so that what is compared is what was kept. */
static void run_narrow(const struct kernels *k, struct room *r, enum storage storage)
{
    k->narrow(SIZE, r->halves, CHANNELS, r->x, CHANNELS, storage, false);
    k->widen(SIZE, r->y, CHANNELS, r->halves, CHANNELS, storage);
}

static void run_narrow_float16(const struct kernels *k, struct room *r)
{
    run_narrow(k, r, STORAGE_FLOAT16);
}

static void run_narrow_bfloat16(const struct kernels *k, struct room *r)
{
    run_narrow(k, r, STORAGE_BFLOAT16);
}

static void run_affine(const struct kernels *k, struct room *r)
{
    k->affine(SIZE, r->y, CHANNELS, r->x, CHANNELS, r->scale, r->shift, r->other, CHANNELS);
}

static void run_activate(const struct kernels *k, struct room *r)
{
    k->activate(SIZE, r->y, CHANNELS, r->x, CHANNELS, r->scale, r->shift, r->gate);
}

static void run_squeeze(const struct kernels *k, struct room *r)
{
    k->squeeze(SIZE, r->x, CHANNELS, affine_of(r), r->sums, CHANNELS);
}

static void run_sum(const struct kernels *k, struct room *r)
{
    k->sum(SIZE, r->x, CHANNELS, r->sums);
}

static void run_moments(const struct kernels *k, struct room *r)
{
    k->moments(SIZE, r->x, CHANNELS, r->sums, r->sums + CHANNELS);
}

static void run_gradient_sums(const struct kernels *k, struct room *r)
{
    k->gradient_sums(SIZE, r->other, CHANNELS, r->x, CHANNELS, r->mean, r->sums, CHANNELS);
}

static void run_bn_backward(const struct kernels *k, struct room *r)
{
    k->bn_backward(SIZE, r->y, CHANNELS, r->other, CHANNELS, r->x, CHANNELS, backward_of(r));
}

static void run_gate_backward(const struct kernels *k, struct room *r)
{
    k->gate_backward(SIZE, r->y, CHANNELS, r->other, CHANNELS, r->x, CHANNELS, affine_of(r), r->gate, r->sums,
                     CHANNELS);
}

static void run_activated_bn_backward(const struct kernels *k, struct room *r)
{
    k->activated_bn_backward(SIZE, r->y, CHANNELS, r->other, CHANNELS, r->x, CHANNELS, r->shift, r->gate, r->mean,
                             backward_of(r));
}

static void run_depthwise(const struct kernels *k, struct room *r, int kernel, int stride)
{
    const real *rows[TAPS];
    for (size_t i = 0; i < TAPS; i++) rows[i] = r->x + i * PADDED * BLOCK;
    k->depthwise(kernel, stride, WIDTH, BLOCK, r->y, BLOCK, rows, BLOCK, r->other, BLOCK);
}

static void run_depthwise_3_1(const struct kernels *k, struct room *r)
{
    run_depthwise(k, r, 3, 1);
}

static void run_depthwise_3_2(const struct kernels *k, struct room *r)
{
    run_depthwise(k, r, 3, 2);
}

static void run_depthwise_5_1(const struct kernels *k, struct room *r)
{
    run_depthwise(k, r, 5, 1);
}

static void run_depthwise_5_2(const struct kernels *k, struct room *r)
{
    run_depthwise(k, r, 5, 2);
}

/* One input row. With stride 2 every other one is read by one row of taps more or less than this one. */
static void run_depthwise_backward(const struct kernels *k, struct room *r, int kernel, int stride)
{
    const real *dy[TAPS] = {NULL};
    for (int ky = 0; ky < kernel; ky += stride) dy[ky] = r->gradient + TAPS * BLOCK;
    struct depthwise_row row = {.kernel = kernel,
                                .stride = stride,
                                .pixels = WIDTH * (size_t)stride,
                                .channels = BLOCK,
                                .dy = dy,
                                .lddy = BLOCK,
                                .w = r->other,
                                .dw = r->weights,
                                .ldw = BLOCK,
                                .x = r->x,
                                .ldx = BLOCK,
                                .bn = affine_of(r),
                                .dz = r->y,
                                .lddz = BLOCK,
                                .sums = r->sums,
                                .ld_sums = BLOCK};
    k->depthwise_backward(&row);
}

static void run_depthwise_backward_3_1(const struct kernels *k, struct room *r)
{
    run_depthwise_backward(k, r, 3, 1);
}

static void run_depthwise_backward_5_1(const struct kernels *k, struct room *r)
{
    run_depthwise_backward(k, r, 5, 1);
}

static void run_depthwise_backward_3_2(const struct kernels *k, struct room *r)
{
    run_depthwise_backward(k, r, 3, 2);
}

static void run_depthwise_backward_5_2(const struct kernels *k, struct room *r)
{
    run_depthwise_backward(k, r, 5, 2);
}

#define PRODUCT                ((double)MAP * INPUT)
#define CONVOLUTION(kernel)    ((double)((kernel) * (kernel)) * WIDTH * BLOCK)
#define WAY_BACK(kernel, rows) (2.0 * (kernel) * (rows)*WIDTH * BLOCK)

static const struct kernel_case CASES[] = {
    {"gemm", PRODUCT, run_gemm},
    {"gemm_transposed", PRODUCT, run_gemm_transposed},
    {"depthwise 3x3", CONVOLUTION(3), run_depthwise_3_1},
    {"depthwise 3x3 by 2", CONVOLUTION(3), run_depthwise_3_2},
    {"depthwise 5x5", CONVOLUTION(5), run_depthwise_5_1},
    {"depthwise 5x5 by 2", CONVOLUTION(5), run_depthwise_5_2},
    {"depthwise_backward 3x3", WAY_BACK(3, 3), run_depthwise_backward_3_1},
    {"depthwise_backward 3x3 by 2", WAY_BACK(3, 2), run_depthwise_backward_3_2},
    {"depthwise_backward 5x5", WAY_BACK(5, 5), run_depthwise_backward_5_1},
    {"depthwise_backward 5x5 by 2", WAY_BACK(5, 3), run_depthwise_backward_5_2},
    {"stream", MAP, run_stream},
    {"narrow and widen float16", MAP, run_narrow_float16},
    {"narrow and widen bfloat16", MAP, run_narrow_bfloat16},
    {"affine", MAP, run_affine},
    {"activate", MAP, run_activate},
    {"squeeze", MAP, run_squeeze},
    {"sum", MAP, run_sum},
    {"moments", MAP, run_moments},
    {"gradient_sums", MAP, run_gradient_sums},
    {"bn_backward", MAP, run_bn_backward},
    {"gate_backward", MAP, run_gate_backward},
    {"activated_bn_backward", MAP, run_activated_bn_backward},
};

enum { CASE_COUNT = sizeof CASES / sizeof CASES[0] };

/* ---- running and comparing --------------------------------------------------------------------------------------- */

struct outcome {
    double seconds, portable_seconds; /* of one call, the fastest */
    double difference;                /* of the two tables' outputs, beside the largest number of each output */
};

static void fill(real *values, size_t count, uint64_t index)
{
    struct random_stream stream = random_stream(1, RANDOM_TEST, index, 0);
    for (size_t i = 0; i < count; i++) values[i] = (real)random_between(&stream, -1, 1);
}

/* Weights are packed for each table anew: panels differ. */
static void prepare_room(const struct kernels *kernels, struct room *room)
{
    memset(room, 0, sizeof *room);
    fill(room->weights, INPUT * CHANNELS, 1);
    kernels_pack(kernels, INPUT, CHANNELS, room->weights, CHANNELS, 1, room->packed);
    fill(room->x, MAP, 2);
    fill(room->other, MAP, 3);
    fill(room->narrow, ROWS * INPUT, 4);
    fill(room->scale, CHANNELS, 5);
    fill(room->shift, CHANNELS, 6);
    fill(room->mean, CHANNELS, 7);
    fill(room->gate, CHANNELS, 8);
    fill(room->gradient + TAPS * BLOCK, WIDTH * BLOCK, 9);
}

double bench_kernels_difference(const real *a, const real *b, size_t count)
{
    double apart = 0, largest = 0;
    for (size_t i = 0; i < count; i++) {
        double difference = fabs((double)a[i] - (double)b[i]);
        if (!isfinite(difference)) return INFINITY;
        apart = fmax(apart, difference);
        largest = fmax(largest, fabs((double)b[i]));
    }
    return largest > 0 ? apart / largest : apart;
}

static double compare_rooms(const struct room *a, const struct room *b)
{
    double maps = fmax(bench_kernels_difference(a->y, b->y, MAP), bench_kernels_difference(a->second, b->second, MAP));
    double sums = bench_kernels_difference(a->sums, b->sums, 3 * CHANNELS);
    return fmax(maps, fmax(sums, bench_kernels_difference(a->weights, b->weights, INPUT * CHANNELS)));
}

/* Seconds of a call, over as many as take half a millisecond. */
static double time_calls(const struct kernel_case *each, const struct kernels *kernels, struct room *room)
{
    for (size_t calls = 1;; calls *= 2) {
        double start = clock_seconds();
        for (size_t i = 0; i < calls; i++) each->run(kernels, room);
        double seconds = clock_seconds() - start;
        if (seconds > 5e-4 || calls > (size_t)1 << 20) return seconds / (double)calls;
    }
}

static struct outcome run_case(const struct kernel_case *each, int runs, struct room *own, struct room *portable)
{
    const struct kernels *best = kernels_best();
    struct outcome outcome = {INFINITY, INFINITY, 0};
    prepare_room(best, own);
    prepare_room(&kernels_portable, portable);
    each->run(best, own);
    each->run(&kernels_portable, portable);
    outcome.difference = compare_rooms(own, portable);
    for (int run = 0; run < runs; run++) {
        outcome.seconds = fmin(outcome.seconds, time_calls(each, best, own));
        outcome.portable_seconds = fmin(outcome.portable_seconds, time_calls(each, &kernels_portable, portable));
    }
    return outcome;
}

/* ---- printing ---------------------------------------------------------------------------------------------------- */

static void print_row(const struct kernel_case *each, struct outcome outcome)
{
    printf("%-27s %10.2f %12.2f %7.1f x %9.2f %12.1e\n", each->name, 1e6 * outcome.seconds,
           1e6 * outcome.portable_seconds, outcome.portable_seconds / outcome.seconds,
           1e-9 * each->work / outcome.seconds, outcome.difference);
}

static void write_row(struct json_writer *json, const struct kernel_case *each, struct outcome outcome)
{
    json_open(json, '{');
    json_string_member(json, "name", each->name);
    json_real_member(json, "microseconds", 1e6 * outcome.seconds);
    json_real_member(json, "portable_microseconds", 1e6 * outcome.portable_seconds);
    json_real_member(json, "work", each->work);
    json_real_member(json, "difference", outcome.difference);
    json_close(json, '}');
}

static status print_json(const struct outcome *outcomes, struct error *err)
{
    struct text out = {0};
    struct json_writer json = json_writer(&out, err);
    json_open(&json, '{');
    json_string_member(&json, "mode", "kernels");
    json_string_member(&json, "kernels", kernels_best()->name);
    json_name(&json, "rows");
    json_open(&json, '[');
    for (size_t i = 0; i < CASE_COUNT; i++) write_row(&json, &CASES[i], outcomes[i]);
    json_close(&json, ']');
    json_close(&json, '}');
    if (json.result == STATUS_OK) puts(text_string(&out));
    text_free(&out);
    return json.result;
}

static void print_table(const struct outcome *outcomes)
{
    printf("%-27s %10s %12s %9s %9s %12s\n", "kernel", kernels_best()->name, "portable", "ratio", "G/s", "difference");
    for (size_t i = 0; i < CASE_COUNT; i++) print_row(&CASES[i], outcomes[i]);
    printf(
        "\nmicroseconds of one call, the fastest of its runs, one thread; G/s: multiply-adds of products and convolutions, "
        "numbers\nof maps (%d pixels of %d channels); difference: of the two outputs, beside the largest number\n",
        ROWS, CHANNELS);
}

status bench_kernels(int runs, bool json, struct error *err)
{
    /* Sums of ROWS products in another order, or a sigmoid's polynomial: some roundings of 6e-8. */
    static const double MOST = 2e-5;
    struct outcome outcomes[CASE_COUNT];
    status result = STATUS_OK;
    struct room *rooms = memory_allocate(2, sizeof *rooms, "the kernels' maps", err);
    if (rooms == NULL) return STATUS_FAILED;
    for (size_t i = 0; i < CASE_COUNT; i++) outcomes[i] = run_case(&CASES[i], runs, &rooms[0], &rooms[1]);
    memory_free(rooms);
    if (json)
        result = print_json(outcomes, err);
    else
        print_table(outcomes);
    for (size_t i = 0; result == STATUS_OK && i < CASE_COUNT; i++)
        if (!(outcomes[i].difference <= MOST))
            result = error_set(err, "%s: %s differs from the portable kernel by %.1e of its largest number",
                               CASES[i].name, kernels_best()->name, outcomes[i].difference);
    return result;
}
