/* A training step whose rows are shared out over processes against the same step in one: every gradient, every running
 * statistic, the losses, and SAM's second pass with the choices of the first. In double to 1e-10, in float to what
 * rounding explains. */
#define _DEFAULT_SOURCE /* mkdtemp */
#include "many/support/shared_case.h"

#include "method/methods.h"
#include "method/mutual.h"
#include "rmfer/base/log.h"
#include "rmfer/base/memory.h"
#include "rmfer/data/rmset_index.h"
#include "rmfer/method/rmfer_step.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SIDE = 32, CLASSES = 4, PICTURE = SIDE * SIDE * 3, BATCH = 6, MOMENT_ROWS = 8, PERSONS = 2 };

/* What a step leaves, of one way to run it. */
struct traces {
    real *gradients, *buffers;
    double losses[4];
    double *memories; /* what a method remembers behind the update, one tensor behind the other; NULL = nothing */
    size_t memory_count;
};

struct shared_case {
    struct many *many;
    struct model model;
    real *images[3], *start; /* pictures of a stream; running statistics at the beginning */
    real targets[BATCH * CLASSES];
    struct traces alone, shared;
    struct rmset_index *index; /* of consensus */
};

static void start_case(struct shared_case *c, struct many *many, const struct parameter *heads, size_t head_count)
{
    const struct model_heads wanted = {.attention = true, .added = heads, .added_count = head_count};
    struct architecture architecture;
    *c = (struct shared_case){.many = many};
    if (architecture_tiny(&architecture, true, 16, 1, NULL) != STATUS_OK ||
        model_create_with(&c->model, &architecture, CLASSES, &wanted, NULL) != STATUS_OK)
        exit(1);
    model_initialise(&c->model, 3);
    for (int i = 0; i < 3; i++) c->images[i] = many_normal((size_t)64 * PICTURE, 10 + (uint64_t)i);
    for (size_t i = 0; i < BATCH; i++) c->targets[i * CLASSES + i % CLASSES] = 1;
    c->start = many_normal(c->model.parameters.buffer_count, 5);
    for (size_t i = 0; i < c->model.parameters.buffer_count; i++)
        c->start[i] = (real)(1 + 0.1 * fabs((double)c->start[i]));
}

static void free_case(struct shared_case *c)
{
    model_free(&c->model);
    for (int i = 0; i < 3; i++) memory_free(c->images[i]);
    memory_free(c->start);
}

/* Gradients as a step finds them: the heads' and the backbone's of earlier batches. Only rank 0 has the latter, as if
 * it were the sum of all processes' parts. */
static void reset(struct shared_case *c, bool shared)
{
    struct parameters *all = &c->model.parameters;
    size_t backbone = all->items[c->model.fer.weight].offset;
    for (size_t i = 0; i < all->value_count; i++) all->gradients[i] = (real)(1e-3 * (double)(i % 7));
    if (shared && dist_rank(c->many->dist) > 0) memset(all->gradients, 0, backbone * sizeof *all->gradients);
    memcpy(parameters_write_buffers(all), c->start, all->buffer_count * sizeof(real));
}

static void leave(struct shared_case *c, struct traces *traces, const double losses[4])
{
    const struct parameters *all = &c->model.parameters;
    traces->gradients = memory_allocate(all->value_count, sizeof(real), "gradients", NULL);
    traces->buffers = memory_allocate(all->buffer_count, sizeof(real), "statistics", NULL);
    if (traces->gradients == NULL || traces->buffers == NULL) exit(1);
    memcpy(traces->gradients, all->gradients, all->value_count * sizeof(real));
    memcpy(traces->buffers, all->buffers, all->buffer_count * sizeof(real));
    memcpy(traces->losses, losses, sizeof traces->losses);
}

static void forget(struct traces *traces)
{
    memory_free(traces->gradients);
    memory_free(traces->buffers);
    memory_free(traces->memories);
    *traces = (struct traces){0};
}

static double memories_distance(const struct traces *a, const struct traces *b)
{
    double most = 1, away = 0;
    if (a->memory_count != b->memory_count) return INFINITY;
    for (size_t i = 0; i < a->memory_count; i++) {
        most = fmax(most, fabs(a->memories[i]));
        away = fmax(away, fabs(a->memories[i] - b->memories[i]));
    }
    return away / most;
}

