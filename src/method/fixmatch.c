/* FixMatch (Sohn et al. 2020): cross-entropy on the labelled pictures, and where the network is sure of the weak view of
 * an unlabelled one, cross-entropy of its strong view against that guess.
 *
 *   L = CE(labelled) + lambda_u (1 / mu B) sum 1[max p(weak) >= c] CE(arg max p(weak), strong)
 *
 * All rows of a step (labelled, weak, strong) are one pass, batch-norm sees them together; labelled pictures have the
 * weak view too. The guess is of that same pass and carries no gradient. No average of the network makes guesses: the
 * average (train.ema_decay) is evaluated only, as in the paper. */
#include "method/guesses.h"
#include "method/methods.h"
#include "method/one_pass.h"
#include "rmfer/base/plan.h"
#include "rmfer/ops/softmax_cross_entropy.h"

enum { LABELLED, UNLABELLED };
enum { WEAK, STRONG };
enum { TERM_FER, TERM_UNLABELLED, TERMS };
enum { ACCURACY, SURE_SHARE };

static const struct method_term terms[TERMS] = {{"fer", "FER"}, {"unlabelled", "unlabelled"}};
static const struct method_figure figures[] = {
    [ACCURACY] = {"accuracy", -1},
    [SURE_SHARE] = {"sure_share", TERM_UNLABELLED}, /* of the unlabelled pictures, those above the threshold */
};

struct fixmatch {
    struct one_pass pass;
    struct cross_entropy labelled; /* but for its n */
    double threshold;
    struct arena arena;
    size_t unlabelled;      /* rows of a batch, mu B */
    real *targets, *sure;   /* [places, unlabelled, classes], [places, unlabelled]: guesses, for SAM's second pass */
};

static size_t unlabelled_rows(const struct config *config)
{
    return (size_t)config->train.batch * (size_t)config->fixmatch.ratio;
}

static status fixmatch_check(const struct config *config, struct error *err)
{
    if (config->train.freeze_backbone)
        return error_set_usage(err, "train.freeze_backbone = true: fixmatch trains the whole network (set it false)");
    if (config->data.labelled == 0)
        return error_set_usage(err, "data.labelled = 0: fixmatch needs pictures without a label (data.labelled = 4000 "
                                    "keeps the labels of so many)");
    return STATUS_OK;
}

static void fixmatch_phases(const struct config *config, struct phase_table *table)
{
    struct phase *phase = phase_table_add(table, 1, 0, config->train.epochs);
    struct optimizer_rates *rates = &phase->rates;
    phase->weights[TERM_FER] = 1;
    phase->weights[TERM_UNLABELLED] = config->fixmatch.weight;
    rates->learning_rate[GROUP_BACKBONE] = rates->learning_rate[GROUP_FER] = config->train.lr;
    rates->frozen[GROUP_PROJECTION] = rates->frozen[GROUP_IAL] = rates->frozen[GROUP_METHOD] = true;
}

static size_t fixmatch_streams(const struct config *config, struct stream_request *requests)
{
    requests[LABELLED] = (struct stream_request){
        .source = STREAM_LABELLED, .rows = (int)config->train.batch, .view_count = 1, .views = {VIEW_WEAK}};
    requests[UNLABELLED] = (struct stream_request){.source = STREAM_UNLABELLED,
                                                   .rows = (int)unlabelled_rows(config),
                                                   .view_count = 2,
                                                   .views = {[WEAK] = VIEW_WEAK, [STRONG] = VIEW_STRONG}};
    return 2;
}

static void fixmatch_free(void *self)
{
    struct fixmatch *fixmatch = self;
    if (fixmatch == NULL) return;
    one_pass_free(&fixmatch->pass);
    arena_free(&fixmatch->arena);
    memory_free(fixmatch);
}

static void place(struct fixmatch *fixmatch, size_t places, size_t classes, struct plan *plan)
{
    fixmatch->targets = plan_reals(plan, places * fixmatch->unlabelled * classes);
    fixmatch->sure = plan_reals(plan, places * fixmatch->unlabelled);
}

