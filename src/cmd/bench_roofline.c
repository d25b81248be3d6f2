/* Three ceilings instead of a roofline's two: multiply-adds, bytes of maps, and evaluations of SiLU, which a network of
 * this kind has more of than its multiply-adds let expect. A row's share of a ceiling is the least time that its work
 * would take there, beside the time it took. What bounds it is the ceiling with the largest share; below a half nothing
 * counted does: batch statistics, slopes' other arithmetic, gathering, waiting. */
#include "cmd/bench_roofline.h"

#include "rmfer/base/clock.h"
#include "rmfer/base/memory.h"
#include "rmfer/base/threads.h"
#include "rmfer/kern/kernels.h"

#include <stdio.h>
#include <string.h>

/* ---- the machine ------------------------------------------------------------------------------------------------- */

enum { TRIAD_REALS = 4 << 20, TRIAD_RUNS = 7, CACHED_REALS = 4096, CACHED_ROUNDS = 10000 };

/* a = b + 3 c over each thread's own third of a share; the best of several runs. */
static double measure_bytes(real *arrays, int threads)
{
    double best = 0;
    for (int run = 0; run < TRIAD_RUNS; run++) {
        double start = clock_team_seconds(threads);
#pragma omp parallel for schedule(static, 1) num_threads(threads)
        for (int worker = 0; worker < threads; worker++) {
            real *a = arrays + (size_t)worker * 3 * TRIAD_REALS, *b = a + TRIAD_REALS, *c = b + TRIAD_REALS;
            for (size_t i = 0; i < TRIAD_REALS; i++) a[i] = b[i] + 3 * c[i];
        }
        double rate = 3.0 * TRIAD_REALS * sizeof(real) * threads / (clock_team_seconds(threads) - start);
        if (rate > best) best = rate;
    }
    return best;
}

/* In place: SiLU's fixed points draw the numbers together, which costs a kernel without branches nothing. */
static double measure_activations(real *arrays, int threads)
{
    const struct kernels *kernels = kernels_best();
    static const real scale[64] = {0}, shift[64] = {0};
    double best = 0;
    for (int run = 0; run < TRIAD_RUNS; run++) {
        double start = clock_team_seconds(threads);
#pragma omp parallel for schedule(static, 1) num_threads(threads)
        for (int worker = 0; worker < threads; worker++) {
            real *own = arrays + (size_t)worker * 3 * TRIAD_REALS;
            for (int round = 0; round < CACHED_ROUNDS; round++)
                kernels->activate((struct rows){CACHED_REALS / 64, 64}, own, 64, own, 64, scale, shift, NULL);
        }
        double rate = (double)CACHED_REALS * CACHED_ROUNDS * threads / (clock_team_seconds(threads) - start);
        if (rate > best) best = rate;
    }
    return best;
}

status machine_peaks_measure(struct machine_peaks *peaks, struct error *err)
{
    int threads = threads_get();
    real *arrays = memory_allocate((size_t)threads * 3 * TRIAD_REALS, sizeof(real), "the triad's arrays", err);
    if (arrays == NULL) return STATUS_FAILED;
    peaks->bytes = measure_bytes(arrays, threads);
    peaks->activations = measure_activations(arrays, threads);
    memory_free(arrays);
    return STATUS_OK;
}

/* ---- a layer's work ---------------------------------------------------------------------------------------------- */

/* Numbers, of one image. */
struct traffic {
    double maps;        /* read or written */
    double activations; /* evaluations of SiLU or of its slope */
};

static double input_of(const struct layer *layer)
{
    return (double)layer_input_pixels(layer) * (double)layer->input;
}

static double output_of(const struct layer *layer)
{
    return (double)layer_output_pixels(layer) * (double)layer->output;
}

