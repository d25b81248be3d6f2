/* One step of RMFER: features of the labelled rows and of the kept RMset faces, the three losses, and back. Candidates
 * are scored without gradient, so only what attention keeps goes through the network in training mode. The heads and
 * their losses are rmfer_heads.c's. */
#include "rmfer/method/rmfer_step.h"

#include "method/guesses.h"
#include "method/mutual.h"
#include "method/scoring_cache.h"
#include "rmfer/method/candidates.h"
#include "rmfer/method/rmfer_heads.h"
#include "rmfer/base/threads.h"
#include "rmfer/method/stream_share.h"
#include "rmfer/nn/backbone.h"
#include "rmfer/nn/inference.h"
#include "rmfer/ops/contrastive.h"
#include "rmfer/ops/softmax_cross_entropy.h"
#include "rmfer/ops/stem.h"

#include <math.h>
#include <string.h>

struct train_step {
    struct model *model;
    struct train_step_shape shape;
    struct backbone *backbone;
    struct backbone_pass *pass;         /* forward and backward */
    struct backbone_pass *scoring_pass; /* an anchor and its candidates with batch statistics; NULL without */
    struct inference *inference;        /* scoring and frozen features; NULL where neither is ever needed */
    struct op_context context;          /* for the heads: no scratch of its own */
    struct heads heads;
    struct mutual mutual; /* where shape.mutual says so */
    struct arena arena;
    size_t image_reals, drawn;       /* drawn = 1 + positives + negatives */
    size_t kept;                     /* of an anchor, with itself */
    const struct machines *machines; /* that rows are shared out over; NULL = none */
    size_t contrasted;               /* rows of a step that are contrasted: kept of all anchors, or faces of moments */
    real *images;                    /* gathered: [labelled +] kept samples */
    real *features, *dfeatures, *room; /* [rows,D] */
    real *ial_dfeatures;               /* [batch,D] */
    real *scoring_features;            /* [drawn,D] */
    struct candidate_scoring scoring;
    size_t *chosen;
    bool used_ial;
};

struct objective objective_defaults(void)
{
    return (struct objective){.ial_weight = 1.2,
                              .acl_weight = 1,
                              .ial_temperature = 1,
                              .acl_temperature = 1,
                              .self_mask = SELF_MASK_EXCLUDE,
                              .bn_momentum = 0.1,
                              .gradient_scale = 1};
}

/* ---- creation ---------------------------------------------------------------------------------------------------- */

/* How the kept rows of so many anchors, or so many faces of moments, are shared out. */
static struct stream_share contrasted_share(const struct train_step *step, size_t anchors, size_t faces)
{
    if (step->shape.mutual != NULL) return stream_share_of(step->machines, faces, (size_t)step->shape.mutual->persons);
    struct stream_share draws = stream_share_of(step->machines, anchors * step->drawn, step->drawn);
    size_t rows = anchors * step->kept, group = draws.is_parted ? step->kept : 1;
    struct row_share own = machines_share(step->machines, rows, group);
    return (struct stream_share){draws.is_parted, own.first, own.count, {rows, group}};
}

/* Rows of the largest pass through the network: of all processes, and those that this one may get. */
static size_t most_rows(const struct train_step *step)
{
    size_t batch = (size_t)step->shape.batch;
    if (step->shape.joint_forward) return batch + step->contrasted;
    return batch > step->contrasted ? batch : step->contrasted;
}

static size_t most_contrasted(const struct train_step *step)
{
    if (step->contrasted == 0) return 0;
    struct pass_part part = contrasted_share(step, (size_t)step->shape.anchors, step->contrasted).part;
    return pass_parts_most(step->machines, &part, 1);
}

static size_t most_own_rows(const struct train_step *step)
{
    size_t batch = machines_most(step->machines, (size_t)step->shape.batch, 1), contrasted = most_contrasted(step);
    if (step->shape.joint_forward) return batch + contrasted;
    return batch > contrasted ? batch : contrasted;
}

