/* Runs a golden case and compares every tensor in it. */
#include "support/engine_case.h"
#include "support/golden_case.h"

#include "rmfer/base/memory.h"
#include "rmfer/nn/inference.h"
#include "rmfer/method/rmfer_step.h"
#include "support/golden.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* Relative errors allowed: PyTorch worked in double, the engine in float. */
#define BOUND 1e-4
/* Losses are one number each: absolute and relative alike. */
#define LOSS_BOUND 2e-5
/* The shift of the batch-norm that ends a block is taken away by the next batch-norm: its gradient is zero, or where
 * padding shows it a small rest of large terms. What float leaves of it is measured against the whole gradient. */
#define VANISHING       1e-9
#define VANISHING_BOUND 1e-6

struct golden_case {
    struct golden *golden;
    struct model model;
    struct train_step *step;
    struct train_step_shape shape;
    struct objective objective;
    int classes, contrastive_count;
    real *images, *targets, *contrastive, *class_weights;
    double worst_inference, worst_logits, worst_gradient, worst_buffer;
    char worst_name[64];
    bool agrees;
};

static real *allocate(size_t count)
{
    struct error err = {0};
    real *block = memory_allocate(count, sizeof(real), "golden case", &err);
    BUG_UNLESS(block != NULL);
    return block;
}

static enum self_mask self_mask_named(const char *name)
{
    if (strcmp(name, "exclude") == 0) return SELF_MASK_EXCLUDE;
    return strcmp(name, "literal") == 0 ? SELF_MASK_LITERAL : SELF_MASK_NONE;
}

static void read_objective(struct golden_case *c)
{
    const struct golden *g = c->golden;
    c->objective = objective_defaults();
    struct objective *o = &c->objective;
    o->ial_weight = golden_number(g, "ial_weight");
    o->acl_weight = golden_number(g, "acl_weight");
    o->ial_temperature = golden_number(g, "ial_temperature");
    o->acl_temperature = golden_number(g, "acl_temperature");
    o->self_mask = self_mask_named(golden_setting(g, "self_mask"));
    o->label_smoothing = golden_number(g, "label_smoothing");
    o->dropout = golden_number(g, "dropout");
    o->drop_path = golden_number(g, "drop_path");
    o->bn_momentum = golden_number(g, "bn_momentum");
    o->freeze_backbone = golden_integer(g, "freeze_backbone") != 0;
    o->gradient_scale = golden_number(g, "gradient_scale");
    uint64_t key = golden_key("class_weights");
    for (int k = 0; k < c->classes; k++) c->class_weights[k] = (real)(1 + 0.5 * golden_uniform(key, (size_t)k));
    if (golden_integer(g, "class_weights") != 0) o->class_weights = c->class_weights;
}

static void read_shape(struct golden_case *c)
{
    const struct golden *g = c->golden;
    c->shape = (struct train_step_shape){.image_size = golden_integer(g, "image_size"),
                                         .batch = golden_integer(g, "batch"),
                                         .anchors = golden_integer(g, "anchors"),
                                         .positives = golden_integer(g, "positives"),
                                         .negatives = golden_integer(g, "negatives"),
                                         .kept_share = golden_number(g, "kept_share"),
                                         .scoring_with_batch_statistics =
                                             strcmp(golden_setting(g, "scoring_bn"), "train") == 0,
                                         .joint_forward = golden_integer(g, "joint") != 0};
    c->contrastive_count = c->shape.anchors * (1 + c->shape.positives + c->shape.negatives);
}

static status build_model(struct golden_case *c, struct error *err)
{
    struct architecture architecture;
    const char *name = golden_setting(c->golden, "architecture");
    status found =
        strcmp(name, "tiny") == 0
            ? architecture_tiny(&architecture, golden_integer(c->golden, "same_padding") != 0,
                                golden_integer(c->golden, "divisor"), golden_integer(c->golden, "repeats"), err)
            : architecture_find(&architecture, name, err);
    if (found != STATUS_OK) return found;
    if (model_create(&c->model, &architecture, c->classes, true, err) != STATUS_OK) return err->code;
    struct parameters *parameters = &c->model.parameters;
    double variance = golden_number(c->golden, "running_variance");
    for (size_t i = 0; i < parameters->count; i++) {
        const struct parameter *item = &parameters->items[i];
        golden_parameter(item->name, item->shape, item->rank, item->count, variance,
                         parameter_write(parameters, item));
    }
    return train_step_create(&c->step, &c->model, &c->shape, err);
}

static status case_open(struct golden_case *c, const char *path, struct error *err)
{
    *c = (struct golden_case){.golden = golden_open(path), .agrees = true};
    if (c->golden == NULL) return error_set(err, "%s: cannot be read", path);
    c->classes = golden_integer(c->golden, "classes");
    read_shape(c);
    size_t picture = (size_t)c->shape.image_size * (size_t)c->shape.image_size * 3;
    c->images = allocate((size_t)c->shape.batch * picture);
    c->targets = allocate((size_t)(c->shape.batch * c->classes));
    c->contrastive = allocate((size_t)c->contrastive_count * picture);
    c->class_weights = allocate((size_t)c->classes);
    read_objective(c);
    return build_model(c, err);
}

