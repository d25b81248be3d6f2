/* The methods that learn from unlabelled pictures against PyTorch: every file of tests/golden/methods that
 * scripts/golden_methods.py wrote. Five steps of gradient descent on a tiny network: every term of the loss, every
 * gradient of the first and the last step, running statistics, and what a checkpoint would remember. */
#include "support/engine_case.h"
#include "support/golden_files.h"
#include "support/golden_model.h"
#include "support/scratch.h"

#include "rmfer/base/log.h"
#include "rmfer/base/memory.h"
#include "rmfer/method/method.h"
#include "rmfer/method/weight_average.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* Rounding of the steps before is in the last step's numbers. */
#define LAST_BOUND 3e-3
#define EMA_DECAY  0.9

enum { EPOCH_STEPS = 2, WALK = 18 }; /* steps of an epoch; labelled pictures of a walk over all of them */
enum { MOMENT_FRAMES = 20 };         /* between two moments of the RMset: neighbours are too near to be negatives */
enum { LEAST_CASES = 20, MOST_OVERRIDES = 24, MOST_BUFFERS = 24, MOST_IDS = 64 };

/* Pictures that a walk gives, a batch at a time; `done` rows are behind. */
struct walked {
    struct batch_stream all;
    const struct method_case *owner;
    int done;
};

struct method_case {
    struct golden *golden;
    struct golden_comparison comparison;
    struct config config;
    const struct method *method;
    struct model model;
    struct weight_average average;
    struct model average_view;
    struct phase_table phases;
    struct stream_request requests[MOST_STREAMS];
    size_t streams;
    struct batch batch;
    real *buffers[MOST_BUFFERS]; /* what the batch points at */
    size_t buffer_count;
    real *gradients; /* room for the model's */
    struct walked labelled, validation, faces;
    int32_t walk_labels[WALK];
    int64_t face_ids[MOST_IDS], ids[MOST_STREAMS][MOST_IDS];
    int moments, persons; /* of the RMset; 0 = none */
    char *folder;         /* with its list */
    struct rmset_index *rmset;
    void *self;
};

/* ---- building it ---- */

static real *room(struct method_case *c, size_t count)
{
    real *values = memory_allocate(count, sizeof *values, "a test's numbers", NULL);
    assert_non_null(values);
    assert_true(c->buffer_count < MOST_BUFFERS);
    return c->buffers[c->buffer_count++] = values;
}

static void read_config(struct method_case *c)
{
    char texts[MOST_OVERRIDES][64], all[1024];
    const char *overrides[MOST_OVERRIDES];
    size_t count = 0;
    static const struct {
        const char *key, *setting;
    } same[] = {{"train.method", "method"},
                {"train.batch", "batch"},
                {"data.image_size", "image_size"},
                {"model.dropout", "dropout"},
                {"model.drop_path", "drop_path"}};
    for (; count < sizeof same / sizeof same[0]; count++)
        snprintf(texts[count], sizeof texts[count], "%s=%.30s", same[count].key,
                 golden_setting(c->golden, same[count].setting));
    snprintf(texts[count++], sizeof texts[0], "data.labelled=100");
    snprintf(texts[count++], sizeof texts[0], "train.warmup_epochs=0");
    snprintf(texts[count++], sizeof texts[0], "train.ema_decay=%g", EMA_DECAY);
    snprintf(all, sizeof all, "%s", golden_setting(c->golden, "settings"));
    for (char *word = strtok(all, " "); word != NULL; word = strtok(NULL, " "), count++) {
        assert_true(count < MOST_OVERRIDES);
        snprintf(texts[count], sizeof texts[count], "%.60s", word);
    }
    for (size_t i = 0; i < count; i++) overrides[i] = texts[i];
    struct error err = {0};
    if (config_defaults(&c->config, overrides, count, &err) != STATUS_OK) fail_msg("%s", err.message);
}

static void make_streams(struct method_case *c)
{
    size_t side = (size_t)c->config.data.image_size, classes = (size_t)c->model.classes;
    c->streams = c->method->streams(&c->config, c->requests);
    c->batch.stream_count = (int)c->streams;
    for (size_t s = 0; s < c->streams; s++) {
        size_t rows = (size_t)c->requests[s].rows;
        struct batch_stream *stream = &c->batch.streams[s];
        *stream = (struct batch_stream){.rows = (int)rows, .group = 1, .views = c->requests[s].view_count};
        for (int view = 0; view < stream->views; view++) stream->images[view] = room(c, rows * side * side * 3);
        stream->targets = room(c, rows * classes);
    }
}

