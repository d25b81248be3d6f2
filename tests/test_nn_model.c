/* The architecture table, the registry of parameters, random initialisation, and every allocation of the engine
 * failing in turn. */
#include "support/engine_case.h"

#include "rmfer/base/memory.h"
#include "rmfer/base/threads.h"
#include "rmfer/nn/inference.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

/* ---- architectures ----------------------------------------------------------------------------------------------- */

static size_t count_learned(const struct model *model, enum parameter_group last)
{
    size_t total = 0;
    for (size_t i = 0; i < model->parameters.count; i++)
        if (!model->parameters.items[i].is_buffer && model->parameters.items[i].group <= last)
            total += model->parameters.items[i].count;
    return total;
}

/* With 1000 classes the published counts of timm and torchvision; with both heads those of the method. */
static void test_parameter_counts(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        size_t with_classifier, features;
        int image_size, blocks;
    } wanted[] = {{"efficientnet_b0", 5288548, 1280, 224, 16},
                  {"tf_efficientnet_b1", 7794184, 1280, 240, 23},
                  {"tf_efficientnet_b2", 9109994, 1408, 260, 23},
                  {"efficientnet_b3", 12233232, 1536, 300, 26}};
    struct architecture a;
    struct model model;
    for (size_t i = 0; i < sizeof wanted / sizeof wanted[0]; i++) {
        assert_int_equal(architecture_find(&a, wanted[i].name, NULL), STATUS_OK);
        assert_int_equal(model_create(&model, &a, 1000, false, NULL), STATUS_OK);
        assert_int_equal(count_learned(&model, GROUP_FER), wanted[i].with_classifier);
        assert_int_equal(model.parameters.value_count, wanted[i].with_classifier);
        assert_int_equal(a.features, wanted[i].features);
        assert_int_equal(a.image_size, wanted[i].image_size);
        assert_int_equal(a.block_count, wanted[i].blocks);
        model_free(&model);
    }
    assert_int_equal(architecture_find(&a, "tf_efficientnet_b2", NULL), STATUS_OK);
    assert_int_equal(model_create(&model, &a, 7, true, NULL), STATUS_OK);
    assert_int_equal(count_learned(&model, GROUP_BACKBONE), 7700994);
    assert_int_equal(count_learned(&model, GROUP_IAL), 11688464);
    assert_int_equal(count_learned(&model, GROUP_PROJECTION) - count_learned(&model, GROUP_FER), 3967744);
    model_free(&model);
    assert_int_equal(model_create(&model, &a, 8, true, NULL), STATUS_OK);
    assert_int_equal(count_learned(&model, GROUP_IAL), 11691282);
    model_free(&model);
}

/* 0.99 G multiply-adds forward for B2 at 260, and its parameters once more, layer by layer. */
static void test_layer_table(void **state)
{
    (void)state;
    struct architecture a;
    struct layers layers;
    assert_int_equal(architecture_find(&a, "tf_efficientnet_b2", NULL), STATUS_OK);
    layers_describe(&layers, &a, 260);
    size_t parameters = 0;
    double multiply_adds = 0;
    for (size_t i = 0; i < layers.count; i++) {
        const struct layer *layer = &layers.items[i];
        multiply_adds += layer->multiply_adds;
        parameters += layer->parameters;
        assert_true(layer->output > 0 && layer->side_out > 0 && layer->saved_reals > 0);
    }
    assert_int_equal(parameters, 7700994);
    assert_true(multiply_adds > 0.985e9 && multiply_adds < 0.995e9);
    assert_string_equal(layers.items[0].name, "conv_stem");
    assert_int_equal(layers.items[0].side_out, 130);
    assert_string_equal(layers.items[layers.count - 1].name, "conv_head");
    assert_int_equal(layers.items[layers.count - 1].side_out, 9);
    assert_int_equal(layers.items[layers.count - 1].output, 1408);
}

/* SAME: ceil(n / s), the odd pixel at the bottom and right; symmetric: (k - 1) / 2 on each side. */
static void test_padding(void **state)
{
    (void)state;
    struct architecture same = {.same_padding = true}, symmetric = {.same_padding = false};
    static const struct {
        int input, kernel, stride, same_output, same_padding, symmetric_output, symmetric_padding;
    } wanted[] = {{260, 3, 2, 130, 0, 130, 1}, {65, 5, 2, 33, 2, 33, 2}, {33, 3, 2, 17, 1, 17, 1},
                  {130, 3, 1, 130, 1, 130, 1}, {1, 5, 1, 1, 2, 1, 2},    {2, 5, 2, 1, 1, 1, 2},
                  {1, 3, 2, 1, 1, 1, 1},       {4, 5, 2, 2, 1, 2, 2}};
    for (size_t i = 0; i < sizeof wanted / sizeof wanted[0]; i++) {
        int n = wanted[i].input, k = wanted[i].kernel, s = wanted[i].stride;
        assert_int_equal(convolution_output(&same, n, k, s), wanted[i].same_output);
        assert_int_equal(convolution_padding(&same, n, k, s), wanted[i].same_padding);
        assert_int_equal(convolution_output(&symmetric, n, k, s), wanted[i].symmetric_output);
        assert_int_equal(convolution_padding(&symmetric, n, k, s), wanted[i].symmetric_padding);
    }
}

