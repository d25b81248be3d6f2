/* Every kernel of every instruction set this machine runs, against the portable one, over random shapes.
 *
 * Maps lie at odd addresses, their pixels further apart than they are wide, and everything around and between them is
 * filled with a NaN that no computation makes: a kernel that reads too far spoils its result, one that writes too far
 * spoils the filling. Where the portable kernel itself is right is for the gradient tests to say. */
#include "rmfer/base/half.h"
#include "rmfer/base/memory.h"
#include "rmfer/base/random.h"
#include "rmfer/kern/kernels.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { GUARD = 48, ROOM = 1 << 21, TRIALS = 80 };

static const uint32_t FILLING = 0x7fc0a5a5;

/* ---- maps with guarded surroundings ------------------------------------------------------------------------------ */

struct bench {
    const struct kernels *kernels; /* under test */
    struct random_stream random;
    bool extreme; /* huge numbers, denormal ones and NaN among the values */
    float *room;
    size_t used;
};

struct map {
    float *block; /* all that was taken, guards included */
    size_t total;
    float *at; /* pixel 0 */
    size_t rows, channels, ld;
};

static size_t below(struct bench *bench, size_t bound)
{
    return (size_t)random_below(&bench->random, bound);
}

/* Small and odd sizes often, larger ones now and then. */
static size_t draw_size(struct bench *bench, size_t most)
{
    static const size_t edges[] = {1, 1, 2, 3, 4, 5, 7, 8, 9, 13, 14, 15, 16, 17, 24, 31, 32, 33, 47, 48, 49, 64, 65};
    size_t drawn = edges[below(bench, sizeof edges / sizeof edges[0])];
    if (below(bench, 4) == 0) drawn = 1 + below(bench, most);
    return drawn <= most ? drawn : most;
}

static float draw_value(struct bench *bench)
{
    float value = (float)(2 * random_normal(&bench->random));
    if (!bench->extreme) return value;
    switch (below(bench, 12)) {
    case 0: return value * 1e15f;  /* whose square is still a number */
    case 1: return value * 1e-40f; /* denormal */
    case 2: return value * 50;
    case 3: return below(bench, 4) == 0 ? NAN : -0.0f;
    default: return value;
    }
}

/* A map of filling alone. */
static struct map map_empty(struct bench *bench, size_t rows, size_t channels)
{
    struct map map = {.rows = rows, .channels = channels};
    static const size_t gaps[] = {0, 0, 1, 3, 8, 16};
    map.ld = channels + gaps[below(bench, sizeof gaps / sizeof gaps[0])];
    map.total = (2 * GUARD + 16 + rows * map.ld + 15) / 16 * 16;
    assert_true(bench->used + map.total <= ROOM);
    map.block = bench->room + bench->used;
    bench->used += map.total;
    for (size_t i = 0; i < map.total; i++) memcpy(&map.block[i], &FILLING, sizeof FILLING);
    /* Whole cache lines from the room's start, so that aligned addresses come as often as others. */
    map.at = map.block + GUARD + (below(bench, 2) ? below(bench, 16) : 0);
    return map;
}

static struct map map_random(struct bench *bench, size_t rows, size_t channels)
{
    struct map map = map_empty(bench, rows, channels);
    for (size_t r = 0; r < rows; r++)
        for (size_t c = 0; c < channels; c++) map.at[r * map.ld + c] = draw_value(bench);
    return map;
}

/* Per-channel numbers are never extreme: an infinite product times zero is nobody's result. */
static struct map map_calm(struct bench *bench, size_t rows, size_t channels)
{
    bool extreme = bench->extreme;
    bench->extreme = false;
    struct map map = map_random(bench, rows, channels);
    bench->extreme = extreme;
    return map;
}

/* The same numbers and surroundings elsewhere. */
static struct map map_twin(struct bench *bench, struct map map)
{
    struct map twin = map;
    assert_true(bench->used + map.total <= ROOM);
    twin.block = bench->room + bench->used;
    bench->used += map.total;
    twin.at = twin.block + (map.at - map.block);
    memcpy(twin.block, map.block, map.total * sizeof(float));
    return twin;
}

static bool same_bits(float a, float b)
{
    return memcmp(&a, &b, sizeof a) == 0;
}

static bool is_inside(const struct map *map, size_t index)
{
    size_t first = (size_t)(map->at - map->block);
    if (index < first) return false;
    size_t row = (index - first) / map->ld, channel = (index - first) % map->ld;
    return row < map->rows && channel < map->channels;
}

/* Inside, numbers may differ by `tolerance` times the magnitude of what was summed up (and NaN must be NaN); around,
 * not a bit may. */
