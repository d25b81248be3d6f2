/* SimSiam (Chen and He 2021): each picture's prediction is to be its partner's projection, which carries no gradient.
 * Nothing pushes strangers apart; what keeps all from becoming one is that stop and the predictor.
 *
 *   L = w_l CE(labelled) - w/2 ( mean cos(h(z_1), z_2) + mean cos(h(z_2), z_1) )
 *
 * Projection z: D -> D -> D -> D with batch-norm behind every layer; predictor h: D -> D/4 -> D with batch-norm inside.
 * Batch-norm of the heads sees both pictures of all pairs together. */
#include "method/methods.h"
#include "method/self_supervised.h"
#include "rmfer/ops/cosine.h"

enum { VIEWS = 2 };

static const struct method_term terms[PAIR_TERMS] = {[TERM_FER] = {"fer", "FER"}, [PAIR_TERM] = {"simsiam", "SimSiam"}};

struct simsiam {
    struct self_supervised shared; /* the first, as self_supervised_bytes wants it */
    struct mlp projector, predictor;
    real *targets, *target_norm, *unit, *norm, *dunit, *dprediction, *dz, *dfeatures; /* [2N,D], norms [2N] */
};

static struct mlp_shape projector_of(size_t features)
{
    return (struct mlp_shape){.name = "simsiam.projector",
                              .layers = 3,
                              .widths = {features, features, features, features},
                              .normalises_hidden = true,
                              .normalises_output = true};
}

static struct mlp_shape predictor_of(size_t features)
{
    return (struct mlp_shape){.name = "simsiam.predictor",
                              .layers = 2,
                              .widths = {features, features / 4, features},
                              .normalises_hidden = true};
}

static size_t simsiam_heads(const struct config *config, size_t features, struct parameter *entries)
{
    struct mlp_shape projector = projector_of(features), predictor = predictor_of(features);
    (void)config;
    size_t count = mlp_entries(&projector, entries);
    return count + mlp_entries(&predictor, entries + count);
}

static void place(void *self, struct plan *plan)
{
    struct simsiam *simsiam = self;
    size_t rows = VIEWS * simsiam->shared.pairs, wide = rows * simsiam->shared.pass.dimensions;
    mlp_place(&simsiam->projector, rows, plan);
    mlp_place(&simsiam->predictor, rows, plan);
    simsiam->targets = plan_reals(plan, wide);
    simsiam->target_norm = plan_reals(plan, rows);
    simsiam->unit = plan_reals(plan, wide);
    simsiam->norm = plan_reals(plan, rows);
    simsiam->dunit = plan_reals(plan, wide);
    simsiam->dprediction = plan_reals(plan, wide);
    simsiam->dz = plan_reals(plan, wide);
    simsiam->dfeatures = plan_reals(plan, wide);
}

static status simsiam_create(void **self, const struct method_setup *setup, struct error *err)
{
    *self = NULL;
    struct simsiam *simsiam = memory_allocate(1, sizeof *simsiam, "the method", err);
    if (simsiam == NULL) return STATUS_FAILED;
    status result = self_supervised_init(&simsiam->shared, setup, VIEWS, err);
    if (result == STATUS_OK) {
        size_t features = simsiam->shared.pass.dimensions;
        struct mlp_shape projector = projector_of(features), predictor = predictor_of(features);
        mlp_bind(&simsiam->projector, &projector, &simsiam->shared.pass.context, setup->model);
        mlp_bind(&simsiam->predictor, &predictor, &simsiam->shared.pass.context, setup->model);
        result = self_supervised_place(&simsiam->shared, place, simsiam, err);
    }
    if (result != STATUS_OK) {
        self_supervised_free_method(simsiam);
        return result;
    }
    *self = simsiam;
    return STATUS_OK;
}

static void simsiam_step(void *self, const struct method_step *step, struct step_outcome *outcome)
{
    struct simsiam *simsiam = self;
    struct self_supervised *shared = &simsiam->shared;
    size_t pairs = shared->pairs, rows = VIEWS * pairs, d = shared->pass.dimensions;
    const double share = -0.5;
    const real *features = self_supervised_forward(shared, step, VIEWS, outcome);
    const real *z = mlp_forward(&simsiam->projector, rows, features);
    const real *prediction = mlp_forward(&simsiam->predictor, rows, z);
    unit_rows_forward(rows, d, z, simsiam->targets, simsiam->target_norm);
    unit_rows_forward(rows, d, prediction, simsiam->unit, simsiam->norm);
    double term = share * self_supervised_agreement(pairs, d, simsiam->unit, simsiam->targets,
                                                    share * step->gradient_scale * step->weights[PAIR_TERM],
                                                    simsiam->dunit);
    self_supervised_similarities(pairs, d, simsiam->targets, simsiam->targets + pairs * d, outcome);
    unit_rows_backward(rows, d, simsiam->unit, simsiam->norm, simsiam->dunit, simsiam->dprediction);
    mlp_backward(&simsiam->predictor, rows, z, simsiam->dprediction, simsiam->dz);
    mlp_backward(&simsiam->projector, rows, features, simsiam->dz, simsiam->dfeatures);
    self_supervised_backward(shared, step, VIEWS, simsiam->dfeatures, term, outcome);
}

const struct method method_simsiam = {
    .name = "simsiam",
    .terms = terms,
    .term_count = PAIR_TERMS,
    .figures = self_supervised_figures,
    .figure_count = PAIR_FIGURES,
    .mixes_pictures = true,
    .check = self_supervised_check,
    .phases = self_supervised_phases,
    .streams = self_supervised_streams,
    .heads = simsiam_heads,
    .create = simsiam_create,
    .free = self_supervised_free_method,
    .step = simsiam_step,
    .bytes = self_supervised_bytes,
};