static void make_labelled_walk(struct method_case *c)
{
    size_t side = (size_t)c->config.data.image_size, classes = (size_t)c->model.classes;
    real *images = room(c, WALK * side * side * 3), *targets = room(c, WALK * classes);
    golden_pictures("walk", WALK, side, images);
    golden_targets(false, 0, WALK, classes, targets);
    for (size_t i = 0; i < WALK; i++)
        for (size_t k = 0; k < classes; k++)
            if (targets[i * classes + k] > 0) c->walk_labels[i] = (int32_t)k;
    c->labelled.all = (struct batch_stream){
        .rows = WALK, .group = 1, .views = 1, .images = {images}, .targets = targets, .labels = c->walk_labels};
    c->validation.all = c->labelled.all;
}

/* Half a face's own, half its moment's picture; but for every third face, which looks as those of another moment. */
static void make_faces_walk(struct method_case *c)
{
    size_t side = (size_t)c->config.data.image_size, picture = side * side * 3;
    size_t moments = (size_t)c->moments, persons = (size_t)c->persons, count = moments * persons;
    real *images = room(c, count * picture), *shared = room(c, moments * picture);
    assert_true(count <= MOST_IDS);
    golden_pictures("faces", count, side, images);
    golden_pictures("moments", moments, side, shared);
    for (size_t face = 0; face < count; face++) {
        size_t moment = (face / persons + (face % 3 == 0 ? 1 + face % 5 : 0)) % moments;
        for (size_t i = 0; i < picture; i++)
            images[face * picture + i] = (images[face * picture + i] + shared[moment * picture + i]) / 2;
        c->face_ids[face] = (int64_t)face;
    }
    c->faces.all = (struct batch_stream){
        .rows = (int)count, .group = 1, .views = 1, .images = {images}, .ids = c->face_ids};
}

static void make_rmset(struct method_case *c)
{
    char list[4096];
    int used = snprintf(list, sizeof list, "video,frame,face,path\n");
    for (int face = 0; face < c->moments * c->persons; face++)
        used += snprintf(list + used, sizeof list - (size_t)used, "v,%d,%d,%d.png\n", face / c->persons * MOMENT_FRAMES,
                         face % c->persons, face);
    assert_true((size_t)used < sizeof list);
    c->folder = scratch_make();
    scratch_text(c->folder, "index.csv", list);
    const struct rmset_options options = {.csv = scratch_path(c->folder, "index.csv"),
                                          .every = 1,
                                          .fraction = 1,
                                          .near = c->config.acl.near,
                                          .far = c->config.acl.far};
    struct error err = {0};
    if (rmset_index_open(&c->rmset, &options, &err) != STATUS_OK) fail_msg("%s", err.message);
    make_faces_walk(c);
}

static status next_rows(void *context, struct batch_stream *rows, struct error *err)
{
    struct walked *walk = context;
    const struct config *config = &walk->owner->config;
    size_t side = (size_t)config->data.image_size, done = (size_t)walk->done;
    int left = walk->all.rows - walk->done, most = (int)config->train.batch;
    (void)err;
    *rows = walk->all;
    rows->rows = left < most ? left : most;
    rows->images[0] += done * side * side * 3;
    if (rows->targets != NULL) rows->targets += done * (size_t)walk->owner->model.classes;
    if (rows->labels != NULL) rows->labels += done;
    if (rows->ids != NULL) rows->ids += done;
    walk->done += rows->rows;
    return STATUS_OK;
}

static struct picture_walk start_walk(const struct method_case *c, struct walked *walk)
{
    walk->owner = c;
    walk->done = 0;
    return (struct picture_walk){walk, next_rows};
}

