/* RMFER's row of the table: FER and IAL (and with va.weight valence and arousal) on the labelled pictures, from
 * train.warmup_epochs on ACL on draws of the RMset, or with acl.loss = mutual on its moments.
 *
 * Rates. Phase 1: the backbone and f_FER learn at train.lr, the projection H and f_IAL at train.lr_ial. Phase 2: all
 * four at train.lr_contrastive with train.phase2_lr = contrastive, as before with `same`; so too where acl.weight is 0,
 * the row of the ablation. A group that no loss of a phase reaches is frozen, so that weight decay does not shrink it:
 * f_IAL without IAL, H without IAL and ACL, the backbone with freeze_backbone. */
#include "rmfer/method/rmfer.h"

#include "method/methods.h"
#include "rmfer/method/affect_head.h"
#include "method/mutual.h"
#include "method/saved_storage.h"
#include "method/scoring_cache.h"
#include "rmfer/base/memory.h"

#include <math.h>

/* Streams, in the order of rmfer_streams. */
enum { LABELLED, DRAWS }; /* with acl.loss = mutual the draws are moments */

enum { ACCURACY, IAL_ACCURACY, SAME_CLASS, DIFFERENT_CLASS, MOMENT, OTHERS, FER_GRADIENT, IAL_GRADIENT, ACL_GRADIENT };

static const struct method_term terms[RMFER_TERMS] = {{"fer", "FER"}, {"ial", "IAL"}, {"acl", "ACL"}, AFFECT_TERM};

static const struct method_figure figures[] = {
    [ACCURACY] = {"accuracy", -1},
    [IAL_ACCURACY] = {"ial_accuracy", RMFER_IAL},
    [SAME_CLASS] = {"same_class_similarity", RMFER_IAL},
    [DIFFERENT_CLASS] = {"different_class_similarity", RMFER_IAL},
    [MOMENT] = {"moment_similarity", RMFER_ACL}, /* mutual: mean cosine within moments, ... */
    [OTHERS] = {"other_similarity", RMFER_ACL},  /* ... and to negatives */
    [FER_GRADIENT] = {"fer_gradient", -1},       /* lengths of gradients at the features */
    [IAL_GRADIENT] = {"ial_gradient", RMFER_IAL},
    [ACL_GRADIENT] = {"acl_gradient", RMFER_ACL},
};

struct rmfer {
    struct train_step *step;
    struct objective objective; /* what steps do not change */
    size_t *choices;            /* [places, chosen]: what attention kept, for SAM's second pass */
    size_t chosen;              /* of all anchors of a batch */
    const struct config *config;
    const struct rmset_index *index;
    unsigned char *apart; /* [rows,rows] of a step's moments */
    real *guesses;        /* [places, rows, classes] of their faces */
    size_t places, rows, classes;
    struct scoring_cache *cache; /* acl.scoring = cached */
};

static bool is_mutual(const struct config *config)
{
    return config_has_acl(config) && config->acl.loss == ACL_LOSS_MUTUAL;
}

static bool is_cached(const struct config *config)
{
    return config_has_acl(config) && config->acl.scoring == SCORING_CACHED;
}

/* What is remembered of a face is one feature. */
static status check_cached(const struct config *config, struct error *err)
{
    if (is_mutual(config)) return error_set_usage(err, "acl.scoring = cached: acl.loss = mutual scores no candidates");
    if (config->acl.scoring_bn == SCORING_BN_TRAIN)
        return error_set_usage(
            err, "acl.scoring = cached: with acl.scoring_bn = train a face's feature depends on the others "
                 "of its draw (acl.scoring_bn = eval)");
    if (config->augment.enabled && config->rmset.augment)
        return error_set_usage(
            err, "acl.scoring = cached: one feature of a face is remembered, so its picture must always be "
                 "the same (rmset.augment = false)");
    return STATUS_OK;
}

static status rmfer_check(const struct config *config, struct error *err)
{
    status result = is_cached(config) ? check_cached(config, err) : STATUS_OK;
    return result == STATUS_OK && is_mutual(config) ? mutual_check(config, err) : result;
}

enum self_mask self_mask_of(enum config_self_mask mask)
{
    switch (mask) {
    case CONFIG_SELF_MASK_EXCLUDE: return SELF_MASK_EXCLUDE;
    case CONFIG_SELF_MASK_LITERAL: return SELF_MASK_LITERAL;
    case CONFIG_SELF_MASK_NONE: return SELF_MASK_NONE;
    }
    return SELF_MASK_EXCLUDE;
}