static void test_architecture_names(void **state)
{
    (void)state;
    struct architecture a;
    size_t count = 0;
    for (const char *const *name = architecture_names(); *name != NULL; name++, count++) {
        assert_int_equal(architecture_find(&a, *name, NULL), STATUS_OK);
        assert_string_equal(a.name, *name);
        assert_int_equal(a.same_padding, strncmp(*name, "tf_", 3) == 0);
        assert_true(a.bn_epsilon == (a.same_padding ? 1e-3 : 1e-5));
        assert_false(a.blocks[0].has_residual || a.blocks[0].has_expansion);
        assert_int_equal(a.blocks[0].input, a.stem);
    }
    assert_int_equal(count, 8);
    assert_int_equal(architecture_find(&a, "tf_efficientnet_b2_ns", NULL), STATUS_OK);
    assert_string_equal(a.name, "tf_efficientnet_b2");
    assert_int_equal(architecture_find(&a, "tf_efficientnet_b2.ns_jft_in1k", NULL), STATUS_OK);
    static const char *const wrong[] = {"",
                                        "tf_",
                                        "efficientnet",
                                        "efficientnet_b4",
                                        "tf_efficientnet_b25",
                                        "resnet",
                                        "tiny",
                                        "tiny_0_1",
                                        "tiny_tf_16_9",
                                        "tiny_16_1x",
                                        "EfficientNet_b2",
                                        "efficientnet_b2_pruned.in1k",
                                        "efficientnet_b0_g8_gn"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct error err = {0};
        assert_int_equal(architecture_find(&a, wrong[i], &err), STATUS_USAGE);
        assert_non_null(strstr(err.message, "unknown architecture"));
        assert_non_null(strstr(err.message, "efficientnet_b0"));
    }
}

/* A shrunken network is found again under the name it gives itself. */
static void test_tiny_architectures(void **state)
{
    (void)state;
    struct architecture a, found;
    for (int same = 0; same < 2; same++)
        for (int divisor = 1; divisor <= 64; divisor *= 2)
            for (int repeats = 1; repeats <= 4; repeats++) {
                assert_int_equal(architecture_tiny(&a, same, divisor, repeats, NULL), STATUS_OK);
                assert_int_equal(architecture_find(&found, a.name, NULL), STATUS_OK);
                assert_memory_equal(&a.blocks, &found.blocks, sizeof a.blocks);
                assert_int_equal(a.same_padding, found.same_padding);
                assert_int_equal(a.features, found.features);
                assert_string_equal(a.name, found.name);
                assert_false(a.blocks[0].has_residual);
            }
    struct error err = {0};
    assert_int_equal(architecture_tiny(&a, true, 0, 1, &err), STATUS_FAILED);
    assert_int_equal(architecture_tiny(&a, true, 8, 5, NULL), STATUS_FAILED);
    assert_true(err.message[0] != '\0');
}

/* ---- the registry ------------------------------------------------------------------------------------------------ */

static void test_the_registry_covers_the_slabs(void **state)
{
    (void)state;
    struct architecture a;
    struct model model;
    assert_int_equal(architecture_find(&a, "tf_efficientnet_b0", NULL), STATUS_OK);
    assert_int_equal(model_create(&model, &a, 8, true, NULL), STATUS_OK);
    const struct parameters *all = &model.parameters;
    size_t next_value = 0, next_buffer = 0;
    for (size_t i = 0; i < all->count; i++) {
        const struct parameter *entry = &all->items[i];
        size_t *next = entry->is_buffer ? &next_buffer : &next_value, count = 1;
        for (int r = 0; r < entry->rank; r++) count *= entry->shape[r];
        assert_int_equal(entry->count, count);
        assert_int_equal(entry->offset, *next);
        *next += count;
        assert_ptr_equal(parameters_find(all, entry->name), entry); /* names are unique */
        /* Weight decay: weights of convolutions and linear layers alone. */
        assert_int_equal(entry->decays, entry->rank >= 2);
        assert_int_equal(parameter_gradients(all, entry) == NULL, entry->is_buffer);
    }
    assert_int_equal(next_value, all->value_count);
    assert_int_equal(next_buffer, all->buffer_count);
    assert_null(parameters_find(all, "blocks.9.0.conv_pw.weight"));
    const struct parameter *entry = parameters_find(all, "blocks.2.1.conv_dw.weight");
    assert_non_null(entry);
    assert_true(entry->shape[1] == 1 && entry->shape[2] == 5 && entry->shape[3] == 5);
    assert_non_null(parameters_find(all, "ial.projection.2.bias"));
    model_free(&model);
    model_free(&model); /* a zeroed one is fine */
}

