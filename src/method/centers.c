/* Features against centres, and centres after features. */
#include "method/centers.h"

#include "method/mlp.h"
#include "rmfer/ops/center_loss.h"
#include "rmfer/ops/rows.h"

#include <math.h>
#include <string.h>

const struct method_figure centers_figures[1] = {[ACCURACY] = {"accuracy", -1}};

struct centers {
    struct one_pass pass;
    struct cross_entropy labelled;
    struct centers_options options;
    struct mlp head; /* where it attends */
    struct arena arena;
    double *centers, *slopes;               /* [classes,D] */
    double *sums, *counts;                  /* [classes,D], [classes]: of the pictures since the last update */
    int32_t *labels;                        /* [batch] */
    real *dfeatures;                        /* [batch,D] */
    real *attention, *dattention, *through; /* [batch,D], where it attends */
};

/* ---- what it asks for ---- */

status centers_check(const struct config *config, struct error *err)
{
    if (config->train.freeze_backbone)
        return error_set_usage(err,
                               "train.freeze_backbone = true: %s moves features, which a frozen network does not (set "
                               "it false)",
                               config->train.method);
    return STATUS_OK;
}

void centers_phases(const struct config *config, double weight, struct phase_table *table)
{
    semi_supervised_phase(config, table)->weights[CENTERS_TERM] = weight;
}

size_t centers_streams(const struct config *config, struct stream_request *requests)
{
    requests[LABELLED] = (struct stream_request){
        .source = STREAM_LABELLED, .rows = (int)config->train.batch, .view_count = 1, .views = {VIEW_PLAIN}};
    return 1;
}

static struct mlp_shape attention_of(size_t features)
{
    return (struct mlp_shape){
        .name = "attention", .layers = 2, .widths = {features, features / 4, features}, .normalises_hidden = true};
}

size_t centers_attention_head(const struct config *config, size_t features, struct parameter *entries)
{
    struct mlp_shape shape = attention_of(features);
    (void)config;
    return mlp_entries(&shape, entries);
}

/* ---- creation ---- */

void centers_free(void *self)
{
    struct centers *centers = self;
    if (centers == NULL) return;
    one_pass_free(&centers->pass);
    arena_free(&centers->arena);
    memory_free(centers);
}

static void place(void *self, struct plan *plan)
{
    struct centers *centers = self;
    size_t classes = centers->labelled.classes, d = centers->pass.dimensions, rows = centers->labelled.n;
    centers->centers = plan_take(plan, classes * d, sizeof(double)); /* start at 0, as an arena does */
    centers->slopes = plan_take(plan, classes * d, sizeof(double));
    centers->sums = plan_take(plan, classes * d, sizeof(double));
    centers->counts = plan_take(plan, classes, sizeof(double));
    centers->labels = plan_take(plan, rows, sizeof *centers->labels);
    centers->dfeatures = plan_reals(plan, rows * d);
    if (!centers->options.attends) return;
    centers->attention = plan_reals(plan, rows * d);
    centers->dattention = plan_reals(plan, rows * d);
    centers->through = plan_reals(plan, rows * d);
    mlp_place(&centers->head, rows, plan);
}

status centers_create(void **self, const struct method_setup *setup, struct centers_options options, struct error *err)
{
    *self = NULL;
    struct centers *centers = memory_allocate(1, sizeof *centers, "the method", err);
    if (centers == NULL) return STATUS_FAILED;
    centers->options = options;
    centers->labelled = semi_supervised_cross_entropy(setup);
    struct stream_share labelled = stream_share_of(setup->machines, centers->labelled.n, 1);
    status result = one_pass_init(&centers->pass, setup, &labelled, 1, err);
    if (result == STATUS_OK && options.attends) {
        struct mlp_shape shape = attention_of(centers->pass.dimensions);
        mlp_bind(&centers->head, &shape, &centers->pass.context, setup->model);
    }
    if (result == STATUS_OK) result = plan_arena_init(&centers->arena, place, centers, "the class centres", err);
    if (result != STATUS_OK)
        centers_free(centers);
    else
        *self = centers;
    return result;
}

/* ---- a step ---- */

/* A row's class: what most of its target is of; below 0 without one. */
static void read_labels(struct centers *centers, const struct batch_stream *labelled)
{
    size_t classes = centers->labelled.classes;
    for (size_t i = 0; i < (size_t)labelled->rows; i++) {
        const real *target = labelled->targets + i * classes;
        size_t best = row_largest(classes, target);
        centers->labels[i] = target[best] > 0 ? (int32_t)best : -1;
    }
}