static void place(void *self, struct plan *plan)
{
    struct train_step *step = self;
    size_t d = step->heads.features, anchors = (size_t)step->shape.anchors, rows = most_rows(step);
    size_t gathered = step->contrasted == 0       ? 0
                      : step->shape.joint_forward ? most_own_rows(step)
                                                  : most_contrasted(step);
    heads_place(&step->heads, (size_t)step->shape.batch, anchors * step->kept, plan);
    step->images = plan_reals(plan, gathered * step->image_reals);
    step->features = plan_reals(plan, rows * d);
    step->dfeatures = plan_reals(plan, rows * d);
    step->room = plan_reals(plan, rows * d);
    step->ial_dfeatures = plan_reals(plan, (size_t)step->shape.batch * d);
    if (step->shape.mutual != NULL) mutual_place(&step->mutual, plan);
    if (anchors == 0) return;
    step->scoring_features = plan_reals(plan, step->drawn * d);
    candidate_scoring_place(&step->scoring, plan);
    step->chosen = plan_take(plan, step->kept, sizeof *step->chosen);
}

static status create_scoring(struct train_step *step, struct error *err)
{
    bool parted = contrasted_share(step, (size_t)step->shape.anchors, 0).is_parted;
    size_t rows = parted ? step->drawn : machines_most(step->machines, step->drawn, 1);
    /* An anchor whose candidates are all here is scored here; else its rows, and their statistics, are everybody's. */
    if (parted) backbone_share(step->backbone, NULL, true);
    status result = backbone_check_rows(step->backbone, step->drawn, err);
    if (result != STATUS_OK) return result;
    return backbone_pass_create(&step->scoring_pass, step->backbone, PASS_SCORES, (int)rows, err);
}

/* The labelled rows go alone as long as nothing is contrasted, and with two passes always. */
static status create_training_pass(struct train_step *step, int rows, struct error *err)
{
    status result = backbone_check_rows(step->backbone, (size_t)step->shape.batch, err);
    if (result == STATUS_OK && step->contrasted > 0 && !step->shape.joint_forward)
        result = backbone_check_rows(step->backbone, step->contrasted, err);
    if (result != STATUS_OK) return result;
    return backbone_pass_create(&step->pass, step->backbone, PASS_TRAINS, rows, err);
}

static status create_networks(struct train_step *step, struct error *err)
{
    const struct train_step_shape *shape = &step->shape;
    int rows = (int)most_own_rows(step), scored = (int)step->drawn;
    bool scores = shape->anchors > 0 && shape->scoring_with_batch_statistics;
    status result = STATUS_OK;
    if (!shape->frozen || scores) result = backbone_create(&step->backbone, step->model, rows, shape->image_size, err);
    if (result != STATUS_OK) return result;
    if (step->backbone != NULL) {
        backbone_share(step->backbone, step->machines, !shape->own_statistics);
        backbone_store(step->backbone, shape->saved);
    }
    if (!shape->frozen) result = create_training_pass(step, rows, err);
    if (result == STATUS_OK && scores) result = create_scoring(step, err);
    if (result != STATUS_OK) return result;
    int inferred = shape->batch;
    if (shape->anchors > 0 && scored > inferred) inferred = scored;
    return inference_create(&step->inference, &step->model->architecture, step->model->classes, inferred,
                            shape->image_size, err);
}

/* Every process needs a row of every pass. */
static status check_shares(const struct train_step *step, struct error *err)
{
    if (!machines_are_many(step->machines)) return STATUS_OK;
    int processes = step->machines->size;
    if (step->shape.batch < processes)
        return error_set_usage(err, "train.batch = %d is shared out over %d processes: each needs a picture",
                               step->shape.batch, processes);
    if (step->contrasted > 0 && !step->shape.joint_forward && step->contrasted < (size_t)processes)
        return error_set_usage(
            err,
            "%zu kept faces of a step are a pass of their own, of which each of %d processes needs one "
            "(acl.forward = joint has no such pass; more acl.anchors make it longer)",
            step->contrasted, processes);
    if (step->shape.anchors > 0 && step->shape.scoring_with_batch_statistics && step->drawn < (size_t)processes &&
        !contrasted_share(step, (size_t)step->shape.anchors, 0).is_parted)
        return error_set_usage(
            err,
            "%d anchor%s of %zu candidates and itself: with acl.scoring_bn = train each of %d processes "
            "needs a row of its pass (acl.scoring_bn = eval, or more acl.anchors or acl.n_neg)",
            step->shape.anchors, step->shape.anchors == 1 ? "" : "s", step->drawn - 1, processes);
    return STATUS_OK;
}

