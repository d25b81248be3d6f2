/* BYOL, bootstrap your own latent (Grill et al. 2020): each picture's prediction is to be what a teacher, a moving
 * average of the student, projects its partner to. The teacher's decay rises from `momentum` to 1 by a cosine over the
 * run.
 *
 *   L = w_l CE(labelled) + w ( mean (2 - 2 cos(h(z_1), z'_2)) + mean (2 - 2 cos(h(z_2), z'_1)) )
 *
 * Projection z: D -> D -> 256, predictor h: 256 -> D -> 256, both with batch-norm inside; z' is the teacher's
 * projection. Batch-norm of the heads sees both pictures of all pairs together. */
#include "method/methods.h"
#include "method/momentum_teacher.h"
#include "method/self_supervised.h"
#include "rmfer/ops/cosine.h"

#include <math.h>
#include <string.h>

enum { PROJECTED = 256, VIEWS = 2 };

static const double PI = 3.14159265358979323846;

static const struct method_term terms[PAIR_TERMS] = {[TERM_FER] = {"fer", "FER"}, [PAIR_TERM] = {"byol", "BYOL"}};

struct byol {
    struct self_supervised shared;
    struct momentum_teacher teacher;
    struct mlp projector, predictor, teacher_projector;
    struct model *student;
    double momentum;
    real *targets, *unit, *norm, *dunit, *dprediction, *dz; /* [2N,256], norm [2N] */
    real *dfeatures;                                        /* [2N,D] */
};

static struct mlp_shape projector_of(size_t features)
{
    return (struct mlp_shape){
        .name = "byol.projector", .layers = 2, .widths = {features, features, PROJECTED}, .normalises_hidden = true};
}

static struct mlp_shape predictor_of(size_t features)
{
    return (struct mlp_shape){
        .name = "byol.predictor", .layers = 2, .widths = {PROJECTED, features, PROJECTED}, .normalises_hidden = true};
}

static size_t byol_heads(const struct config *config, size_t features, struct parameter *entries)
{
    struct mlp_shape projector = projector_of(features), predictor = predictor_of(features);
    (void)config;
    size_t count = mlp_entries(&projector, entries);
    return count + mlp_entries(&predictor, entries + count);
}

static void byol_free(void *self)
{
    struct byol *byol = self;
    if (byol == NULL) return;
    momentum_teacher_free(&byol->teacher);
    self_supervised_free(&byol->shared);
    memory_free(byol);
}

static void place(void *self, struct plan *plan)
{
    struct byol *byol = self;
    size_t rows = VIEWS * byol->shared.pairs, wide = rows * PROJECTED;
    mlp_place(&byol->projector, rows, plan);
    mlp_place(&byol->predictor, rows, plan);
    mlp_place(&byol->teacher_projector, rows, plan);
    byol->targets = plan_reals(plan, wide);
    byol->unit = plan_reals(plan, wide);
    byol->norm = plan_reals(plan, rows);
    byol->dunit = plan_reals(plan, wide);
    byol->dprediction = plan_reals(plan, wide);
    byol->dz = plan_reals(plan, wide);
    byol->dfeatures = plan_reals(plan, rows * byol->shared.pass.dimensions);
}

static void bind(struct byol *byol, const struct model *student)
{
    const struct op_context *context = &byol->shared.pass.context;
    size_t features = byol->shared.pass.dimensions;
    struct mlp_shape projector = projector_of(features), predictor = predictor_of(features);
    mlp_bind(&byol->projector, &projector, context, student);
    mlp_bind(&byol->predictor, &predictor, context, student);
    mlp_bind(&byol->teacher_projector, &projector, context, &byol->teacher.model);
}