static void case_close(struct golden_case *c)
{
    train_step_free(c->step);
    model_free(&c->model);
    memory_free(c->images);
    memory_free(c->targets);
    memory_free(c->contrastive);
    memory_free(c->class_weights);
    golden_close(c->golden);
}

static void make_pictures(const struct golden_case *c, int step)
{
    char name[64];
    size_t side = (size_t)c->shape.image_size;
    snprintf(name, sizeof name, "images.%d", step);
    golden_pictures(name, (size_t)c->shape.batch, side, c->images);
    snprintf(name, sizeof name, "contrastive.%d", step);
    golden_pictures(name, (size_t)c->contrastive_count, side, c->contrastive);
    bool soft = strcmp(golden_setting(c->golden, "targets"), "soft") == 0;
    golden_targets(soft, (size_t)step, (size_t)c->shape.batch, (size_t)c->classes, c->targets);
}

static void check(struct golden_case *c, const char *name, const real *got, size_t count, double *worst)
{
    if (!golden_matches(c->golden, name, got, count, BOUND, worst)) c->agrees = false;
}

/* Eval mode: `prefix`.features and `prefix`.logits of the pictures of step 0. */
static status check_inference(struct golden_case *c, const char *prefix, struct error *err)
{
    struct inference *inference = NULL;
    size_t n = (size_t)c->shape.batch, wide = (size_t)c->model.architecture.features;
    status result =
        inference_create(&inference, &c->model.architecture, c->classes, c->shape.batch, c->shape.image_size, err);
    if (result != STATUS_OK) return result;
    real *features = allocate(n * wide), *logits = allocate(n * (size_t)c->classes);
    make_pictures(c, 0);
    inference_load(inference, &c->model);
    inference_run(inference, c->images, c->shape.batch, features, logits);
    char name[64];
    snprintf(name, sizeof name, "%s.features", prefix);
    check(c, name, features, n * wide, &c->worst_inference);
    snprintf(name, sizeof name, "%s.logits", prefix);
    check(c, name, logits, n * (size_t)c->classes, &c->worst_inference);
    memory_free(features);
    memory_free(logits);
    inference_free(inference);
    return STATUS_OK;
}

static void check_losses(struct golden_case *c, int step, const struct step_losses *losses)
{
    static const char *const names[] = {"total", "fer", "ial", "acl"};
    const double got[] = {losses->total, losses->fer, losses->ial, losses->acl};
    size_t count;
    const float *expected = golden_tensor(c->golden, "losses", &count);
    BUG_UNLESS(expected != NULL && count >= 4 * (size_t)(step + 1));
    for (int i = 0; i < 4; i++) {
        double wanted = (double)expected[4 * step + i];
        if (fabs(got[i] - wanted) <= LOSS_BOUND * (1 + fabs(wanted))) continue;
        printf("step %d: loss %s is %.7g, expected %.7g\n", step, names[i], got[i], wanted);
        c->agrees = false;
    }
}

/* The reference says 0 where a batch has no pair of the kind, the step NaN. */
static bool agrees_on_similarity(double got, double expected)
{
    return isnan(got) ? expected == 0 : fabs(got - expected) <= LOSS_BOUND;
}

static void check_logits(struct golden_case *c, int step, const struct step_losses *losses)
{
    char name[64];
    size_t count = (size_t)(c->shape.batch * c->classes), pairs;
    snprintf(name, sizeof name, "fer_logits.%d", step);
    check(c, name, train_step_fer_logits(c->step), count, &c->worst_logits);
    if (c->objective.ial_weight == 0) {
        if (train_step_ial_logits(c->step) != NULL) c->agrees = false;
        return;
    }
    snprintf(name, sizeof name, "ial_logits.%d", step);
    check(c, name, train_step_ial_logits(c->step), count, &c->worst_logits);
    snprintf(name, sizeof name, "similarities.%d", step);
    const float *expected = golden_tensor(c->golden, name, &pairs);
    BUG_UNLESS(expected != NULL && pairs == 2);
    if (agrees_on_similarity(losses->same_class_similarity, (double)expected[0]) &&
        agrees_on_similarity(losses->different_class_similarity, (double)expected[1]))
        return;
    printf("step %d: similarities %.7g and %.7g, expected %.7g and %.7g\n", step, losses->same_class_similarity,
           losses->different_class_similarity, (double)expected[0], (double)expected[1]);
    c->agrees = false;
}

static double length_of(const float *values, size_t count)
{
    double sum = 0;
    for (size_t i = 0; i < count; i++) sum += (double)values[i] * (double)values[i];
    return sqrt(sum);
}

