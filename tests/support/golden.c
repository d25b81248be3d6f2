/* Reading golden files, and the formula behind their inputs. */
#include "support/golden.h"

#include "rmfer/base/memory.h"
#include "rmfer/ckpt/safetensors.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct golden {
    struct safetensors file;
    char path[512];
};

/* ---- reading ----------------------------------------------------------------------------------------------------- */

struct golden *golden_open(const char *path)
{
    struct error err = {0};
    struct golden *golden = memory_allocate(1, sizeof *golden, path, &err);
    if (golden != NULL && safetensors_open(&golden->file, path, &err) == STATUS_OK) {
        snprintf(golden->path, sizeof golden->path, "%s", path);
        return golden;
    }
    printf("%s\n", err.message);
    memory_free(golden);
    return NULL;
}

void golden_close(struct golden *golden)
{
    if (golden == NULL) return;
    safetensors_close(&golden->file);
    memory_free(golden);
}

const float *golden_tensor(const struct golden *golden, const char *name, size_t *count)
{
    const struct tensor *tensor = safetensors_find(&golden->file, name);
    *count = 0;
    if (tensor == NULL || tensor->type != TENSOR_F32) return NULL;
    *count = tensor->count;
    return (const float *)(const void *)tensor->data;
}

const char *golden_tensor_name(const struct golden *golden, size_t index)
{
    return index < golden->file.count ? golden->file.tensors[index].name : NULL;
}

const char *golden_setting(const struct golden *golden, const char *key)
{
    const char *value = safetensors_metadata_value(&golden->file, key);
    if (value == NULL) {
        printf("%s: no setting '%s'\n", golden->path, key);
        abort();
    }
    return value;
}

bool golden_has(const struct golden *golden, const char *key)
{
    return safetensors_metadata_value(&golden->file, key) != NULL;
}

double golden_number(const struct golden *golden, const char *key)
{
    return strtod(golden_setting(golden, key), NULL);
}

int golden_integer(const struct golden *golden, const char *key)
{
    return (int)strtol(golden_setting(golden, key), NULL, 10);
}

/* ---- the formula ------------------------------------------------------------------------------------------------- */

uint64_t golden_key(const char *name)
{
    uint64_t key = UINT64_C(0xcbf29ce484222325);
    for (; *name != '\0'; name++) key = (key ^ (uint8_t)*name) * UINT64_C(0x100000001b3);
    return key;
}

