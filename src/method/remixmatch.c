/* ReMixMatch (Berthelot et al. 2020): MixMatch with guesses brought to the labels' class shares, strong views that learn
 * from the weak view's guess, and a head that tells how a picture was turned.
 *
 *   q = sharpened, normalised p(weak) * (class shares of the labels) / (running mean of p(weak))
 *   L = CE(mixed labelled) + ramp lambda_u CE(mixed unlabelled) + ramp lambda_s CE(q, strong) + lambda_r CE(turns, turned strong)
 *
 * Mixed are labelled, strong, second strong and weak pictures, the last three with the guess q. Guesses come from a pass
 * of their own that leaves the running statistics alone; all rows that learn are one pass. The running mean begins with
 * the first batch's, keeps `momentum` of itself from batch to batch, and is remembered by checkpoints. */
#include "method/bind.h"
#include "method/guesses.h"
#include "method/methods.h"
#include "method/mixup.h"
#include "method/semi_supervised.h"

#include <string.h>

enum { WEAK, STRONG, STRONG_AGAIN, VIEWS };
enum { TERM_UNLABELLED = TERM_FER + 1, TERM_STRONG, TERM_ROTATION, TERMS };
enum { RAMP = ACCURACY + 1, ROTATION_ACCURACY, FIGURES };
enum { TURNS = 4 }; /* by 0, 90, 180, 270 degrees */
enum { STREAM_TURNS = 2 }; /* beside mixup.c's draws */

static const struct method_term terms[TERMS] = {
    [TERM_FER] = {"fer", "FER"},
    [TERM_UNLABELLED] = {"unlabelled", "unlabelled"},
    [TERM_STRONG] = {"strong", "strong views"},
    [TERM_ROTATION] = {"rotation", "rotation"},
};
static const struct method_figure figures[FIGURES] = {
    [ACCURACY] = {"accuracy", -1}, /* of mixed labelled rows, against the class that has most of the target */
    [RAMP] = {"ramp", TERM_UNLABELLED},
    [ROTATION_ACCURACY] = {"rotation_accuracy", TERM_ROTATION},
};

struct remixmatch {
    struct one_pass pass;
    struct cross_entropy labelled; /* of the mixed ones */
    struct config_remixmatch config;
    struct linear rotation; /* D -> 4 */
    bool turns;             /* rotation weighs something: the head is there */
    struct mixup mixup;
    struct arena arena;
    size_t batch, unlabelled, side;
    double *mean, *shares;           /* [classes]: the running mean, zeros before the first batch; of the labels */
    real *guesses;                   /* [places, unlabelled, classes], for SAM's second pass */
    real *targets;                   /* [mixtures, classes], mixed */
    real *turn_targets, *turn_logits, *dturn_logits; /* [unlabelled, TURNS] */
    real *dturned;                                   /* [unlabelled, D] */
};

static void remixmatch_phases(const struct config *config, struct phase_table *table)
{
    double *weights = semi_supervised_phase(config, table)->weights;
    weights[TERM_UNLABELLED] = config->remixmatch.weight;
    weights[TERM_STRONG] = config->remixmatch.strong_weight;
    weights[TERM_ROTATION] = config->remixmatch.rotation_weight;
}

static size_t remixmatch_streams(const struct config *config, struct stream_request *requests)
{
    static const enum view_kind views[VIEWS] = {
        [WEAK] = VIEW_WEAK, [STRONG] = VIEW_STRONG, [STRONG_AGAIN] = VIEW_STRONG};
    return semi_supervised_streams(config, config->remixmatch.ratio, VIEWS, views, requests);
}

static size_t remixmatch_heads(const struct config *config, size_t features, struct parameter *entries)
{
    if (config->remixmatch.rotation_weight == 0) return 0;
    entries[0] = (struct parameter){.name = "rotation.weight", .shape = {TURNS, features}, .rank = 2, .decays = true};
    entries[1] = (struct parameter){.name = "rotation.bias", .shape = {TURNS}, .rank = 1};
    return 2;
}

