/* Counting, and numbers that every process draws alike. */
#include "many/support/shared_case.h"

#include "rmfer/base/memory.h"
#include "rmfer/base/random.h"
#include "rmfer/base/threads.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

void many_begin(struct many *many)
{
    struct error err = {0};
    *many = (struct many){0};
    threads_set(1);
    if (dist_begin(&many->dist, &err) == STATUS_OK) return;
    fprintf(stderr, "%s\n", err.message);
    exit(1);
}

int many_end(struct many *many)
{
    int failed = many->failed;
    if (dist_rank(many->dist) == 0)
        printf("%d passed, %d failed over %d processes\n", many->passed, many->failed, dist_size(many->dist));
    dist_end(many->dist);
    return failed > 0;
}

void many_check(struct many *many, const char *what, bool own)
{
    bool failed = dist_any(many->dist, !own) || !own; /* sums may be what fails */
    many->passed += !failed;
    many->failed += failed;
    if (!own) printf("failed: %s, on rank %d of %d\n", what, dist_rank(many->dist), dist_size(many->dist));
}

real *many_normal(size_t count, uint64_t seed)
{
    real *numbers = memory_allocate(count, sizeof *numbers, "random numbers", NULL);
    struct random_stream stream = random_stream(seed, RANDOM_METHOD, 1, 2);
    if (numbers == NULL) exit(1);
    for (size_t i = 0; i < count; i++) numbers[i] = (real)random_normal(&stream);
    return numbers;
}

double many_distance(const real *a, const real *b, size_t count)
{
    double most = 0, distance = 0;
    for (size_t i = 0; i < count; i++) {
        double size = fabs((double)a[i]), away = fabs((double)a[i] - (double)b[i]);
        if (size > most) most = size;
        if (!(away <= distance)) distance = away;
    }
    return most > 0 ? distance / most : distance;
}

double many_tolerance(void)
{
    return sizeof(real) == sizeof(double) ? 1e-10 : 1e-3;
}
