/* The mutual loss's head and its surroundings. The loss itself is ops/mutual_contrastive.c's. */
#include "method/mutual.h"

#include "method/bind.h"
#include "rmfer/ops/cosine.h"

#include <stdio.h>
#include <string.h>

enum { PROJECTED = 128 }; /* numbers that the loss compares faces by */

static const char *const head_names[MUTUAL_HEAD_ENTRIES] = {"mutual.0.weight", "mutual.0.bias", "mutual.2.weight",
                                                            "mutual.2.bias"};

size_t mutual_head(size_t features, struct parameter *entries)
{
    for (size_t i = 0; i < MUTUAL_HEAD_ENTRIES; i++) {
        bool is_weight = i % 2 == 0;
        entries[i] = (struct parameter){.rank = is_weight ? 2 : 1, .decays = is_weight};
        snprintf(entries[i].name, sizeof entries[i].name, "%s", head_names[i]);
        entries[i].shape[0] = i < 2 ? features : PROJECTED;
        if (is_weight) entries[i].shape[1] = features;
    }
    return MUTUAL_HEAD_ENTRIES;
}

status mutual_check(const struct config *config, struct error *err)
{
    /* e^(-2/tau) must stay above what a double can hold. */
    if (config->acl.temperature < 0.005)
        return error_set_usage(err, "acl.temperature = %g: acl.loss = mutual needs at least 0.005 (0.1 is usual)",
                               config->acl.temperature);
    if (config->rmset.grouping == GROUPING_NONE && (!config->augment.enabled || !config->rmset.augment))
        return error_set_usage(err, "rmset.grouping = none: without augmentation a face's positives are the same picture "
                                    "(rmset.augment = true and augment.enabled = true)");
    return STATUS_OK;
}

struct mutual_contrastive mutual_setup(const struct config *config, const struct model *model,
                                       const double *class_shares)
{
    struct mutual_contrastive setup = {.n = (size_t)config->acl.moments * (size_t)config->acl.persons,
                                       .d = PROJECTED,
                                       .classes = (size_t)model->classes,
                                       .persons = (size_t)config->acl.persons,
                                       .temperature = config->acl.temperature,
                                       .hardness = config->acl.beta};
    for (size_t c = 0; config->acl.debias && c < setup.classes; c++) setup.chance += class_shares[c] * class_shares[c];
    if (setup.chance > 0.9) setup.chance = 0.9; /* labels of one class: nothing would be left to push away */
    return setup;
}

double mutual_ramp(const struct config *config, double progress, double joins)
{
    if (config->acl.ramp <= 0 || progress >= joins + config->acl.ramp) return 1;
    return progress <= joins ? 0 : (progress - joins) / config->acl.ramp;
}

static struct linear layer_of(const struct model *model, size_t entry)
{
    const struct parameters *all = &model->parameters;
    const struct parameter *weight = parameters_find(all, head_names[entry]),
                           *bias = parameters_find(all, head_names[entry + 1]);
    BUG_UNLESS(weight != NULL && bias != NULL);
    return bind_linear(model, (struct linear_indices){(size_t)(weight - all->items), (size_t)(bias - all->items)});
}

void mutual_bind(struct mutual *mutual, const struct op_context *context, const struct model *model,
                 const struct mutual_contrastive *setup)
{
    *mutual = (struct mutual){
        .context = context, .first = layer_of(model, 0), .second = layer_of(model, 2), .setup = *setup};
}

void mutual_place(struct mutual *mutual, struct plan *plan)
{
    size_t rows = mutual->setup.n, wide = rows * mutual->first.output, narrow = rows * mutual->setup.d;
    mutual->hidden = plan_reals(plan, wide);
    mutual->dhidden = plan_reals(plan, wide);
    mutual->z = plan_reals(plan, narrow);
    mutual->unit = plan_reals(plan, narrow);
    mutual->dunit = plan_reals(plan, narrow);
    mutual->dz = plan_reals(plan, narrow);
    mutual->norm = plan_reals(plan, rows);
    mutual->room.similarity = plan_reals(plan, rows * rows);
    mutual->room.slopes = plan_reals(plan, rows * rows);
}

double mutual_run(struct mutual *mutual, size_t rows, const real *features, const real *guesses,
                  const unsigned char *apart, double scale, real *dfeatures,
                  struct mutual_similarities *similarities)
{
    struct mutual_contrastive setup = mutual->setup;
    size_t wide = rows * mutual->first.output;
    setup.n = rows;
    linear_forward(mutual->context, &mutual->first, rows, features, mutual->hidden);
    for (size_t i = 0; i < wide; i++)
        if (mutual->hidden[i] < 0) mutual->hidden[i] = 0; /* a NaN stays */
    linear_forward(mutual->context, &mutual->second, rows, mutual->hidden, mutual->z);
    unit_rows_forward(rows, setup.d, mutual->z, mutual->unit, mutual->norm);
    double loss = mutual_contrastive_loss(mutual->context, &setup, mutual->unit, guesses, apart, scale, mutual->dunit,
                                          mutual->room, similarities);
    unit_rows_backward(rows, setup.d, mutual->unit, mutual->norm, mutual->dunit, mutual->dz);
    linear_backward(mutual->context, &mutual->second, rows, mutual->hidden, mutual->dz, mutual->dhidden);
    for (size_t i = 0; i < wide; i++)
        if (mutual->hidden[i] <= 0) mutual->dhidden[i] = 0;
    linear_backward(mutual->context, &mutual->first, rows, features, mutual->dhidden, dfeatures);
    return loss;
}
