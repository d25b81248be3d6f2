/* The slabs in pieces, each group at its own rate; gradient norms in a fixed order; SAM's way up and back. */
#include "rmfer/train/optimizer.h"

#include "optimizer_rules.h"

#include <math.h>
#include <string.h>

/* A piece of the slabs whose parameters are treated alike. */
struct piece {
    size_t begin, count;
    enum parameter_group group;
    bool decays;
};

enum { PIECE_REALS = 1 << 14 }; /* small enough to share evenly, large enough not to matter */

struct optimizer {
    struct optimizer_options options;
    struct parameters *parameters;
    struct arena arena;
    real *moments[OPTIMIZER_MOST_SLABS];
    real *before; /* SAM: w while the weights are at w + rho g / |g| */
    bool is_sharpened;
    uint64_t group_steps[GROUP_COUNT];
    struct piece *pieces;
    double *sums; /* [piece_count] */
    size_t piece_count, piece_capacity;
};

struct optimizer_options optimizer_options_of(const struct config_train *train)
{
    bool sam = train->optimizer == OPTIMIZER_SAM;
    return (struct optimizer_options){
        .rule = sam ? train->sam_base : train->optimizer,
        .sharpness_aware = sam,
        .sam_rho = train->sam_rho,
        .momentum = train->momentum,
        .nesterov = train->nesterov,
        .beta1 = train->beta1,
        .beta2 = train->beta2,
        .epsilon = train->epsilon,
        .weight_decay = train->weight_decay,
    };
}

static const char *slab_name(enum config_optimizer rule, size_t index)
{
    if (rule == OPTIMIZER_SGD) return "momentum";
    return index == 0 ? "first_moment" : "second_moment";
}

/* Plain gradient descent remembers nothing. */
static size_t slab_count(const struct optimizer_options *options)
{
    if (options->rule == OPTIMIZER_SGD) return options->momentum > 0 ? 1 : 0;
    return 2;
}

/* Appends a tensor's numbers, as pieces; a short tensor joins the piece before it where both are treated alike. */
static status add_pieces(struct optimizer *o, const struct parameter *entry, struct error *err)
{
    size_t begin = entry->offset, end = entry->offset + entry->count;
    while (begin < end) {
        struct piece *last = o->piece_count == 0 ? NULL : &o->pieces[o->piece_count - 1];
        bool joins = last != NULL && last->group == entry->group && last->decays == entry->decays &&
                     last->begin + last->count == begin && last->count < PIECE_REALS;
        size_t room = joins ? PIECE_REALS - last->count : PIECE_REALS;
        size_t count = end - begin < room ? end - begin : room;
        if (joins) {
            last->count += count;
        } else {
            if (o->piece_count == o->piece_capacity) {
                size_t capacity = o->piece_capacity == 0 ? 256 : 2 * o->piece_capacity;
                struct piece *pieces = memory_grow(o->pieces, o->piece_count, capacity, sizeof *pieces,
                                                   "the optimizer's pieces", err);
                if (pieces == NULL) return STATUS_FAILED;
                o->pieces = pieces;
                o->piece_capacity = capacity;
            }
            o->pieces[o->piece_count++] = (struct piece){begin, count, entry->group, entry->decays};
        }
        begin += count;
    }
    return STATUS_OK;
}

static status plan_pieces(struct optimizer *o, struct error *err)
{
    for (size_t i = 0; i < o->parameters->count; i++) {
        const struct parameter *entry = &o->parameters->items[i];
        if (!entry->is_buffer && add_pieces(o, entry, err) != STATUS_OK) return err->code;
    }
    o->sums = memory_allocate(o->piece_count, sizeof *o->sums, "the optimizer's sums", err);
    return o->sums == NULL ? STATUS_FAILED : STATUS_OK;
}

status optimizer_create(struct optimizer **optimizer, struct parameters *parameters,
                        const struct optimizer_options *options, struct error *err)
{
    BUG_UNLESS(options->rule != OPTIMIZER_SAM);
    *optimizer = NULL;
    struct optimizer *o = memory_allocate(1, sizeof *o, "the optimizer", err);
    if (o == NULL) return STATUS_FAILED;
    o->options = *options;
    o->parameters = parameters;
    size_t slabs = slab_count(options) + (options->sharpness_aware ? 1 : 0);
    size_t bytes = arena_rounded(size_multiply(parameters->value_count, sizeof(real)));
    status result = plan_pieces(o, err);
    if (result == STATUS_OK && slabs > 0)
        result = arena_init(&o->arena, size_multiply(bytes, slabs), "the optimizer's state", err);
    if (result != STATUS_OK) {
        optimizer_free(o);
        return result;
    }
    for (size_t i = 0; i < slab_count(options); i++) o->moments[i] = arena_take(&o->arena, bytes);
    if (options->sharpness_aware) o->before = arena_take(&o->arena, bytes);
    *optimizer = o;
    return STATUS_OK;
}

void optimizer_free(struct optimizer *o)
{
    if (o == NULL) return;
    arena_free(&o->arena);
    memory_free(o->pieces);
    memory_free(o->sums);
    memory_free(o);
}

/* Eight sums side by side: the order of additions is fixed, and the compiler may use vectors. */
static double sum_of_squares(const real *g, size_t n)
{
    enum { LANES = 8 };
    double lanes[LANES] = {0};
    size_t i = 0;
    for (; i + LANES <= n; i += LANES)
        for (int k = 0; k < LANES; k++) lanes[k] += (double)g[i + (size_t)k] * (double)g[i + (size_t)k];
    for (; i < n; i++) lanes[0] += (double)g[i] * (double)g[i];
    return ((lanes[0] + lanes[1]) + (lanes[2] + lanes[3])) + ((lanes[4] + lanes[5]) + (lanes[6] + lanes[7]));
}