static void assert_maps_agree(const struct bench *bench, const char *what, struct map wanted, struct map got,
                              struct map magnitude, double tolerance)
{
    for (size_t i = 0; i < wanted.total; i++) {
        double a = (double)wanted.block[i], b = (double)got.block[i];
        if (!is_inside(&wanted, i)) {
            if (same_bits(wanted.block[i], got.block[i])) continue;
            fail_msg("%s.%s wrote outside its map of %zu x %zu (%zu apart), at %ld", bench->kernels->name, what,
                     wanted.rows, wanted.channels, wanted.ld, (long)i - (wanted.at - wanted.block));
        }
        if (same_bits(wanted.block[i], got.block[i]) || (isnan(a) && isnan(b))) continue;
        size_t at = i - (size_t)(wanted.at - wanted.block), row = at / wanted.ld, channel = at % wanted.ld;
        double size = (double)magnitude.at[row * magnitude.ld + channel];
        if (fabs(a - b) <= tolerance * size) continue;
        fail_msg("%s.%s at [%zu][%zu] of %zu x %zu: %.9g, the portable one %.9g (magnitude %.3g)", bench->kernels->name,
                 what, row, channel, wanted.rows, wanted.channels, b, a, size);
    }
}

/* Zeros in the shape of a map, for the magnitudes of what is summed up in it. */
static struct map map_magnitude(struct bench *bench, struct map map)
{
    struct map magnitude = map_twin(bench, map);
    for (size_t r = 0; r < map.rows; r++) memset(magnitude.at + r * map.ld, 0, map.channels * sizeof(float));
    return magnitude;
}

/* Sums differ by their order: a few units in the last place of the sum of absolute values. */
static const double SUM_TOLERANCE = 2e-6;
/* One value of SiLU or its slope. */
static const double VALUE_TOLERANCE = 1e-6;

static float absolute(float x)
{
    return fabsf(x);
}

/* What SiLU and its slope may be off by is measured against this: they are flat below -87. */
static double silu_size(double z)
{
    return 1 + (z > 0 ? z : fmin(-z, 100));
}

static double slope_size(double z)
{
    return 1 + fmin(fabs(z), 100);
}

/* ---- the products ------------------------------------------------------------------------------------------------ */

static float *take_packed(struct bench *bench, size_t k, size_t n, const struct kernels *kernels, struct map b)
{
    size_t count = kernels_packed_size(kernels, k, n);
    size_t aligned = (bench->used + 15) / 16 * 16;
    assert_true(aligned + count <= ROOM);
    float *packed = bench->room + aligned;
    bench->used = aligned + count;
    kernels_pack(kernels, k, n, b.at, b.ld, 1, packed);
    return packed;
}

static void try_gemm(struct bench *bench)
{
    size_t m = draw_size(bench, 70), n = draw_size(bench, 90), k = draw_size(bench, 80);
    bool accumulate = below(bench, 2) != 0;
    struct map a = map_calm(bench, m, k), b = map_calm(bench, k, n);
    struct map wanted = accumulate ? map_calm(bench, m, n) : map_random(bench, m, n), got = map_twin(bench, wanted);
    struct map size = map_magnitude(bench, wanted);
    if (bench->extreme) a.at[below(bench, m) * a.ld + below(bench, k)] = NAN;
    const float *packed = take_packed(bench, k, n, &kernels_portable, b);
    kernels_portable.gemm(m, n, k, a.at, a.ld, packed, wanted.at, wanted.ld, accumulate);
    packed = take_packed(bench, k, n, bench->kernels, b);
    bench->kernels->gemm(m, n, k, a.at, a.ld, packed, got.at, got.ld, accumulate);
    for (size_t i = 0; i < m; i++)
        for (size_t j = 0; j < n; j++) {
            float total = absolute(wanted.at[i * wanted.ld + j]);
            for (size_t l = 0; l < k; l++) total += absolute(a.at[i * a.ld + l] * b.at[l * b.ld + j]);
            size.at[i * size.ld + j] = total;
        }
    assert_maps_agree(bench, accumulate ? "gemm (+=)" : "gemm", wanted, got, size, SUM_TOLERANCE);
}

static void try_gemm_transposed(struct bench *bench)
{
    size_t p = draw_size(bench, 60), q = draw_size(bench, 90), m = draw_size(bench, 180);
    struct map a = map_calm(bench, m, p), b = map_calm(bench, m, q);
    struct map wanted = map_calm(bench, p, q), got = map_twin(bench, wanted), size = map_magnitude(bench, wanted);
    if (bench->extreme) b.at[below(bench, m) * b.ld + below(bench, q)] = NAN;
    for (size_t i = 0; i < p; i++)
        for (size_t j = 0; j < q; j++) {
            float total = absolute(wanted.at[i * wanted.ld + j]);
            for (size_t l = 0; l < m; l++) total += absolute(a.at[l * a.ld + i] * b.at[l * b.ld + j]);
            size.at[i * size.ld + j] = total;
        }
    kernels_portable.gemm_transposed(p, q, m, a.at, a.ld, b.at, b.ld, wanted.at, wanted.ld);
    bench->kernels->gemm_transposed(p, q, m, a.at, a.ld, b.at, b.ld, got.at, got.ld);
    assert_maps_agree(bench, "gemm_transposed", wanted, got, size, SUM_TOLERANCE);
}

