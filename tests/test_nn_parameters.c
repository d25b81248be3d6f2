/* No writer of a model's numbers leaves a network with packed weights of before: after each of them what runs is what a
 * network made anew gives, to the bit. */
#include "support/engine_case.h"
#include "support/scratch.h"

#include "rmfer/base/memory.h"
#include "rmfer/base/threads.h"
#include "rmfer/ckpt/checkpoint.h"
#include "rmfer/ckpt/import.h"
#include "rmfer/nn/inference.h"
#include "rmfer/train/optimizer.h"
#include "rmfer/method/weight_average.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

enum { IMAGES = 3, SIDE = 48 };

/* Networks that live on while the model changes under them. */
struct watched {
    struct engine_case engine;
    struct backbone *backbone;
    struct backbone_pass *pass;
    struct inference *inference;
    struct optimizer *optimizer;
    struct optimizer_rates rates;
    char *folder;
    const char *path; /* a checkpoint of other weights */
};

static void must(status result, const struct error *err)
{
    if (result != STATUS_OK) fail_msg("%s", err->message);
}

static void write_other_weights(const struct watched *w)
{
    struct model other;
    struct error err = {0};
    must(model_create(&other, &w->engine.model.architecture, ENGINE_CLASSES, true, &err), &err);
    model_initialise(&other, 99);
    struct checkpoint_info info = checkpoint_info_defaults(&other.architecture);
    static const char *const classes[ENGINE_CLASSES] = {"a", "b", "c", "d", "e"};
    info.classes = classes;
    info.class_count = ENGINE_CLASSES;
    must(checkpoint_write(w->path, &other, &info, NULL, 0, &err), &err);
    model_free(&other);
}

static void watch(struct watched *w)
{
    struct error err = {0};
    struct optimizer_options options = {.rule = OPTIMIZER_SGD, .sharpness_aware = true, .sam_rho = 0.5};
    threads_set(2);
    *w = (struct watched){0};
    engine_start(&w->engine, true, (struct train_step_shape){.image_size = SIDE, .batch = IMAGES});
    struct model *model = &w->engine.model;
    must(backbone_create(&w->backbone, model, IMAGES, SIDE, &err), &err);
    must(backbone_pass_create(&w->pass, w->backbone, PASS_TRAINS, IMAGES, &err), &err);
    must(inference_create(&w->inference, &model->architecture, ENGINE_CLASSES, IMAGES, SIDE, &err), &err);
    must(optimizer_create(&w->optimizer, &model->parameters, &options, &err), &err);
    for (int group = 0; group < GROUP_COUNT; group++) w->rates.learning_rate[group] = 0.5;
    w->folder = scratch_make();
    w->path = memory_copy_string(scratch_path(w->folder, "other.safetensors"), &err);
    write_other_weights(w);
}

static void unwatch(struct watched *w)
{
    optimizer_free(w->optimizer);
    inference_free(w->inference);
    backbone_pass_free(w->pass);
    backbone_free(w->backbone);
    engine_stop(&w->engine);
    memory_free((void *)(uintptr_t)w->path);
    scratch_remove(w->folder);
}

/* Features with batch statistics, and logits with running ones. */
struct outputs {
    real *features, *logits;
    size_t feature_bytes, logit_bytes;
};

static struct outputs run(struct watched *w, struct backbone_pass *pass, struct inference *inference,
                          const struct model *model)
{
    struct outputs out = {.feature_bytes = IMAGES * (size_t)model->architecture.features * sizeof(real),
                          .logit_bytes = IMAGES * ENGINE_CLASSES * sizeof(real)};
    struct forward_options options = {0};
    out.features = memory_allocate(1, out.feature_bytes, "features", NULL);
    out.logits = memory_allocate(1, out.logit_bytes, "logits", NULL);
    assert_true(out.features != NULL && out.logits != NULL);
    backbone_forward(pass, &options, w->engine.images, IMAGES, out.features);
    inference_load(inference, model);
    inference_run(inference, w->engine.images, IMAGES, NULL, out.logits);
    return out;
}

static void outputs_free(struct outputs *out)
{
    memory_free(out->features);
    memory_free(out->logits);
}

static struct outputs run_anew(struct watched *w)
{
    struct backbone *backbone;
    struct backbone_pass *pass;
    struct inference *inference;
    struct error err = {0};
    struct model *model = &w->engine.model;
    must(backbone_create(&backbone, model, IMAGES, SIDE, &err), &err);
    must(backbone_pass_create(&pass, backbone, PASS_SCORES, IMAGES, &err), &err);
    must(inference_create(&inference, &model->architecture, ENGINE_CLASSES, IMAGES, SIDE, &err), &err);
    struct outputs out = run(w, pass, inference, model);
    inference_free(inference);
    backbone_pass_free(pass);
    backbone_free(backbone);
    return out;
}

/* ---- the writers ------------------------------------------------------------------------------------------------- */

static void initialise(struct watched *w)
{
    model_initialise(&w->engine.model, 5);
}

static void write_one_entry(struct watched *w)
{
    struct parameters *all = &w->engine.model.parameters;
    parameter_write(all, parameters_find(all, "conv_head.weight"))[0] += 1;
}

static void write_the_classifier(struct watched *w)
{
    struct parameters *all = &w->engine.model.parameters;
    parameters_write(all, GROUP_FER)[all->items[w->engine.model.fer.bias].offset] += 1;
}

static void write_running_statistics(struct watched *w)
{
    struct parameters *all = &w->engine.model.parameters;
    const struct parameter *entry = parameters_find(all, "bn2.running_mean");
    parameters_write_buffers(all)[entry->offset] += 1;
}

static void write_gates(struct watched *w)
{
    struct parameters *all = &w->engine.model.parameters;
    parameter_write(all, parameters_find(all, "blocks.1.0.se.conv_expand.bias"))[0] += 1;
}

