/* Scoring an anchor's candidates, in a training step and beside one. */
#include "rmfer/method/candidates.h"

#include "rmfer/base/threads.h"
#include "rmfer/nn/backbone.h"
#include "rmfer/nn/inference.h"
#include "rmfer/ops/contrastive.h"

struct candidate_scoring candidate_scoring_of(const struct heads *heads, size_t positives, size_t negatives,
                                              double kept_share)
{
    return (struct candidate_scoring){.heads = heads,
                                      .positives = positives,
                                      .negatives = negatives,
                                      .kept_positives = contrastive_kept(kept_share, positives),
                                      .kept_negatives = contrastive_kept(kept_share, negatives)};
}

void candidate_scoring_place(struct candidate_scoring *scoring, struct plan *plan)
{
    size_t drawn = 1 + scoring->positives + scoring->negatives, d = scoring->heads->features;
    heads_place_projected(&scoring->projected, drawn, d, plan);
    scoring->similarities = plan_reals(plan, drawn - 1);
}

void candidate_scoring_choose(struct candidate_scoring *scoring, const real *features, size_t *chosen)
{
    size_t positives = scoring->positives, d = scoring->heads->features;
    heads_project(scoring->heads, 1 + positives + scoring->negatives, features, scoring->projected);
    const real *anchor = scoring->projected.unit, *candidates = anchor + d;
    contrastive_choose(d, positives, anchor, candidates, false, scoring->kept_positives, chosen, scoring->similarities);
    contrastive_choose(d, scoring->negatives, anchor, candidates + positives * d, true, scoring->kept_negatives,
                       chosen + scoring->kept_positives, scoring->similarities + positives);
}

/* ---- a model that is looked at ---- */

struct candidate_scorer {
    struct model *model;
    struct candidate_setup setup;
    struct op_context context; /* for the heads: no scratch of its own */
    struct heads heads;
    struct candidate_scoring scoring;
    struct inference *inference; /* with running statistics, else backbone and pass */
    struct backbone *backbone;
    struct backbone_pass *pass;
    struct arena arena;
    size_t drawn;
    real *features, *weights, *mixed; /* [drawn,D], [drawn,drawn], [drawn,D] */
    size_t *chosen;
};

static void place(void *self, struct plan *plan)
{
    struct candidate_scorer *scorer = self;
    size_t d = scorer->heads.features, drawn = scorer->drawn;
    candidate_scoring_place(&scorer->scoring, plan);
    scorer->features = plan_reals(plan, drawn * d);
    scorer->weights = plan_reals(plan, drawn * drawn);
    scorer->mixed = plan_reals(plan, drawn * d);
    scorer->chosen = plan_take(plan, scorer->scoring.kept_positives + scorer->scoring.kept_negatives,
                               sizeof *scorer->chosen);
}

static status create_network(struct candidate_scorer *scorer, struct error *err)
{
    int rows = (int)scorer->drawn, side = scorer->setup.image_size;
    if (!scorer->setup.batch_statistics)
        return inference_create(&scorer->inference, &scorer->model->architecture, scorer->model->classes, rows, side,
                                err);
    status result = backbone_create(&scorer->backbone, scorer->model, 1, side, err);
    if (result != STATUS_OK) return result;
    return backbone_pass_create(&scorer->pass, scorer->backbone, PASS_SCORES, rows, err);
}

status candidate_scorer_create(struct candidate_scorer **out, struct model *model, const struct candidate_setup *setup,
                               struct error *err)
{
    *out = NULL;
    if (!model->has_heads) return error_set(err, "the model has no projection head, which attention needs");
    if (setup->positives < 1 || setup->negatives < 1)
        return error_set_usage(err, "at least one candidate of each kind is needed for an anchor");
    struct candidate_scorer *scorer = memory_allocate(1, sizeof *scorer, "the scoring of candidates", err);
    if (scorer == NULL) return STATUS_FAILED;
    scorer->model = model;
    scorer->setup = *setup;
    scorer->drawn = 1 + setup->positives + setup->negatives;
    scorer->context = op_context_of(kernels_best(), threads_get());
    heads_bind(&scorer->heads, &scorer->context, model);
    scorer->scoring = candidate_scoring_of(&scorer->heads, setup->positives, setup->negatives, setup->kept_share);
    status result = create_network(scorer, err);
    if (result == STATUS_OK) result = plan_arena_init(&scorer->arena, place, scorer, "the scoring of candidates", err);
    if (result != STATUS_OK) {
        candidate_scorer_free(scorer);
        return result;
    }
    *out = scorer;
    return STATUS_OK;
}

void candidate_scorer_free(struct candidate_scorer *scorer)
{
    if (scorer == NULL) return;
    backbone_pass_free(scorer->pass);
    backbone_free(scorer->backbone);
    inference_free(scorer->inference);
    arena_free(&scorer->arena);
    memory_free(scorer);
}

struct candidate_scores candidate_scorer_run(struct candidate_scorer *scorer, const real *images)
{
    struct candidate_scoring *scoring = &scorer->scoring;
    const struct attention attention = {scorer->drawn, scorer->heads.features, scorer->setup.temperature,
                                        heads_attention_mask(scorer->setup.self_mask)};
    const struct forward_options options = {0};
    if (scorer->inference != NULL) {
        inference_load(scorer->inference, scorer->model);
        inference_run(scorer->inference, images, (int)scorer->drawn, scorer->features, NULL);
    } else {
        backbone_forward(scorer->pass, &options, images, (int)scorer->drawn, scorer->features);
    }
    candidate_scoring_choose(scoring, scorer->features, scorer->chosen);
    attention_forward(&attention, scoring->projected.unit, scorer->features, scorer->weights, scorer->mixed);
    return (struct candidate_scores){.similarities = scoring->similarities,
                                     .attention = scorer->weights + 1,
                                     .chosen = scorer->chosen,
                                     .kept_positives = scoring->kept_positives,
                                     .kept_negatives = scoring->kept_negatives};
}
