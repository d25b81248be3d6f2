/* Runs a golden case and compares every tensor in it. */
#include "support/engine_case.h"
#include "support/golden_case.h"

#include "rmfer/base/memory.h"
#include "rmfer/nn/inference.h"
#include "rmfer/method/rmfer_step.h"
#include "method/mutual.h"
#include "support/golden.h"
#include "support/golden_model.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

struct golden_case {
    struct golden *golden;
    struct model model;
    struct train_step *step;
    struct train_step_shape shape;
    struct objective objective;
    int classes, contrastive_count;
    real *images, *targets, *affect, *contrastive, *class_weights;
    struct golden_comparison comparison;
    struct mutual_contrastive mutual; /* n = 0: the case has none */
    unsigned char *apart;             /* [n,n] */
    real *guesses;
    double worst_inference, worst_logits;
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
    o->affect_weight = golden_has(g, "affect_weight") ? golden_number(g, "affect_weight") : 0;
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
    o->soft_targets = strcmp(golden_setting(g, "targets"), "soft") == 0;
}

static void read_shape(struct golden_case *c)
{
    const struct golden *g = c->golden;
    c->shape = (struct train_step_shape){
        .image_size = golden_integer(g, "image_size"),
        .batch = golden_integer(g, "batch"),
        .anchors = golden_integer(g, "anchors"),
        .positives = golden_integer(g, "positives"),
        .negatives = golden_integer(g, "negatives"),
        .kept_share = golden_number(g, "kept_share"),
        .scoring_with_batch_statistics = strcmp(golden_setting(g, "scoring_bn"), "train") == 0,
        .joint_forward = golden_integer(g, "joint") != 0};
    c->contrastive_count = c->shape.anchors * (1 + c->shape.positives + c->shape.negatives);
    if (!golden_has(g, "moments")) return;
    size_t persons = (size_t)golden_integer(g, "persons"), n = (size_t)golden_integer(g, "moments") * persons;
    c->mutual = (struct mutual_contrastive){.n = n,
                                            .d = 128,
                                            .classes = (size_t)c->classes,
                                            .persons = persons,
                                            .temperature = golden_number(g, "acl_temperature"),
                                            .hardness = golden_number(g, "hardness"),
                                            .chance = golden_number(g, "chance")};
    c->shape.mutual = &c->mutual;
    c->contrastive_count = (int)n;
}

static status build_model(struct golden_case *c, struct error *err)
{
    struct architecture architecture;
    const char *name = golden_setting(c->golden, "architecture");
    status found = strcmp(name, "tiny") == 0
                       ? architecture_tiny(&architecture, golden_integer(c->golden, "same_padding") != 0,
                                           golden_integer(c->golden, "divisor"), golden_integer(c->golden, "repeats"),
                                           err)
                       : architecture_find(&architecture, name, err);
    if (found != STATUS_OK) return found;
    struct parameter added[MUTUAL_HEAD_ENTRIES];
    size_t count = c->mutual.n > 0 ? mutual_head((size_t)architecture.features, added) : 0;
    const struct model_heads heads = {
        .attention = true, .affect = c->objective.affect_weight > 0, .added = added, .added_count = count};
    if (model_create_with(&c->model, &architecture, c->classes, &heads, err) != STATUS_OK) return err->code;
    golden_fill_model(&c->model, golden_number(c->golden, "running_variance"));
    return train_step_create(&c->step, &c->model, &c->shape, err);
}

static status case_open(struct golden_case *c, const char *path, struct error *err)
{
    *c = (struct golden_case){.golden = golden_open(path), .comparison = {.agrees = true}};
    c->comparison.golden = c->golden;
    if (c->golden == NULL) return error_set(err, "%s: cannot be read", path);
    c->classes = golden_integer(c->golden, "classes");
    read_shape(c);
    size_t picture = (size_t)c->shape.image_size * (size_t)c->shape.image_size * 3;
    c->images = allocate((size_t)c->shape.batch * picture);
    c->targets = allocate((size_t)(c->shape.batch * c->classes));
    c->affect = allocate(2 * (size_t)c->shape.batch);
    c->contrastive = allocate((size_t)c->contrastive_count * picture);
    c->class_weights = allocate((size_t)c->classes);
    c->guesses = allocate(c->mutual.n * (size_t)c->classes);
    c->apart = memory_allocate(c->mutual.n * c->mutual.n, 1, "golden case", err);
    if (c->apart == NULL) return STATUS_FAILED;
    for (size_t i = 0; i < c->mutual.n * c->mutual.n; i++) {
        size_t moments = i / c->mutual.n / c->mutual.persons + i % c->mutual.n / c->mutual.persons;
        c->apart[i] = moments != 1 || golden_integer(c->golden, "too_near") == 0; /* the first two are near */
    }
    read_objective(c);
    return build_model(c, err);
}

