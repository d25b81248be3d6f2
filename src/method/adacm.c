/* Ada-CM, adaptive confidence margins (Li et al. 2022): guesses count where they are above a margin that each class
 * earns on the labelled pictures; pictures below it learn without a label, by contrast.
 *
 *   T_c = max(floor, share * mean confidence of the labelled pictures of c that are judged right / (1 + e^-epoch))
 *   p = mean of the softmax of two weak views;  sure: max p >= T_c of the class c that p is largest for
 *   L = w_l CE(labelled) + w_u (1 / mu B) sum over sure CE(c, strong) + w_s SupCon(both weak views of those not sure)
 *
 * The margins are taken anew before each epoch from the average of the weights (train.ema_decay), on unaugmented
 * pictures with running statistics; in the first epoch they are the floor. In the contrastive loss, over features of
 * length one, rows of equal guess belong together, or, as in the authors' code (positives = view), a picture's two
 * views alone. All rows of a step are one pass. */
#include "method/guesses.h"
#include "method/methods.h"
#include "method/semi_supervised.h"
#include "rmfer/base/plan.h"
#include "rmfer/nn/inference.h"
#include "rmfer/ops/cosine.h"
#include "rmfer/ops/supervised_contrastive.h"
#include "rmfer/ops/rows.h"

#include <math.h>
#include <string.h>

enum { FIRST, SECOND, WEAK_VIEWS, STRONG = WEAK_VIEWS, VIEWS };
enum { TERM_UNLABELLED = TERM_FER + 1, TERM_CONTRASTIVE, TERM_AFFECT, TERMS };
enum { SURE_SHARE = ACCURACY + 1, MARGIN, FIGURES };

static const struct method_term terms[TERMS] = {
    [TERM_FER] = {"fer", "FER"},
    [TERM_UNLABELLED] = {"unlabelled", "unlabelled"},
    [TERM_CONTRASTIVE] = {"contrastive", "contrastive"},
    [TERM_AFFECT] = AFFECT_TERM,
};
static const struct method_figure figures[FIGURES] = {
    [ACCURACY] = {"accuracy", -1},
    [SURE_SHARE] = {"sure_share", TERM_UNLABELLED}, /* of the unlabelled pictures, those above their margin */
    [MARGIN] = {"margin", TERM_UNLABELLED},         /* mean over the classes */
};

/* Rows that are not sure, gathered: [2 mu B] of each. */
struct unsure_rows {
    size_t *at; /* rows of the pass */
    int32_t *groups;
    real *features, *unit, *norm, *dunit, *dfeatures, *similarities;
};

struct adacm {
    struct one_pass pass;
    struct cross_entropy labelled;
    struct config_adacm config;
    const struct model *average;
    struct inference *inference;
    struct arena arena;
    size_t unlabelled;
    size_t places;        /* of a step, whose guesses SAM meets twice */
    double *margins;      /* [classes] */
    double *confidences;  /* [classes], summed over the walk */
    size_t *judged_right; /* [classes] */
    real *targets, *sure; /* [places, unlabelled, classes], [places, unlabelled]: guesses, for SAM's second pass */
    real *probabilities[WEAK_VIEWS]; /* [unlabelled, classes] */
    real *walk_logits;               /* [batch, classes] */
    struct unsure_rows unsure;
};

static status adacm_check(const struct config *config, struct error *err)
{
    if (config->train.ema_decay == 0)
        return error_set_usage(err,
                               "train.ema_decay = 0: adacm takes its margins from the average of the weights (0.999 "
                               "keeps one)");
    return semi_supervised_check(config, err);
}

static void adacm_phases(const struct config *config, struct phase_table *table)
{
    double *weights = semi_supervised_phase(config, table)->weights;
    weights[TERM_FER] = config->adacm.labelled_weight;
    weights[TERM_UNLABELLED] = config->adacm.weight;
    weights[TERM_CONTRASTIVE] = config->adacm.contrastive_weight;
    weights[TERM_AFFECT] = config->va.weight;
}