/* nn/inference.c: the expanded map stays in a core's cache, and the gate reads means. */
static struct traffic of_inference(const struct layer *layer, bool expands)
{
    double in = input_of(layer), out = output_of(layer);
    switch (layer->role) {
    case ROLE_STEM: return (struct traffic){in + out, out};
    case ROLE_EXPAND: return (struct traffic){in, out};
    case ROLE_DEPTHWISE: return (struct traffic){expands ? out : in + out, out};
    case ROLE_GATE: return (struct traffic){0};
    case ROLE_PROJECT: return (struct traffic){in + out * (layer->adds_input ? 2 : 1), 0};
    case ROLE_HEAD: return (struct traffic){in + 2 * out, out};
    }
    return (struct traffic){0};
}

/* nn/backbone_forward.c and backbone_backward.c, whose functions have one line here each, forward + backward. The
 * gate's input is the depthwise convolution's map. */
static struct traffic of_training(const struct layer *layer, bool expands)
{
    double in = input_of(layer), out = output_of(layer), added = layer->adds_input ? 1 : 0;
    double activated = expands || layer->block == 0 ? in : 0; /* of a depthwise convolution's input */
    switch (layer->role) {
    case ROLE_STEM: return (struct traffic){in + out + in + 2 * out, 0};
    case ROLE_EXPAND: return (struct traffic){in + out + 2 * in + 2 * out, 0};
    case ROLE_DEPTHWISE: return (struct traffic){in + out + 2 * in + 2 * out, 2 * activated + out};
    case ROLE_GATE: return (struct traffic){in, in};
    case ROLE_PROJECT: return (struct traffic){in + (3 + added) * out + 2 * in + 4 * out, in + in};
    case ROLE_HEAD: return (struct traffic){in + 2 * out + 2 * in + out, 2 * out};
    }
    return (struct traffic){0};
}

/* ---- sums -------------------------------------------------------------------------------------------------------- */

static void add(struct roofline_row *row, const struct roofline_row *part)
{
    row->multiply_adds += part->multiply_adds;
    row->bytes += part->bytes;
    row->activations += part->activations;
    row->seconds += part->seconds;
}

static const char *const KIND_NAMES[ROOFLINE_KINDS] = {
    [ROLE_STEM] = "all stems", [ROLE_EXPAND] = "all expansions",   [ROLE_DEPTHWISE] = "all depthwise",
    [ROLE_GATE] = "all gates", [ROLE_PROJECT] = "all projections", [ROLE_HEAD] = "all heads"};

static void name_block(struct roofline_row *row, const struct layer *layer)
{
    if (layer->block < 0)
        snprintf(row->name, sizeof row->name, "%s", layer->name);
    else
        snprintf(row->name, sizeof row->name, "blocks.%d.%d", layer->stage, layer->index);
}

/* Training counts three multiply-adds for each of the forward pass; the stem has no data gradient. */
void roofline_of(struct roofline *roofline, const struct layers *layers, const struct layer_time *times, double images,
                 bool trains)
{
    roofline->block_count = 0;
    roofline->kind_count = ROOFLINE_KINDS;
    for (int kind = 0; kind < ROOFLINE_KINDS; kind++) {
        roofline->kinds[kind] = (struct roofline_row){0};
        snprintf(roofline->kinds[kind].name, LAYER_NAME_BYTES, "%s", KIND_NAMES[kind]);
    }
    for (size_t i = 0; i < layers->count; i++) {
        const struct layer *layer = &layers->items[i];
        bool expands = i > 0 && layers->items[i - 1].role == ROLE_EXPAND;
        bool begins = layer->block < 0 || layer->role == ROLE_EXPAND || (layer->role == ROLE_DEPTHWISE && !expands);
        struct traffic traffic = trains ? of_training(layer, expands) : of_inference(layer, expands);
        struct roofline_row part = {.multiply_adds = layer->multiply_adds * (!trains                    ? 1
                                                                             : layer->role == ROLE_STEM ? 2
                                                                                                        : 3),
                                    .bytes = traffic.maps * sizeof(real),
                                    .activations = traffic.activations,
                                    .seconds = (times[i].forward + times[i].backward) / images};
        if (begins) {
            roofline->blocks[roofline->block_count] = (struct roofline_row){0};
            name_block(&roofline->blocks[roofline->block_count++], layer);
        }
        add(&roofline->blocks[roofline->block_count - 1], &part);
        /* In inference an expansion's time is the depthwise convolution's: so is its work. */
        add(&roofline->kinds[!trains && layer->role == ROLE_EXPAND ? ROLE_DEPTHWISE : layer->role], &part);
    }
}