/* ---- creation ---- */

static void remixmatch_free(void *self)
{
    struct remixmatch *remixmatch = self;
    if (remixmatch == NULL) return;
    one_pass_free(&remixmatch->pass);
    arena_free(&remixmatch->arena);
    memory_free(remixmatch);
}

static void place(struct remixmatch *remixmatch, size_t places, size_t classes, struct plan *plan)
{
    size_t n = remixmatch->unlabelled, turned = remixmatch->turns ? n : 0;
    remixmatch->mean = plan_take(plan, classes, sizeof *remixmatch->mean);
    remixmatch->shares = plan_take(plan, classes, sizeof *remixmatch->shares);
    remixmatch->guesses = plan_reals(plan, places * n * classes);
    remixmatch->targets = plan_reals(plan, remixmatch->mixup.capacity * classes);
    remixmatch->turn_targets = plan_reals(plan, turned * TURNS);
    remixmatch->turn_logits = plan_reals(plan, turned * TURNS);
    remixmatch->dturn_logits = plan_reals(plan, turned * TURNS);
    remixmatch->dturned = plan_reals(plan, turned * remixmatch->pass.dimensions);
    mixup_place(&remixmatch->mixup, plan);
}

static void bind_rotation(struct remixmatch *remixmatch, const struct model *model)
{
    const struct parameter *weight = parameters_find(&model->parameters, "rotation.weight");
    remixmatch->turns = remixmatch->config.rotation_weight > 0;
    if (!remixmatch->turns) return;
    BUG_UNLESS(weight != NULL);
    size_t at = (size_t)(weight - model->parameters.items);
    remixmatch->rotation = bind_linear(model, (struct linear_indices){.weight = at, .bias = at + 1});
}

static status remixmatch_create(void **self, const struct method_setup *setup, struct error *err)
{
    const struct config *config = setup->config;
    *self = NULL;
    struct remixmatch *remixmatch = memory_allocate(1, sizeof *remixmatch, "the method", err);
    if (remixmatch == NULL) return STATUS_FAILED;
    remixmatch->config = config->remixmatch;
    remixmatch->batch = (size_t)config->train.batch;
    remixmatch->unlabelled = semi_supervised_unlabelled_rows(config, config->remixmatch.ratio);
    remixmatch->side = (size_t)config->data.image_size;
    remixmatch->labelled = semi_supervised_cross_entropy(setup);
    size_t classes = remixmatch->labelled.classes, mixtures = remixmatch->batch + VIEWS * remixmatch->unlabelled;
    bind_rotation(remixmatch, setup->model);
    size_t rows = mixtures + (remixmatch->turns ? 2 : 1) * remixmatch->unlabelled;
    status result = one_pass_init_mixed(&remixmatch->pass, setup, rows, err);
    remixmatch->mixup = (struct mixup){
        .capacity = mixtures, .picture_reals = remixmatch->pass.image_reals, .classes = classes};
    struct plan plan = {0};
    place(remixmatch, setup->places, classes, &plan);
    if (result == STATUS_OK) result = arena_init(&remixmatch->arena, plan.used, "the mixtures", err);
    if (result != STATUS_OK) {
        remixmatch_free(remixmatch);
        return result;
    }
    plan = (struct plan){arena_take(&remixmatch->arena, plan.used), 0};
    place(remixmatch, setup->places, classes, &plan);
    memcpy(remixmatch->shares, setup->class_shares, classes * sizeof *remixmatch->shares);
    *self = remixmatch;
    return STATUS_OK;
}

/* ---- a step ---- */

