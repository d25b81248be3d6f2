/* ReMixMatch (Berthelot et al. 2020): MixMatch with guesses brought to the labels' class shares, strong views that
 * learn from the weak view's guess, and a head that tells how a picture was turned.
 *
 *   q = sharpened, normalised p(weak) * (class shares of the labels) / (running mean of p(weak))
 *   L = CE(mixed labelled) + ramp lambda_u CE(mixed unlabelled) + ramp lambda_s CE(q, strong) + lambda_r CE(turns,
 * turned strong)
 *
 * Mixed are labelled, strong, second strong and weak pictures, the last three with the guess q. Guesses, unmixed strong
 * views and turned ones go through the network in passes of their own, as the authors have it, and mixtures in passes
 * of B rows (mixed_pass.h), the first of which alone moves the running statistics: batch statistics of one pass for all
 * would be mostly those of turned and distorted faces, other ones than the guesses are made under. The running mean
 * begins with the first batch's, keeps `momentum` of itself from batch to batch, and is remembered by checkpoints, as
 * the last step that was made left it: a step that fails would leave a mean of its own guesses, not numbers perhaps. */
#include "method/bind.h"
#include "method/guesses.h"
#include "method/methods.h"
#include "method/mixed_pass.h"
#include "method/semi_supervised.h"

#include <string.h>

enum { WEAK, STRONG, STRONG_AGAIN, VIEWS };
enum { TERM_UNLABELLED = TERM_FER + 1, TERM_STRONG, TERM_ROTATION, TERMS };
enum { RAMP = ACCURACY + 1, ROTATION_ACCURACY, FIGURES };
enum { TURNS = 4 };        /* by 0, 90, 180, 270 degrees */
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
    struct mixed_pass mixed; /* 1 + 3 mu passes */
    struct arena arena;
    size_t unlabelled, side; /* mu B pictures */
    size_t places;           /* of a step, whose guesses SAM meets twice */
    double *mean, *shares;   /* [classes]: the running mean, zeros before the first step; of the labels */
    double *moved_mean;      /* [classes]: with the batches of the step that runs */
    bool has_moved;          /* it has one of them */
    real *guesses;           /* [places, unlabelled, classes], for SAM's second pass */
    real *turn_targets, *turn_logits, *dturn_logits; /* [unlabelled, TURNS] */
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

static void place(void *self, struct plan *plan)
{
    struct remixmatch *remixmatch = self;
    size_t classes = remixmatch->labelled.classes;
    size_t n = remixmatch->unlabelled, turned = remixmatch->turns ? n : 0;
    remixmatch->mean = plan_take(plan, classes, sizeof *remixmatch->mean);
    remixmatch->moved_mean = plan_take(plan, classes, sizeof *remixmatch->moved_mean);
    remixmatch->shares = plan_take(plan, classes, sizeof *remixmatch->shares);
    remixmatch->guesses = plan_reals(plan, remixmatch->places * n * classes);
    mixed_pass_place(&remixmatch->mixed, classes, plan);
    remixmatch->turn_targets = plan_reals(plan, turned * TURNS);
    remixmatch->turn_logits = plan_reals(plan, turned * TURNS);
    remixmatch->dturn_logits = plan_reals(plan, turned * TURNS);
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
    remixmatch->unlabelled = semi_supervised_unlabelled_rows(config, config->remixmatch.ratio);
    remixmatch->places = setup->places;
    remixmatch->side = (size_t)config->data.image_size;
    remixmatch->labelled = semi_supervised_cross_entropy(setup);
    remixmatch->labelled.soft_targets = true; /* mixtures are */
    remixmatch->mixed = (struct mixed_pass){.batch = (size_t)config->train.batch,
                                            .parts = 1 + VIEWS * (size_t)config->remixmatch.ratio};
    size_t classes = remixmatch->labelled.classes;
    bind_rotation(remixmatch, setup->model);
    status result = one_pass_init_mixed(&remixmatch->pass, setup, remixmatch->mixed.batch, remixmatch->unlabelled, err);
    remixmatch->mixup = (struct mixup){.capacity = remixmatch->mixed.batch * remixmatch->mixed.parts,
                                       .picture_reals = remixmatch->pass.image_reals,
                                       .classes = classes};
    if (result == STATUS_OK) result = plan_arena_init(&remixmatch->arena, place, remixmatch, "the mixtures", err);
    if (result != STATUS_OK) {
        remixmatch_free(remixmatch);
        return result;
    }
    memcpy(remixmatch->shares, setup->class_shares, classes * sizeof *remixmatch->shares);
    *self = remixmatch;
    return STATUS_OK;
}