/* ---- printing ---------------------------------------------------------------------------------------------------- */

/* Shares of the time that each ceiling alone would take. */
struct shares {
    double multiply_adds, bytes, activations;
    const char *bound;
};

static struct shares shares_of(const struct roofline *roofline, const struct roofline_row *row)
{
    const struct machine_peaks *peaks = &roofline->peaks;
    struct shares s = {0};
    if (row->seconds > 0) {
        s.multiply_adds = row->multiply_adds / peaks->multiply_adds / row->seconds;
        s.bytes = row->bytes / peaks->bytes / row->seconds;
        s.activations = row->activations / peaks->activations / row->seconds;
    }
    double arithmetic = s.multiply_adds + s.activations; /* the same units do both */
    if (arithmetic < 0.5 && s.bytes < 0.5)
        s.bound = "other";
    else if (s.bytes >= arithmetic)
        s.bound = "memory";
    else
        s.bound = s.multiply_adds >= s.activations ? "multiply-adds" : "SiLU";
    return s;
}

static void print_row(const struct roofline *roofline, const struct roofline_row *row)
{
    struct shares s = shares_of(roofline, row);
    if (row->seconds <= 0) return;
    printf("| %s | %.1f | %.2f | %.3f | %.1f | %.1f | %.0f %% | %.0f %% | %.0f %% | %s |\n", row->name,
           2e-6 * row->multiply_adds, 1e-6 * row->bytes, 1e3 * row->seconds, 2e-9 * row->multiply_adds / row->seconds,
           1e-9 * row->bytes / row->seconds, 100 * s.multiply_adds, 100 * s.activations, 100 * s.bytes, s.bound);
}

void roofline_print(const struct roofline *roofline)
{
    struct roofline_row all = {.name = "all"};
    printf("peaks of all threads: %.1f GFLOP/s, %.1f GB/s (triad), %.2f G SiLU/s\n\n",
           2e-9 * roofline->peaks.multiply_adds, 1e-9 * roofline->peaks.bytes, 1e-9 * roofline->peaks.activations);
    puts("| per image | MFLOP | MB | ms | GFLOP/s | GB/s | of multiply-adds | of SiLU | of bandwidth | bound by |");
    puts("| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | --- |");
    for (size_t i = 0; i < roofline->block_count; i++) {
        print_row(roofline, &roofline->blocks[i]);
        add(&all, &roofline->blocks[i]);
    }
    for (size_t i = 0; i < roofline->kind_count; i++) print_row(roofline, &roofline->kinds[i]);
    print_row(roofline, &all);
    putchar('\n');
}

static void write_row(const struct roofline *roofline, const struct roofline_row *row, struct json_writer *json)
{
    struct shares s = shares_of(roofline, row);
    json_open(json, '{');
    json_string_member(json, "name", row->name);
    json_real_member(json, "multiply_adds", row->multiply_adds);
    json_real_member(json, "bytes", row->bytes);
    json_real_member(json, "activations", row->activations);
    json_real_member(json, "ms", 1e3 * row->seconds);
    json_real_member(json, "of_multiply_adds", s.multiply_adds);
    json_real_member(json, "of_activations", s.activations);
    json_real_member(json, "of_bandwidth", s.bytes);
    json_string_member(json, "bound_by", s.bound);
    json_close(json, '}');
}

void roofline_write(const struct roofline *roofline, struct json_writer *json)
{
    json_name(json, "roofline");
    json_open(json, '{');
    json_real_member(json, "bytes_per_s", roofline->peaks.bytes);
    json_real_member(json, "activations_per_s", roofline->peaks.activations);
    json_name(json, "rows");
    json_open(json, '[');
    for (size_t i = 0; i < roofline->block_count; i++) write_row(roofline, &roofline->blocks[i], json);
    for (size_t i = 0; i < roofline->kind_count; i++) write_row(roofline, &roofline->kinds[i], json);
    json_close(json, ']');
    json_close(json, '}');
}
