/* MixMatch (Berthelot et al. 2019): guesses are sharpened means over two weak views, every picture is mixed with
 * another (mixup.h), and mixtures learn from mixed targets.
 *
 *   L = CE(mixed labelled) + ramp lambda_u (1 / 2 mu B E) sum over mixed unlabelled of |p - q|^2
 *
 * lambda_u rises linearly over the first `ramp` of the run. The mixtures go through the network in passes of B rows
 * (mixed_pass.h); the passes that guess leave the running statistics alone. */
#include "method/guesses.h"
#include "method/methods.h"
#include "method/mixed_pass.h"
#include "method/semi_supervised.h"

enum { FIRST, SECOND, VIEWS }; /* weak views of an unlabelled picture */
enum { TERM_UNLABELLED = TERM_FER + 1, TERMS };
enum { RAMP = ACCURACY + 1, FIGURES };

static const struct method_term terms[TERMS] = {
    [TERM_FER] = {"fer", "FER"}, [TERM_UNLABELLED] = {"unlabelled", "unlabelled"}};
static const struct method_figure figures[FIGURES] = {
    [ACCURACY] = {"accuracy", -1}, /* of mixed labelled rows, against the class that has most of the target */
    [RAMP] = {"ramp", TERM_UNLABELLED},
};

struct mixmatch {
    struct one_pass pass;
    struct cross_entropy labelled; /* of a whole batch */
    struct config_mixmatch config;
    struct mixup mixup;
    struct mixed_pass mixed; /* 1 + 2 mu passes */
    struct arena arena;
    size_t unlabelled;          /* mu B */
    size_t places;              /* of a step, whose guesses SAM meets twice */
    real *guesses;              /* [places, unlabelled, classes], for SAM's second pass */
    real *probabilities[VIEWS]; /* [unlabelled, classes] */
};

static void mixmatch_phases(const struct config *config, struct phase_table *table)
{
    semi_supervised_phase(config, table)->weights[TERM_UNLABELLED] = config->mixmatch.weight;
}

static size_t mixmatch_streams(const struct config *config, struct stream_request *requests)
{
    static const enum view_kind views[VIEWS] = {VIEW_WEAK, VIEW_WEAK};
    return semi_supervised_streams(config, config->mixmatch.ratio, VIEWS, views, requests);
}

static void mixmatch_free(void *self)
{
    struct mixmatch *mixmatch = self;
    if (mixmatch == NULL) return;
    one_pass_free(&mixmatch->pass);
    arena_free(&mixmatch->arena);
    memory_free(mixmatch);
}

static void place(void *self, struct plan *plan)
{
    struct mixmatch *mixmatch = self;
    size_t classes = mixmatch->labelled.classes, guesses = mixmatch->unlabelled * classes;
    mixmatch->guesses = plan_reals(plan, mixmatch->places * guesses);
    for (int view = 0; view < VIEWS; view++) mixmatch->probabilities[view] = plan_reals(plan, guesses);
    mixed_pass_place(&mixmatch->mixed, classes, plan);
    mixup_place(&mixmatch->mixup, plan);
}

static status mixmatch_create(void **self, const struct method_setup *setup, struct error *err)
{
    const struct config *config = setup->config;
    *self = NULL;
    struct mixmatch *mixmatch = memory_allocate(1, sizeof *mixmatch, "the method", err);
    if (mixmatch == NULL) return STATUS_FAILED;
    mixmatch->config = config->mixmatch;
    mixmatch->unlabelled = semi_supervised_unlabelled_rows(config, config->mixmatch.ratio);
    mixmatch->places = setup->places;
    mixmatch->mixed = (struct mixed_pass){.batch = (size_t)config->train.batch,
                                          .parts = 1 + VIEWS * (size_t)config->mixmatch.ratio};
    mixmatch->labelled = semi_supervised_cross_entropy(setup);
    mixmatch->labelled.soft_targets = true; /* mixtures are */
    size_t classes = mixmatch->labelled.classes;
    status result = one_pass_init_mixed(&mixmatch->pass, setup, mixmatch->mixed.batch, mixmatch->unlabelled, err);
    mixmatch->mixup = (struct mixup){.capacity = mixmatch->mixed.batch * mixmatch->mixed.parts,
                                     .picture_reals = mixmatch->pass.image_reals,
                                     .classes = classes};
    if (result == STATUS_OK) result = plan_arena_init(&mixmatch->arena, place, mixmatch, "the mixtures", err);
    if (result != STATUS_OK) {
        mixmatch_free(mixmatch);
        return result;
    }
    *self = mixmatch;
    return STATUS_OK;
}