double optimizer_gradient_norm(const struct optimizer *o, const struct optimizer_rates *rates)
{
#pragma omp parallel for schedule(static)
    for (size_t i = 0; i < o->piece_count; i++) {
        const struct piece *piece = &o->pieces[i];
        o->sums[i] = rates->frozen[piece->group]
                         ? 0
                         : sum_of_squares(o->parameters->gradients + piece->begin, piece->count);
    }
    double total = 0;
    for (size_t i = 0; i < o->piece_count; i++) total += o->sums[i];
    return sqrt(total);
}

double optimizer_clip_factor(double norm, double longest)
{
    if (longest <= 0) return 1;
    double factor = longest / (norm + 1e-6);
    return factor < 1 ? factor : 1;
}

/* The slab of values, for writing the groups that are not frozen. */
static real *write_groups(const struct optimizer *o, const struct optimizer_rates *rates)
{
    real *values = NULL;
    for (int group = 0; group < GROUP_COUNT; group++)
        if (!rates->frozen[group]) values = parameters_write(o->parameters, (enum parameter_group)group);
    return values;
}

void optimizer_sharpen(struct optimizer *o, const struct optimizer_rates *rates, double norm)
{
    BUG_UNLESS(o->options.sharpness_aware && !o->is_sharpened);
    real scale = (real)(o->options.sam_rho / (norm + 1e-12));
    real *values = write_groups(o, rates), *gradients = o->parameters->gradients;
#pragma omp parallel for schedule(static)
    for (size_t i = 0; i < o->piece_count; i++) {
        const struct piece *piece = &o->pieces[i];
        if (!rates->frozen[piece->group])
            optimizer_climb(piece->count, scale, values + piece->begin, gradients + piece->begin,
                            o->before + piece->begin);
    }
    parameters_zero_gradients(o->parameters);
    o->is_sharpened = true;
}

void optimizer_restore(struct optimizer *o, const struct optimizer_rates *rates)
{
    if (!o->is_sharpened) return;
    real *values = write_groups(o, rates);
#pragma omp parallel for schedule(static)
    for (size_t i = 0; i < o->piece_count; i++) {
        const struct piece *piece = &o->pieces[i];
        if (!rates->frozen[piece->group])
            memcpy(values + piece->begin, o->before + piece->begin, piece->count * sizeof(real));
    }
    o->is_sharpened = false;
}

/* The numbers of one piece's update. */
static struct optimizer_update update_of(const struct optimizer *o, const struct optimizer_rates *rates,
                                         const struct piece *piece, double gradient_scale)
{
    const struct optimizer_options *options = &o->options;
    double rate = rates->learning_rate[piece->group];
    double steps = (double)o->group_steps[piece->group];
    return (struct optimizer_update){
        .count = piece->count,
        .gradient_scale = gradient_scale,
        .learning_rate = rate,
        .weight_decay = piece->decays ? options->weight_decay : 0,
        .momentum = options->momentum,
        .nesterov = options->nesterov,
        .beta1 = options->beta1,
        .beta2 = options->beta2,
        .epsilon = options->epsilon,
        .correction1 = 1 - pow(options->beta1, steps),
        .correction2 = 1 - pow(options->beta2, steps),
    };
}

static void step_piece(const struct optimizer *o, const struct optimizer_rates *rates, const struct piece *piece,
                       double gradient_scale, real *values)
{
    struct optimizer_update update = update_of(o, rates, piece, gradient_scale);
    real *w = values + piece->begin;
    const real *g = o->parameters->gradients + piece->begin;
    real *first = o->moments[0] == NULL ? NULL : o->moments[0] + piece->begin;
    switch (o->options.rule) {
    case OPTIMIZER_SGD:
        if (first == NULL)
            optimizer_update_sgd(&update, w, g);
        else
            optimizer_update_momentum(&update, w, g, first);
        return;
    case OPTIMIZER_ADAM: optimizer_update_adam(&update, w, g, first, o->moments[1] + piece->begin); return;
    case OPTIMIZER_ADAMW: optimizer_update_adamw(&update, w, g, first, o->moments[1] + piece->begin); return;
    case OPTIMIZER_SAM: break; /* never: optimizer_create */
    }
}

void optimizer_step(struct optimizer *o, const struct optimizer_rates *rates, double gradient_scale)
{
    optimizer_restore(o, rates);
    for (int group = 0; group < GROUP_COUNT; group++)
        if (!rates->frozen[group]) o->group_steps[group]++;
    real *values = write_groups(o, rates);
#pragma omp parallel for schedule(static)
    for (size_t i = 0; i < o->piece_count; i++)
        if (!rates->frozen[o->pieces[i].group]) step_piece(o, rates, &o->pieces[i], gradient_scale, values);
}

size_t optimizer_slabs(struct optimizer *o, struct optimizer_slab slabs[OPTIMIZER_MOST_SLABS])
{
    size_t count = slab_count(&o->options);
    for (size_t i = 0; i < count; i++) slabs[i] = (struct optimizer_slab){slab_name(o->options.rule, i), o->moments[i]};
    return count;
}

uint64_t *optimizer_group_steps(struct optimizer *o)
{
    return o->group_steps;
}

size_t optimizer_bytes(const struct optimizer *o)
{
    return o->arena.size;
}