/* ---- rows of pixels ---------------------------------------------------------------------------------------------- */

/* What the batch-norm kernels read, one row each. */
struct channel_numbers {
    struct map scale, shift, mean, slope, offset, gate, mean_gradient;
};

static struct channel_numbers draw_channel_numbers(struct bench *bench, size_t channels)
{
    struct channel_numbers n;
    n.scale = map_calm(bench, 1, channels);
    n.shift = map_calm(bench, 1, channels);
    n.mean = map_calm(bench, 1, channels);
    n.slope = map_calm(bench, 1, channels);
    n.offset = map_calm(bench, 1, channels);
    n.gate = map_calm(bench, 1, channels);
    n.mean_gradient = map_calm(bench, 1, channels);
    return n;
}

static double normalised(const struct channel_numbers *n, struct map x, size_t r, size_t c)
{
    return (double)x.at[r * x.ld + c] * (double)n->scale.at[c] + (double)n->shift.at[c];
}

static double centred(const struct channel_numbers *n, struct map x, size_t r, size_t c)
{
    return fabs((double)x.at[r * x.ld + c]) + fabs((double)n->mean.at[c]);
}

static struct rows draw_rows(struct bench *bench)
{
    return (struct rows){draw_size(bench, 60), draw_size(bench, 90)};
}

static void try_affine(struct bench *bench)
{
    struct rows s = draw_rows(bench);
    struct map x = map_random(bench, s.rows, s.channels), residual = map_random(bench, s.rows, s.channels);
    struct channel_numbers n = draw_channel_numbers(bench, s.channels);
    /* The output is apart, or in place of the input, or in place of the residual. */
    size_t place = below(bench, 3);
    bool shifts = below(bench, 3) != 0, adds = place == 2 || below(bench, 2) != 0;
    struct map wanted = place == 0   ? map_random(bench, s.rows, s.channels)
                        : place == 1 ? map_twin(bench, x)
                                     : map_twin(bench, residual);
    struct map got = map_twin(bench, wanted), size = map_magnitude(bench, wanted);
    for (size_t r = 0; r < s.rows; r++)
        for (size_t c = 0; c < s.channels; c++)
            size.at[r * size.ld + c] = absolute(x.at[r * x.ld + c] * n.scale.at[c]) + absolute(n.shift.at[c]) +
                                       (adds ? absolute(residual.at[r * residual.ld + c]) : 0);
    for (int run = 0; run < 2; run++) {
        struct map out = run == 0 ? wanted : got, from = place == 1 ? out : x, rest = place == 2 ? out : residual;
        (run == 0 ? &kernels_portable : bench->kernels)
            ->affine(s, out.at, out.ld, from.at, from.ld, n.scale.at, shifts ? n.shift.at : NULL, adds ? rest.at : NULL,
                     rest.ld);
    }
    assert_maps_agree(bench, "affine", wanted, got, size, VALUE_TOLERANCE);
}

/* A copy, to the bit. */
static void try_stream(struct bench *bench)
{
    struct rows s = draw_rows(bench);
    struct map x = map_random(bench, s.rows, s.channels);
    struct map wanted = map_random(bench, s.rows, s.channels), got = map_twin(bench, wanted);
    for (size_t r = 0; r < s.rows; r++) memcpy(wanted.at + r * wanted.ld, x.at + r * x.ld, s.channels * sizeof(float));
    bench->kernels->stream(s, got.at, got.ld, x.at, x.ld);
    assert_memory_equal(wanted.block, got.block, wanted.total * sizeof(float));
}

static bool same_halves(enum storage storage, uint16_t a, uint16_t b)
{
    return a == b || (storage == STORAGE_FLOAT16 ? isnan(half_to_float(a)) && isnan(half_to_float(b))
                                                 : isnan(bfloat16_to_float(a)) && isnan(bfloat16_to_float(b)));
}

/* To 16 bits and back: the nearest number to the bit, also left behind in the input, and nothing around it touched. */
static void try_narrow_and_widen(struct bench *bench)
{
    struct rows s = draw_rows(bench);
    enum storage storage = below(bench, 2) ? STORAGE_FLOAT16 : STORAGE_BFLOAT16;
    bool streams = below(bench, 2) != 0;
    struct map x = map_random(bench, s.rows, s.channels), rounded = map_twin(bench, x);
    /* A map of floats is room for one of halves, whose pixels lie far apart or next to each other. */
    struct map wanted = map_empty(bench, s.rows, s.channels), got = map_twin(bench, wanted);
    size_t ld = below(bench, 2) ? s.channels : 2 * wanted.ld;
    kernels_portable.narrow(s, (uint16_t *)(void *)wanted.at, ld, x.at, x.ld, storage, false);
    bench->kernels->narrow(s, (uint16_t *)(void *)got.at, ld, rounded.at, rounded.ld, storage, streams);
    const uint16_t *a = (const uint16_t *)(const void *)wanted.block, *b = (const uint16_t *)(const void *)got.block;
    for (size_t i = 0; i < 2 * wanted.total; i++)
        if (!same_halves(storage, a[i], b[i]))
            fail_msg("%s.narrow gives %#x where the portable one gives %#x", bench->kernels->name, b[i], a[i]);
    struct map zero = map_magnitude(bench, x), wide = map_twin(bench, x);
    assert_maps_agree(bench, "narrow (the input)", x, rounded, zero, 0);
    for (size_t r = 0; r < s.rows; r++) memset(wide.at + r * wide.ld, 0x55, s.channels * sizeof(float));
    bench->kernels->widen(s, wide.at, wide.ld, (const uint16_t *)(const void *)got.at, ld, storage);
    assert_maps_agree(bench, "widen", x, wide, zero, 0);
}