static void open_case(struct method_case *c, const char *path)
{
    struct architecture architecture;
    struct parameter heads[MOST_HEAD_ENTRIES] = {0};
    *c = (struct method_case){.golden = golden_open(path), .comparison = {.agrees = true}};
    assert_non_null(c->golden);
    c->comparison.golden = c->golden;
    read_config(c);
    c->method = method_find(c->config.train.method);
    assert_non_null(c->method);
    assert_true(c->method->check == NULL || c->method->check(&c->config, NULL) == STATUS_OK);
    c->method->phases(&c->config, &c->phases);
    assert_int_equal(architecture_tiny(&architecture, true, golden_integer(c->golden, "divisor"),
                                       golden_integer(c->golden, "repeats"), NULL),
                     STATUS_OK);
    size_t head_count = c->method->heads == NULL ? 0
                                                 : c->method->heads(&c->config, (size_t)architecture.features, heads);
    const struct model_heads wanted = {.attention = c->method->has_attention_heads,
                                       .affect = c->config.va.weight > 0,
                                       .added = heads,
                                       .added_count = head_count};
    assert_int_equal(model_create_with(&c->model, &architecture, golden_integer(c->golden, "classes"), &wanted, NULL),
                     STATUS_OK);
    golden_fill_model(&c->model, golden_number(c->golden, "running_variance"));
    assert_int_equal(weight_average_init(&c->average, &c->model.parameters, NULL), STATUS_OK);
    c->average_view = weight_average_view(&c->average, &c->model);
    make_streams(c);
    c->gradients = room(c, c->model.parameters.value_count);
    make_labelled_walk(c);
    if (!golden_has(c->golden, "moments")) return;
    c->moments = golden_integer(c->golden, "moments");
    c->persons = golden_integer(c->golden, "persons");
    make_rmset(c);
}

static void create_method(struct method_case *c)
{
    double shares[16];
    for (int k = 0; k < c->model.classes; k++)
        shares[k] = 2 * (k + 1.0) / (c->model.classes * (c->model.classes + 1.0));
    struct method_setup setup = {.config = &c->config,
                                 .model = &c->model,
                                 .average = &c->average_view,
                                 .class_shares = shares,
                                 .validation_samples = WALK,
                                 .rmset = c->rmset,
                                 .places = 1};
    struct error err = {0};
    if (c->method->create(&c->self, &setup, &err) != STATUS_OK) fail_msg("%s", err.message);
}

static void close_case(struct method_case *c)
{
    c->method->free(c->self);
    rmset_index_close(c->rmset);
    if (c->folder != NULL) scratch_remove(c->folder);
    weight_average_free(&c->average);
    model_free(&c->model);
    for (size_t i = 0; i < c->buffer_count; i++) memory_free(c->buffers[i]);
    config_free(&c->config);
    golden_close(c->golden);
}

/* ---- running it ---- */

/* Which faces of the RMset a stream shows: spread over all of them, or the first persons of some moments. */
static void choose_faces(struct method_case *c, size_t stream, int step)
{
    int persons = (int)c->config.acl.persons;
    for (int i = 0; i < c->batch.streams[stream].rows; i++) {
        int moment = (step + 2 * (i / persons)) % c->moments;
        bool spread = c->requests[stream].source == STREAM_RMSET_FACES;
        c->ids[stream][i] = spread ? (7 * step + 5 * i) % (c->moments * c->persons) : moment * c->persons + i % persons;
    }
    c->batch.streams[stream].ids = c->ids[stream];
}

static void fill_batch(struct method_case *c, int step)
{
    char name[64];
    int unlabelled = 0;
    for (size_t s = 0, at = 0; s < c->streams; s++) {
        const struct batch_stream *stream = &c->batch.streams[s];
        for (int view = 0; view < stream->views; view++, at++) {
            if (s == 0)
                snprintf(name, sizeof name, "labelled.%d", step);
            else
                snprintf(name, sizeof name, "unlabelled.%d.%d", unlabelled++, step);
            golden_pictures(name, (size_t)stream->rows, (size_t)c->config.data.image_size, c->buffers[at]);
        }
        if (s == 0) golden_targets(false, (size_t)step, (size_t)stream->rows, (size_t)c->model.classes, c->buffers[at]);
        if (s > 0 && c->moments > 0) choose_faces(c, s, step);
        at++;
    }
}

static bool has_affect_term(const struct method *method)
{
    return strcmp(method->terms[method->term_count - 1].name, "va") == 0;
}

static void compare_step(struct method_case *c, int step, int steps, const struct step_outcome *outcome)
{
    /* Files of cases without valence and arousal, which is the last term, do not have it. */
    size_t terms = c->method->term_count - (has_affect_term(c->method) && !c->model.has_affect);
    size_t wide = 1 + terms;
    golden_compare_loss(&c->comparison, wide * (size_t)step, step, "total", outcome->total);
    for (size_t i = 0; i < terms; i++)
        golden_compare_loss(&c->comparison, wide * (size_t)step + 1 + i, step, c->method->terms[i].name,
                            outcome->terms[i]);
    if (step != 0 && step != steps - 1) return;
    char prefix[32];
    snprintf(prefix, sizeof prefix, "gradient.%d.", step);
    golden_compare_gradients(&c->comparison, &c->model, prefix, step == 0 ? GOLDEN_BOUND : LAST_BOUND);
}