/* The guesses of this place: made from the weak views, or those of SAM's first pass. */
static const real *guess(struct mixmatch *mixmatch, const struct method_step *step)
{
    struct one_pass *pass = &mixmatch->pass;
    const struct batch_stream *unlabelled = &step->batch->streams[UNLABELLED];
    size_t classes = pass->classes, n = (size_t)unlabelled->rows;
    real *guesses = mixmatch->guesses + step->place * mixmatch->unlabelled * classes;
    if (step->again) return guesses;
    for (int view = 0; view < VIEWS; view++) {
        one_pass_begin(pass);
        (void)one_pass_add(pass, unlabelled, view);
        one_pass_forward_beside(pass, step, mixmatch->mixed.parts + (size_t)view);
        guesses_softmax(n, classes, pass->logits, 1, mixmatch->probabilities[view]);
    }
    guesses_average(n * classes, mixmatch->probabilities[FIRST], mixmatch->probabilities[SECOND], guesses);
    guesses_sharpen(n, classes, mixmatch->config.temperature, guesses);
    return guesses;
}

/* One pass of mixtures, there and back, with its losses as shares of the step's. */
static void run_pass(struct mixmatch *mixmatch, const struct method_step *step, size_t number, double ramp,
                     struct step_outcome *outcome)
{
    struct one_pass *pass = &mixmatch->pass;
    const struct mixed_pass *mixed = &mixmatch->mixed;
    size_t labelled = mixed_pass_forward(&mixmatch->mixed, &mixmatch->mixup, pass, step, number);
    size_t at = labelled * pass->classes, others = pass->rows - labelled;
    double share = mixed_pass_others_share(mixed, labelled);
    double scale = step->gradient_scale * step->weights[TERM_UNLABELLED] * ramp * share;
    struct cross_entropy loss = mixmatch->labelled;
    loss.n = labelled;
    if (labelled > 0)
        semi_supervised_labelled_loss(pass, loss, mixed->targets, (double)labelled / (double)mixed->batch, step,
                                      outcome);
    if (others > 0)
        outcome->terms[TERM_UNLABELLED] += share * guesses_squared_error(others, pass->classes, pass->logits + at,
                                                                         mixed->targets + at, scale,
                                                                         pass->dlogits + at);
    one_pass_backward(pass);
}

static void mixmatch_step(void *self, const struct method_step *step, struct step_outcome *outcome)
{
    struct mixmatch *mixmatch = self;
    const struct batch_stream *labelled = &step->batch->streams[LABELLED];
    const struct batch_stream *unlabelled = &step->batch->streams[UNLABELLED];
    const real *guesses = guess(mixmatch, step);
    double ramp = semi_supervised_ramp(step->progress, mixmatch->config.ramp);
    *outcome = (struct step_outcome){0};
    mixup_begin(&mixmatch->mixup);
    mixup_add(&mixmatch->mixup, (size_t)labelled->rows, labelled->images[0], labelled->targets);
    for (int view = 0; view < VIEWS; view++)
        mixup_add(&mixmatch->mixup, (size_t)unlabelled->rows, unlabelled->images[view], guesses);
    mixup_draw(&mixmatch->mixup, step->seed, step->draw, mixmatch->config.alpha);
    for (size_t number = 0; number < mixmatch->mixed.parts; number++) run_pass(mixmatch, step, number, ramp, outcome);
    step_outcome_figure(outcome, RAMP, ramp, 1);
    outcome->total = step->weights[TERM_FER] * outcome->terms[TERM_FER] +
                     step->weights[TERM_UNLABELLED] * ramp * outcome->terms[TERM_UNLABELLED];
}

static struct method_bytes mixmatch_bytes(const void *self)
{
    const struct mixmatch *mixmatch = self;
    struct method_bytes bytes = one_pass_bytes(&mixmatch->pass);
    bytes.scratch += mixmatch->arena.size;
    return bytes;
}

static const char *mixmatch_moves(const struct config *config)
{
    return config->mixmatch.ramp > 0 ? "mixmatch.ramp" : NULL;
}

const struct method method_mixmatch = {
    .name = "mixmatch",
    .mixes_pictures = true,
    .terms = terms,
    .term_count = TERMS,
    .figures = figures,
    .figure_count = FIGURES,
    .check = semi_supervised_check_mixing,
    .moves_with_progress = mixmatch_moves,
    .phases = mixmatch_phases,
    .streams = mixmatch_streams,
    .create = mixmatch_create,
    .free = mixmatch_free,
    .step = mixmatch_step,
    .bytes = mixmatch_bytes,
};