static uint64_t golden_bits(uint64_t key, size_t index)
{
    uint64_t z = key + ((uint64_t)index + 1) * UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

double golden_uniform(uint64_t key, size_t index)
{
    return (double)(golden_bits(key, index) >> 40) / 8388608.0 - 1;
}

void golden_pictures(const char *name, size_t count, size_t side, real *pictures)
{
    char tiles_name[64];
    snprintf(tiles_name, sizeof tiles_name, "%s.blocks", name);
    uint64_t noise = golden_key(name), tiles = golden_key(tiles_name);
    size_t blocks = (side + 7) / 8, at = 0;
    for (size_t n = 0; n < count; n++)
        for (size_t y = 0; y < side; y++)
            for (size_t x = 0; x < side; x++)
                for (size_t c = 0; c < 3; c++, at++) {
                    size_t tile = ((n * blocks + y / 8) * blocks + x / 8) * 3 + c;
                    pictures[at] = (real)(0.5 * golden_uniform(noise, at) + 1.5 * golden_uniform(tiles, tile));
                }
}

void golden_targets(bool soft, size_t step, size_t count, size_t classes, real *targets)
{
    char name[64];
    snprintf(name, sizeof name, "targets.%zu", step);
    uint64_t key = golden_key(name);
    for (size_t n = 0; n < count; n++) {
        double sum = 0;
        for (size_t k = 0; k < classes; k++) {
            double root = 1 + golden_uniform(key, n * classes + k);
            sum += root * root;
        }
        for (size_t k = 0; k < classes; k++) {
            double root = 1 + golden_uniform(key, n * classes + k);
            bool hot = k == (n * 3 + step) / 2 % classes;
            targets[n * classes + k] = soft ? (real)(root * root / sum) : (real)hot;
        }
    }
}

static bool contains(const char *name, const char *part)
{
    return strstr(name, part) != NULL;
}

static bool ends_with(const char *name, const char *ending)
{
    size_t length = strlen(name), tail = strlen(ending);
    return length >= tail && strcmp(name + length - tail, ending) == 0;
}

void golden_parameter(const char *name, const size_t *shape, int rank, size_t count, double running_variance,
                      real *values)
{
    double middle = 0, reach = 0.2;
    if (rank == 4 && !contains(name, ".se.")) {
        bool depthwise = shape[1] == 1;
        reach = sqrt(6.0 / (double)(shape[2] * shape[3] * (depthwise ? 1 : shape[0])));
    } else if (rank >= 2) {
        reach = sqrt(3.0 / (double)shape[1]);
    } else if (ends_with(name, "running_var")) {
        middle = running_variance;
        reach = 0.5 * running_variance;
    } else if (ends_with(name, "weight")) {
        middle = 1;
        reach = 0.25;
    }
    uint64_t key = golden_key(name);
    for (size_t i = 0; i < count; i++) values[i] = (real)(middle + reach * golden_uniform(key, i));
}

/* ---- comparing --------------------------------------------------------------------------------------------------- */

size_t golden_sketch(const char *name, const real *values, size_t count, double *sums)
{
    if (count <= GOLDEN_SKETCH_SUMS) {
        for (size_t i = 0; i < count; i++) sums[i] = (double)values[i];
        return count;
    }
    char stream[128];
    snprintf(stream, sizeof stream, "%s.sketch", name);
    uint64_t key = golden_key(stream);
    for (size_t i = 0; i < GOLDEN_SKETCH_SUMS; i++) sums[i] = 0;
    for (size_t i = 0; i < count; i++) {
        uint64_t z = golden_bits(key, i);
        double sign = (z >> 6 & 1) != 0 ? -1 : 1;
        sums[z & (GOLDEN_SKETCH_SUMS - 1)] += sign * (double)values[i];
    }
    return GOLDEN_SKETCH_SUMS;
}

double golden_relative_error(const float *expected, const double *got, size_t count)
{
    double difference = 0, length = 0;
    for (size_t i = 0; i < count; i++) {
        double d = got[i] - (double)expected[i];
        difference += d * d;
        length += (double)expected[i] * (double)expected[i];
    }
    if (!isfinite(difference)) return INFINITY;
    if (difference == 0) return 0;
    return length == 0 ? INFINITY : sqrt(difference / length);
}

/* `got` as the file stores it: whole or as a sketch. NULL (printed) when the sizes do not fit. */
static double *as_stored(const struct golden *golden, const char *name, const real *got, size_t count, size_t stored)
{
    if (count != stored && !(count > GOLDEN_SKETCH_SUMS && stored == GOLDEN_SKETCH_SUMS)) {
        printf("%s: %s: %zu numbers, the golden file has %zu\n", golden->path, name, count, stored);
        return NULL;
    }
    struct error err = {0};
    double *values = memory_allocate(stored, sizeof *values, name, &err);
    if (values == NULL) return NULL;
    /* A gradient's stream is that of its parameter: "gradient.NAME" and "buffer.NAME" are sketched as NAME. */
    const char *own = name;
    if (strncmp(own, "gradient.", 9) == 0) own += 9;
    if (strncmp(own, "buffer.", 7) == 0) own += 7;
    if (count != stored)
        golden_sketch(own, got, count, values);
    else
        for (size_t i = 0; i < count; i++) values[i] = (double)got[i];
    return values;
}

bool golden_matches(const struct golden *golden, const char *name, const real *got, size_t count, double bound,
                    double *worst)
{
    size_t stored;
    const float *expected = golden_tensor(golden, name, &stored);
    if (expected == NULL) {
        printf("%s: no tensor '%s'\n", golden->path, name);
        return false;
    }
    double *values = as_stored(golden, name, got, count, stored);
    if (values == NULL) return false;
    double error = golden_relative_error(expected, values, stored);
    if (worst != NULL && error > *worst) *worst = error;
    if (error > bound)
        printf("%s: %s: relative error %.2e, allowed %.1e (first: %.7g, expected %.7g)\n", golden->path, name, error,
               bound, values[0], (double)expected[0]);
    memory_free(values);
    return error <= bound;
}