status train_step_create(struct train_step **out, struct model *model, const struct train_step_shape *shape,
                         struct error *err)
{
    *out = NULL;
    if (!model->has_heads) return error_set(err, "the model has no projection and attention heads to train");
    if (shape->anchors > 0 && (shape->positives < 1 || shape->negatives < 1))
        return error_set_usage(err, "contrastive learning needs at least one candidate of each kind for an anchor");
    struct train_step *step = memory_allocate(1, sizeof *step, "the training step", err);
    if (step == NULL) return STATUS_FAILED;
    step->model = model;
    step->shape = *shape;
    step->machines = shape->machines;
    step->context = op_context_of(kernels_best(), threads_get());
    step->image_reals = (size_t)shape->image_size * (size_t)shape->image_size * STEM_INPUT;
    if (shape->mutual != NULL) {
        BUG_UNLESS(shape->anchors == 0);
        step->shape.joint_forward = true;
        step->contrasted = shape->mutual->n;
        mutual_bind(&step->mutual, &step->context, model, shape->mutual);
        step->shape.mutual = &step->mutual.setup;
    }
    if (shape->anchors > 0) {
        step->drawn = 1 + (size_t)shape->positives + (size_t)shape->negatives;
        step->scoring = candidate_scoring_of(&step->heads, (size_t)shape->positives, (size_t)shape->negatives,
                                             shape->kept_share);
        step->kept = 1 + step->scoring.kept_positives + step->scoring.kept_negatives;
        step->contrasted = (size_t)shape->anchors * step->kept;
    }
    heads_bind(&step->heads, &step->context, model);
    status result = check_shares(step, err);
    if (result == STATUS_OK) result = create_networks(step, err);
    if (result == STATUS_OK) result = plan_arena_init(&step->arena, place, step, "the heads' memory plan", err);
    if (result != STATUS_OK) {
        train_step_free(step);
        return result;
    }
    *out = step;
    return STATUS_OK;
}

void train_step_free(struct train_step *step)
{
    if (step == NULL) return;
    backbone_pass_free(step->pass);
    backbone_pass_free(step->scoring_pass);
    backbone_free(step->backbone);
    inference_free(step->inference);
    arena_free(&step->arena);
    memory_free(step);
}

size_t train_step_saved_bytes(const struct train_step *step)
{
    return step->pass == NULL ? 0 : backbone_pass_map_bytes(step->pass);
}

size_t train_step_scratch_bytes(const struct train_step *step)
{
    size_t passes = 0;
    if (step->scoring_pass != NULL)
        passes = backbone_pass_map_bytes(step->scoring_pass) + backbone_pass_scratch_bytes(step->scoring_pass);
    if (step->pass != NULL) passes += backbone_pass_scratch_bytes(step->pass);
    if (step->backbone != NULL) passes += backbone_bytes(step->backbone);
    return passes + inference_bytes(step->inference) + step->arena.used;
}

size_t train_step_packs(const struct train_step *step)
{
    return (step->backbone == NULL ? 0 : backbone_packs(step->backbone)) + inference_packs(step->inference);
}

size_t train_step_chosen(const struct train_step *step)
{
    return step->shape.anchors == 0 ? 0 : (size_t)step->shape.anchors * (step->kept - 1);
}

const real *train_step_fer_logits(const struct train_step *step)
{
    return step->heads.fer_logits;
}