/* ---- phases and streams ---- */

static void set_rates(struct phase *phase, const struct config *config)
{
    const struct config_train *train = &config->train;
    bool mutual = is_mutual(config);
    bool one_rate = phase->number == 2 && train->phase2_lr == PHASE2_LR_CONTRASTIVE;
    double base = one_rate ? train->lr_contrastive : train->lr,
           heads = one_rate ? train->lr_contrastive : train->lr_ial;
    bool ial = phase->weights[RMFER_IAL] > 0, acl = phase->weights[RMFER_ACL] > 0;
    struct optimizer_rates *rates = &phase->rates;
    rates->learning_rate[GROUP_BACKBONE] = rates->learning_rate[GROUP_FER] = base;
    rates->learning_rate[GROUP_PROJECTION] = rates->learning_rate[GROUP_IAL] = heads;
    rates->learning_rate[GROUP_METHOD] = heads;
    rates->frozen[GROUP_BACKBONE] = train->freeze_backbone;
    rates->frozen[GROUP_PROJECTION] = !ial && (!acl || mutual);
    rates->frozen[GROUP_IAL] = !ial;
    rates->frozen[GROUP_METHOD] = !acl || !mutual;
}

static void rmfer_phases(const struct config *config, struct phase_table *table)
{
    int64_t epochs = config->train.epochs, joins = config->train.warmup_epochs;
    if (joins > epochs) joins = epochs;
    const int64_t first[] = {0, joins}, end[] = {joins, epochs};
    for (int i = 0; i < 2; i++) {
        struct phase *phase = phase_table_add(table, i + 1, first[i], end[i]);
        if (phase == NULL) continue;
        phase->weights[RMFER_FER] = 1;
        phase->weights[RMFER_IAL] = config->ial.weight;
        phase->weights[RMFER_AFFECT] = config->va.weight;
        phase->weights[RMFER_ACL] = i == 1 && config_has_acl(config) ? config->acl.weight : 0;
        set_rates(phase, config);
    }
}

static size_t rmfer_streams(const struct config *config, struct stream_request *requests)
{
    requests[LABELLED] = (struct stream_request){
        .source = STREAM_LABELLED, .rows = (int)config->train.batch, .view_count = 1, .views = {VIEW_PLAIN}};
    if (!config_has_acl(config)) return 1;
    bool mutual = is_mutual(config);
    requests[DRAWS] = (struct stream_request){
        .source = mutual ? STREAM_RMSET_MOMENTS : STREAM_RMSET_DRAWS,
        .rows = (int)(mutual ? config->acl.moments * config->acl.persons
                             : config->acl.anchors * (1 + config->acl.n_pos + config->acl.n_neg)),
        .persons = (int)config->acl.persons,
        .returns = config->acl.returns,
        .view_count = 1,
        .views = {VIEW_PLAIN},
        .first_epoch = (uint64_t)config->train.warmup_epochs};
    return 2;
}

static size_t rmfer_added_heads(const struct config *config, size_t features, struct parameter *entries)
{
    return is_mutual(config) ? mutual_head(features, entries) : 0;
}

/* ---- creation ---- */

static struct objective objective_of(const struct method_setup *setup)
{
    const struct config *config = setup->config;
    struct objective objective = objective_defaults();
    objective.ial_temperature = config->ial.temperature;
    objective.acl_temperature = config->acl.temperature;
    objective.self_mask = self_mask_of(config->ial.self_mask);
    objective.label_smoothing = config->train.label_smoothing;
    objective.class_weights = setup->class_weights;
    objective.soft_targets = setup->soft_targets;
    objective.dropout = config->model.dropout;
    objective.drop_path = config->model.drop_path;
    objective.freeze_backbone = config->train.freeze_backbone;
    return objective;
}

static struct train_step_shape shape_of(const struct config *config)
{
    struct train_step_shape shape = {.image_size = (int)config->data.image_size, .batch = (int)config->train.batch};
    shape.frozen = config->train.freeze_backbone;
    if (!config_has_acl(config) || is_mutual(config)) return shape;
    shape.anchors = (int)config->acl.anchors;
    shape.positives = (int)config->acl.n_pos;
    shape.negatives = (int)config->acl.n_neg;
    shape.kept_share = config->acl.gamma;
    shape.scoring_with_batch_statistics = config->acl.scoring_bn == SCORING_BN_TRAIN;
    shape.joint_forward = config->acl.forward == ACL_FORWARD_JOINT;
    return shape;
}

