/* Inter-sample attention, computed again in batches of the sample and averaged by class. */
#include "rmfer/plot/figures.h"

#include "rmfer/base/memory.h"
#include "rmfer/base/random.h"
#include "rmfer/ops/attention.h"

#include <math.h>
#include <string.h>

/* Room of one batch. */
struct looking {
    const struct answers *answers;
    struct attention setup;
    int64_t *order;                /* [sampled], places in the sample */
    real *unit, *features, *mixed; /* [batch, dimensions] */
    real *weights;                 /* [batch, batch] */
    double *expected;              /* [classes, classes]: what equal attention to all would give */
};

static void looking_free(struct looking *looking)
{
    memory_free(looking->order);
    memory_free(looking->unit);
    memory_free(looking->features);
    memory_free(looking->mixed);
    memory_free(looking->weights);
    memory_free(looking->expected);
}

static status looking_init(struct looking *looking, const struct answers *answers, uint64_t seed, struct error *err)
{
    size_t batch = answers->attention_batch < answers->sampled ? answers->attention_batch : answers->sampled;
    size_t reals = size_multiply(batch, answers->dimensions);
    struct random_stream stream = random_stream(seed, RANDOM_SUBSET, answers->sampled, batch);
    *looking = (struct looking){.answers = answers};
    looking->setup = (struct attention){batch, answers->dimensions, answers->attention_temperature,
                                        (enum attention_mask)answers->attention_mask};
    looking->order = memory_allocate(answers->sampled, sizeof *looking->order, "batches", err);
    looking->unit = memory_allocate(reals, sizeof *looking->unit, "projections", err);
    looking->features = memory_allocate(reals, sizeof *looking->features, "features", err);
    looking->mixed = memory_allocate(reals, sizeof *looking->mixed, "mixed features", err);
    looking->weights = memory_allocate(size_multiply(batch, batch), sizeof *looking->weights, "attention", err);
    looking->expected = memory_allocate(size_multiply(answers->classes, answers->classes), sizeof *looking->expected,
                                        "attention", err);
    if (looking->order == NULL || looking->unit == NULL || looking->features == NULL || looking->mixed == NULL ||
        looking->weights == NULL || looking->expected == NULL)
        return STATUS_FAILED;
    for (size_t i = 0; i < answers->sampled; i++) looking->order[i] = (int64_t)i;
    random_shuffle(&stream, looking->order, answers->sampled);
    return STATUS_OK;
}

static void run_batch(struct looking *looking, size_t first)
{
    size_t d = looking->setup.d;
    for (size_t i = 0; i < looking->setup.n; i++) {
        size_t row = (size_t)looking->order[first + i];
        memcpy(looking->unit + i * d, looking->answers->projections + row * d, d * sizeof(real));
        memcpy(looking->features + i * d, looking->answers->features + row * d, d * sizeof(real));
    }
    attention_forward(&looking->setup, looking->unit, looking->features, looking->weights, looking->mixed);
}

/* The batch's attention, and what equal attention would be, added by class. */
static void add_batch(struct looking *looking, size_t first, struct class_attention *sums)
{
    size_t n = looking->setup.n, classes = looking->answers->classes;
    bool excludes = looking->setup.mask == ATTENTION_EXCLUDE;
    double equal = 1 / (double)(excludes ? n - 1 : n);
    for (size_t i = 0; i < n; i++) {
        size_t from = (size_t)answers_label(looking->answers, (size_t)looking->order[first + i]);
        sums->counts[from]++;
        for (size_t j = 0; j < n; j++) {
            size_t to = (size_t)answers_label(looking->answers, (size_t)looking->order[first + j]);
            sums->share[from * classes + to] += (double)looking->weights[i * n + j];
            if (i != j || !excludes) looking->expected[from * classes + to] += equal;
        }
    }
}

static void finish(const struct looking *looking, struct class_attention *attention)
{
    size_t classes = looking->answers->classes;
    for (size_t from = 0; from < classes; from++)
        for (size_t to = 0; to < classes; to++) {
            size_t at = from * classes + to;
            double expected = looking->expected[at];
            attention->lift[at] = expected > 0 ? attention->share[at] / expected : NAN;
            attention->share[at] = attention->counts[from] > 0 ? attention->share[at] / (double)attention->counts[from]
                                                               : NAN;
        }
}

status class_attention_init(struct class_attention *attention, const struct answers *answers, uint64_t seed,
                            struct error *err)
{
    struct looking looking = {0};
    size_t cells = size_multiply(answers->classes, answers->classes);
    *attention = (struct class_attention){0};
    if (answers->projections == NULL || !(answers->attention_temperature > 0))
        return error_set(err, "%s: no attention branch (ial.weight = 0, or its configuration is not known)",
                         answers->name);
    if (answers->sampled < 2 || answers->attention_batch < 2)
        return error_set(err, "%s: one picture alone has none to look at", answers->name);
    attention->share = memory_allocate(cells, sizeof *attention->share, "attention", err);
    attention->lift = memory_allocate(cells, sizeof *attention->lift, "attention", err);
    attention->counts = memory_allocate(answers->classes, sizeof *attention->counts, "attention", err);
    bool ready = attention->share != NULL && attention->lift != NULL && attention->counts != NULL;
    status result = ready ? looking_init(&looking, answers, seed, err) : STATUS_FAILED;
    if (result == STATUS_OK) {
        for (size_t first = 0; first + looking.setup.n <= answers->sampled; first += looking.setup.n) {
            run_batch(&looking, first);
            add_batch(&looking, first, attention);
        }
        finish(&looking, attention);
    }
    looking_free(&looking);
    return result;
}

void class_attention_free(struct class_attention *attention)
{
    memory_free(attention->share);
    memory_free(attention->lift);
    memory_free(attention->counts);
    *attention = (struct class_attention){0};
}