static void try_activate(struct bench *bench)
{
    struct rows s = draw_rows(bench);
    struct map x = map_random(bench, s.rows, s.channels);
    struct channel_numbers n = draw_channel_numbers(bench, s.channels);
    bool in_place = below(bench, 2) != 0, gated = below(bench, 2) != 0;
    struct map wanted = in_place ? map_twin(bench, x) : map_random(bench, s.rows, s.channels);
    struct map got = map_twin(bench, wanted), size = map_magnitude(bench, wanted);
    for (size_t r = 0; r < s.rows; r++)
        for (size_t c = 0; c < s.channels; c++)
            size.at[r * size.ld + c] = (float)(silu_size(normalised(&n, x, r, c)) *
                                               (gated ? fabs((double)n.gate.at[c]) : 1));
    for (int run = 0; run < 2; run++) {
        struct map out = run == 0 ? wanted : got, from = in_place ? out : x;
        (run == 0 ? &kernels_portable : bench->kernels)
            ->activate(s, out.at, out.ld, from.at, from.ld, n.scale.at, n.shift.at, gated ? n.gate.at : NULL);
    }
    assert_maps_agree(bench, "activate", wanted, got, size, VALUE_TOLERANCE);
}

static struct affine affine_of(const struct channel_numbers *n)
{
    return (struct affine){n->scale.at, n->shift.at, n->mean.at};
}

static struct bn_backward backward_of(const struct channel_numbers *n)
{
    return (struct bn_backward){n->scale.at, n->slope.at, n->offset.at, n->mean.at};
}

/* Adds |terms| to a map of sums' magnitudes, which starts as |what the sums start with|. */
static struct map sums_magnitude(struct bench *bench, struct map sums)
{
    struct map size = map_magnitude(bench, sums);
    for (size_t r = 0; r < sums.rows; r++)
        for (size_t c = 0; c < sums.channels; c++) size.at[r * size.ld + c] = absolute(sums.at[r * sums.ld + c]);
    return size;
}

static void add_size(struct map size, size_t row, size_t channel, double term)
{
    size.at[row * size.ld + channel] += (float)fabs(term);
}

static void try_squeeze(struct bench *bench)
{
    struct rows s = draw_rows(bench);
    struct map x = map_random(bench, s.rows, s.channels);
    struct channel_numbers n = draw_channel_numbers(bench, s.channels);
    struct map wanted = map_calm(bench, 3, s.channels), got = map_twin(bench, wanted);
    struct map size = sums_magnitude(bench, wanted);
    for (size_t r = 0; r < s.rows; r++)
        for (size_t c = 0; c < s.channels; c++) {
            double z = normalised(&n, x, r, c);
            add_size(size, 0, c, silu_size(z));
            add_size(size, 1, c, slope_size(z));
            add_size(size, 2, c, slope_size(z) * centred(&n, x, r, c));
        }
    kernels_portable.squeeze(s, x.at, x.ld, affine_of(&n), wanted.at, wanted.ld);
    bench->kernels->squeeze(s, x.at, x.ld, affine_of(&n), got.at, got.ld);
    assert_maps_agree(bench, "squeeze", wanted, got, size, SUM_TOLERANCE);
}

static void try_sum(struct bench *bench)
{
    struct rows s = draw_rows(bench);
    struct map x = map_random(bench, s.rows, s.channels);
    struct map wanted = map_calm(bench, 1, s.channels), got = map_twin(bench, wanted);
    struct map size = sums_magnitude(bench, wanted);
    for (size_t r = 0; r < s.rows; r++)
        for (size_t c = 0; c < s.channels; c++) add_size(size, 0, c, (double)x.at[r * x.ld + c]);
    kernels_portable.sum(s, x.at, x.ld, wanted.at);
    bench->kernels->sum(s, x.at, x.ld, got.at);
    assert_maps_agree(bench, "sum", wanted, got, size, SUM_TOLERANCE);
}