/* Tensor by tensor, each beside its own largest gradient; those that are zero but for rounding beside the slab's. */
static void compare(struct shared_case *c, const char *name)
{
    const struct parameters *all = &c->model.parameters;
    const struct traces *a = &c->alone, *b = &c->shared;
    double worst = 0, tolerance = many_tolerance(), largest = 0;
    const char *where = "none";
    for (size_t i = 0; i < all->value_count; i++) largest = fmax(largest, fabs((double)a->gradients[i]));
    for (size_t i = 0; i < all->count; i++) {
        const struct parameter *entry = &all->items[i];
        if (entry->is_buffer) continue;
        double most = 1e-3 * largest, away = 0;
        for (size_t j = entry->offset; j < entry->offset + entry->count; j++) {
            most = fmax(most, fabs((double)a->gradients[j]));
            away = fmax(away, fabs((double)a->gradients[j] - (double)b->gradients[j]));
        }
        if (!(away / most <= worst)) worst = away / most, where = entry->name;
    }
    double buffers = many_distance(a->buffers, b->buffers, all->buffer_count), losses = 0;
    for (int i = 0; i < 4; i++) losses = fmax(losses, fabs(a->losses[i] - b->losses[i]) / fmax(fabs(a->losses[i]), 1));
    double memories = memories_distance(a, b);
    if (dist_rank(c->many->dist) == 0)
        printf("%s: gradients %.1e (%s), statistics %.1e, losses %.1e, memories %.1e\n", name, worst, where, buffers,
               losses, memories);
    many_check(c->many, name,
               worst <= tolerance && buffers <= tolerance && losses <= tolerance && memories <= tolerance);
    forget(&c->alone);
    forget(&c->shared);
}

/* The sums of this case's gradients over processes, in pieces so small that there are many. */
static struct dist_gradients *sums_of(struct shared_case *c)
{
    struct dist_gradients *sums;
    size_t backbone = c->model.parameters.items[c->model.fer.weight].offset;
    if (dist_gradients_create(&sums, c->many->dist, c->model.parameters.gradients, backbone, 1000, NULL) != STATUS_OK)
        exit(1);
    return sums;
}

/* ---- RMFER ------------------------------------------------------------------------------------------------------- */

struct rmfer_run {
    struct train_step_shape shape;
    struct objective objective;
    bool again; /* SAM: a pass at other weights with the choices of a first one */
    size_t choice[64];
    real guesses[MOMENT_ROWS * CLASSES];
};

static void run_step(struct shared_case *c, struct rmfer_run *run, const struct machines *machines, double losses[4])
{
    struct train_step *step;
    struct train_step_shape shape = run->shape;
    shape.machines = machines;
    if (train_step_create(&step, &c->model, &shape, NULL) != STATUS_OK) exit(1);
    size_t drawn = (size_t)(1 + shape.positives + shape.negatives);
    struct stream_share labelled = stream_share_of(machines, BATCH, 1);
    struct stream_share draws = shape.mutual != NULL ? stream_share_of(machines, MOMENT_ROWS, PERSONS)
                                                     : stream_share_of(machines, (size_t)shape.anchors * drawn, drawn);
    struct labelled_batch rows = {.n = BATCH, .images = c->images[0] + labelled.first * PICTURE, .targets = c->targets};
    struct contrastive_batch contrastive = {.anchors = shape.anchors,
                                            .rows = MOMENT_ROWS,
                                            .choice = run->choice,
                                            .guesses = run->guesses,
                                            .images = c->images[1] + (draws.is_parted ? draws.first : 0) * PICTURE};
    bool contrasts = shape.anchors > 0 || shape.mutual != NULL;
    struct step_losses out;
    for (int pass = 0; pass <= run->again; pass++) {
        contrastive.is_chosen = pass > 0;
        if (pass > 0) {
            reset(c, machines != NULL);
            real *values = parameters_write(&c->model.parameters, GROUP_BACKBONE);
            for (size_t i = 0; i < 500; i++) values[i] += (real)1e-3;
        }
        train_step_run(step, &run->objective, &rows, contrasts ? &contrastive : NULL, 21, 4, &out);
    }
    losses[0] = out.total, losses[1] = out.fer, losses[2] = out.ial, losses[3] = out.acl;
    train_step_free(step);
}