static status byol_create(void **self, const struct method_setup *setup, struct error *err)
{
    int side = (int)setup->config->data.image_size;
    *self = NULL;
    struct byol *byol = memory_allocate(1, sizeof *byol, "the method", err);
    if (byol == NULL) return STATUS_FAILED;
    byol->student = setup->model;
    byol->momentum = setup->config->byol.momentum;
    status result = self_supervised_init(&byol->shared, setup, VIEWS, err);
    if (result == STATUS_OK)
        result = momentum_teacher_init(&byol->teacher, setup->model, VIEWS * byol->shared.pairs, side, err);
    if (result == STATUS_OK) {
        bind(byol, setup->model);
        result = self_supervised_place(&byol->shared, place, byol, err);
    }
    if (result != STATUS_OK) {
        byol_free(byol);
        return result;
    }
    *self = byol;
    return STATUS_OK;
}

/* The teacher's unit projections of all pictures. */
static void make_targets(struct byol *byol, const struct method_step *step)
{
    struct self_supervised *shared = &byol->shared;
    size_t pairs = shared->pairs, rows = VIEWS * pairs;
    for (size_t row = 0; row < rows; row++)
        memcpy(momentum_teacher_image(&byol->teacher, row),
               self_supervised_picture(shared, step, row / pairs, row % pairs),
               shared->pass.image_reals * sizeof(real));
    const real *features = momentum_teacher_forward(&byol->teacher, step);
    unit_rows_forward(rows, PROJECTED, mlp_forward(&byol->teacher_projector, rows, features), byol->targets,
                      byol->norm);
}

static void byol_step(void *self, const struct method_step *step, struct step_outcome *outcome)
{
    struct byol *byol = self;
    struct self_supervised *shared = &byol->shared;
    size_t pairs = shared->pairs, rows = VIEWS * pairs;
    const double share = -2;
    make_targets(byol, step);
    const real *features = self_supervised_forward(shared, step, VIEWS, outcome);
    const real *z = mlp_forward(&byol->projector, rows, features);
    unit_rows_forward(rows, PROJECTED, mlp_forward(&byol->predictor, rows, z), byol->unit, byol->norm);
    double term = 4 + share * self_supervised_agreement(pairs, PROJECTED, byol->unit, byol->targets,
                                                        share * step->gradient_scale * step->weights[PAIR_TERM],
                                                        byol->dunit);
    self_supervised_similarities(pairs, PROJECTED, byol->targets, byol->targets + pairs * PROJECTED, outcome);
    unit_rows_backward(rows, PROJECTED, byol->unit, byol->norm, byol->dunit, byol->dprediction);
    mlp_backward(&byol->predictor, rows, z, byol->dprediction, byol->dz);
    mlp_backward(&byol->projector, rows, features, byol->dz, byol->dfeatures);
    self_supervised_backward(shared, step, VIEWS, byol->dfeatures, term, outcome);
}

static void byol_after_update(void *self, double progress)
{
    struct byol *byol = self;
    double decay = 1 - (1 - byol->momentum) * (1 + cos(PI * progress)) / 2;
    momentum_teacher_update(&byol->teacher, byol->student, decay);
}

static size_t byol_memories(void *self, struct method_memory *memories)
{
    struct byol *byol = self;
    return momentum_teacher_memories(&byol->teacher, memories);
}

static struct method_bytes byol_bytes(const void *self)
{
    const struct byol *byol = self;
    struct method_bytes bytes = self_supervised_bytes(&byol->shared);
    bytes.scratch += momentum_teacher_bytes(&byol->teacher).scratch;
    return bytes;
}

/* Its decay rises to 1 at the run's end. */
static const char *byol_moves(const struct config *config)
{
    (void)config;
    return "byol.momentum";
}

const struct method method_byol = {
    .name = "byol",
    .terms = terms,
    .term_count = PAIR_TERMS,
    .figures = self_supervised_figures,
    .figure_count = PAIR_FIGURES,
    .mixes_pictures = true,
    .check = self_supervised_check,
    .moves_with_progress = byol_moves,
    .phases = self_supervised_phases,
    .streams = self_supervised_streams,
    .heads = byol_heads,
    .create = byol_create,
    .free = byol_free,
    .step = byol_step,
    .after_update = byol_after_update,
    .memories = byol_memories,
    .bytes = byol_bytes,
};