static void rmfer_free(void *self)
{
    struct rmfer *rmfer = self;
    if (rmfer == NULL) return;
    train_step_free(rmfer->step);
    scoring_cache_free(rmfer->cache);
    memory_free(rmfer->choices);
    memory_free(rmfer->apart);
    memory_free(rmfer->guesses);
    memory_free(rmfer);
}

static status create_choices(struct rmfer *rmfer, const struct method_setup *setup, struct error *err)
{
    rmfer->chosen = train_step_chosen(rmfer->step);
    rmfer->choices = memory_allocate(size_multiply(setup->places, rmfer->chosen), sizeof *rmfer->choices,
                                     "kept candidates", err);
    return rmfer->choices == NULL ? STATUS_FAILED : STATUS_OK;
}

static status create_cache(struct rmfer *rmfer, const struct method_setup *setup, struct error *err)
{
    const struct config_acl *acl = &setup->config->acl;
    if (machines_are_many(setup->machines))
        return error_set_usage(err, "acl.scoring = cached: only of one process, for each would remember other faces "
                                    "(acl.scoring = fresh)");
    return scoring_cache_create(&rmfer->cache, setup->model, (size_t)rmset_index_faces(setup->rmset),
                                (size_t)(1 + acl->n_pos + acl->n_neg), (int)setup->config->data.image_size,
                                (uint64_t)acl->scoring_refresh, err);
}

/* What is known of a step's faces of moments beside their pictures. */
static status create_moments(struct rmfer *rmfer, const struct method_setup *setup, size_t rows, struct error *err)
{
    size_t classes = (size_t)setup->model->classes,
           guesses = size_multiply(setup->places, size_multiply(rows, classes));
    rmfer->places = setup->places;
    rmfer->rows = rows;
    rmfer->classes = classes;
    rmfer->apart = memory_allocate(size_multiply(rows, rows), sizeof *rmfer->apart, "pairs of faces", err);
    rmfer->guesses = memory_allocate(guesses, sizeof *rmfer->guesses, "guesses", err);
    return rmfer->apart == NULL || rmfer->guesses == NULL ? STATUS_FAILED : STATUS_OK;
}

static status rmfer_create(void **self, const struct method_setup *setup, struct error *err)
{
    *self = NULL;
    struct rmfer *rmfer = memory_allocate(1, sizeof *rmfer, "the method", err);
    if (rmfer == NULL) return STATUS_FAILED;
    struct train_step_shape shape = shape_of(setup->config);
    shape.machines = setup->machines;
    shape.own_statistics = !setup->config->train.sync_bn;
    shape.saved = saved_storage(setup->config->train.saved);
    struct mutual_contrastive mutual;
    rmfer->config = setup->config;
    rmfer->index = setup->rmset;
    if (is_mutual(setup->config)) {
        mutual = mutual_setup(setup->config, setup->model, setup->class_shares);
        shape.mutual = &mutual;
    }
    rmfer->objective = objective_of(setup);
    status result = train_step_create(&rmfer->step, setup->model, &shape, err);
    if (result == STATUS_OK && shape.anchors > 0) result = create_choices(rmfer, setup, err);
    if (result == STATUS_OK && is_cached(setup->config)) result = create_cache(rmfer, setup, err);
    if (result == STATUS_OK && shape.mutual != NULL) result = create_moments(rmfer, setup, mutual.n, err);
    if (result != STATUS_OK)
        rmfer_free(rmfer);
    else
        *self = rmfer;
    return result;
}

/* ---- a step ---- */

/* A batch without a pair has no similarity, which says nothing of the others'. */
static void set_mean(struct step_outcome *outcome, int figure, double mean)
{
    if (!isnan(mean)) step_outcome_figure(outcome, figure, mean, 1);
}

static struct contrastive_batch contrastive_of(struct rmfer *rmfer, const struct method_step *step,
                                               const struct batch_stream *draws)
{
    struct contrastive_batch contrastive = {
        .images = draws->images[0], .is_chosen = step->again, .cache = rmfer->cache, .ids = draws->ids};
    if (rmfer->guesses == NULL) {
        contrastive.anchors = draws->rows / draws->group;
        contrastive.choice = rmfer->choices + step->place * rmfer->chosen;
        return contrastive;
    }
    mutual_tell_apart(rmfer->config, rmfer->index, draws->ids, (size_t)draws->rows, rmfer->apart);
    contrastive.rows = draws->rows;
    contrastive.apart = rmfer->apart;
    contrastive.guesses = rmfer->guesses + step->place * rmfer->rows * rmfer->classes;
    return contrastive;
}

