/* MoCo, momentum contrast (He et al. 2020; v2's projection, Chen et al. 2020): a picture's query is to find the key
 * that a teacher, a moving average of the student, makes of its partner, among the keys of the steps before, which a
 * queue keeps.
 *
 *   L = w_l CE(labelled) + w (1/N) sum_i -log( e^{q_i.k_i/tau} / (e^{q_i.k_i/tau} + sum over the queue e^{q_i.m_j/tau})
 * )
 *
 * Projection: D -> D -> 128, tau .2, teacher's decay .999, queue 4,096. The queue starts as random directions; a step's
 * keys replace the oldest after the weights have moved. The teacher's batch-norm sees the step's keys in their order:
 * with one machine there is nothing to shuffle them over. */
#include "method/methods.h"
#include "method/momentum_teacher.h"
#include "method/self_supervised.h"
#include "rmfer/base/random.h"
#include "rmfer/ops/cosine.h"
#include "rmfer/ops/queue_contrastive.h"

#include <string.h>

enum { PROJECTED = 128, QUERIES = 1 };

static const struct method_term terms[PAIR_TERMS] = {[TERM_FER] = {"fer", "FER"}, [PAIR_TERM] = {"moco", "MoCo"}};

struct moco {
    struct self_supervised shared;
    struct momentum_teacher teacher;
    struct mlp head, teacher_head;
    struct model *student;
    struct config_moco config;
    size_t queued, places;
    real *queue;    /* [queued,128], unit rows */
    uint64_t *next; /* the oldest row, the next one to go */
    size_t filled;  /* batches of this step that have keys */
    real *keys;     /* [places,N,128] */
    real *unit, *norm, *dunit, *dz, *similarities, *dfeatures;
};

static struct mlp_shape head_of(size_t features)
{
    return (struct mlp_shape){.name = "moco", .layers = 2, .widths = {features, features, PROJECTED}};
}

/* Of a shorter queue, keys would be gone before a step has met them. */
static status moco_check(const struct config *config, struct error *err)
{
    int64_t keys = config->train.batch * config->self_supervised.ratio * config->train.accumulate;
    if (config->moco.queue < keys)
        return error_set_usage(
            err, "moco.queue = %lld: a step makes %lld keys, which the next one is to meet (moco.queue = 4096)",
            (long long)config->moco.queue, (long long)keys);
    return self_supervised_check(config, err);
}

static size_t moco_heads(const struct config *config, size_t features, struct parameter *entries)
{
    struct mlp_shape shape = head_of(features);
    (void)config;
    return mlp_entries(&shape, entries);
}

static void moco_free(void *self)
{
    struct moco *moco = self;
    if (moco == NULL) return;
    momentum_teacher_free(&moco->teacher);
    self_supervised_free(&moco->shared);
    memory_free(moco);
}

static void place(void *self, struct plan *plan)
{
    struct moco *moco = self;
    size_t pairs = moco->shared.pairs;
    mlp_place(&moco->head, pairs, plan);
    mlp_place(&moco->teacher_head, pairs, plan);
    moco->queue = plan_reals(plan, size_multiply(moco->queued, PROJECTED));
    moco->next = plan_take(plan, 1, sizeof *moco->next);
    moco->keys = plan_reals(plan, size_multiply(moco->places, pairs * PROJECTED));
    moco->unit = plan_reals(plan, pairs * PROJECTED);
    moco->norm = plan_reals(plan, pairs);
    moco->dunit = plan_reals(plan, pairs * PROJECTED);
    moco->dz = plan_reals(plan, pairs * PROJECTED);
    moco->similarities = plan_reals(plan, size_multiply(pairs, moco->queued));
    moco->dfeatures = plan_reals(plan, pairs * moco->shared.pass.dimensions);
}

/* Random directions. */
static void start_queue(struct moco *moco, uint64_t seed)
{
    struct random_stream stream = random_stream(seed, RANDOM_METHOD, 0, 0);
    real norm;
    for (size_t row = 0; row < moco->queued; row++) {
        real *key = moco->queue + row * PROJECTED;
        for (size_t k = 0; k < PROJECTED; k++) key[k] = (real)random_normal(&stream);
        unit_rows_forward(1, PROJECTED, key, key, &norm);
    }
}