static void statistics(const struct parameters *all, const char *name, double *mean, double *deviation)
{
    const struct parameter *entry = parameters_find(all, name);
    assert_non_null(entry);
    const real *values = parameter_values(all, entry);
    double total = 0, squares = 0;
    for (size_t i = 0; i < entry->count; i++) total += (double)values[i];
    *mean = total / (double)entry->count;
    for (size_t i = 0; i < entry->count; i++) squares += pow((double)values[i] - *mean, 2);
    *deviation = sqrt(squares / (double)entry->count);
}

/* Convolutions normal with sqrt(2 / fan_out), linear layers uniform within 1 / sqrt(fan_in), batch-norm 1 and 0. */
static void test_initialisation(void **state)
{
    (void)state;
    struct architecture a;
    struct model model, again;
    double mean, deviation;
    assert_int_equal(architecture_find(&a, "tf_efficientnet_b0", NULL), STATUS_OK);
    assert_int_equal(model_create(&model, &a, 8, true, NULL), STATUS_OK);
    assert_int_equal(model_create(&again, &a, 8, true, NULL), STATUS_OK);
    const struct parameters *all = &model.parameters;
    model_initialise(&model, 1);
    model_initialise(&again, 1);
    assert_memory_equal(all->values, again.parameters.values, all->value_count * sizeof(real));
    model_initialise(&again, 2);
    assert_memory_not_equal(all->values, again.parameters.values, all->value_count * sizeof(real));
    static const struct {
        const char *name;
        double deviation;
    } wanted[] = {{"conv_head.weight", 0.0395285},          /* sqrt(2 / 1280) */
                  {"blocks.5.1.conv_dw.weight", 0.2828427}, /* sqrt(2 / 25): one channel a group */
                  {"blocks.6.0.conv_pw.weight", 0.0416667}, /* sqrt(2 / 1152) */
                  {"classifier.weight", 0.0161374},         /* 1 / sqrt(3 * 1280) */
                  {"ial.projection.0.weight", 0.0161374}};
    for (size_t i = 0; i < sizeof wanted / sizeof wanted[0]; i++) {
        statistics(all, wanted[i].name, &mean, &deviation);
        assert_true(fabs(mean) < 0.05 * wanted[i].deviation);
        assert_true(fabs(deviation / wanted[i].deviation - 1) < 0.03);
    }
    statistics(all, "blocks.3.1.bn2.weight", &mean, &deviation);
    assert_true(mean == 1 && deviation == 0);
    statistics(all, "blocks.3.1.bn2.bias", &mean, &deviation);
    assert_true(mean == 0 && deviation == 0);
    statistics(all, "bn2.running_var", &mean, &deviation);
    assert_true(mean == 1 && deviation == 0);
    statistics(all, "bn2.running_mean", &mean, &deviation);
    assert_true(mean == 0 && deviation == 0);
    /* f_IAL starts as a copy of f_FER. */
    const struct parameter *fer = parameters_find(all, "classifier.weight"),
                           *ial = parameters_find(all, "ial.classifier.weight");
    assert_memory_equal(parameter_values(all, fer), parameter_values(all, ial), fer->count * sizeof(real));
    model_free(&model);
    model_free(&again);
}

/* ---- allocations that fail --------------------------------------------------------------------------------------- */

/* Bytes of address space: an arena that is not given back shows here (blocks of the heap are the sanitizer's to
 * find). */
static size_t mapped_bytes(void)
{
    unsigned long pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    assert_non_null(file);
    assert_int_equal(fscanf(file, "%lu", &pages), 1);
    fclose(file);
    return (size_t)pages * (size_t)sysconf(_SC_PAGESIZE);
}

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
static const bool SANITIZED = true;
#else
static const bool SANITIZED = false;
#endif

struct under_pressure {
    struct architecture architecture;
    struct model model;
};

static status create_model(struct under_pressure *p, struct error *err)
{
    struct model model;
    status result = model_create(&model, &p->architecture, 4, true, err);
    if (result == STATUS_OK)
        model_free(&model);
    else
        assert_null(model.parameters.items);
    return result;
}

