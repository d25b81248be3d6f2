/* The average's update, and a model that looks at it. */
#include "rmfer/train/weight_average.h"

#include <string.h>

status weight_average_init(struct weight_average *average, const struct parameters *parameters, struct error *err)
{
    *average = (struct weight_average){0};
    size_t value_bytes = parameters->value_count * sizeof(real),
           buffer_bytes = parameters->buffer_count * sizeof(real);
    status result = arena_init(&average->arena, arena_rounded(value_bytes) + arena_rounded(buffer_bytes),
                               "the average of the weights", err);
    if (result != STATUS_OK) return result;
    average->values = arena_take(&average->arena, value_bytes);
    average->buffers = arena_take(&average->arena, buffer_bytes);
    memcpy(average->values, parameters->values, value_bytes);
    memcpy(average->buffers, parameters->buffers, buffer_bytes);
    return STATUS_OK;
}

void weight_average_free(struct weight_average *average)
{
    arena_free(&average->arena);
    *average = (struct weight_average){0};
}

static void update_slab(real *restrict average, const real *restrict present, size_t count, real kept, real fresh)
{
#pragma omp parallel for schedule(static)
    for (size_t i = 0; i < count; i++) average[i] = kept * average[i] + fresh * present[i];
}

void weight_average_update(struct weight_average *average, const struct parameters *parameters, double decay)
{
    real kept = (real)decay, fresh = (real)(1 - decay);
    update_slab(average->values, parameters->values, parameters->value_count, kept, fresh);
    update_slab(average->buffers, parameters->buffers, parameters->buffer_count, kept, fresh);
}

double weight_average_decay(double decay, uint64_t step)
{
    double early = (1 + (double)step) / (10 + (double)step);
    return early < decay ? early : decay;
}

struct model weight_average_view(const struct weight_average *average, const struct model *model)
{
    struct model view = *model;
    view.parameters.values = average->values;
    view.parameters.buffers = average->buffers;
    view.parameters.history = NULL;
    view.parameters.arena = (struct arena){0};
    return view;
}