/* The guesses of this place: made from the weak view, or those of SAM's first pass. */
static const real *guess(struct remixmatch *remixmatch, const struct method_step *step)
{
    struct one_pass *pass = &remixmatch->pass;
    const struct batch_stream *unlabelled = &step->batch->streams[UNLABELLED];
    size_t classes = pass->classes, n = (size_t)unlabelled->rows;
    real *guesses = remixmatch->guesses + step->place * remixmatch->unlabelled * classes;
    if (step->again) return guesses;
    one_pass_begin(pass);
    (void)one_pass_add(pass, unlabelled, WEAK);
    one_pass_forward_beside(pass, step, 1);
    guesses_softmax(n, classes, pass->logits, 1, guesses);
    guesses_follow_mean(n, classes, guesses, remixmatch->config.momentum, remixmatch->mean);
    guesses_align(n, classes, remixmatch->shares, remixmatch->mean, guesses);
    guesses_sharpen(n, classes, remixmatch->config.temperature, guesses);
    return guesses;
}

/* `to` = `from` turned by `quarters` times 90 degrees against the clock. [side,side,3] */
static void turn(size_t side, size_t quarters, const real *from, real *to)
{
    for (size_t y = 0; y < side; y++)
        for (size_t x = 0; x < side; x++) {
            size_t row = y, column = x;
            for (size_t q = 0; q < quarters; q++) {
                size_t before = row;
                row = column;
                column = side - 1 - before;
            }
            memcpy(to + (y * side + x) * 3, from + (row * side + column) * 3, 3 * sizeof *to);
        }
}

/* Adds the strong views, each turned as drawn. Returns the number of the first row. */
static size_t add_turned(struct remixmatch *remixmatch, const struct method_step *step)
{
    struct one_pass *pass = &remixmatch->pass;
    const struct batch_stream *unlabelled = &step->batch->streams[UNLABELLED];
    size_t n = (size_t)unlabelled->rows, first = pass->rows;
    struct random_stream stream = random_stream(step->seed, RANDOM_METHOD, step->draw, STREAM_TURNS);
    memset(remixmatch->turn_targets, 0, n * TURNS * sizeof(real));
    for (size_t i = 0; i < n; i++) {
        size_t quarters = (size_t)random_below(&stream, TURNS);
        remixmatch->turn_targets[i * TURNS + quarters] = 1;
        turn(remixmatch->side, quarters, unlabelled->images[STRONG] + i * pass->image_reals, one_pass_extend(pass, 1));
    }
    return first;
}

/* Mixes everything and makes the mixtures the pass's first rows. */
static void add_mixtures(struct remixmatch *remixmatch, const struct method_step *step, const real *guesses)
{
    static const int views[VIEWS] = {STRONG, STRONG_AGAIN, WEAK};
    const struct batch_stream *labelled = &step->batch->streams[LABELLED];
    const struct batch_stream *unlabelled = &step->batch->streams[UNLABELLED];
    struct mixup *mixup = &remixmatch->mixup;
    mixup_begin(mixup);
    mixup_add(mixup, (size_t)labelled->rows, labelled->images[0], labelled->targets);
    for (int i = 0; i < VIEWS; i++) mixup_add(mixup, (size_t)unlabelled->rows, unlabelled->images[views[i]], guesses);
    mixup_draw(mixup, step->seed, step->draw, remixmatch->config.alpha);
    for (size_t row = 0; row < mixup->rows; row++)
        mixup_make(mixup, row, one_pass_extend(&remixmatch->pass, 1), remixmatch->targets + row * mixup->classes);
}

/* The mean cross-entropy of `n` rows from `first` on against soft targets. */
static double soft_loss(struct remixmatch *remixmatch, size_t first, size_t n, const real *targets, double scale)
{
    struct one_pass *pass = &remixmatch->pass;
    struct cross_entropy loss = {.n = n, .classes = pass->classes};
    size_t at = first * pass->classes;
    return cross_entropy(&loss, pass->logits + at, targets, scale, pass->dlogits + at);
}