/* ---- a step ---- */

/* Passes beside those of mixtures, which have the numbers before. */
enum { PASS_GUESS, PASS_STRONG, PASS_TURNED };

/* Takes `unlabelled` rows that stand in the pass through the network, beside its mixtures. */
static void forward_beside(struct remixmatch *remixmatch, const struct method_step *step, size_t which)
{
    one_pass_forward_beside(&remixmatch->pass, step, remixmatch->mixed.parts + which);
}

/* The running mean with the guesses p [n,classes] of one batch more. */
static const double *move_mean(struct remixmatch *remixmatch, size_t n, const real *p)
{
    size_t classes = remixmatch->pass.classes;
    if (!remixmatch->has_moved) memcpy(remixmatch->moved_mean, remixmatch->mean, classes * sizeof *remixmatch->mean);
    remixmatch->has_moved = true;
    guesses_follow_mean(n, classes, p, remixmatch->config.momentum, remixmatch->moved_mean);
    return remixmatch->moved_mean;
}

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
    forward_beside(remixmatch, step, PASS_GUESS);
    guesses_softmax(n, classes, pass->logits, 1, guesses);
    guesses_align(n, classes, remixmatch->shares, move_mean(remixmatch, n, guesses), guesses);
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

/* One pass of mixtures, there and back, with its losses as shares of the step's. */
static void run_mixtures(struct remixmatch *remixmatch, const struct method_step *step, size_t number, double ramp,
                         struct step_outcome *outcome)
{
    struct one_pass *pass = &remixmatch->pass;
    const struct mixed_pass *mixed = &remixmatch->mixed;
    size_t labelled = mixed_pass_forward(&remixmatch->mixed, &remixmatch->mixup, pass, step, number);
    size_t at = labelled * pass->classes;
    double share = mixed_pass_others_share(mixed, labelled);
    double scale = step->gradient_scale * step->weights[TERM_UNLABELLED] * ramp * share;
    struct cross_entropy loss = remixmatch->labelled, soft = {.n = pass->rows - labelled, .classes = pass->classes};
    loss.n = labelled;
    if (labelled > 0)
        semi_supervised_labelled_loss(pass, loss, mixed->targets, (double)labelled / (double)mixed->batch, step,
                                      outcome);
    if (soft.n > 0)
        outcome->terms[TERM_UNLABELLED] += share * cross_entropy(&soft, pass->logits + at, mixed->targets + at, scale,
                                                                 pass->dlogits + at);
    one_pass_backward(pass);
}

/* The unmixed strong views against the guesses, there and back. */
static void run_strong(struct remixmatch *remixmatch, const struct method_step *step, const real *guesses, double ramp,
                       struct step_outcome *outcome)
{
    struct one_pass *pass = &remixmatch->pass;
    const struct batch_stream *unlabelled = &step->batch->streams[UNLABELLED];
    struct cross_entropy loss = {.n = (size_t)unlabelled->rows, .classes = pass->classes};
    one_pass_begin(pass);
    (void)one_pass_add(pass, unlabelled, STRONG);
    forward_beside(remixmatch, step, PASS_STRONG);
    outcome->terms[TERM_STRONG] = cross_entropy(&loss, pass->logits, guesses,
                                                step->gradient_scale * step->weights[TERM_STRONG] * ramp,
                                                pass->dlogits);
    one_pass_backward(pass);
}

/* Writes the strong views, each turned as drawn, and how, into the pass. */
static void add_turned(struct remixmatch *remixmatch, const struct method_step *step)
{
    struct one_pass *pass = &remixmatch->pass;
    const struct batch_stream *unlabelled = &step->batch->streams[UNLABELLED];
    size_t n = (size_t)unlabelled->rows;
    struct random_stream stream = random_stream(step->seed, RANDOM_METHOD, step->draw, STREAM_TURNS);
    memset(remixmatch->turn_targets, 0, n * TURNS * sizeof(real));
    one_pass_begin(pass);
    for (size_t i = 0; i < n; i++) {
        size_t quarters = (size_t)random_below(&stream, TURNS);
        remixmatch->turn_targets[i * TURNS + quarters] = 1;
        turn(remixmatch->side, quarters, unlabelled->images[STRONG] + i * pass->image_reals, one_pass_extend(pass, 1));
    }
}

