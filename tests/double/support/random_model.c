/* Models of random numbers for central differences. */
#include "double/support/random_model.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

void make_model(struct workbench *bench, struct model *model, bool same_padding, int repeats, bool with_heads)
{
    struct architecture architecture;
    assert_int_equal(architecture_tiny(&architecture, same_padding, 16, repeats, NULL), STATUS_OK);
    const struct model_heads heads = {.attention = with_heads, .affect = with_heads};
    assert_int_equal(model_create_with(model, &architecture, 3, &heads, NULL), STATUS_OK);
    model_initialise(model, 3);
    struct parameters *all = &model->parameters;
    /* Scales of 1 and shifts of 0 would hide mistakes. */
    for (size_t i = 0; i < all->count; i++)
        if (!all->items[i].is_buffer)
            for (size_t j = 0; j < all->items[i].count; j++)
                parameter_write(all, &all->items[i])[j] += (real)(0.1 * random_normal(&bench->random));
    real *buffers = parameters_write_buffers(all);
    for (size_t i = 0; i < all->buffer_count; i++) buffers[i] += (real)(0.3 * random_uniform(&bench->random));
}

/* What the gradients are before a backward pass, so that adding shows. */
real *stir_gradients(struct workbench *bench, struct model *model)
{
    size_t count = model->parameters.value_count;
    real *before = workbench_normal(bench, count, 0, 0.1);
    memcpy(model->parameters.gradients, before, count * sizeof *before);
    return before;
}

/* Every tensor of the groups first .. last. */
void assert_model_gradients(struct workbench *bench, struct gradient_check check, struct model *model,
                            const real *before, enum parameter_group first, enum parameter_group last)
{
    for (size_t i = 0; i < model->parameters.count; i++) {
        const struct parameter *entry = &model->parameters.items[i];
        if (entry->is_buffer || entry->group < first || entry->group > last) continue;
        assert_gradient(bench, &check, entry->name, parameter_write(&model->parameters, entry),
                        parameter_gradients(&model->parameters, entry), before + entry->offset, entry->count);
    }
}

void assert_sampled_gradients(struct workbench *bench, const struct gradient_check *check, struct model *model,
                              const real *gradients, size_t every)
{
    for (size_t i = 0; i < model->parameters.count; i++) {
        const struct parameter *entry = &model->parameters.items[i];
        if (entry->is_buffer || (entry->group == GROUP_BACKBONE && i % every != 0)) continue;
        assert_gradient(bench, check, entry->name, parameter_write(&model->parameters, entry),
                        gradients + entry->offset, NULL, entry->count);
    }
}

void announce_change(struct model *model)
{
    for (int group = 0; group < GROUP_COUNT; group++) parameters_write(&model->parameters, (enum parameter_group)group);
}