static size_t adacm_streams(const struct config *config, struct stream_request *requests)
{
    static const enum view_kind views[VIEWS] = {[FIRST] = VIEW_WEAK, [SECOND] = VIEW_WEAK, [STRONG] = VIEW_STRONG};
    return semi_supervised_streams(config, config->adacm.ratio, VIEWS, views, requests);
}

/* ---- creation ---- */

static void adacm_free(void *self)
{
    struct adacm *adacm = self;
    if (adacm == NULL) return;
    one_pass_free(&adacm->pass);
    inference_free(adacm->inference);
    arena_free(&adacm->arena);
    memory_free(adacm);
}

static void place_unsure(struct unsure_rows *unsure, size_t rows, size_t dimensions, struct plan *plan)
{
    size_t wide = rows * dimensions;
    unsure->at = plan_take(plan, rows, sizeof *unsure->at);
    unsure->groups = plan_take(plan, rows, sizeof *unsure->groups);
    unsure->features = plan_reals(plan, wide);
    unsure->unit = plan_reals(plan, wide);
    unsure->norm = plan_reals(plan, rows);
    unsure->dunit = plan_reals(plan, wide);
    unsure->dfeatures = plan_reals(plan, wide);
    unsure->similarities = plan_reals(plan, size_multiply(rows, rows));
}

static void place(void *self, struct plan *plan)
{
    struct adacm *adacm = self;
    size_t classes = adacm->labelled.classes, guesses = adacm->unlabelled * classes;
    adacm->margins = plan_take(plan, classes, sizeof *adacm->margins);
    adacm->confidences = plan_take(plan, classes, sizeof *adacm->confidences);
    adacm->judged_right = plan_take(plan, classes, sizeof *adacm->judged_right);
    adacm->targets = plan_reals(plan, adacm->places * guesses);
    adacm->sure = plan_reals(plan, adacm->places * adacm->unlabelled);
    for (int view = 0; view < WEAK_VIEWS; view++) adacm->probabilities[view] = plan_reals(plan, guesses);
    adacm->walk_logits = plan_reals(plan, adacm->labelled.n * classes);
    place_unsure(&adacm->unsure, WEAK_VIEWS * adacm->unlabelled, adacm->pass.dimensions, plan);
}

static status adacm_create(void **self, const struct method_setup *setup, struct error *err)
{
    const struct config *config = setup->config;
    const struct model *model = setup->model;
    int batch = (int)config->train.batch, side = (int)config->data.image_size;
    *self = NULL;
    struct adacm *adacm = memory_allocate(1, sizeof *adacm, "the method", err);
    if (adacm == NULL) return STATUS_FAILED;
    adacm->config = config->adacm;
    adacm->average = setup->average;
    adacm->unlabelled = semi_supervised_unlabelled_rows(config, config->adacm.ratio);
    adacm->places = setup->places;
    adacm->labelled = semi_supervised_cross_entropy(setup);
    struct stream_share views[1 + VIEWS];
    size_t count = semi_supervised_views(setup, adacm->unlabelled, VIEWS, views);
    status result = one_pass_init(&adacm->pass, setup, views, count, err);
    if (result == STATUS_OK)
        result = inference_create(&adacm->inference, &model->architecture, model->classes, batch, side, err);
    if (result == STATUS_OK) result = plan_arena_init(&adacm->arena, place, adacm, "the guesses", err);
    if (result != STATUS_OK) {
        adacm_free(adacm);
        return result;
    }
    for (size_t c = 0; c < adacm->labelled.classes; c++) adacm->margins[c] = adacm->config.floor;
    *self = adacm;
    return STATUS_OK;
}

/* ---- the margins ---- */

/* Adds the confidence of every row that is judged right to its class. */
static void add_confidences(struct adacm *adacm, const struct batch_stream *rows)
{
    size_t classes = adacm->labelled.classes;
    inference_run(adacm->inference, rows->images[0], rows->rows, NULL, adacm->walk_logits);
    guesses_softmax((size_t)rows->rows, classes, adacm->walk_logits, 1, adacm->walk_logits);
    for (size_t i = 0; i < (size_t)rows->rows; i++) {
        const real *p = adacm->walk_logits + i * classes;
        size_t best = row_largest(classes, p);
        if (rows->labels[i] != (int32_t)best) continue;
        adacm->confidences[best] += (double)p[best];
        adacm->judged_right[best]++;
    }
}