static void check_rmfer(struct many *many, const char *name, struct rmfer_run run)
{
    struct shared_case c;
    struct parameter heads[MUTUAL_HEAD_ENTRIES] = {0};
    struct architecture architecture;
    double losses[4];
    if (architecture_tiny(&architecture, true, 16, 1, NULL) != STATUS_OK) exit(1);
    start_case(&c, many, heads, run.shape.mutual != NULL ? mutual_head((size_t)architecture.features, heads) : 0);
    struct dist_gradients *sums = sums_of(&c);
    for (int shared = 0; shared < 2; shared++) {
        model_initialise(&c.model, 3);
        reset(&c, shared > 0);
        run.objective.last = !run.again;
        run_step(&c, &run, shared ? dist_gradients_machines(sums) : NULL, losses);
        if (shared) dist_gradients_finish(sums);
        leave(&c, shared ? &c.shared : &c.alone, losses);
    }
    compare(&c, name);
    dist_gradients_free(sums);
    free_case(&c);
}

static const struct train_step_shape PHASE_1 = {.image_size = SIDE, .batch = BATCH};
/* Two anchors: with two processes each has one, with more everybody reads both. */
static const struct train_step_shape PHASE_2 = {
    .image_size = SIDE, .batch = BATCH, .anchors = 2, .positives = 4, .negatives = 5, .kept_share = 0.5};

static void check_phase_1(struct many *many)
{
    static const real weights[CLASSES] = {0.5, 2, 1, 3};
    struct rmfer_run run = {.shape = PHASE_1, .objective = objective_defaults()};
    check_rmfer(many, "phase 1", run);
    run.objective.dropout = 0.4;
    run.objective.drop_path = 0.5;
    run.objective.label_smoothing = 0.1;
    run.objective.gradient_scale = 0.5;
    run.objective.class_weights = weights;
    check_rmfer(many, "phase 1, dropout and class weights", run);
    run.objective = objective_defaults();
    run.objective.freeze_backbone = true;
    check_rmfer(many, "phase 1, frozen", run);
}

static void check_phase_2(struct many *many)
{
    struct rmfer_run run = {.shape = PHASE_2, .objective = objective_defaults()};
    run.objective.acl_weight = 0.7;
    run.objective.drop_path = 0.3;
    check_rmfer(many, "phase 2, separate", run);
    run.again = true;
    check_rmfer(many, "phase 2, separate, SAM", run);
    run.shape.joint_forward = true;
    check_rmfer(many, "phase 2, joint, SAM", run);
    run.again = false;
    check_rmfer(many, "phase 2, joint", run);
    run.shape.scoring_with_batch_statistics = true;
    check_rmfer(many, "phase 2, joint, batch statistics", run);
    run.objective.freeze_backbone = true;
    check_rmfer(many, "phase 2, joint, frozen", run);
    run.shape = PHASE_2;
    run.shape.anchors = 4; /* parted over four processes, too */
    run.objective.freeze_backbone = false;
    check_rmfer(many, "phase 2, four anchors", run);
    run.shape.scoring_with_batch_statistics = true;
    check_rmfer(many, "phase 2, four anchors, batch statistics", run);
}

static void check_moments(struct many *many)
{
    struct mutual_contrastive mutual = {.n = MOMENT_ROWS,
                                        .d = 128,
                                        .classes = CLASSES,
                                        .persons = PERSONS,
                                        .temperature = 0.5,
                                        .hardness = 0.5,
                                        .chance = 0.05};
    struct rmfer_run run = {.shape = PHASE_1, .objective = objective_defaults()};
    run.shape.mutual = &mutual;
    check_rmfer(many, "moments", run);
    run.again = true;
    check_rmfer(many, "moments, SAM", run);
}

/* ---- every other method ------------------------------------------------------------------------------------------ */