static double real_length(const real *values, size_t count)
{
    double sum = 0;
    for (size_t i = 0; i < count; i++) sum += (double)values[i] * (double)values[i];
    return sqrt(sum);
}

/* The length of the whole gradient, as stored. */
static double whole_length(const struct golden *golden)
{
    double sum = 0;
    const char *name;
    for (size_t i = 0; (name = golden_tensor_name(golden, i)) != NULL; i++) {
        if (strncmp(name, "gradient.", 9) != 0) continue;
        size_t count;
        const float *values = golden_tensor(golden, name, &count);
        double length = length_of(values, count);
        sum += length * length;
    }
    return sqrt(sum);
}

static bool ends_a_block(const char *name)
{
    bool in_first_stage = strncmp(name, "blocks.0.", 9) == 0;
    return strstr(name, ".bn3.bias") != NULL || (in_first_stage && strstr(name, ".bn2.bias") != NULL);
}

/* A tensor without (or with next to no) gradient in PyTorch: exactly zero here where it takes no part. */
static void check_no_gradient(struct golden_case *c, const char *name, const real *got, size_t count, double allowed)
{
    double length = real_length(got, count);
    if (length <= allowed) return;
    printf("%s: length %.2e, expected none (at most %.1e)\n", name, length, allowed);
    c->agrees = false;
}

static void check_gradient(struct golden_case *c, const struct parameter *item, double whole)
{
    char name[96];
    size_t stored;
    snprintf(name, sizeof name, "gradient.%s", item->name);
    const real *got = parameter_gradients(&c->model.parameters, item);
    const float *expected = golden_tensor(c->golden, name, &stored);
    if (expected == NULL) {
        check_no_gradient(c, name, got, item->count, 0);
        return;
    }
    double length = length_of(expected, stored), error = 0, bound = BOUND;
    if (length <= VANISHING * whole) {
        check_no_gradient(c, name, got, item->count, VANISHING_BOUND * whole);
        return;
    }
    if (ends_a_block(item->name)) bound = fmax(bound, VANISHING_BOUND * whole / length);
    if (!golden_matches(c->golden, name, got, item->count, bound, &error)) c->agrees = false;
    if (bound > BOUND || error <= c->worst_gradient) return;
    c->worst_gradient = error;
    snprintf(c->worst_name, sizeof c->worst_name, "%s", item->name);
}

static void check_gradients(struct golden_case *c)
{
    double whole = whole_length(c->golden);
    for (size_t i = 0; i < c->model.parameters.count; i++)
        if (!c->model.parameters.items[i].is_buffer) check_gradient(c, &c->model.parameters.items[i], whole);
}

static void check_buffers(struct golden_case *c)
{
    const struct parameters *parameters = &c->model.parameters;
    for (size_t i = 0; i < parameters->count; i++) {
        const struct parameter *item = &parameters->items[i];
        char name[96];
        size_t count;
        snprintf(name, sizeof name, "buffer.%s", item->name);
        if (!item->is_buffer || golden_tensor(c->golden, name, &count) == NULL) continue;
        check(c, name, parameter_values(parameters, item), item->count, &c->worst_buffer);
    }
}

static void run_steps(struct golden_case *c)
{
    int steps = golden_integer(c->golden, "steps");
    real rate = (real)golden_number(c->golden, "learning_rate");
    uint64_t seed = (uint64_t)golden_integer(c->golden, "seed");
    struct parameters *parameters = &c->model.parameters;
    for (int step = 0; step < steps; step++) {
        make_pictures(c, step);
        struct labelled_batch labelled = {c->shape.batch, c->images, c->targets};
        struct contrastive_batch contrastive = {.anchors = c->shape.anchors, .images = c->contrastive};
        struct step_losses losses;
        parameters_zero_gradients(parameters);
        train_step_run(c->step, &c->objective, &labelled, c->shape.anchors > 0 ? &contrastive : NULL, seed,
                       (uint64_t)step, &losses);
        check_losses(c, step, &losses);
        check_logits(c, step, &losses);
        if (step == 0) check_gradients(c);
        engine_descend(&c->model, (double)rate);
    }
}

bool golden_case_run(const char *path)
{
    struct golden_case c;
    struct error err = {0};
    status result = case_open(&c, path, &err);
    if (result == STATUS_OK) result = check_inference(&c, "inference", &err);
    if (result == STATUS_OK) {
        run_steps(&c);
        check_buffers(&c);
        result = check_inference(&c, "inference_after", &err);
    }
    if (result != STATUS_OK) printf("%s: %s\n", path, err.message);
    printf("%s: relative errors: inference %.1e, logits %.1e, gradients %.1e (%s), running statistics %.1e\n", path,
           c.worst_inference, c.worst_logits, c.worst_gradient, c.worst_name, c.worst_buffer);
    case_close(&c);
    return result == STATUS_OK && c.agrees;
}