static void remember(struct centers *centers, size_t rows)
{
    size_t d = centers->pass.dimensions;
    for (size_t i = 0; i < rows; i++) {
        if (centers->labels[i] < 0) continue;
        size_t c = (size_t)centers->labels[i];
        centers->counts[c]++;
        for (size_t k = 0; k < d; k++) centers->sums[c * d + k] += (double)centers->pass.features[i * d + k];
    }
}

static void attend(struct centers *centers, size_t rows)
{
    size_t count = rows * centers->pass.dimensions;
    const real *z = mlp_forward(&centers->head, rows, centers->pass.features);
    for (size_t i = 0; i < count; i++) centers->attention[i] = (real)(1 / (1 + exp(-(double)z[i])));
}

/* What the loss says of features by way of their attention joins what it says of them directly. */
static void attention_backward(struct centers *centers, size_t rows)
{
    size_t count = rows * centers->pass.dimensions;
    for (size_t i = 0; i < count; i++) centers->dattention[i] *= centers->attention[i] * (1 - centers->attention[i]);
    mlp_backward(&centers->head, rows, centers->pass.features, centers->dattention, centers->through);
    for (size_t i = 0; i < count; i++) centers->dfeatures[i] += centers->through[i];
}

void centers_step(void *self, const struct method_step *step, struct step_outcome *outcome)
{
    struct centers *centers = self;
    struct one_pass *pass = &centers->pass;
    const struct batch_stream *labelled = &step->batch->streams[LABELLED];
    size_t rows = (size_t)labelled->rows;
    bool attends = centers->options.attends;
    struct cross_entropy loss = centers->labelled;
    loss.n = rows;
    *outcome = (struct step_outcome){0};
    one_pass_begin(pass);
    (void)one_pass_add(pass, labelled, 0);
    one_pass_forward(pass, step);
    semi_supervised_labelled_loss(pass, loss, labelled->targets, 1, step, outcome);
    one_pass_backward_classifier(pass);
    read_labels(centers, labelled);
    if (!step->again) remember(centers, rows);
    if (attends) attend(centers, rows);
    struct center_rows all = {
        rows, pass->dimensions, pass->features, centers->labels, centers->centers, centers->attention};
    outcome->terms[CENTERS_TERM] = center_loss(&all, step->gradient_scale * step->weights[CENTERS_TERM],
                                               centers->dfeatures, centers->dattention);
    if (attends) attention_backward(centers, rows);
    one_pass_add_gradient(pass, 0, rows, centers->dfeatures);
    one_pass_backward_backbone(pass);
    outcome->total = step->weights[TERM_FER] * outcome->terms[TERM_FER] +
                     step->weights[CENTERS_TERM] * outcome->terms[CENTERS_TERM];
    if (centers->options.repulsion == 0) return;
    outcome->terms[CENTERS_TERM_ISLAND] = island_loss(loss.classes, pass->dimensions, centers->centers,
                                                      centers->slopes);
    outcome->total += step->weights[CENTERS_TERM_ISLAND] * outcome->terms[CENTERS_TERM_ISLAND];
}

void centers_after_update(void *self, double progress)
{
    struct centers *centers = self;
    size_t classes = centers->labelled.classes, d = centers->pass.dimensions;
    double rate = centers->options.rate, push = centers->options.repulsion / (2 * fmax(1, (double)classes - 1));
    (void)progress;
    memset(centers->slopes, 0, classes * d * sizeof(double));
    if (push > 0) (void)island_loss(classes, d, centers->centers, centers->slopes);
    for (size_t c = 0; c < classes; c++)
        for (size_t k = 0; k < d; k++) {
            double *center = &centers->centers[c * d + k];
            double pull = (centers->counts[c] * *center - centers->sums[c * d + k]) / (1 + centers->counts[c]);
            *center -= rate * (pull + push * centers->slopes[c * d + k]);
        }
    memset(centers->sums, 0, classes * d * sizeof(double));
    memset(centers->counts, 0, classes * sizeof(double));
}

size_t centers_memories(void *self, struct method_memory *memories)
{
    struct centers *centers = self;
    memories[0] = (struct method_memory){
        "centers", MEMORY_F64, 2, {centers->labelled.classes, centers->pass.dimensions}, .data = centers->centers};
    return 1;
}

struct method_bytes centers_bytes(const void *self)
{
    const struct centers *centers = self;
    struct method_bytes bytes = one_pass_bytes(&centers->pass);
    bytes.scratch += centers->arena.size;
    return bytes;
}
