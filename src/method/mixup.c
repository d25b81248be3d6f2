/* The draws and the mixing. */
#include "method/mixup.h"

#include "rmfer/base/error.h"

#include <math.h>

/* Streams of a step's draws. */
enum { SHARE, PARTNERS };

void mixup_place(struct mixup *mixup, struct plan *plan)
{
    mixup->pictures = plan_take(plan, mixup->capacity, sizeof *mixup->pictures);
    mixup->targets = plan_take(plan, mixup->capacity, sizeof *mixup->targets);
    mixup->partners = plan_take(plan, mixup->capacity, sizeof *mixup->partners);
}

void mixup_begin(struct mixup *mixup)
{
    mixup->rows = 0;
}

void mixup_add(struct mixup *mixup, size_t rows, const real *pictures, const real *targets)
{
    BUG_UNLESS(mixup->rows + rows <= mixup->capacity);
    for (size_t i = 0; i < rows; i++, mixup->rows++) {
        mixup->pictures[mixup->rows] = pictures + i * mixup->picture_reals;
        mixup->targets[mixup->rows] = targets + i * mixup->classes;
    }
}

/* The logarithm of a Gamma(alpha, 1) number: Marsaglia and Tsang (2000) for alpha + 1, brought down to alpha by their
 * factor U^(1/alpha), whose logarithm does not underflow where alpha is small. */
static double log_gamma_number(struct random_stream *stream, double alpha)
{
    double d = alpha + 1 - 1.0 / 3, c = 1 / sqrt(9 * d);
    for (;;) {
        double x = random_normal(stream), v = 1 + c * x;
        double u = 1 - random_uniform(stream); /* in (0, 1] */
        if (v <= 0) continue;
        v = v * v * v;
        if (log(u) < 0.5 * x * x + d - d * v + d * log(v)) return log(d * v) + log(1 - random_uniform(stream)) / alpha;
    }
}

double mixup_beta(struct random_stream *stream, double alpha)
{
    double a = log_gamma_number(stream, alpha), b = log_gamma_number(stream, alpha);
    return 1 / (1 + exp(b - a)); /* A / (A + B) */
}

void mixup_draw(struct mixup *mixup, uint64_t seed, uint64_t draw, double alpha)
{
    struct random_stream stream = random_stream(seed, RANDOM_METHOD, draw, SHARE);
    double share = alpha > 0 ? mixup_beta(&stream, alpha) : 1;
    mixup->share = share > 0.5 ? share : 1 - share;
    for (size_t i = 0; i < mixup->rows; i++) mixup->partners[i] = (int64_t)i;
    stream = random_stream(seed, RANDOM_METHOD, draw, PARTNERS);
    random_shuffle(&stream, mixup->partners, mixup->rows);
}

static void mix(size_t count, double share, const real *own, const real *partner, real *mixed)
{
    real rest = (real)(1 - share), most = (real)share;
    for (size_t i = 0; i < count; i++) mixed[i] = most * own[i] + rest * partner[i];
}

void mixup_make(const struct mixup *mixup, size_t row, real *picture, real *target)
{
    size_t partner = (size_t)mixup->partners[row];
    mix(mixup->picture_reals, mixup->share, mixup->pictures[row], mixup->pictures[partner], picture);
    mix(mixup->classes, mixup->share, mixup->targets[row], mixup->targets[partner], target);
}

/* Where part `part` of a list begins; parts are equally long but for the last ones, which have one row more. */
static size_t part_begin(size_t batch, size_t parts, size_t part)
{
    size_t longer = batch % parts, first_longer = parts - longer;
    return part * (batch / parts) + (part > first_longer ? part - first_longer : 0);
}

size_t mixup_interleave(size_t batch, size_t parts, size_t number, size_t *order)
{
    size_t begin = part_begin(batch, parts, number), end = part_begin(batch, parts, number + 1), count = 0;
    for (size_t row = begin; row < end; row++) order[count++] = row;
    for (size_t list = 1; list < parts && number == 0; list++)
        for (size_t row = part_begin(batch, parts, list); row < part_begin(batch, parts, list + 1); row++)
            order[count++] = list * batch + row;
    for (size_t row = 0; row < batch && number > 0; row++)
        if (row < begin || row >= end) order[count++] = number * batch + row;
    return end - begin;
}