static status fixmatch_create(void **self, const struct method_setup *setup, struct error *err)
{
    const struct config *config = setup->config;
    size_t classes = (size_t)setup->model->classes;
    *self = NULL;
    struct fixmatch *fixmatch = memory_allocate(1, sizeof *fixmatch, "the method", err);
    if (fixmatch == NULL) return STATUS_FAILED;
    fixmatch->unlabelled = unlabelled_rows(config);
    fixmatch->threshold = config->fixmatch.threshold;
    fixmatch->labelled = (struct cross_entropy){
        .classes = classes, .label_smoothing = config->train.label_smoothing, .class_weights = setup->class_weights};
    size_t rows = (size_t)config->train.batch + 2 * fixmatch->unlabelled;
    status result = one_pass_init(&fixmatch->pass, setup->model, config, rows, err);
    struct plan plan = {0};
    place(fixmatch, setup->places, classes, &plan);
    if (result == STATUS_OK) result = arena_init(&fixmatch->arena, plan.used, "the guesses", err);
    if (result != STATUS_OK) {
        fixmatch_free(fixmatch);
        return result;
    }
    plan = (struct plan){arena_take(&fixmatch->arena, plan.used), 0};
    place(fixmatch, setup->places, classes, &plan);
    *self = fixmatch;
    return STATUS_OK;
}

static void labelled_loss(struct fixmatch *fixmatch, const struct method_step *step, struct step_outcome *outcome)
{
    struct one_pass *pass = &fixmatch->pass;
    const struct batch_stream *labelled = &step->batch->streams[LABELLED];
    struct cross_entropy setup = fixmatch->labelled;
    setup.n = (size_t)labelled->rows;
    outcome->terms[TERM_FER] = cross_entropy(&setup, pass->logits, labelled->targets,
                                             step->gradient_scale * step->weights[TERM_FER], pass->dlogits);
    outcome->figures[ACCURACY].sum = count_correct(setup.n, setup.classes, pass->logits, labelled->targets);
    outcome->figures[ACCURACY].count = labelled->rows;
}

/* The strong rows against the guesses of the weak ones, those of SAM's first pass where it is the second. */
static void unlabelled_loss(struct fixmatch *fixmatch, const struct method_step *step, size_t weak, size_t strong,
                            struct step_outcome *outcome)
{
    struct one_pass *pass = &fixmatch->pass;
    size_t classes = pass->classes, n = (size_t)step->batch->streams[UNLABELLED].rows;
    real *targets = fixmatch->targets + step->place * fixmatch->unlabelled * classes;
    real *sure = fixmatch->sure + step->place * fixmatch->unlabelled;
    if (!step->again) guesses_above(n, classes, pass->logits + weak * classes, fixmatch->threshold, targets, sure);
    outcome->terms[TERM_UNLABELLED] =
        guesses_cross_entropy(n, classes, pass->logits + strong * classes, targets, sure,
                              step->gradient_scale * step->weights[TERM_UNLABELLED], pass->dlogits + strong * classes);
    for (size_t i = 0; i < n; i++) outcome->figures[SURE_SHARE].sum += (double)sure[i];
    outcome->figures[SURE_SHARE].count = (double)n;
}

static void fixmatch_step(void *self, const struct method_step *step, struct step_outcome *outcome)
{
    struct fixmatch *fixmatch = self;
    struct one_pass *pass = &fixmatch->pass;
    const struct batch_stream *labelled = &step->batch->streams[LABELLED];
    const struct batch_stream *unlabelled = &step->batch->streams[UNLABELLED];
    *outcome = (struct step_outcome){0};
    one_pass_begin(pass);
    (void)one_pass_add(pass, labelled->images[0], (size_t)labelled->rows);
    size_t weak = one_pass_add(pass, unlabelled->images[WEAK], (size_t)unlabelled->rows);
    size_t strong = one_pass_add(pass, unlabelled->images[STRONG], (size_t)unlabelled->rows);
    one_pass_forward(pass, step);
    labelled_loss(fixmatch, step, outcome);
    unlabelled_loss(fixmatch, step, weak, strong, outcome);
    one_pass_backward(pass);
    for (size_t i = 0; i < TERMS; i++) outcome->total += step->weights[i] * outcome->terms[i];
}

static struct method_bytes fixmatch_bytes(const void *self)
{
    const struct fixmatch *fixmatch = self;
    struct method_bytes bytes = one_pass_bytes(&fixmatch->pass);
    bytes.scratch += fixmatch->arena.size;
    return bytes;
}

const struct method method_fixmatch = {
    .name = "fixmatch",
    .terms = terms,
    .term_count = TERMS,
    .figures = figures,
    .figure_count = sizeof figures / sizeof figures[0],
    .check = fixmatch_check,
    .phases = fixmatch_phases,
    .streams = fixmatch_streams,
    .create = fixmatch_create,
    .free = fixmatch_free,
    .step = fixmatch_step,
    .bytes = fixmatch_bytes,
};