static void set_config(struct config *config)
{
    *config = (struct config){0};
    config->data.image_size = SIDE;
    config->train.batch = BATCH;
    config->train.sync_bn = true;
    config->train.accumulate = 1;
    config->fixmatch = (struct config_fixmatch){.threshold = 0.3, .ratio = 2};
    config->uda = (struct config_uda){.temperature = 0.4, .threshold = 0.3, .ratio = 2};
    config->mixmatch = (struct config_mixmatch){.temperature = 0.5, .alpha = 0.5, .ramp = 0.4, .ratio = 1};
    config->remixmatch = (struct config_remixmatch){
        .temperature = 0.5, .alpha = 0.75, .ramp = 0.5, .momentum = 0.9, .rotation_weight = 1, .ratio = 1};
    config->adacm = (struct config_adacm){.temperature = 0.2, .floor = 0.3, .ratio = 2};
    config->center = (struct config_center){.weight = 0.1, .rate = 0.5};
    config->island = (struct config_island){.weight = 0.1, .rate = 0.5, .repulsion = 2};
    config->dacl = (struct config_dacl){.weight = 0.1, .rate = 0.5};
    config->self_supervised = (struct config_self_supervised){.ratio = 1, .weight = 1, .labelled_weight = 1};
    config->simclr.temperature = 0.5;
    config->moco = (struct config_moco){.temperature = 0.2, .momentum = 0.9, .queue = 24};
    config->byol.momentum = 0.9;
    config->consensus = (struct config_consensus){
        .weight = 1, .threshold = 0.1, .refresh = 1, .scans = 3, .ratio = 1, .cache_limit = 1};
    config->acl = (struct config_acl){.loss = ACL_LOSS_MUTUAL,
                                      .weight = 0.5,
                                      .temperature = 0.3,
                                      .moments = 4,
                                      .persons = PERSONS,
                                      .beta = 0.5,
                                      .debias = true,
                                      .near = 1};
}

/* ---- an RMset of three videos of four frames with two persons each, of which consensus knows no more than who is where ---- */

enum { VIDEOS = 3, FRAMES = 4, FACES = VIDEOS * FRAMES * PERSONS };

static struct rmset_index *open_index(char *folder)
{
    struct rmset_index *index;
    char path[64];
    snprintf(path, sizeof path, "%s/index.csv", folder);
    FILE *file = fopen(path, "w");
    if (file == NULL) exit(1);
    fputs("video,frame,face,path\n", file);
    for (int i = 0; i < FACES; i++)
        fprintf(file, "v%d,%d,%d,v%d.jpg\n", i / (FRAMES * PERSONS), i / PERSONS % FRAMES, i % PERSONS, i);
    if (fclose(file) != 0) exit(1);
    struct rmset_options options = {.csv = path, .every = 1, .fraction = 1, .near = 1, .far = 2};
    if (rmset_index_open(&index, &options, NULL) != STATUS_OK) exit(1);
    return index;
}

static void remove_index(struct rmset_index *index, char *folder)
{
    char path[80];
    rmset_index_close(index);
    static const char *const names[] = {"index.csv", "index.csv.index"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        (void)remove(path);
    }
    (void)remove(folder);
}

/* Labels that are sure of different classes, as if a teacher had made them. */
static void set_labels(const struct method *method, void *self)
{
    struct method_memory memories[MOST_MEMORIES];
    if (strcmp(method->name, "consensus") != 0) return;
    if (method->memories(self, memories) == 0) exit(1);
    real *labels = memories[0].data;
    for (size_t i = 0; i < FACES * CLASSES; i++) labels[i] = (real)(i % CLASSES == i / CLASSES % CLASSES ? 0.7 : 0.1);
}

/* ---- a step of any method ---- */

static size_t count_of(const struct method_memory *memory)
{
    size_t count = 1;
    for (int i = 0; i < memory->rank; i++) count *= memory->shape[i];
    return count;
}

/* What is remembered behind the update, as numbers. */
static void take_memories(const struct method *method, void *self, struct traces *traces)
{
    struct method_memory memories[MOST_MEMORIES];
    size_t count = method->memories == NULL ? 0 : method->memories(self, memories);
    for (size_t i = 0; i < count; i++) traces->memory_count += count_of(&memories[i]);
    traces->memories = memory_allocate(traces->memory_count, sizeof(double), "memories", NULL);
    if (traces->memories == NULL) exit(1);
    double *to = traces->memories;
    for (size_t i = 0; i < count; i++)
        for (size_t j = 0; j < count_of(&memories[i]); j++)
            *to++ = memories[i].type == MEMORY_F64   ? ((const double *)memories[i].data)[j]
                    : memories[i].type == MEMORY_F32 ? (double)((const real *)memories[i].data)[j]
                                                     : (double)((const uint64_t *)memories[i].data)[j];
}

