/* The average's update, and a model that looks at it. */
#include "rmfer/method/weight_average.h"

status weight_average_init(struct weight_average *average, const struct parameters *parameters, struct error *err)
{
    *average = (struct weight_average){0};
    size_t values = parameters->value_count, buffers = parameters->buffer_count;
    size_t bytes[] = {size_multiply(values, sizeof(double)), size_multiply(buffers, sizeof(double)),
                      values * sizeof(real), buffers * sizeof(real)};
    size_t sum = 0;
    for (int i = 0; i < 4; i++) sum = size_add(sum, arena_rounded(bytes[i]));
    status result = arena_init(&average->arena, sum, "the average of the weights", err);
    if (result != STATUS_OK) return result;
    average->values = arena_take(&average->arena, bytes[0]);
    average->buffers = arena_take(&average->arena, bytes[1]);
    average->rounded_values = arena_take(&average->arena, bytes[2]);
    average->rounded_buffers = arena_take(&average->arena, bytes[3]);
    weight_average_update(average, parameters, 0);
    return STATUS_OK;
}

void weight_average_free(struct weight_average *average)
{
    arena_free(&average->arena);
    *average = (struct weight_average){0};
}

static void update_slab(double *restrict average, real *restrict rounded, const real *restrict present, size_t count,
                        double kept)
{
#pragma omp parallel for schedule(static)
    for (size_t i = 0; i < count; i++) {
        average[i] = kept * average[i] + (1 - kept) * (double)present[i];
        rounded[i] = (real)average[i];
    }
}

void weight_average_update(struct weight_average *average, const struct parameters *parameters, double decay)
{
    update_slab(average->values, average->rounded_values, parameters->values, parameters->value_count, decay);
    update_slab(average->buffers, average->rounded_buffers, parameters->buffers, parameters->buffer_count, decay);
}

void weight_average_round(struct weight_average *average, const struct parameters *parameters)
{
    for (size_t i = 0; i < parameters->value_count; i++) average->rounded_values[i] = (real)average->values[i];
    for (size_t i = 0; i < parameters->buffer_count; i++) average->rounded_buffers[i] = (real)average->buffers[i];
}

double weight_average_decay(double decay, uint64_t step)
{
    double early = (1 + (double)step) / (10 + (double)step);
    return early < decay ? early : decay;
}

struct model weight_average_view(const struct weight_average *average, const struct model *model)
{
    struct model view = *model;
    view.parameters.values = average->rounded_values;
    view.parameters.buffers = average->rounded_buffers;
    view.parameters.history = NULL;
    view.parameters.arena = (struct arena){0};
    return view;
}