/* The margins of an epoch other than the first. A class of which nothing is judged right has the floor. */
static status take_margins(struct adacm *adacm, const struct method_epoch *epoch, struct error *err)
{
    size_t classes = adacm->labelled.classes;
    struct batch_stream rows;
    memset(adacm->confidences, 0, classes * sizeof *adacm->confidences);
    memset(adacm->judged_right, 0, classes * sizeof *adacm->judged_right);
    inference_load(adacm->inference, adacm->average);
    status result;
    while ((result = epoch->walk->next(epoch->walk->context, &rows, err)) == STATUS_OK && rows.rows > 0)
        add_confidences(adacm, &rows);
    double earned = adacm->config.share / (1 + exp(-(double)epoch->epoch));
    for (size_t c = 0; c < classes && result == STATUS_OK; c++) {
        double right = (double)adacm->judged_right[c];
        adacm->margins[c] = fmax(adacm->config.floor, right > 0 ? earned * adacm->confidences[c] / right : 0);
    }
    return result;
}

static status adacm_begin_epoch(void *self, const struct method_epoch *epoch, struct error *err)
{
    return epoch->epoch == 0 ? STATUS_OK : take_margins(self, epoch, err);
}

/* ---- a step ---- */

/* Guesses and who is sure, from the pass's weak rows; in SAM's second pass those of the first stay. */
static void guess(struct adacm *adacm, const struct method_step *step, const size_t *first, size_t n)
{
    struct one_pass *pass = &adacm->pass;
    size_t classes = pass->classes;
    if (step->again) return;
    for (int view = 0; view < WEAK_VIEWS; view++)
        guesses_softmax(n, classes, pass->logits + first[view] * classes, 1, adacm->probabilities[view]);
    guesses_average(n * classes, adacm->probabilities[FIRST], adacm->probabilities[SECOND],
                    adacm->probabilities[FIRST]);
    guesses_above_each(n, classes, adacm->probabilities[FIRST], adacm->margins,
                       adacm->targets + step->place * adacm->unlabelled * classes,
                       adacm->sure + step->place * adacm->unlabelled);
}

static void unlabelled_loss(struct adacm *adacm, const struct method_step *step, size_t strong, size_t n,
                            struct step_outcome *outcome)
{
    struct one_pass *pass = &adacm->pass;
    size_t classes = pass->classes;
    const real *targets = adacm->targets + step->place * adacm->unlabelled * classes;
    const real *sure = adacm->sure + step->place * adacm->unlabelled;
    outcome->terms[TERM_UNLABELLED] = guesses_cross_entropy(n, classes, pass->logits + strong * classes, targets, sure,
                                                            step->gradient_scale * step->weights[TERM_UNLABELLED],
                                                            pass->dlogits + strong * classes);
    for (size_t i = 0; i < n; i++) outcome->figures[SURE_SHARE].sum += (double)sure[i];
    outcome->figures[SURE_SHARE].count = (double)n;
    for (size_t c = 0; c < classes; c++) outcome->figures[MARGIN].sum += adacm->margins[c];
    outcome->figures[MARGIN].count = (double)classes;
}

/* Both weak views of the pictures that are not sure, with who belongs together. Returns the number of rows. */
static size_t gather_unsure(struct adacm *adacm, const struct method_step *step, const size_t *first, size_t n)
{
    struct one_pass *pass = &adacm->pass;
    struct unsure_rows *unsure = &adacm->unsure;
    size_t classes = pass->classes, wide = pass->dimensions, count = 0;
    const real *targets = adacm->targets + step->place * adacm->unlabelled * classes;
    const real *sure = adacm->sure + step->place * adacm->unlabelled;
    for (int view = 0; view < WEAK_VIEWS; view++)
        for (size_t i = 0; i < n; i++) {
            if (sure[i] > 0) continue;
            bool by_guess = adacm->config.positives == POSITIVES_GUESS;
            unsure->at[count] = first[view] + i;
            unsure->groups[count] = (int32_t)(by_guess ? row_largest(classes, targets + i * classes) : i);
            memcpy(unsure->features + count * wide, pass->features + unsure->at[count] * wide, wide * sizeof(real));
            count++;
        }
    return count;
}