const real *train_step_ial_logits(const struct train_step *step)
{
    return step->used_ial ? step->heads.ial_logits : NULL;
}

void train_step_profile(struct train_step *step, struct layer_time *times)
{
    if (step->backbone != NULL) backbone_profile(step->backbone, times);
}

/* ---- a step ------------------------------------------------------------------------------------------------------ */

/* Features of `n` rows with running statistics, in batches. */
static void infer_rows(struct train_step *step, const real *images, size_t n, real *features)
{
    size_t most = (size_t)step->shape.batch, d = step->heads.features;
    for (size_t at = 0; at < n; at += most) {
        size_t size = n - at < most ? n - at : most;
        inference_run(step->inference, images + at * step->image_reals, (int)size, features + at * d, NULL);
    }
}

/* Features of a frozen network: the rows that are here, then everybody's. step->dfeatures is room. */
static void forward_frozen(struct train_step *step, const real *images, const struct pass_part *parts, size_t count)
{
    size_t d = step->heads.features;
    bool shared = machines_are_many(step->machines);
    real *own = shared ? step->dfeatures : step->features, *all = step->features;
    infer_rows(step, images, pass_parts_own(step->machines, parts, count), own);
    for (size_t i = 0; i < count && shared; i++) {
        machines_gather_rows(step->machines, parts[i].rows, parts[i].group, d, own, all);
        own += pass_parts_own(step->machines, &parts[i], 1) * d;
        all += parts[i].rows * d;
    }
}

/* One pass through the network: this process's rows of images, part by part, to everybody's rows of step->features. */
static void forward_rows(struct train_step *step, const struct objective *objective, const real *images,
                         const struct pass_part *parts, size_t count, struct forward_options options)
{
    size_t n = 0;
    for (size_t i = 0; i < count; i++) n += (options.parts[i] = parts[i]).rows;
    if (objective->freeze_backbone) {
        forward_frozen(step, images, parts, count);
        return;
    }
    BUG_UNLESS(step->pass != NULL);
    options.part_count = count;
    backbone_forward(step->pass, &options, images, (int)n, step->features);
}

static void backward_rows(struct train_step *step, const struct objective *objective)
{
    if (!objective->freeze_backbone) backbone_backward(step->pass, step->dfeatures);
}

/* Features of an anchor and its candidates without gradient: with running statistics, or as a batch of their own whose
 * statistics are not remembered. Where every process has these pictures each takes some of them. */
static void scoring_features(struct train_step *step, const real *images, bool parted)
{
    struct row_share share = machines_share(parted ? NULL : step->machines, step->drawn, 1);
    size_t d = step->heads.features;
    real *own = step->scoring_features + share.first * d;
    images += share.first * step->image_reals;
    if (step->shape.scoring_with_batch_statistics) {
        struct forward_options options = {0};
        backbone_forward(step->scoring_pass, &options, images, (int)step->drawn, step->scoring_features);
        return;
    }
    if (share.count > 0) inference_run(step->inference, images, (int)share.count, own, NULL);
    if (!parted) machines_gather_rows(step->machines, step->drawn, 1, d, own, step->scoring_features);
}

/* Picture number `i` of what is kept of an anchor: itself, then its candidates. */
static const real *kept_picture(const struct train_step *step, const real *images, const size_t *chosen, size_t i)
{
    size_t positives = (size_t)step->shape.positives;
    if (i == 0) return images;
    size_t candidate = 1 + chosen[i - 1] + (i - 1 < step->scoring.kept_positives ? 0 : positives);
    return images + candidate * step->image_reals;
}

