/* SimCLR (Chen et al. 2020): of all pictures of a step a picture's partner is to be found, by cosine similarity of a
 * projection D -> D -> 128: NT-Xent over the 2N pictures of N pairs, tau .5 (.1 where a step has few).
 *
 *   L = w_l CE(labelled) + w (1 / 2N) sum_i -log( e^{s_ij/tau} / sum_{a != i} e^{s_ia/tau} ),  j the partner of i
 */
#include "method/methods.h"
#include "method/self_supervised.h"
#include "rmfer/ops/cosine.h"
#include "rmfer/ops/supervised_contrastive.h"

enum { PROJECTED = 128, VIEWS = 2 };

static const struct method_term terms[PAIR_TERMS] = {[TERM_FER] = {"fer", "FER"}, [PAIR_TERM] = {"simclr", "SimCLR"}};

struct simclr {
    struct self_supervised shared; /* the first, as self_supervised_bytes wants it */
    struct mlp head;
    double temperature;
    int32_t *groups; /* [2N], who belongs together */
    real *unit, *norm, *dunit, *dz, *similarities, *dfeatures;
};

static struct mlp_shape head_of(size_t features)
{
    return (struct mlp_shape){.name = "simclr", .layers = 2, .widths = {features, features, PROJECTED}};
}

static size_t simclr_heads(const struct config *config, size_t features, struct parameter *entries)
{
    struct mlp_shape shape = head_of(features);
    (void)config;
    return mlp_entries(&shape, entries);
}

static void place(void *self, struct plan *plan)
{
    struct simclr *simclr = self;
    size_t rows = VIEWS * simclr->shared.pairs;
    mlp_place(&simclr->head, rows, plan);
    simclr->groups = plan_take(plan, rows, sizeof *simclr->groups);
    simclr->unit = plan_reals(plan, rows * PROJECTED);
    simclr->norm = plan_reals(plan, rows);
    simclr->dunit = plan_reals(plan, rows * PROJECTED);
    simclr->dz = plan_reals(plan, rows * PROJECTED);
    simclr->similarities = plan_reals(plan, size_multiply(rows, rows));
    simclr->dfeatures = plan_reals(plan, rows * simclr->shared.pass.dimensions);
}

static status simclr_create(void **self, const struct method_setup *setup, struct error *err)
{
    *self = NULL;
    struct simclr *simclr = memory_allocate(1, sizeof *simclr, "the method", err);
    if (simclr == NULL) return STATUS_FAILED;
    status result = self_supervised_init(&simclr->shared, setup, VIEWS, err);
    if (result == STATUS_OK) {
        struct mlp_shape shape = head_of(simclr->shared.pass.dimensions);
        mlp_bind(&simclr->head, &shape, &simclr->shared.pass.context, setup->model);
        result = self_supervised_place(&simclr->shared, place, simclr, err);
    }
    if (result != STATUS_OK) {
        self_supervised_free_method(simclr);
        return result;
    }
    simclr->temperature = setup->config->simclr.temperature;
    for (size_t i = 0; i < VIEWS * simclr->shared.pairs; i++) simclr->groups[i] = (int32_t)(i % simclr->shared.pairs);
    *self = simclr;
    return STATUS_OK;
}

static void simclr_step(void *self, const struct method_step *step, struct step_outcome *outcome)
{
    struct simclr *simclr = self;
    struct self_supervised *shared = &simclr->shared;
    size_t pairs = shared->pairs, rows = VIEWS * pairs;
    struct supervised_contrastive loss = {rows, PROJECTED, simclr->temperature};
    const real *features = self_supervised_forward(shared, step, VIEWS, outcome);
    unit_rows_forward(rows, PROJECTED, mlp_forward(&simclr->head, rows, features), simclr->unit, simclr->norm);
    double term = supervised_contrastive_loss(&loss, simclr->unit, simclr->groups,
                                              step->gradient_scale * step->weights[PAIR_TERM], simclr->similarities,
                                              simclr->dunit);
    self_supervised_similarities(pairs, PROJECTED, simclr->unit, simclr->unit + pairs * PROJECTED, outcome);
    unit_rows_backward(rows, PROJECTED, simclr->unit, simclr->norm, simclr->dunit, simclr->dz);
    mlp_backward(&simclr->head, rows, features, simclr->dz, simclr->dfeatures);
    self_supervised_backward(shared, step, VIEWS, simclr->dfeatures, term, outcome);
}

const struct method method_simclr = {
    .name = "simclr",
    .terms = terms,
    .term_count = PAIR_TERMS,
    .figures = self_supervised_figures,
    .figure_count = PAIR_FIGURES,
    .mixes_pictures = true,
    .check = self_supervised_check,
    .phases = self_supervised_phases,
    .streams = self_supervised_streams,
    .heads = simclr_heads,
    .create = simclr_create,
    .free = self_supervised_free_method,
    .step = simclr_step,
    .bytes = self_supervised_bytes,
};
