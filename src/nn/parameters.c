/* The registry: entries first, then one slab each for values, gradients and running statistics. */
#include "rmfer/nn/parameters.h"

#include <string.h>

status parameters_add(struct parameters *parameters, struct parameter entry, size_t *index, struct error *err)
{
    if (parameters->count == parameters->capacity) {
        size_t capacity = parameters->capacity == 0 ? 128 : 2 * parameters->capacity;
        struct parameter *items =
            memory_grow(parameters->items, parameters->count, capacity, sizeof *items, "the parameter registry", err);
        if (items == NULL) return STATUS_FAILED;
        parameters->items = items;
        parameters->capacity = capacity;
    }
    entry.count = 1;
    for (int i = 0; i < entry.rank; i++) entry.count = size_multiply(entry.count, entry.shape[i]);
    size_t *slab = entry.is_buffer ? &parameters->buffer_count : &parameters->value_count;
    entry.offset = *slab;
    *slab = size_add(*slab, entry.count);
    if (index != NULL) *index = parameters->count;
    parameters->items[parameters->count++] = entry;
    return STATUS_OK;
}

status parameters_allocate(struct parameters *parameters, struct error *err)
{
    size_t values = arena_rounded(size_multiply(parameters->value_count, sizeof(real)));
    size_t buffers = arena_rounded(size_multiply(parameters->buffer_count, sizeof(real)));
    status result =
        arena_reserve(&parameters->arena, size_add(size_multiply(values, 2), buffers), "the parameters", err);
    if (result != STATUS_OK) return result;
    parameters->values = arena_take(&parameters->arena, values);
    parameters->gradients = arena_take(&parameters->arena, values);
    parameters->buffers = arena_take(&parameters->arena, buffers);
    return STATUS_OK;
}

void parameters_free(struct parameters *parameters)
{
    memory_free(parameters->items);
    arena_free(&parameters->arena);
    *parameters = (struct parameters){0};
}

const struct parameter *parameters_find(const struct parameters *parameters, const char *name)
{
    for (size_t i = 0; i < parameters->count; i++)
        if (strcmp(parameters->items[i].name, name) == 0) return &parameters->items[i];
    return NULL;
}

real *parameter_values(const struct parameters *parameters, const struct parameter *entry)
{
    return (entry->is_buffer ? parameters->buffers : parameters->values) + entry->offset;
}

real *parameter_gradients(const struct parameters *parameters, const struct parameter *entry)
{
    return entry->is_buffer ? NULL : parameters->gradients + entry->offset;
}

void parameters_zero_gradients(struct parameters *parameters)
{
    memset(parameters->gradients, 0, parameters->value_count * sizeof *parameters->gradients);
}