/* The head tells how the strong views are turned, there and back. */
static void run_turned(struct remixmatch *remixmatch, const struct method_step *step, struct step_outcome *outcome)
{
    struct one_pass *pass = &remixmatch->pass;
    add_turned(remixmatch, step);
    forward_beside(remixmatch, step, PASS_TURNED);
    size_t n = pass->rows;
    struct cross_entropy loss = {.n = n, .classes = TURNS};
    linear_forward(&pass->context, &remixmatch->rotation, n, pass->input, remixmatch->turn_logits);
    outcome->terms[TERM_ROTATION] = cross_entropy(&loss, remixmatch->turn_logits, remixmatch->turn_targets,
                                                  step->gradient_scale * step->weights[TERM_ROTATION],
                                                  remixmatch->dturn_logits);
    step_outcome_figure(outcome, ROTATION_ACCURACY,
                        count_correct(n, TURNS, remixmatch->turn_logits, remixmatch->turn_targets), (double)n);
    linear_backward(&remixmatch->rotation, n, pass->input, remixmatch->dturn_logits, pass->dfeatures);
    one_pass_backward_dropout(pass);
    one_pass_backward_backbone(pass);
}

/* Draws who is mixed with whom. */
static void draw_mixtures(struct remixmatch *remixmatch, const struct method_step *step, const real *guesses)
{
    static const int views[VIEWS] = {STRONG, STRONG_AGAIN, WEAK};
    const struct batch_stream *labelled = &step->batch->streams[LABELLED];
    const struct batch_stream *unlabelled = &step->batch->streams[UNLABELLED];
    struct mixup *mixup = &remixmatch->mixup;
    mixup_begin(mixup);
    mixup_add(mixup, (size_t)labelled->rows, labelled->images[0], labelled->targets);
    for (int i = 0; i < VIEWS; i++) mixup_add(mixup, (size_t)unlabelled->rows, unlabelled->images[views[i]], guesses);
    mixup_draw(mixup, step->seed, step->draw, remixmatch->config.alpha);
}

static void remixmatch_step(void *self, const struct method_step *step, struct step_outcome *outcome)
{
    struct remixmatch *remixmatch = self;
    double ramp = semi_supervised_ramp(step->progress, remixmatch->config.ramp);
    const real *guesses = guess(remixmatch, step);
    *outcome = (struct step_outcome){0};
    draw_mixtures(remixmatch, step, guesses);
    for (size_t number = 0; number < remixmatch->mixed.parts; number++)
        run_mixtures(remixmatch, step, number, ramp, outcome);
    run_strong(remixmatch, step, guesses, ramp, outcome);
    if (remixmatch->turns) run_turned(remixmatch, step, outcome);
    step_outcome_figure(outcome, RAMP, ramp, 1);
    for (size_t i = 0; i < TERMS; i++)
        outcome->total += (i == TERM_UNLABELLED || i == TERM_STRONG ? ramp : 1) * step->weights[i] * outcome->terms[i];
}

static void remixmatch_after_update(void *self, double progress)
{
    struct remixmatch *remixmatch = self;
    (void)progress;
    if (remixmatch->has_moved)
        memcpy(remixmatch->mean, remixmatch->moved_mean, remixmatch->pass.classes * sizeof *remixmatch->mean);
    remixmatch->has_moved = false;
}

static size_t remixmatch_memories(void *self, struct method_memory *memories)
{
    struct remixmatch *remixmatch = self;
    memories[0] = (struct method_memory){
        "mean_guess", MEMORY_F64, 1, {remixmatch->pass.classes}, .data = remixmatch->mean};
    return 1;
}

static struct method_bytes remixmatch_bytes(const void *self)
{
    const struct remixmatch *remixmatch = self;
    struct method_bytes bytes = one_pass_bytes(&remixmatch->pass);
    bytes.scratch += remixmatch->arena.size;
    return bytes;
}

static const char *remixmatch_moves(const struct config *config)
{
    return config->remixmatch.ramp > 0 ? "remixmatch.ramp" : NULL;
}

const struct method method_remixmatch = {
    .name = "remixmatch",
    .mixes_pictures = true,
    .terms = terms,
    .term_count = TERMS,
    .figures = figures,
    .figure_count = FIGURES,
    .check = semi_supervised_check_mixing,
    .moves_with_progress = remixmatch_moves,
    .phases = remixmatch_phases,
    .streams = remixmatch_streams,
    .heads = remixmatch_heads,
    .create = remixmatch_create,
    .free = remixmatch_free,
    .step = remixmatch_step,
    .after_update = remixmatch_after_update,
    .memories = remixmatch_memories,
    .bytes = remixmatch_bytes,
};
