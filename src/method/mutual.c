/* The mutual loss's head and its surroundings. The loss itself is ops/mutual_contrastive.c's. */
#include "method/mutual.h"

#include "rmfer/ops/cosine.h"

enum { PROJECTED = 128 }; /* numbers that the loss compares faces by */

static struct mlp_shape head_of(size_t features)
{
    return (struct mlp_shape){.name = "mutual", .layers = 2, .widths = {features, features, PROJECTED}};
}

size_t mutual_head(size_t features, struct parameter *entries)
{
    struct mlp_shape head = head_of(features);
    return mlp_entries(&head, entries);
}

status mutual_check(const struct config *config, struct error *err)
{
    /* e^(-2/tau) must stay above what a double can hold. */
    if (config->acl.temperature < 0.005)
        return error_set_usage(err, "acl.temperature = %g: acl.loss = mutual needs at least 0.005 (0.1 is usual)",
                               config->acl.temperature);
    if (config->rmset.grouping == GROUPING_NONE && (!config->augment.enabled || !config->rmset.augment))
        return error_set_usage(err,
                               "rmset.grouping = none: without augmentation a face's positives are the same picture "
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

const char *mutual_moves(const struct config *config)
{
    return config->acl.weight > 0 && config->acl.ramp > 0 ? "acl.ramp" : NULL;
}

void mutual_bind(struct mutual *mutual, const struct op_context *context, const struct model *model,
                 const struct mutual_contrastive *setup)
{
    struct mlp_shape head = head_of((size_t)model->architecture.features);
    *mutual = (struct mutual){.setup = *setup};
    mlp_bind(&mutual->head, &head, context, model);
}

void mutual_place(struct mutual *mutual, struct plan *plan)
{
    size_t rows = mutual->setup.n, narrow = rows * mutual->setup.d;
    mlp_place(&mutual->head, rows, plan);
    mutual->unit = plan_reals(plan, narrow);
    mutual->dunit = plan_reals(plan, narrow);
    mutual->dz = plan_reals(plan, narrow);
    mutual->norm = plan_reals(plan, rows);
    mutual->room.similarity = plan_reals(plan, rows * rows);
    mutual->room.slopes = plan_reals(plan, rows * rows);
}

double mutual_run(struct mutual *mutual, size_t rows, const real *features, const real *guesses,
                  const unsigned char *apart, double scale, real *dfeatures, struct mutual_similarities *similarities)
{
    struct mutual_contrastive setup = mutual->setup;
    setup.n = rows;
    unit_rows_forward(rows, setup.d, mlp_forward(&mutual->head, rows, features), mutual->unit, mutual->norm);
    double loss = mutual_contrastive_loss(&setup, mutual->unit, guesses, apart, scale, mutual->dunit, mutual->room,
                                          similarities);
    unit_rows_backward(rows, setup.d, mutual->unit, mutual->norm, mutual->dunit, mutual->dz);
    mlp_backward(&mutual->head, rows, features, mutual->dz, dfeatures);
    return loss;
}
