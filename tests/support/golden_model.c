/* Tensor by tensor, with the gradients that vanish measured against the whole. */
#include "support/golden_model.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* The shift of the batch-norm that ends a block is taken away by the next batch-norm: its gradient is zero, or where
 * padding shows it a small rest of large terms. What float leaves of it is measured against the whole gradient. */
#define VANISHING       1e-9
#define VANISHING_BOUND 1e-6

void golden_fill_model(struct model *model, double running_variance)
{
    struct parameters *parameters = &model->parameters;
    for (size_t i = 0; i < parameters->count; i++) {
        const struct parameter *item = &parameters->items[i];
        golden_parameter(item->name, item->shape, item->rank, item->count, running_variance,
                         parameter_write(parameters, item));
    }
}

static double length_of(const float *values, size_t count)
{
    double sum = 0;
    for (size_t i = 0; i < count; i++) sum += (double)values[i] * (double)values[i];
    return sqrt(sum);
}

static double real_length(const real *values, size_t count)
{
    double sum = 0;
    for (size_t i = 0; i < count; i++) sum += (double)values[i] * (double)values[i];
    return sqrt(sum);
}

/* The length of the whole gradient, as stored. */
static double whole_length(const struct golden *golden, const char *prefix)
{
    double sum = 0;
    const char *name;
    for (size_t i = 0; (name = golden_tensor_name(golden, i)) != NULL; i++) {
        if (strncmp(name, prefix, strlen(prefix)) != 0) continue;
        size_t count;
        const float *values = golden_tensor(golden, name, &count);
        double length = length_of(values, count);
        sum += length * length;
    }
    return sqrt(sum);
}

static bool ends_a_block(const char *name)
{
    bool in_first_stage = strncmp(name, "blocks.0.", 9) == 0;
    return strstr(name, ".bn3.bias") != NULL || (in_first_stage && strstr(name, ".bn2.bias") != NULL);
}

/* A tensor without (or with next to no) gradient in PyTorch: exactly zero here where it takes no part. */
static void check_no_gradient(struct golden_comparison *c, const char *name, const real *got, size_t count,
                              double allowed)
{
    double length = real_length(got, count);
    if (length <= allowed) return;
    printf("%s: length %.2e, expected none (at most %.1e)\n", name, length, allowed);
    c->agrees = false;
}

static void compare_gradient(struct golden_comparison *c, const struct model *model, const struct parameter *item,
                             const char *prefix, double whole, double bound)
{
    char name[96];
    size_t stored;
    snprintf(name, sizeof name, "%.20s%s", prefix, item->name);
    const real *got = parameter_gradients(&model->parameters, item);
    const float *expected = golden_tensor(c->golden, name, &stored);
    if (expected == NULL) {
        check_no_gradient(c, name, got, item->count, 0);
        return;
    }
    double length = length_of(expected, stored), error = 0, allowed = bound;
    if (length <= VANISHING * whole) {
        check_no_gradient(c, name, got, item->count, VANISHING_BOUND * whole);
        return;
    }
    if (ends_a_block(item->name)) allowed = fmax(bound, VANISHING_BOUND * whole / length);
    if (!golden_matches(c->golden, name, got, item->count, allowed, &error)) c->agrees = false;
    if (allowed > bound || error <= c->worst_gradient) return;
    c->worst_gradient = error;
    snprintf(c->worst_name, sizeof c->worst_name, "%s", item->name);
}

void golden_compare_gradients(struct golden_comparison *comparison, const struct model *model, const char *prefix,
                              double bound)
{
    double whole = whole_length(comparison->golden, prefix);
    for (size_t i = 0; i < model->parameters.count; i++)
        if (!model->parameters.items[i].is_buffer)
            compare_gradient(comparison, model, &model->parameters.items[i], prefix, whole, bound);
}

void golden_compare_buffers(struct golden_comparison *comparison, const struct model *model, double bound)
{
    const struct parameters *parameters = &model->parameters;
    for (size_t i = 0; i < parameters->count; i++) {
        const struct parameter *item = &parameters->items[i];
        char name[96];
        size_t count;
        snprintf(name, sizeof name, "buffer.%s", item->name);
        if (!item->is_buffer || golden_tensor(comparison->golden, name, &count) == NULL) continue;
        if (!golden_matches(comparison->golden, name, parameter_values(parameters, item), item->count, bound,
                            &comparison->worst_buffer))
            comparison->agrees = false;
    }
}

void golden_compare_loss(struct golden_comparison *comparison, size_t index, int step, const char *name, double got)
{
    size_t count;
    const float *expected = golden_tensor(comparison->golden, "losses", &count);
    BUG_UNLESS(expected != NULL && index < count);
    double wanted = (double)expected[index];
    if (fabs(got - wanted) <= GOLDEN_LOSS_BOUND * (1 + fabs(wanted))) return;
    printf("step %d: loss %s is %.7g, expected %.7g\n", step, name, got, wanted);
    comparison->agrees = false;
}