static void case_close(struct golden_case *c)
{
    train_step_free(c->step);
    model_free(&c->model);
    memory_free(c->images);
    memory_free(c->targets);
    memory_free(c->affect);
    memory_free(c->contrastive);
    memory_free(c->class_weights);
    memory_free(c->guesses);
    memory_free(c->apart);
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
    snprintf(name, sizeof name, "affect.%d", step);
    for (size_t i = 0; i < 2 * (size_t)c->shape.batch; i++) /* the row after the step's number has no label */
        c->affect[i] = i / 2 == (size_t)step + 1 ? NAN : (real)golden_uniform(golden_key(name), i);
}

static void check(struct golden_case *c, const char *name, const real *got, size_t count, double *worst)
{
    if (!golden_matches(c->golden, name, got, count, GOLDEN_BOUND, worst)) c->comparison.agrees = false;
}

/* Eval mode: `prefix`.features and `prefix`.logits of the pictures of step 0. */
static status check_inference(struct golden_case *c, const char *prefix, struct error *err)
{
    struct inference *inference = NULL;
    size_t n = (size_t)c->shape.batch, wide = (size_t)c->model.architecture.features;
    status result = inference_create(&inference, &c->model.architecture, c->classes, c->shape.batch,
                                     c->shape.image_size, err);
    if (result != STATUS_OK) return result;
    real *features = allocate(n * wide), *logits = allocate(n * (size_t)c->classes), *affect = allocate(n * 2);
    make_pictures(c, 0);
    inference_load(inference, &c->model);
    inference_run(inference, c->images, c->shape.batch, features, logits);
    char name[64];
    snprintf(name, sizeof name, "%s.features", prefix);
    check(c, name, features, n * wide, &c->worst_inference);
    snprintf(name, sizeof name, "%s.logits", prefix);
    check(c, name, logits, n * (size_t)c->classes, &c->worst_inference);
    if (c->model.has_affect) {
        snprintf(name, sizeof name, "%s.affect", prefix);
        inference_affect(inference, affect);
        check(c, name, affect, n * 2, &c->worst_inference);
    }
    memory_free(features);
    memory_free(logits);
    memory_free(affect);
    inference_free(inference);
    return STATUS_OK;
}

static void check_losses(struct golden_case *c, int step, const struct step_losses *losses)
{
    static const char *const names[] = {"total", "fer", "ial", "acl", "va"};
    const double got[] = {losses->total, losses->fer, losses->ial, losses->acl, losses->affect};
    size_t wide = c->model.has_affect ? 5 : 4;
    for (size_t i = 0; i < wide; i++)
        golden_compare_loss(&c->comparison, wide * (size_t)step + i, step, names[i], got[i]);
}

/* The reference says 0 where a batch has no pair of the kind, the step NaN. */
static bool agrees_on_similarity(double got, double expected)
{
    return isnan(got) ? expected == 0 : fabs(got - expected) <= GOLDEN_LOSS_BOUND;
}

static void check_logits(struct golden_case *c, int step, const struct step_losses *losses)
{
    char name[64];
    size_t count = (size_t)(c->shape.batch * c->classes), pairs;
    snprintf(name, sizeof name, "fer_logits.%d", step);
    check(c, name, train_step_fer_logits(c->step), count, &c->worst_logits);
    if (c->objective.ial_weight == 0) {
        if (train_step_ial_logits(c->step) != NULL) c->comparison.agrees = false;
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
    c->comparison.agrees = false;
}

static void run_steps(struct golden_case *c)
{
    int steps = golden_integer(c->golden, "steps");
    real rate = (real)golden_number(c->golden, "learning_rate");
    uint64_t seed = (uint64_t)golden_integer(c->golden, "seed");
    struct parameters *parameters = &c->model.parameters;
    for (int step = 0; step < steps; step++) {
        make_pictures(c, step);
        struct labelled_batch labelled = {c->shape.batch, c->images, c->targets, c->affect};
        struct contrastive_batch contrastive = {.anchors = c->shape.anchors,
                                                .images = c->contrastive,
                                                .rows = (int)c->mutual.n,
                                                .apart = c->apart,
                                                .guesses = c->guesses};
        struct step_losses losses;
        parameters_zero_gradients(parameters);
        train_step_run(c->step, &c->objective, &labelled, c->contrastive_count > 0 ? &contrastive : NULL, seed,
                       (uint64_t)step, &losses);
        check_losses(c, step, &losses);
        check_logits(c, step, &losses);
        if (step == 0) golden_compare_gradients(&c->comparison, &c->model, "gradient.", GOLDEN_BOUND);
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
        golden_compare_buffers(&c.comparison, &c.model, GOLDEN_BOUND);
        result = check_inference(&c, "inference_after", &err);
    }
    if (result != STATUS_OK) printf("%s: %s\n", path, err.message);
    printf("%s: relative errors: inference %.1e, logits %.1e, gradients %.1e (%s), running statistics %.1e\n", path,
           c.worst_inference, c.worst_logits, c.comparison.worst_gradient, c.comparison.worst_name,
           c.comparison.worst_buffer);
    case_close(&c);
    return result == STATUS_OK && c.comparison.agrees;
}