static void try_moments(struct bench *bench)
{
    struct rows s = draw_rows(bench);
    struct map x = map_calm(bench, s.rows, s.channels);
    if (bench->extreme) x.at[below(bench, s.rows) * x.ld + below(bench, s.channels)] = NAN;
    struct map wanted = map_random(bench, 2, s.channels), got = map_twin(bench, wanted);
    struct map size = map_magnitude(bench, wanted);
    for (size_t r = 0; r < s.rows; r++)
        for (size_t c = 0; c < s.channels; c++) {
            double value = (double)x.at[r * x.ld + c];
            add_size(size, 0, c, (1 + value) / (double)s.rows);
            add_size(size, 1, c, 1 + value * value);
        }
    for (size_t c = 0; c < s.channels; c++) size.at[c] += 1;
    kernels_portable.moments(s, x.at, x.ld, wanted.at, wanted.at + wanted.ld);
    bench->kernels->moments(s, x.at, x.ld, got.at, got.at + got.ld);
    assert_maps_agree(bench, "moments", wanted, got, size, SUM_TOLERANCE);
}

static void try_gradient_sums(struct bench *bench)
{
    struct rows s = draw_rows(bench);
    struct map dy = map_random(bench, s.rows, s.channels), x = map_random(bench, s.rows, s.channels);
    struct channel_numbers n = draw_channel_numbers(bench, s.channels);
    struct map wanted = map_calm(bench, 2, s.channels), got = map_twin(bench, wanted);
    struct map size = sums_magnitude(bench, wanted);
    for (size_t r = 0; r < s.rows; r++)
        for (size_t c = 0; c < s.channels; c++) {
            add_size(size, 0, c, (double)dy.at[r * dy.ld + c]);
            add_size(size, 1, c, (double)dy.at[r * dy.ld + c] * centred(&n, x, r, c));
        }
    kernels_portable.gradient_sums(s, dy.at, dy.ld, x.at, x.ld, n.mean.at, wanted.at, wanted.ld);
    bench->kernels->gradient_sums(s, dy.at, dy.ld, x.at, x.ld, n.mean.at, got.at, got.ld);
    assert_maps_agree(bench, "gradient_sums", wanted, got, size, SUM_TOLERANCE);
}

static double backward_size(const struct channel_numbers *n, struct map x, size_t r, size_t c, double dy)
{
    return fabs(dy * (double)n->scale.at[c]) + fabs((double)n->slope.at[c]) * centred(n, x, r, c) +
           fabs((double)n->offset.at[c]);
}

static void try_bn_backward(struct bench *bench)
{
    struct rows s = draw_rows(bench);
    struct map dy = map_random(bench, s.rows, s.channels), x = map_random(bench, s.rows, s.channels);
    struct channel_numbers n = draw_channel_numbers(bench, s.channels);
    bool in_place = below(bench, 2) != 0;
    struct map wanted = in_place ? map_twin(bench, dy) : map_random(bench, s.rows, s.channels);
    struct map got = map_twin(bench, wanted), size = map_magnitude(bench, wanted);
    for (size_t r = 0; r < s.rows; r++)
        for (size_t c = 0; c < s.channels; c++)
            size.at[r * size.ld + c] = (float)backward_size(&n, x, r, c, (double)dy.at[r * dy.ld + c]);
    for (int run = 0; run < 2; run++) {
        struct map out = run == 0 ? wanted : got, from = in_place ? out : dy;
        (run == 0 ? &kernels_portable : bench->kernels)
            ->bn_backward(s, out.at, out.ld, from.at, from.ld, x.at, x.ld, backward_of(&n));
    }
    assert_maps_agree(bench, "bn_backward", wanted, got, size, VALUE_TOLERANCE);
}

static void try_gate_backward(struct bench *bench)
{
    struct rows s = draw_rows(bench);
    struct map du = map_random(bench, s.rows, s.channels), x = map_random(bench, s.rows, s.channels);
    struct channel_numbers n = draw_channel_numbers(bench, s.channels);
    struct map wanted = map_random(bench, s.rows, s.channels), got = map_twin(bench, wanted);
    struct map wanted_sums = map_calm(bench, 3, s.channels), got_sums = map_twin(bench, wanted_sums);
    struct map size = map_magnitude(bench, wanted), sums = sums_magnitude(bench, wanted_sums);
    for (size_t r = 0; r < s.rows; r++)
        for (size_t c = 0; c < s.channels; c++) {
            double z = normalised(&n, x, r, c), gradient = (double)du.at[r * du.ld + c];
            size.at[r * size.ld + c] = (float)(silu_size(z) * fabs((double)n.gate.at[c]));
            add_size(sums, 0, c, gradient * silu_size(z));
            add_size(sums, 1, c, gradient * slope_size(z));
            add_size(sums, 2, c, gradient * slope_size(z) * centred(&n, x, r, c));
        }
    kernels_portable.gate_backward(s, wanted.at, wanted.ld, du.at, du.ld, x.at, x.ld, affine_of(&n), n.gate.at,
                                   wanted_sums.at, wanted_sums.ld);
    bench->kernels->gate_backward(s, got.at, got.ld, du.at, du.ld, x.at, x.ld, affine_of(&n), n.gate.at, got_sums.at,
                                  got_sums.ld);
    assert_maps_agree(bench, "gate_backward (map)", wanted, got, size, VALUE_TOLERANCE);
    assert_maps_agree(bench, "gate_backward (sums)", wanted_sums, got_sums, sums, SUM_TOLERANCE);
}

