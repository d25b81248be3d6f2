/* Factors 0 or 1 / (1 - p), drawn from a keyed stream. */
#include "rmfer/ops/dropout.h"

void dropout_factors(struct random_stream *stream, double rate, size_t count, real *factors)
{
    real kept = (real)(1 / (1 - rate));
    for (size_t i = 0; i < count; i++) factors[i] = random_uniform(stream) < rate ? 0 : kept;
}

void dropout_apply(size_t count, const real *factors, real *x)
{
    for (size_t i = 0; i < count; i++) x[i] *= factors[i];
}