static void load_checkpoint(struct watched *w)
{
    struct checkpoint checkpoint;
    struct error err = {0};
    must(checkpoint_open(&checkpoint, w->path, &err), &err);
    must(checkpoint_load_model(&checkpoint, &w->engine.model, &err), &err);
    checkpoint_close(&checkpoint);
}

static void import(struct watched *w)
{
    struct import_options options = {0};
    struct import_report report = {0};
    struct error err = {0};
    must(import_into_model(&w->engine.model, w->path, &options, &report, &err), &err);
    import_report_free(&report);
}

static void step(struct watched *w)
{
    optimizer_step(w->optimizer, &w->rates, 1);
}

static void sharpen(struct watched *w)
{
    optimizer_sharpen(w->optimizer, &w->rates, 1);
}

static void restore(struct watched *w)
{
    optimizer_restore(w->optimizer, &w->rates);
}

static void move_running_statistics(struct watched *w)
{
    struct forward_options options = {.bn_momentum = 0.5};
    real *features = memory_allocate(IMAGES * (size_t)w->engine.model.architecture.features, sizeof *features,
                                     "features", NULL);
    assert_non_null(features);
    backbone_forward(w->pass, &options, w->engine.images, IMAGES, features);
    memory_free(features);
}

static void train(struct watched *w)
{
    engine_step(&w->engine, 1);
}

struct writer {
    const char *name;
    void (*write)(struct watched *);
};

/* In an order in which each changes what a network gives; sharpen and step need gradients. */
static const struct writer writers[] = {
    {"parameter_write", write_one_entry},
    {"parameter_write of a gate", write_gates},
    {"parameters_write of the classifier", write_the_classifier},
    {"parameters_write_buffers", write_running_statistics},
    {"a forward pass with momentum", move_running_statistics},
    {"optimizer_step", step},
    {"optimizer_sharpen", sharpen},
    {"optimizer_restore", restore},
    {"a training step", train},
    {"model_initialise", initialise},
    {"checkpoint_load_model", load_checkpoint},
    {"model_initialise again", initialise},
    {"import_into_model", import},
};

static void fill_gradients(struct watched *w)
{
    struct parameters *all = &w->engine.model.parameters;
    for (size_t i = 0; i < all->value_count; i++) all->gradients[i] = (real)(i % 7) / 700;
}

static void test_no_writer_leaves_stale_weights(void **state)
{
    (void)state;
    struct watched w;
    watch(&w);
    struct outputs before = run(&w, w.pass, w.inference, &w.engine.model);
    for (size_t i = 0; i < sizeof writers / sizeof writers[0]; i++) {
        fill_gradients(&w);
        writers[i].write(&w);
        struct outputs after = run(&w, w.pass, w.inference, &w.engine.model), anew = run_anew(&w);
        if (memcmp(after.features, anew.features, after.feature_bytes) != 0 ||
            memcmp(after.logits, anew.logits, after.logit_bytes) != 0)
            fail_msg("%s: stale weights", writers[i].name);
        if (memcmp(after.logits, before.logits, after.logit_bytes) == 0)
            fail_msg("%s: changed nothing", writers[i].name);
        outputs_free(&before);
        outputs_free(&anew);
        before = after;
    }
    outputs_free(&before);
    unwatch(&w);
}

/* The average moves without its model: a view of it is never taken for what was loaded before. */
static void test_an_average_is_loaded_each_time(void **state)
{
    (void)state;
    struct watched w;
    struct weight_average average;
    struct error err = {0};
    real logits[2][IMAGES * ENGINE_CLASSES];
    watch(&w);
    struct model *model = &w.engine.model;
    must(weight_average_init(&average, &model->parameters, &err), &err);
    for (int i = 0; i < 2; i++) {
        struct model view = weight_average_view(&average, model);
        inference_load(w.inference, &view);
        inference_run(w.inference, w.engine.images, IMAGES, NULL, logits[i]);
        model_initialise(model, 4);
        weight_average_update(&average, &model->parameters, 0.5);
    }
    assert_memory_not_equal(logits[0], logits[1], sizeof logits[0]);
    /* Without a change of the model in between: it is the average that moves. */
    struct model view = weight_average_view(&average, model);
    inference_load(w.inference, &view);
    inference_run(w.inference, w.engine.images, IMAGES, NULL, logits[0]);
    weight_average_update(&average, &model->parameters, 0.5);
    inference_load(w.inference, &view);
    inference_run(w.inference, w.engine.images, IMAGES, NULL, logits[1]);
    assert_memory_not_equal(logits[0], logits[1], sizeof logits[0]);
    weight_average_free(&average);
    unwatch(&w);
}

/* Equal counts of writes in one place of memory are two models all the same. */
static void test_stamps_tell_models_apart(void **state)
{
    (void)state;
    struct architecture architecture;
    struct model model;
    struct parameters_stamp stamps[2], none = {0};
    assert_int_equal(architecture_tiny(&architecture, true, 8, 1, NULL), STATUS_OK);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(model_create(&model, &architecture, 3, true, NULL), STATUS_OK);
        stamps[i] = parameters_stamp(&model.parameters, GROUP_BACKBONE);
        assert_true(parameters_stamps_equal(stamps[i], parameters_stamp(&model.parameters, GROUP_BACKBONE)));
        model_free(&model);
    }
    assert_int_equal(stamps[0].writes, stamps[1].writes);
    assert_false(parameters_stamps_equal(stamps[0], stamps[1]));
    assert_false(parameters_stamps_equal(none, none));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_writer_leaves_stale_weights),
        cmocka_unit_test(test_an_average_is_loaded_each_time),
        cmocka_unit_test(test_stamps_tell_models_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