static void try_activated_bn_backward(struct bench *bench)
{
    struct rows s = draw_rows(bench);
    struct map du = map_random(bench, s.rows, s.channels), x = map_random(bench, s.rows, s.channels);
    struct channel_numbers n = draw_channel_numbers(bench, s.channels);
    bool pooled = below(bench, 3) == 0;
    struct map wanted = map_random(bench, s.rows, s.channels), got = map_twin(bench, wanted);
    struct map size = map_magnitude(bench, wanted);
    for (size_t r = 0; r < s.rows; r++)
        for (size_t c = 0; c < s.channels; c++) {
            double upper = fabs((double)n.mean_gradient.at[c]);
            if (!pooled) upper += fabs((double)du.at[r * du.ld + c] * (double)n.gate.at[c]);
            size.at[r * size.ld + c] = (float)backward_size(&n, x, r, c, upper * slope_size(normalised(&n, x, r, c)));
        }
    const float *from = pooled ? NULL : du.at, *gate = pooled ? NULL : n.gate.at;
    kernels_portable.activated_bn_backward(s, wanted.at, wanted.ld, from, du.ld, x.at, x.ld, n.shift.at, gate,
                                           n.mean_gradient.at, backward_of(&n));
    bench->kernels->activated_bn_backward(s, got.at, got.ld, from, du.ld, x.at, x.ld, n.shift.at, gate,
                                          n.mean_gradient.at, backward_of(&n));
    assert_maps_agree(bench, "activated_bn_backward", wanted, got, size, VALUE_TOLERANCE);
}

/* ---- depthwise convolution --------------------------------------------------------------------------------------- */

struct window {
    int kernel, stride;
    size_t width, padded, channels, taps; /* output pixels of a row, padded input pixels */
};

static struct window draw_window(struct bench *bench)
{
    struct window w = {.kernel = below(bench, 2) ? 3 : 5, .stride = 1 + (int)below(bench, 2)};
    w.width = draw_size(bench, 40);
    w.padded = (w.width - 1) * (size_t)w.stride + (size_t)w.kernel;
    /* With stride 2 the input may go on behind the last pixel that is read. */
    if (w.stride == 2) w.padded += below(bench, 2);
    w.channels = draw_size(bench, 70);
    w.taps = (size_t)(w.kernel * w.kernel);
    return w;
}

static void try_depthwise(struct bench *bench)
{
    struct window s = draw_window(bench);
    size_t kernel = (size_t)s.kernel, stride = (size_t)s.stride;
    struct map rows = map_calm(bench, 5 * s.padded, s.channels), w = map_calm(bench, s.taps, s.channels);
    struct map wanted = map_random(bench, s.width, s.channels), got = map_twin(bench, wanted);
    struct map size = map_magnitude(bench, wanted);
    if (bench->extreme) rows.at[below(bench, kernel * s.padded) * rows.ld + below(bench, s.channels)] = NAN;
    /* Rows in any order, as in a ring. */
    const float *row[5];
    size_t turn = below(bench, kernel);
    for (size_t ky = 0; ky < kernel; ky++) row[ky] = rows.at + (ky + turn) % kernel * s.padded * rows.ld;
    for (size_t x = 0; x < s.width; x++)
        for (size_t c = 0; c < s.channels; c++)
            for (size_t t = 0; t < s.taps; t++)
                add_size(size, x, c,
                         (double)row[t / kernel][(x * stride + t % kernel) * rows.ld + c] * (double)w.at[t * w.ld + c]);
    kernels_portable.depthwise(s.kernel, s.stride, s.width, s.channels, wanted.at, wanted.ld, row, rows.ld, w.at, w.ld);
    bench->kernels->depthwise(s.kernel, s.stride, s.width, s.channels, got.at, got.ld, row, rows.ld, w.at, w.ld);
    assert_maps_agree(bench, "depthwise", wanted, got, size, SUM_TOLERANCE);
}

/* A row of a depthwise convolution on its way back, and the sizes of what is summed up. */
struct way_back {
    struct window window;
    size_t pixels, pad_left, length; /* of a row of dy with its zeros */
    bool activates;
    struct map dy, w, x;
    const float *rows[5];
    struct channel_numbers numbers;
    struct map size, weights, sums;
};

