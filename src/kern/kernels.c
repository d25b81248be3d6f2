/* The choice of a kernel table, and packing. */
#include "rmfer/kern/kernels.h"

#include "kern/tables.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct candidate {
    const char *name;
    const struct kernels *table;
    bool (*runs_here)(void);
};

static bool always(void)
{
    return true;
}

#if defined(RMFER_X86_KERNELS)
/* __builtin_cpu_supports asks CPUID and, for the wide registers, XCR0: the system must save them too. */
static bool has_avx2(void)
{
    __builtin_cpu_init();
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("f16c");
}

static bool has_avx512(void)
{
    __builtin_cpu_init();
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("fma");
}
#endif

/* Fastest first. */
static const struct candidate candidates[] = {
#if defined(RMFER_X86_KERNELS)
    {"avx512", &kernels_avx512, has_avx512},
    {"avx2", &kernels_avx2, has_avx2},
#endif
#if defined(RMFER_ARM_KERNELS)
    {"neon", &kernels_neon, always}, /* every 64-bit Arm has it */
#endif
    {"portable", &kernels_portable, always},
};

enum { CANDIDATES = sizeof candidates / sizeof candidates[0] };

const struct kernels *kernels_find(const char *name)
{
    for (int i = 0; i < CANDIDATES; i++)
        if (strcmp(candidates[i].name, name) == 0 && candidates[i].runs_here()) return candidates[i].table;
    return NULL;
}

/* What RMFER_ISA says, NULL where it says nothing. */
static const char *wanted_name(void)
{
    const char *wanted = getenv("RMFER_ISA");
    return wanted == NULL || wanted[0] == '\0' ? NULL : wanted;
}

status kernels_check(struct error *err)
{
    const char *wanted = wanted_name();
    char names[64] = "";
    size_t used = 0;
    if (wanted == NULL || kernels_find(wanted) != NULL) return STATUS_OK;
    for (int i = CANDIDATES - 1; i >= 0; i--)
        if (candidates[i].runs_here())
            used += (size_t)snprintf(names + used, sizeof names - used, "%s%s", used == 0 ? "" : ", ",
                                     candidates[i].name);
    return error_set_usage(err, "RMFER_ISA=%s: no kernels of that name run here (%s)", wanted, names);
}

const struct kernels *kernels_best(void)
{
    const char *wanted = wanted_name();
    const struct kernels *chosen = wanted == NULL ? NULL : kernels_find(wanted);
    for (int i = 0; chosen == NULL; i++)
        if (candidates[i].runs_here()) chosen = candidates[i].table;
    return chosen;
}

size_t kernels_packed_size(const struct kernels *kernels, size_t k, size_t n)
{
    return (n + kernels->panel - 1) / kernels->panel * kernels->panel * k;
}

void kernels_pack(const struct kernels *kernels, size_t k, size_t n, const real *source, size_t row_stride,
                  size_t column_stride, real *packed)
{
    size_t panel = kernels->panel;
    int64_t panels = (int64_t)((n + panel - 1) / panel);
    /* Waking the team costs more than a small matrix. */
#pragma omp parallel for schedule(static) if (n * k > 65536)
    for (int64_t index = 0; index < panels; index++) {
        size_t first = (size_t)index * panel;
        size_t width = n - first < panel ? n - first : panel;
        real *out = packed + first * k;
        if (width < panel) memset(out, 0, k * panel * sizeof *out);
        if (column_stride == 1) {
            for (size_t i = 0; i < k; i++)
                memcpy(out + i * panel, source + i * row_stride + first, width * sizeof *out);
            continue;
        }
        /* Columns of B are rows of the source here: each is read once, along its cache lines. */
        for (size_t j = 0; j < width; j++)
            for (size_t i = 0; i < k; i++) out[i * panel + j] = source[i * row_stride + (first + j) * column_stride];
    }
}