static status create_backbone(struct under_pressure *p, struct error *err)
{
    struct backbone *backbone;
    struct backbone_pass *pass = NULL;
    status result = backbone_create(&backbone, &p->model, 2, 32, err);
    if (result != STATUS_OK) assert_null(backbone);
    if (result == STATUS_OK) result = backbone_pass_create(&pass, backbone, PASS_TRAINS, 2, err);
    if (result != STATUS_OK) assert_null(pass);
    backbone_pass_free(pass);
    backbone_free(backbone);
    return result;
}

static status create_inference(struct under_pressure *p, struct error *err)
{
    struct inference *inference;
    status result = inference_create(&inference, &p->architecture, 4, 3, 32, err);
    if (result != STATUS_OK) assert_null(inference);
    inference_free(inference);
    return result;
}

static status create_step(struct under_pressure *p, struct error *err)
{
    struct train_step *step;
    struct train_step_shape shape = engine_shape(true);
    shape.image_size = 32;
    status result = train_step_create(&step, &p->model, &shape, err);
    if (result != STATUS_OK) assert_null(step);
    train_step_free(step);
    return result;
}

/* Fails the first allocation, then the second, until everything works. */
static void fail_every_allocation(struct under_pressure *p, status (*create)(struct under_pressure *, struct error *))
{
    assert_int_equal(create(p, NULL), STATUS_OK);
    unsigned long before = memory_allocation_count();
    assert_int_equal(create(p, NULL), STATUS_OK);
    long allocations = (long)(memory_allocation_count() - before);
    size_t mapped = mapped_bytes();
    assert_true(allocations > 0);
    for (long i = 1; i <= allocations; i++) {
        struct error err = {0};
        memory_fail_after(i);
        assert_int_equal(create(p, &err), STATUS_FAILED);
        memory_fail_after(0);
        assert_non_null(strstr(err.message, "not enough memory"));
    }
    memory_fail_after(allocations + 1);
    assert_int_equal(create(p, NULL), STATUS_OK);
    memory_fail_after(0);
    if (!SANITIZED) assert_true(mapped_bytes() < mapped + ((size_t)1 << 20));
}

static void test_every_allocation_may_fail(void **state)
{
    (void)state;
    struct under_pressure p;
    assert_int_equal(architecture_tiny(&p.architecture, true, 16, 4, NULL), STATUS_OK);
    assert_int_equal(model_create(&p.model, &p.architecture, 4, true, NULL), STATUS_OK);
    fail_every_allocation(&p, create_model);
    fail_every_allocation(&p, create_backbone);
    fail_every_allocation(&p, create_inference);
    fail_every_allocation(&p, create_step);
    model_free(&p.model);
}

/* Room for what may stay unused is got at once, and refused when the whole plan is counted. */
static status plan_inference(const struct architecture *a, int classes, int batch, int image_size, struct error *err)
{
    struct inference *inference;
    status result = inference_create(&inference, a, classes, batch, image_size, err);
    if (result == STATUS_OK) result = memory_commit(0, "this test", err);
    inference_free(inference);
    return result;
}

/* Sizes beyond the address space end in a message, not in a wrapped product. */
static void test_huge_plans_are_refused(void **state)
{
    (void)state;
    struct architecture a;
    struct model model;
    struct backbone *backbone;
    struct train_step *step;
    struct error err = {0};
    assert_int_equal(architecture_find(&a, "tf_efficientnet_b2", NULL), STATUS_OK);
    assert_int_equal(model_create(&model, &a, 8, true, NULL), STATUS_OK);
    assert_int_equal(backbone_create(&backbone, &model, 2000000000, 4096, &err), STATUS_FAILED);
    assert_non_null(strstr(err.message, "not enough memory"));
    assert_int_equal(plan_inference(&a, 2000000000, 2000000000, 4096, &err), STATUS_FAILED);
    assert_non_null(strstr(err.message, "memory"));
    struct train_step_shape shape = {.image_size = 4096, .batch = 2000000000};
    assert_int_equal(train_step_create(&step, &model, &shape, NULL), STATUS_FAILED);
    assert_null(step);
    model_free(&model);
}

int main(void)
{
    threads_set(2);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parameter_counts),
        cmocka_unit_test(test_layer_table),
        cmocka_unit_test(test_padding),
        cmocka_unit_test(test_architecture_names),
        cmocka_unit_test(test_tiny_architectures),
        cmocka_unit_test(test_the_registry_covers_the_slabs),
        cmocka_unit_test(test_initialisation),
        cmocka_unit_test(test_every_allocation_may_fail),
        cmocka_unit_test(test_huge_plans_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
