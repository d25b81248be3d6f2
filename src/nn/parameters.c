/* The registry: entries first, then one slab each for values, gradients and running statistics. */
#include "rmfer/nn/parameters.h"

#include <math.h>
#include <string.h>

status parameters_add(struct parameters *parameters, struct parameter entry, size_t *index, struct error *err)
{
    if (parameters->count == parameters->capacity) {
        size_t capacity = parameters->capacity == 0 ? 128 : 2 * parameters->capacity;
        struct parameter *items = memory_grow(parameters->items, parameters->count, capacity, sizeof *items,
                                              "the parameter registry", err);
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
    size_t gradients = parameters->without_gradients ? 0 : values;
    size_t slabs = size_add(size_add(values, gradients), buffers), history = arena_rounded(sizeof *parameters->history);
    status result = memory_require(size_add(values, buffers), "the parameters", err);
    if (result == STATUS_OK)
        result = arena_reserve(&parameters->arena, size_add(slabs, history), "the parameters", err);
    if (result != STATUS_OK) return result;
    parameters->values = arena_take(&parameters->arena, values);
    if (!parameters->without_gradients) parameters->gradients = arena_take(&parameters->arena, gradients);
    parameters->buffers = arena_take(&parameters->arena, buffers);
    parameters->history = arena_take(&parameters->arena, history);
    /* Another reservation in the same place comes later, and so with a higher count. */
    parameters->history->birth = memory_allocation_count();
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

const real *parameter_values(const struct parameters *parameters, const struct parameter *entry)
{
    return (entry->is_buffer ? parameters->buffers : parameters->values) + entry->offset;
}

/* ---- writing ----------------------------------------------------------------------------------------------------- */

real *parameters_write(struct parameters *parameters, enum parameter_group group)
{
    BUG_UNLESS(parameters->history != NULL);
    parameters->history->value_writes[group]++;
    return (real *)(uintptr_t)parameters->values;
}

real *parameters_write_buffers(struct parameters *parameters)
{
    BUG_UNLESS(parameters->history != NULL);
    parameters->history->buffer_writes++;
    return (real *)(uintptr_t)parameters->buffers;
}

real *parameter_write(struct parameters *parameters, const struct parameter *entry)
{
    real *slab = entry->is_buffer ? parameters_write_buffers(parameters) : parameters_write(parameters, entry->group);
    return slab + entry->offset;
}

struct parameters_stamp parameters_stamp(const struct parameters *parameters, enum parameter_group group)
{
    const struct parameters_history *history = parameters->history;
    if (history == NULL) return (struct parameters_stamp){0};
    return (struct parameters_stamp){history, history->birth, history->value_writes[group]};
}

struct parameters_stamp parameters_stamp_buffers(const struct parameters *parameters)
{
    const struct parameters_history *history = parameters->history;
    if (history == NULL) return (struct parameters_stamp){0};
    return (struct parameters_stamp){history, history->birth, history->buffer_writes};
}

bool parameters_stamps_equal(struct parameters_stamp a, struct parameters_stamp b)
{
    return a.birth != 0 && a.history == b.history && a.birth == b.birth && a.writes == b.writes;
}

bool parameter_name_ends_with(const struct parameter *entry, const char *ending)
{
    size_t length = strlen(entry->name), wanted = strlen(ending);
    return length >= wanted && strcmp(entry->name + length - wanted, ending) == 0;
}

bool parameter_is_running_variance(const struct parameter *entry)
{
    return parameter_name_ends_with(entry, ".running_var");
}

/* A variance has a root taken. */
static const char *what_is_wrong(const struct parameter *entry, real value)
{
    if (!isfinite(value)) return "a value that is not finite (NaN or infinity)";
    return value < 0 && parameter_is_running_variance(entry) ? "a negative variance" : NULL;
}

const struct parameter *parameters_find_unusable(const struct parameters *parameters, const char **why)
{
    for (size_t i = 0; i < parameters->count; i++) {
        const struct parameter *entry = &parameters->items[i];
        const real *values = parameter_values(parameters, entry);
        for (size_t j = 0; j < entry->count; j++) {
            *why = what_is_wrong(entry, values[j]);
            if (*why != NULL) return entry;
        }
    }
    return NULL;
}

/* ---- gradients --------------------------------------------------------------------------------------------------- */

real *parameter_gradients(const struct parameters *parameters, const struct parameter *entry)
{
    return entry->is_buffer ? NULL : parameters->gradients + entry->offset;
}

void parameters_zero_gradients(struct parameters *parameters)
{
    memset(parameters->gradients, 0, parameters->value_count * sizeof *parameters->gradients);
}