/* The head's loss; its gradient is added to the features' of the turned rows. */
static void rotation_loss(struct remixmatch *remixmatch, const struct method_step *step, size_t first, size_t n,
                          struct step_outcome *outcome)
{
    struct one_pass *pass = &remixmatch->pass;
    struct cross_entropy loss = {.n = n, .classes = TURNS};
    const real *features = pass->features + first * pass->dimensions;
    linear_forward(&pass->context, &remixmatch->rotation, n, features, remixmatch->turn_logits);
    outcome->terms[TERM_ROTATION] =
        cross_entropy(&loss, remixmatch->turn_logits, remixmatch->turn_targets,
                      step->gradient_scale * step->weights[TERM_ROTATION], remixmatch->dturn_logits);
    step_outcome_figure(outcome, ROTATION_ACCURACY,
                        count_correct(n, TURNS, remixmatch->turn_logits, remixmatch->turn_targets), (double)n);
    linear_backward(&pass->context, &remixmatch->rotation, n, features, remixmatch->dturn_logits, remixmatch->dturned);
    one_pass_add_gradient(pass, first, n, remixmatch->dturned);
}

static void remixmatch_step(void *self, const struct method_step *step, struct step_outcome *outcome)
{
    struct remixmatch *remixmatch = self;
    struct one_pass *pass = &remixmatch->pass;
    const struct batch_stream *unlabelled = &step->batch->streams[UNLABELLED];
    size_t n = (size_t)unlabelled->rows, batch = remixmatch->batch, classes = pass->classes;
    double ramp = semi_supervised_ramp(step->progress, remixmatch->config.ramp);
    const real *guesses = guess(remixmatch, step);
    *outcome = (struct step_outcome){0};
    one_pass_begin(pass);
    add_mixtures(remixmatch, step, guesses);
    size_t strong = one_pass_add(pass, unlabelled, STRONG);
    size_t turned = remixmatch->turns ? add_turned(remixmatch, step) : 0;
    one_pass_forward(pass, step);
    semi_supervised_labelled_loss(pass, remixmatch->labelled, remixmatch->targets, 1, step, outcome);
    outcome->terms[TERM_UNLABELLED] = soft_loss(remixmatch, batch, VIEWS * n, remixmatch->targets + batch * classes,
                                                step->gradient_scale * step->weights[TERM_UNLABELLED] * ramp);
    outcome->terms[TERM_STRONG] =
        soft_loss(remixmatch, strong, n, guesses, step->gradient_scale * step->weights[TERM_STRONG] * ramp);
    one_pass_backward_classifier(pass);
    if (remixmatch->turns) rotation_loss(remixmatch, step, turned, n, outcome);
    one_pass_backward_backbone(pass);
    step_outcome_figure(outcome, RAMP, ramp, 1);
    for (size_t i = 0; i < TERMS; i++)
        outcome->total +=
            (i == TERM_UNLABELLED || i == TERM_STRONG ? ramp : 1) * step->weights[i] * outcome->terms[i];
}

static size_t remixmatch_memories(void *self, struct method_memory *memories)
{
    struct remixmatch *remixmatch = self;
    memories[0] = (struct method_memory){
        "mean_guess", MEMORY_F64, 1, {remixmatch->pass.classes}, remixmatch->mean};
    return 1;
}

static struct method_bytes remixmatch_bytes(const void *self)
{
    const struct remixmatch *remixmatch = self;
    struct method_bytes bytes = one_pass_bytes(&remixmatch->pass);
    bytes.scratch += remixmatch->arena.size;
    return bytes;
}

const struct method method_remixmatch = {
    .name = "remixmatch",
    .mixes_pictures = true,
    .terms = terms,
    .term_count = TERMS,
    .figures = figures,
    .figure_count = FIGURES,
    .check = semi_supervised_check_mixing,
    .phases = remixmatch_phases,
    .streams = remixmatch_streams,
    .heads = remixmatch_heads,
    .create = remixmatch_create,
    .free = remixmatch_free,
    .step = remixmatch_step,
    .memories = remixmatch_memories,
    .bytes = remixmatch_bytes,
};