/* The kept samples of every anchor, one after the other: those that this process takes through the network. */
static void gather_anchors(struct train_step *step, const struct contrastive_batch *contrastive,
                           const struct stream_share *share, real *to)
{
    size_t drawn_reals = step->drawn * step->image_reals, bytes = step->image_reals * sizeof(real);
    size_t first = share->is_parted ? share->first / step->kept : 0;
    size_t end = share->is_parted ? first + share->own / step->kept : (size_t)contrastive->anchors;
    for (size_t a = first; a < end; a++) {
        const real *images = contrastive->images + (a - first) * drawn_reals;
        size_t *chosen = contrastive->choice == NULL ? step->chosen : contrastive->choice + a * (step->kept - 1);
        if (!contrastive->is_chosen) {
            if (contrastive->cache == NULL)
                scoring_features(step, images, share->is_parted);
            else
                scoring_cache_features(contrastive->cache, images, contrastive->ids + (a - first) * step->drawn,
                                       step->drawn, step->scoring_features);
            candidate_scoring_choose(&step->scoring, step->scoring_features, chosen);
        }
        for (size_t i = 0; i < step->kept; i++) {
            size_t row = a * step->kept + i;
            if (row < share->first || row >= share->first + share->own) continue;
            memcpy(to + (row - share->first) * step->image_reals, kept_picture(step, images, chosen, i), bytes);
        }
    }
}

/* The pictures that are contrasted and that this process takes through the network; returns all processes' part. */
static struct pass_part gather_contrastive(struct train_step *step, const struct contrastive_batch *contrastive,
                                           real *to)
{
    size_t anchors = (size_t)contrastive->anchors, faces = (size_t)contrastive->rows;
    struct stream_share share = contrasted_share(step, anchors, faces);
    if (step->shape.mutual != NULL) {
        BUG_UNLESS(faces <= step->contrasted);
        const real *from = contrastive->images + (share.is_parted ? 0 : share.first) * step->image_reals;
        memcpy(to, from, share.own * step->image_reals * sizeof(real));
        return share.part;
    }
    BUG_UNLESS(anchors <= (size_t)step->shape.anchors && (contrastive->choice != NULL || !contrastive->is_chosen));
    gather_anchors(step, contrastive, &share, to);
    return share.part;
}

/* The length of a gradient, as it is without gradient_scale. */
static double gradient_length(const struct objective *objective, size_t count, const real *gradient)
{
    double sum = 0;
    for (size_t i = 0; i < count; i++) sum += (double)gradient[i] * (double)gradient[i];
    return sqrt(sum) / objective->gradient_scale;
}

/* L_FER, L_VA and L_IAL for the first rows of step->features, and their gradient to the same rows of step->dfeatures.
 */
static void labelled_losses(struct train_step *step, const struct objective *objective,
                            const struct labelled_batch *labelled, uint64_t seed, uint64_t draw,
                            struct step_losses *losses)
{
    struct heads *heads = &step->heads;
    size_t n = (size_t)labelled->n, count = n * heads->features;
    losses->fer = heads_fer(heads, objective, labelled, step->features, seed, draw, step->dfeatures, &losses->affect);
    losses->correct_fer = count_correct(n, heads->classes, heads->fer_logits, labelled->targets);
    losses->fer_gradient = gradient_length(objective, count, step->dfeatures);
    step->used_ial = objective->ial_weight != 0;
    if (!step->used_ial) return;
    losses->ial = heads_ial(heads, objective, labelled, step->features, step->ial_dfeatures, step->room);
    losses->ial_gradient = gradient_length(objective, count, step->ial_dfeatures);
    for (size_t i = 0; i < count; i++) step->dfeatures[i] += step->ial_dfeatures[i];
    losses->correct_ial = count_correct(n, heads->classes, heads->ial_logits, labelled->targets);
    heads_similarities(heads, labelled, losses);
}

/* L_ACL for the kept rows from `first` on of step->features, and their gradient. */
static void contrastive_losses(struct train_step *step, const struct objective *objective, size_t first, size_t rows,
                               struct step_losses *losses)
{
    struct heads *heads = &step->heads;
    size_t d = heads->features, anchors = rows / step->kept;
    struct contrastive setup = {d, step->scoring.kept_positives, step->scoring.kept_negatives,
                                objective->acl_temperature};
    double scale = objective->gradient_scale * objective->acl_weight / (double)anchors, total = 0;
    heads_project(heads, rows, step->features + first * d, heads->kept);
    for (size_t a = 0; a < anchors; a++) {
        size_t at = a * step->kept * d;
        total += contrastive_loss(&setup, heads->kept.unit + at, scale, heads->dunit + at);
    }
    heads_project_backward(heads, rows, step->features + first * d, heads->kept, step->dfeatures + first * d);
    losses->acl = total / (double)anchors;
    losses->acl_gradient = gradient_length(objective, rows * d, step->dfeatures + first * d);
}