static void run_method(struct shared_case *c, const struct method *method, const struct config *config,
                       const struct machines *machines, struct dist_gradients *sums, struct traces *traces)
{
    static const double shares[CLASSES] = {0.4, 0.3, 0.2, 0.1};
    static const int32_t labels[BATCH] = {0, 1, 2, 3, 0, 1};
    static const int64_t faces[BATCH] = {3, 8, 0, 13, 21, 6}, moments[MOMENT_ROWS] = {0, 1, 6, 7, 12, 13, 22, 23};
    double losses[4];
    double weights[MOST_TERMS] = {0};
    struct stream_request requests[MOST_STREAMS];
    struct batch batch = {.stream_count = (int)method->streams(config, requests)};
    struct method_setup setup = {.config = config,
                                 .model = &c->model,
                                 .average = &c->model,
                                 .class_shares = shares,
                                 .places = 1,
                                 .machines = machines,
                                 .rmset = c->index};
    void *self;
    for (size_t i = 0; i < method->term_count; i++) /* these models have no head for affect */
        weights[i] = strcmp(method->terms[i].name, "va") == 0 ? 0 : 1 / (1 + 0.4 * (double)i);
    struct error err = {0};
    if (method->create(&self, &setup, &err) != STATUS_OK) {
        fprintf(stderr, "%s: %s\n", method->name, err.message);
        exit(1);
    }
    for (int s = 0; s < batch.stream_count; s++) {
        struct batch_stream *stream = &batch.streams[s];
        size_t rows = (size_t)requests[s].rows;
        size_t group = requests[s].persons > 1 ? (size_t)requests[s].persons : 1;
        struct stream_share share = stream_share_of(machines, rows, group);
        size_t first = method->mixes_pictures || !share.is_parted ? 0 : share.first;
        *stream = (struct batch_stream){.rows = (int)rows,
                                        .group = (int)group,
                                        .views = requests[s].view_count,
                                        .ids = group > 1 ? moments : faces};
        for (int v = 0; v < stream->views; v++) stream->images[v] = c->images[s] + (first + rows * (size_t)v) * PICTURE;
    }
    batch.streams[0].targets = c->targets;
    batch.streams[0].labels = labels;
    set_labels(method, self);
    struct method_step step = {.batch = &batch,
                               .weights = weights,
                               .gradient_scale = 1,
                               .progress = 0.2,
                               .bn_momentum = 0.1,
                               .seed = 1,
                               .draw = 2,
                               .last = true};
    struct step_outcome outcome = {0};
    method->step(self, &step, &outcome);
    losses[0] = outcome.total;
    for (int i = 0; i < 3; i++) losses[1 + i] = outcome.terms[i];
    dist_gradients_finish(sums);
    leave(c, traces, losses);
    if (method->after_update != NULL) method->after_update(self, 0.3);
    take_memories(method, self, traces);
    method->free(self);
}

static void check_method(struct many *many, const struct method *method)
{
    struct shared_case c;
    struct config config;
    struct architecture architecture;
    struct parameter heads[MOST_HEAD_ENTRIES] = {0};
    char folder[] = "/tmp/rmfer-many-XXXXXX";
    set_config(&config);
    if (method->walks_faces && mkdtemp(folder) == NULL) exit(1);
    if (architecture_tiny(&architecture, true, 16, 1, NULL) != STATUS_OK) exit(1);
    size_t count = method->heads == NULL ? 0 : method->heads(&config, (size_t)architecture.features, heads);
    start_case(&c, many, heads, count);
    if (method->walks_faces) c.index = open_index(folder);
    struct dist_gradients *sums = sums_of(&c);
    for (int shared = 0; shared < 2; shared++) {
        reset(&c, shared > 0);
        run_method(&c, method, &config, shared ? dist_gradients_machines(sums) : NULL, shared ? sums : NULL,
                   shared ? &c.shared : &c.alone);
    }
    compare(&c, method->name);
    if (method->walks_faces) remove_index(c.index, folder);
    dist_gradients_free(sums);
    free_case(&c);
}

int main(void)
{
    const struct method *const methods[] = {&method_fixmatch, &method_uda,    &method_mixmatch, &method_remixmatch,
                                            &method_adacm,    &method_center, &method_island,   &method_dacl,
                                            &method_simclr,   &method_moco,   &method_byol,     &method_simsiam,
                                            &method_consensus};
    struct many many;
    log_set_level(LOG_QUIET);
    many_begin(&many);
    check_phase_1(&many);
    check_phase_2(&many);
    check_moments(&many);
    for (size_t i = 0; i < sizeof methods / sizeof methods[0]; i++) check_method(&many, methods[i]);
    return many_end(&many);
}