static void set_figures(struct step_outcome *outcome, const struct step_losses *losses, bool ial, bool acl, bool mutual,
                        int rows)
{
    step_outcome_figure(outcome, ACCURACY, losses->correct_fer, rows);
    step_outcome_figure(outcome, FER_GRADIENT, losses->fer_gradient, 1);
    if (ial) {
        step_outcome_figure(outcome, IAL_ACCURACY, losses->correct_ial, rows);
        step_outcome_figure(outcome, IAL_GRADIENT, losses->ial_gradient, 1);
        set_mean(outcome, SAME_CLASS, losses->same_class_similarity);
        set_mean(outcome, DIFFERENT_CLASS, losses->different_class_similarity);
    }
    if (acl) step_outcome_figure(outcome, ACL_GRADIENT, losses->acl_gradient, 1);
    if (acl && mutual) {
        step_outcome_figure(outcome, MOMENT, losses->moment_similarity, 1);
        step_outcome_figure(outcome, OTHERS, losses->other_similarity, 1);
    }
}

static void rmfer_step(void *self, const struct method_step *step, struct step_outcome *outcome)
{
    struct rmfer *rmfer = self;
    const struct batch_stream *rows = &step->batch->streams[LABELLED], *draws = &step->batch->streams[DRAWS];
    bool draws_came = step->batch->stream_count > DRAWS && draws->rows > 0;
    struct objective objective = rmfer->objective;
    objective.ial_weight = step->weights[RMFER_IAL];
    objective.acl_weight = step->weights[RMFER_ACL];
    objective.affect_weight = step->weights[RMFER_AFFECT];
    if (rmfer->guesses != NULL) objective.acl_weight *= mutual_ramp(rmfer->config, step->progress, step->phase_begin);
    objective.gradient_scale = step->gradient_scale;
    objective.bn_momentum = step->bn_momentum;
    objective.last = step->last;
    struct labelled_batch labelled = {rows->rows, rows->images[0], rows->targets, rows->affect};
    struct contrastive_batch contrastive = {0};
    if (draws_came) contrastive = contrastive_of(rmfer, step, draws);
    struct step_losses losses;
    train_step_run(rmfer->step, &objective, &labelled, draws_came ? &contrastive : NULL, step->seed, step->draw,
                   &losses);
    *outcome = (struct step_outcome){.total = losses.total,
                                     .terms = {losses.fer, losses.ial, losses.acl, losses.affect}};
    bool contrasts = draws_came && objective.acl_weight != 0;
    outcome->left_out[RMFER_ACL] = !contrasts; /* where a ramp begins, too */
    set_figures(outcome, &losses, objective.ial_weight != 0, contrasts, rmfer->guesses != NULL, rows->rows);
}

static void rmfer_after_update(void *self, double progress)
{
    const struct rmfer *rmfer = self;
    (void)progress;
    if (rmfer->cache != NULL) scoring_cache_end(rmfer->cache);
}

static struct method_bytes rmfer_bytes(const void *self)
{
    const struct rmfer *rmfer = self;
    size_t moments = rmfer->rows * rmfer->rows + rmfer->places * rmfer->rows * rmfer->classes * sizeof(real);
    size_t cache = rmfer->cache == NULL ? 0 : scoring_cache_bytes(rmfer->cache);
    return (struct method_bytes){.saved = train_step_saved_bytes(rmfer->step),
                                 .scratch = train_step_scratch_bytes(rmfer->step) + moments + cache};
}

static size_t rmfer_memories(void *self, struct method_memory *memories)
{
    const struct rmfer *rmfer = self;
    return rmfer->cache == NULL ? 0 : scoring_cache_memories(rmfer->cache, memories);
}

static const char *rmfer_moves(const struct config *config)
{
    return is_mutual(config) ? mutual_moves(config) : NULL;
}

const struct method method_rmfer = {
    .name = "rmfer",
    .terms = terms,
    .term_count = RMFER_TERMS,
    .figures = figures,
    .figure_count = sizeof figures / sizeof figures[0],
    .has_attention_heads = true,
    .check = rmfer_check,
    .moves_with_progress = rmfer_moves,
    .phases = rmfer_phases,
    .streams = rmfer_streams,
    .heads = rmfer_added_heads,
    .create = rmfer_create,
    .free = rmfer_free,
    .step = rmfer_step,
    .after_update = rmfer_after_update,
    .memories = rmfer_memories,
    .bytes = rmfer_bytes,
};