static struct way_back draw_way_back(struct bench *bench)
{
    struct way_back b = {.window = draw_window(bench), .activates = below(bench, 3) != 0};
    const struct window *s = &b.window;
    size_t kernel = (size_t)s->kernel, margin = kernel - 1;
    b.pad_left = below(bench, kernel);
    b.pixels = s->padded - b.pad_left;
    if (below(bench, 2)) b.pixels = 1 + below(bench, b.pixels);
    b.length = s->padded / (size_t)s->stride + 1 + 2 * margin;
    b.dy = map_calm(bench, kernel * b.length, s->channels);
    for (size_t r = 0; r < b.dy.rows; r++) {
        size_t at = r % b.length;
        if (at < margin || at >= margin + s->width) memset(b.dy.at + r * b.dy.ld, 0, s->channels * sizeof(float));
    }
    for (size_t ky = 0; ky < kernel; ky++)
        b.rows[ky] = below(bench, 3) == 0 ? NULL : b.dy.at + (ky * b.length + margin) * b.dy.ld;
    b.w = map_calm(bench, s->taps, s->channels);
    b.x = map_calm(bench, b.pixels, s->channels);
    b.numbers = draw_channel_numbers(bench, s->channels);
    return b;
}

/* Adds what pixel i of channel c contributes. */
static void add_way_back(struct way_back *b, size_t i, size_t c)
{
    size_t kernel = (size_t)b->window.kernel, stride = (size_t)b->window.stride, padded = i + b->pad_left;
    double z = normalised(&b->numbers, b->x, i, c), da = 0;
    double a = b->activates ? silu_size(z) : fabs((double)b->x.at[i * b->x.ld + c]);
    for (size_t t = 0; t < b->window.taps; t++) {
        size_t ky = t / kernel, kx = t % kernel;
        if (b->rows[ky] == NULL || padded < kx || (padded - kx) % stride != 0) continue;
        double gradient = fabs((double)b->rows[ky][(padded - kx) / stride * b->dy.ld + c]);
        da += gradient * fabs((double)b->w.at[t * b->w.ld + c]);
        add_size(b->weights, t, c, gradient * a);
    }
    if (b->activates) da *= slope_size(z);
    add_size(b->size, i, c, da);
    add_size(b->sums, 0, c, da);
    add_size(b->sums, 1, c, da * centred(&b->numbers, b->x, i, c));
}

static void try_depthwise_backward(struct bench *bench)
{
    struct way_back b = draw_way_back(bench);
    const struct channel_numbers *n = &b.numbers;
    struct map dz[2], dw[2], sums[2];
    bool adds = !b.activates && below(bench, 2);
    dz[0] = map_calm(bench, b.pixels, b.window.channels);
    dz[1] = map_twin(bench, dz[0]);
    dw[0] = map_twin(bench, b.w);
    dw[1] = map_twin(bench, b.w);
    sums[0] = map_calm(bench, 2, b.window.channels);
    sums[1] = map_twin(bench, sums[0]);
    b.size = adds ? sums_magnitude(bench, dz[0]) : map_magnitude(bench, dz[0]);
    b.weights = sums_magnitude(bench, b.w);
    b.sums = sums_magnitude(bench, sums[0]);
    for (size_t i = 0; i < b.pixels; i++)
        for (size_t c = 0; c < b.window.channels; c++) add_way_back(&b, i, c);
    for (int run = 0; run < 2; run++) {
        struct depthwise_row row = {.kernel = b.window.kernel,
                                    .stride = b.window.stride,
                                    .pixels = b.pixels,
                                    .pad_left = b.pad_left,
                                    .channels = b.window.channels,
                                    .dy = b.rows,
                                    .lddy = b.dy.ld,
                                    .w = b.w.at,
                                    .dw = dw[run].at,
                                    .ldw = b.w.ld,
                                    .x = b.x.at,
                                    .ldx = b.x.ld,
                                    .residual = adds ? dz[run].at : NULL,
                                    .dz = dz[run].at,
                                    .lddz = dz[run].ld,
                                    .sums = sums[run].at,
                                    .ld_sums = sums[run].ld};
        if (b.activates) row.bn = (struct affine){n->scale.at, n->shift.at, n->mean.at};
        (run == 0 ? &kernels_portable : bench->kernels)->depthwise_backward(&row);
    }
    assert_maps_agree(bench, "depthwise_backward (dz)", dz[0], dz[1], b.size, SUM_TOLERANCE);
    assert_maps_agree(bench, "depthwise_backward (dw)", dw[0], dw[1], b.weights, SUM_TOLERANCE);
    assert_maps_agree(bench, "depthwise_backward (sums)", sums[0], sums[1], b.sums, SUM_TOLERANCE);
}

/* ---- the tests --------------------------------------------------------------------------------------------------- */

/* Runs one kind of trial for every instruction set, with ordinary numbers and with extreme ones. */
static void run_trials(void (*try)(struct bench *))
{
    static const char *const names[] = {"portable", "avx2", "avx512", "neon"};
    float *room = memory_allocate(ROOM, sizeof *room, "the kernels' maps", NULL);
    assert_non_null(room);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        const struct kernels *kernels = kernels_find(names[i]);
        if (kernels == NULL) continue;
        assert_string_equal(kernels->name, names[i]);
        for (uint64_t trial = 0; trial < 2 * TRIALS; trial++) {
            struct bench bench = {kernels, random_stream(7, RANDOM_TEST, trial, 0), trial >= TRIALS, room, 0};
            try(&bench);
        }
    }
    memory_free(room);
}