/* The mutual loss of the faces from row `first` on. What f_FER makes of them says how much two of a moment are alike;
 * it carries no gradient. */
static void mutual_losses(struct train_step *step, const struct objective *objective,
                          const struct contrastive_batch *contrastive, size_t first, struct step_losses *losses)
{
    struct heads *heads = &step->heads;
    size_t rows = (size_t)contrastive->rows, at = first * heads->features;
    struct mutual_similarities similarities;
    if (!contrastive->is_chosen) {
        linear_forward(heads->context, &heads->fer, rows, step->features + at, contrastive->guesses);
        guesses_softmax(rows, heads->classes, contrastive->guesses, 1, contrastive->guesses);
    }
    losses->acl = mutual_run(&step->mutual, rows, step->features + at, contrastive->guesses, contrastive->apart,
                             objective->gradient_scale * objective->acl_weight, step->dfeatures + at, &similarities);
    losses->acl_gradient = gradient_length(objective, rows * heads->features, step->dfeatures + at);
    losses->moment_similarity = similarities.same;
    losses->other_similarity = similarities.other;
}

void train_step_run(struct train_step *step, const struct objective *objective, const struct labelled_batch *labelled,
                    const struct contrastive_batch *contrastive, uint64_t seed, uint64_t draw,
                    struct step_losses *losses)
{
    size_t n = (size_t)labelled->n, own = machines_share(step->machines, n, 1).count, reals = step->image_reals;
    bool contrasts = contrastive != NULL && objective->acl_weight != 0, mutual = step->shape.mutual != NULL;
    bool joint = contrasts && step->shape.joint_forward;
    struct pass_part parts[2] = {{n, 1}, {0, 1}};
    struct forward_options options = {objective->bn_momentum, objective->drop_path, seed, draw,
                                      .last = objective->last && (joint || !contrasts)};
    *losses = (struct step_losses){0};
    BUG_UNLESS(labelled->n >= 1 && labelled->n <= step->shape.batch);
    bool scores = contrasts && !mutual && !contrastive->is_chosen;
    if (scores && contrastive->cache != NULL) scoring_cache_begin(contrastive->cache, step->model);
    bool infers = scores && contrastive->cache == NULL && !step->shape.scoring_with_batch_statistics;
    if (objective->freeze_backbone || infers) inference_load(step->inference, step->model);
    if (contrasts) parts[1] = gather_contrastive(step, contrastive, step->images + (joint ? own * reals : 0));
    if (joint) memcpy(step->images, labelled->images, own * reals * sizeof(real));
    forward_rows(step, objective, joint ? step->images : labelled->images, parts, joint ? 2 : 1, options);
    labelled_losses(step, objective, labelled, seed, draw, losses);
    if (joint && mutual)
        mutual_losses(step, objective, contrastive, n, losses);
    else if (joint)
        contrastive_losses(step, objective, n, parts[1].rows, losses);
    backward_rows(step, objective);
    if (contrasts && !joint) {
        /* A pass of its own, with its own batch statistics; 2^63 keeps its drop-path masks apart from the other's. */
        options.draw |= UINT64_C(1) << 63;
        options.last = objective->last;
        forward_rows(step, objective, step->images, &parts[1], 1, options);
        contrastive_losses(step, objective, 0, parts[1].rows, losses);
        backward_rows(step, objective);
    }
    losses->total = losses->fer + objective->ial_weight * losses->ial + objective->acl_weight * losses->acl;
    losses->total += objective->affect_weight * losses->affect;
}