static status moco_create(void **self, const struct method_setup *setup, struct error *err)
{
    const struct config *config = setup->config;
    *self = NULL;
    struct moco *moco = memory_allocate(1, sizeof *moco, "the method", err);
    if (moco == NULL) return STATUS_FAILED;
    moco->student = setup->model;
    moco->config = config->moco;
    moco->queued = (size_t)config->moco.queue;
    moco->places = (size_t)config->train.accumulate;
    status result = self_supervised_init(&moco->shared, setup, QUERIES, err);
    if (result == STATUS_OK)
        result = momentum_teacher_init(&moco->teacher, setup->model, moco->shared.pairs, (int)config->data.image_size,
                                       err);
    if (result == STATUS_OK) {
        struct mlp_shape shape = head_of(moco->shared.pass.dimensions);
        mlp_bind(&moco->head, &shape, &moco->shared.pass.context, setup->model);
        mlp_bind(&moco->teacher_head, &shape, &moco->shared.pass.context, &moco->teacher.model);
        result = self_supervised_place(&moco->shared, place, moco, err);
    }
    if (result != STATUS_OK) {
        moco_free(moco);
        return result;
    }
    start_queue(moco, (uint64_t)config->train.seed);
    *self = moco;
    return STATUS_OK;
}

/* The keys of a batch: the teacher's unit projections of all second pictures. SAM's second pass makes the same ones, of
 * a teacher that has not moved. */
static const real *make_keys(struct moco *moco, const struct method_step *step)
{
    struct self_supervised *shared = &moco->shared;
    size_t pairs = shared->pairs, batch = step->again ? step->place : moco->filled++;
    BUG_UNLESS(batch < moco->places);
    real *keys = moco->keys + batch * pairs * PROJECTED;
    for (size_t pair = 0; pair < pairs; pair++)
        memcpy(momentum_teacher_image(&moco->teacher, pair), self_supervised_picture(shared, step, 1, pair),
               shared->pass.image_reals * sizeof(real));
    const real *features = momentum_teacher_forward(&moco->teacher, step);
    unit_rows_forward(pairs, PROJECTED, mlp_forward(&moco->teacher_head, pairs, features), keys, moco->norm);
    return keys;
}

static void moco_step(void *self, const struct method_step *step, struct step_outcome *outcome)
{
    struct moco *moco = self;
    struct self_supervised *shared = &moco->shared;
    size_t pairs = shared->pairs;
    struct queue_contrastive loss = {pairs, PROJECTED, moco->queued, moco->config.temperature};
    const real *keys = make_keys(moco, step);
    const real *features = self_supervised_forward(shared, step, QUERIES, outcome);
    unit_rows_forward(pairs, PROJECTED, mlp_forward(&moco->head, pairs, features), moco->unit, moco->norm);
    double term = queue_contrastive_loss(&loss, moco->unit, keys, moco->queue,
                                         step->gradient_scale * step->weights[PAIR_TERM], moco->similarities,
                                         moco->dunit);
    self_supervised_similarities(pairs, PROJECTED, moco->unit, keys, outcome);
    unit_rows_backward(pairs, PROJECTED, moco->unit, moco->norm, moco->dunit, moco->dz);
    mlp_backward(&moco->head, pairs, features, moco->dz, moco->dfeatures);
    self_supervised_backward(shared, step, QUERIES, moco->dfeatures, term, outcome);
}

static void moco_after_update(void *self, double progress)
{
    struct moco *moco = self;
    (void)progress;
    momentum_teacher_update(&moco->teacher, moco->student, moco->config.momentum);
    for (size_t row = 0; row < moco->filled * moco->shared.pairs; row++) {
        memcpy(moco->queue + (size_t)*moco->next * PROJECTED, moco->keys + row * PROJECTED, PROJECTED * sizeof(real));
        *moco->next = (*moco->next + 1) % moco->queued;
    }
    moco->filled = 0;
}

static size_t moco_memories(void *self, struct method_memory *memories)
{
    struct moco *moco = self;
    size_t count = momentum_teacher_memories(&moco->teacher, memories);
    memories[count++] = (struct method_memory){"queue", MEMORY_F32, 2, {moco->queued, PROJECTED}, .data = moco->queue};
    memories[count++] = (struct method_memory){
        "queue_next", MEMORY_U64, 1, {1}, .data = moco->next, .is_limited = true, .high = (double)(moco->queued - 1)};
    return count;
}

static struct method_bytes moco_bytes(const void *self)
{
    const struct moco *moco = self;
    struct method_bytes bytes = self_supervised_bytes(&moco->shared);
    bytes.scratch += momentum_teacher_bytes(&moco->teacher).scratch;
    return bytes;
}

const struct method method_moco = {
    .name = "moco",
    .terms = terms,
    .term_count = PAIR_TERMS,
    .figures = self_supervised_figures,
    .figure_count = PAIR_FIGURES,
    .mixes_pictures = true,
    .check = moco_check,
    .phases = self_supervised_phases,
    .streams = self_supervised_streams,
    .heads = moco_heads,
    .create = moco_create,
    .free = moco_free,
    .step = moco_step,
    .after_update = moco_after_update,
    .memories = moco_memories,
    .bytes = moco_bytes,
};