#define KERNEL_TEST(name)                 \
    static void test_##name(void **state) \
    {                                     \
        (void)state;                      \
        run_trials(try_##name);           \
    }

KERNEL_TEST(gemm)
KERNEL_TEST(gemm_transposed)
KERNEL_TEST(affine)
KERNEL_TEST(stream)
KERNEL_TEST(narrow_and_widen)
KERNEL_TEST(activate)
KERNEL_TEST(squeeze)
KERNEL_TEST(sum)
KERNEL_TEST(moments)
KERNEL_TEST(gradient_sums)
KERNEL_TEST(bn_backward)
KERNEL_TEST(gate_backward)
KERNEL_TEST(activated_bn_backward)
KERNEL_TEST(depthwise)
KERNEL_TEST(depthwise_backward)

/* Panels of columns, each [k][panel], the last one filled up with zeros; from either orientation. */
static void test_pack_lays_out_panels(void **state)
{
    (void)state;
    enum { K = 5, N = 37 };
    float source[K * N], packed[K * (N + 32)];
    for (size_t i = 0; i < K * N; i++) source[i] = (float)i + 1;
    static const char *const names[] = {"portable", "avx2", "avx512", "neon"};
    for (size_t isa = 0; isa < sizeof names / sizeof names[0]; isa++) {
        const struct kernels *kernels = kernels_find(names[isa]);
        if (kernels == NULL) continue;
        size_t panel = kernels->panel, columns = (N + panel - 1) / panel * panel;
        assert_int_equal(kernels_packed_size(kernels, K, N), K * columns);
        assert_true(K * columns <= sizeof packed / sizeof packed[0]);
        for (int transposed = 0; transposed < 2; transposed++) {
            size_t row_stride = transposed ? 1 : N, column_stride = transposed ? K : 1;
            for (size_t i = 0; i < K * columns; i++) packed[i] = -1;
            kernels_pack(kernels, K, N, source, row_stride, column_stride, packed);
            for (size_t i = 0; i < K; i++)
                for (size_t j = 0; j < columns; j++) {
                    float wanted = j < N ? source[i * row_stride + j * column_stride] : 0;
                    assert_true(same_bits(packed[j / panel * panel * K + i * panel + j % panel], wanted));
                }
        }
    }
}

static void test_the_table_is_chosen_by_name(void **state)
{
    (void)state;
    assert_null(kernels_find("sse9"));
    assert_ptr_equal(kernels_find("portable"), &kernels_portable);
    setenv("RMFER_ISA", "portable", 1);
    assert_ptr_equal(kernels_best(), &kernels_portable);
    struct error err = {0};
    assert_int_equal(kernels_check(&err), STATUS_OK);
    setenv("RMFER_ISA", "sse9", 1);
    const struct kernels *best = kernels_best();
    assert_int_equal(kernels_check(&err), STATUS_USAGE);
    assert_non_null(strstr(err.message, "RMFER_ISA=sse9: "));
    assert_non_null(strstr(err.message, "(portable"));
    assert_non_null(strstr(err.message, best->name));
    setenv("RMFER_ISA", "", 1);
    assert_int_equal(kernels_check(&err), STATUS_OK);
    unsetenv("RMFER_ISA");
    assert_int_equal(kernels_check(&err), STATUS_OK);
    assert_non_null(best);
    assert_ptr_equal(best, kernels_best());
}

/* The loop that measures the peak does what it counts. */
static void test_multiply_add_loop_counts_its_work(void **state)
{
    (void)state;
    static const char *const names[] = {"portable", "avx2", "avx512", "neon"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        const struct kernels *kernels = kernels_find(names[i]);
        if (kernels == NULL) continue;
        double once = kernels->multiply_add_loop(1000), twice = kernels->multiply_add_loop(2000);
        assert_true(once > 0 && twice > 1.9 * once && twice < 2.1 * once);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gemm),
        cmocka_unit_test(test_gemm_transposed),
        cmocka_unit_test(test_affine),
        cmocka_unit_test(test_stream),
        cmocka_unit_test(test_narrow_and_widen),
        cmocka_unit_test(test_activate),
        cmocka_unit_test(test_squeeze),
        cmocka_unit_test(test_sum),
        cmocka_unit_test(test_moments),
        cmocka_unit_test(test_gradient_sums),
        cmocka_unit_test(test_bn_backward),
        cmocka_unit_test(test_gate_backward),
        cmocka_unit_test(test_activated_bn_backward),
        cmocka_unit_test(test_depthwise),
        cmocka_unit_test(test_depthwise_backward),
        cmocka_unit_test(test_pack_lays_out_panels),
        cmocka_unit_test(test_the_table_is_chosen_by_name),
        cmocka_unit_test(test_multiply_add_loop_counts_its_work),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