/* The contrastive loss; its gradient is added to the features' of the rows it is about. */
static void contrastive_term(struct adacm *adacm, const struct method_step *step, const size_t *first, size_t n,
                             struct step_outcome *outcome)
{
    struct one_pass *pass = &adacm->pass;
    struct unsure_rows *unsure = &adacm->unsure;
    size_t rows = step->weights[TERM_CONTRASTIVE] == 0 ? 0 : gather_unsure(adacm, step, first, n);
    if (rows == 0) return;
    struct supervised_contrastive setup = {rows, pass->dimensions, adacm->config.temperature};
    unit_rows_forward(rows, pass->dimensions, unsure->features, unsure->unit, unsure->norm);
    outcome->terms[TERM_CONTRASTIVE] = supervised_contrastive_loss(&setup, unsure->unit, unsure->groups,
                                                                   step->gradient_scale *
                                                                       step->weights[TERM_CONTRASTIVE],
                                                                   unsure->similarities, unsure->dunit);
    unit_rows_backward(rows, pass->dimensions, unsure->unit, unsure->norm, unsure->dunit, unsure->dfeatures);
    for (size_t i = 0; i < rows; i++)
        one_pass_add_gradient(pass, unsure->at[i], 1, unsure->dfeatures + i * pass->dimensions);
}

static void adacm_step(void *self, const struct method_step *step, struct step_outcome *outcome)
{
    struct adacm *adacm = self;
    struct one_pass *pass = &adacm->pass;
    const struct batch_stream *labelled = &step->batch->streams[LABELLED];
    const struct batch_stream *unlabelled = &step->batch->streams[UNLABELLED];
    size_t first[VIEWS], n = (size_t)unlabelled->rows;
    *outcome = (struct step_outcome){0};
    one_pass_begin(pass);
    (void)one_pass_add(pass, labelled, 0);
    for (int view = 0; view < VIEWS; view++) first[view] = one_pass_add(pass, unlabelled, view);
    one_pass_forward(pass, step);
    guess(adacm, step, first, n);
    semi_supervised_labelled_loss(pass, adacm->labelled, labelled->targets, 1, step, outcome);
    semi_supervised_affect_loss(pass, TERM_AFFECT, step, outcome);
    unlabelled_loss(adacm, step, first[STRONG], n, outcome);
    one_pass_backward_classifier(pass);
    contrastive_term(adacm, step, first, n, outcome);
    one_pass_backward_backbone(pass);
    for (size_t i = 0; i < TERMS; i++) outcome->total += step->weights[i] * outcome->terms[i];
}

static size_t adacm_memories(void *self, struct method_memory *memories)
{
    struct adacm *adacm = self;
    memories[0] = (struct method_memory){"margins", MEMORY_F64, 1, {adacm->pass.classes}, .data = adacm->margins};
    return 1;
}

static struct method_bytes adacm_bytes(const void *self)
{
    const struct adacm *adacm = self;
    struct method_bytes bytes = one_pass_bytes(&adacm->pass);
    bytes.scratch += adacm->arena.size + inference_bytes(adacm->inference);
    return bytes;
}

const struct method method_adacm = {
    .name = "adacm",
    .terms = terms,
    .term_count = TERMS,
    .figures = figures,
    .figure_count = FIGURES,
    .walks_labelled = true,
    .check = adacm_check,
    .phases = adacm_phases,
    .streams = adacm_streams,
    .create = adacm_create,
    .free = adacm_free,
    .begin_epoch = adacm_begin_epoch,
    .step = adacm_step,
    .memories = adacm_memories,
    .bytes = adacm_bytes,
};