/* SAM's second pass, here without a slope gone up: it finds what the first found, and what is remembered from step to
 * step, which later steps and the end compare, does not know of it. */
static void step_again(struct method_case *c, struct method_step at, double total)
{
    struct step_outcome outcome;
    at.again = true;
    at.bn_momentum = 0;
    memcpy(c->gradients, c->model.parameters.gradients, c->model.parameters.value_count * sizeof(real));
    c->method->step(c->self, &at, &outcome);
    assert_true(outcome.total == total);
    memcpy(c->model.parameters.gradients, c->gradients, c->model.parameters.value_count * sizeof(real));
}

static void run_step(struct method_case *c, int step, int steps)
{
    struct step_outcome outcome;
    struct method_step at = {.batch = &c->batch,
                             .weights = c->phases.phases[c->phases.count - 1].weights,
                             .gradient_scale = golden_number(c->golden, "gradient_scale"),
                             .progress = (double)step / steps,
                             .bn_momentum = golden_number(c->golden, "bn_momentum"),
                             .seed = (uint64_t)golden_integer(c->golden, "seed"),
                             .draw = (uint64_t)step};
    struct picture_walk labelled = start_walk(c, &c->labelled), validation = start_walk(c, &c->validation),
                        faces = start_walk(c, &c->faces);
    struct method_epoch epoch = {
        .epoch = (uint64_t)step / EPOCH_STEPS, .walk = &labelled, .validation = &validation, .faces = &faces};
    /* All memory was there before: a lack of it that one of several processes met here would leave the others
     * waiting. */
    unsigned long allocations = memory_allocation_count();
    if (step % EPOCH_STEPS == 0 && c->method->begin_epoch != NULL)
        assert_int_equal(c->method->begin_epoch(c->self, &epoch, NULL), STATUS_OK);
    assert_int_equal(memory_allocation_count(), allocations);
    fill_batch(c, step);
    parameters_zero_gradients(&c->model.parameters);
    c->method->step(c->self, &at, &outcome);
    compare_step(c, step, steps, &outcome);
    step_again(c, at, outcome.total);
    engine_descend(&c->model, golden_number(c->golden, "learning_rate"));
    weight_average_update(&c->average, &c->model.parameters, weight_average_decay(EMA_DECAY, (uint64_t)step + 1));
    if (c->method->after_update != NULL) c->method->after_update(c->self, (step + 1.0) / steps);
}

/* Those that the file has. */
static void compare_memories(struct method_case *c)
{
    struct method_memory memories[MOST_MEMORIES] = {0};
    size_t count = c->method->memories == NULL ? 0 : c->method->memories(c->self, memories), expected;
    for (size_t i = 0; i < count; i++) {
        char name[64];
        size_t length = 1;
        snprintf(name, sizeof name, "memory.%s", memories[i].name);
        if (golden_tensor(c->golden, name, &expected) == NULL) continue;
        for (int k = 0; k < memories[i].rank; k++) length *= memories[i].shape[k];
        real *values = room(c, length);
        for (size_t k = 0; k < length; k++)
            values[k] = memories[i].type == MEMORY_F64 ? (real)((const double *)memories[i].data)[k]
                                                       : (real)((const float *)memories[i].data)[k];
        if (!golden_matches(c->golden, name, values, length, LAST_BOUND, NULL)) c->comparison.agrees = false;
    }
}

static void test_case(void **state)
{
    struct method_case c;
    open_case(&c, *state);
    create_method(&c);
    int steps = golden_integer(c.golden, "steps");
    for (int step = 0; step < steps; step++) run_step(&c, step, steps);
    golden_compare_buffers(&c.comparison, &c.model, LAST_BOUND);
    compare_memories(&c);
    printf("%s: relative errors: gradients %.1e (%s), running statistics %.1e\n", (const char *)*state,
           c.comparison.worst_gradient, c.comparison.worst_name, c.comparison.worst_buffer);
    bool agrees = c.comparison.agrees;
    close_case(&c);
    assert_true(agrees);
}

int main(void)
{
    log_set_level(LOG_QUIET); /* of indices that are built */
    return golden_files_run("golden_methods", "tests/golden/methods/*.safetensors", LEAST_CASES, test_case);
}
