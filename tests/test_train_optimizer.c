/* The optimizers against torch.optim (tests/golden/optimizers, made by scripts/golden_optimizers.py), and what
 * PyTorch does not show: frozen groups, rates by group, restoring, threads, the state a checkpoint keeps. */
#include "rmfer/train/optimizer.h"

#include "rmfer/base/random.h"
#include "rmfer/base/threads.h"
#include "rmfer/ckpt/safetensors.h"
#include "rmfer/method/weight_average.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* ---- the little problem of the golden files ---------------------------------------------------------------------- */

/* Number `index` of the stream `name`, in [-1, 1): scripts/golden_format.py. */
static double uniform(const char *name, size_t index)
{
    uint64_t z = UINT64_C(0xcbf29ce484222325);
    for (const char *at = name; *at != '\0'; at++) z = (z ^ (uint64_t)(unsigned char)*at) * UINT64_C(0x100000001b3);
    z += ((uint64_t)index + 1) * UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    z ^= z >> 31;
    return (double)(z >> 40) / 8388608.0 - 1.0;
}

static void make_parameters(struct parameters *parameters)
{
    static const struct parameter entries[] = {
        {.name = "layer.weight", .shape = {6, 5}, .rank = 2, .group = GROUP_BACKBONE, .decays = true},
        {.name = "layer.bias", .shape = {6}, .rank = 1, .group = GROUP_BACKBONE},
        {.name = "bn.weight", .shape = {6}, .rank = 1, .group = GROUP_FER},
        {.name = "bn.running_mean", .shape = {6}, .rank = 1, .group = GROUP_FER, .is_buffer = true},
    };
    struct error err = {0};
    *parameters = (struct parameters){0};
    for (size_t i = 0; i < sizeof entries / sizeof entries[0]; i++)
        assert_int_equal(parameters_add(parameters, entries[i], NULL, &err), STATUS_OK);
    assert_int_equal(parameters_allocate(parameters, &err), STATUS_OK);
    for (size_t i = 0; i < parameters->count; i++)
        for (size_t k = 0; k < parameters->items[i].count; k++)
            parameter_write(parameters, &parameters->items[i])[k] = (real)uniform(parameters->items[i].name, k);
}

/* g = c w + d + w^2 / 2 */
static void set_gradients(struct parameters *parameters)
{
    for (size_t i = 0; i < parameters->count; i++) {
        const struct parameter *entry = &parameters->items[i];
        if (entry->is_buffer) continue;
        char c_name[80], d_name[80];
        snprintf(c_name, sizeof c_name, "%s.c", entry->name);
        snprintf(d_name, sizeof d_name, "%s.d", entry->name);
        for (size_t k = 0; k < entry->count; k++) {
            double w = (double)parameter_values(parameters, entry)[k];
            double c = 1 + 0.5 * uniform(c_name, k), d = uniform(d_name, k);
            parameter_gradients(parameters, entry)[k] = (real)(c * w + d + w * w / 2);
        }
    }
}

static struct optimizer_rates all_at(double rate)
{
    struct optimizer_rates rates = {0};
    for (int i = 0; i < GROUP_COUNT; i++) rates.learning_rate[i] = rate;
    return rates;
}

/* ---- against PyTorch --------------------------------------------------------------------------------------------- */

static double setting(const struct safetensors *file, const char *key)
{
    const char *value = safetensors_metadata_value(file, key);
    assert_non_null(value);
    return strtod(value, NULL);
}

static struct optimizer_options options_of(const struct safetensors *file)
{
    const char *kind = safetensors_metadata_value(file, "kind");
    assert_non_null(kind);
    struct optimizer_options options = {
        .rule = strcmp(kind, "sgd") == 0    ? OPTIMIZER_SGD
                : strcmp(kind, "adam") == 0 ? OPTIMIZER_ADAM
                                            : OPTIMIZER_ADAMW,
        .sharpness_aware = setting(file, "sam_rho") > 0,
        .sam_rho = setting(file, "sam_rho"),
        .momentum = setting(file, "momentum"),
        .nesterov = setting(file, "nesterov") > 0,
        .beta1 = setting(file, "beta1"),
        .beta2 = setting(file, "beta2"),
        .epsilon = setting(file, "epsilon"),
        .weight_decay = setting(file, "weight_decay"),
    };
    return options;
}

static void compare(const struct safetensors *file, const char *prefix, const struct parameters *parameters,
                    const real *slab, int step)
{
    for (size_t i = 0; i < parameters->count; i++) {
        const struct parameter *entry = &parameters->items[i];
        if (entry->is_buffer) continue;
        char name[128];
        snprintf(name, sizeof name, "%s%s.%d", prefix, entry->name, step);
        const struct tensor *expected = safetensors_find(file, name);
        assert_non_null(expected);
        assert_int_equal(expected->count, entry->count);
        for (size_t k = 0; k < entry->count; k++) {
            double wanted = tensor_element(expected, k), got = (double)slab[entry->offset + k];
            if (!(fabs(wanted - got) <= 2e-6)) fail_msg("%s[%zu] = %.9g, PyTorch has %.9g", name, k, got, wanted);
        }
    }
}

static void run_golden(const char *name)
{
    char path[128];
    struct error err = {0};
    struct safetensors file;
    struct parameters parameters;
    struct optimizer *optimizer;
    struct weight_average average;
    snprintf(path, sizeof path, "tests/golden/optimizers/%s.safetensors", name);
    if (safetensors_open(&file, path, &err) != STATUS_OK) fail_msg("%s", err.message);
    make_parameters(&parameters);
    struct optimizer_options options = options_of(&file);
    struct optimizer_rates rates = all_at(setting(&file, "learning_rate"));
    double decay = setting(&file, "ema_decay");
    assert_int_equal(optimizer_create(&optimizer, &parameters, &options, &err), STATUS_OK);
    assert_int_equal(weight_average_init(&average, &parameters, &err), STATUS_OK);
    unsigned long allocations = memory_allocation_count();
    for (int step = 0; step < (int)setting(&file, "steps"); step++) {
        set_gradients(&parameters);
        if (options.sharpness_aware) {
            optimizer_sharpen(optimizer, &rates, optimizer_gradient_norm(optimizer, &rates));
            set_gradients(&parameters);
        }
        double norm = optimizer_gradient_norm(optimizer, &rates);
        optimizer_step(optimizer, &rates, optimizer_clip_factor(norm, setting(&file, "clip_norm")));
        compare(&file, "", &parameters, parameters.values, step);
        weight_average_update(&average, &parameters, decay);
        if (decay > 0) compare(&file, "average.", &parameters, average.rounded_values, step);
    }
    assert_int_equal(memory_allocation_count(), allocations);
    weight_average_free(&average);
    optimizer_free(optimizer);
    parameters_free(&parameters);
    safetensors_close(&file);
}

static void test_five_steps_are_those_of_pytorch(void **state)
{
    (void)state;
    static const char *const names[] = {
        "sgd",     "sgd_weight_decay", "sgd_momentum", "sgd_nesterov", "adam",         "adam_weight_decay", "adamw",
        "sam_sgd", "sam_adam",         "sam_adamw",    "clipped_sgd",  "clipped_adam", "averaged_adamw",
    };
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) run_golden(names[i]);
}

/* ---- groups ------------------------------------------------------------------------------------------------------ */

static struct optimizer_options adamw(void)
{
    return (struct optimizer_options){
        .rule = OPTIMIZER_ADAMW, .beta1 = 0.9, .beta2 = 0.999, .epsilon = 1e-8, .weight_decay = 0.05};
}

static void test_a_frozen_group_is_left_alone(void **state)
{
    (void)state;
    struct error err = {0};
    struct parameters parameters;
    struct optimizer *optimizer;
    struct optimizer_options options = adamw();
    options.sharpness_aware = true;
    options.sam_rho = 0.1;
    make_parameters(&parameters);
    assert_int_equal(optimizer_create(&optimizer, &parameters, &options, &err), STATUS_OK);
    struct optimizer_rates rates = all_at(0.1);
    rates.frozen[GROUP_BACKBONE] = true;
    const struct parameter *weight = parameters_find(&parameters, "layer.weight");
    const struct parameter *scale = parameters_find(&parameters, "bn.weight");
    real before[30], scale_before[6];
    memcpy(before, parameter_values(&parameters, weight), sizeof before);
    memcpy(scale_before, parameter_values(&parameters, scale), sizeof scale_before);
    set_gradients(&parameters);
    double length = 0;
    for (size_t k = 0; k < 6; k++) length += pow((double)parameter_gradients(&parameters, scale)[k], 2);
    double norm = optimizer_gradient_norm(optimizer, &rates);
    assert_true(fabs(norm - sqrt(length)) < 1e-6);
    optimizer_sharpen(optimizer, &rates, norm);
    assert_memory_equal(parameter_values(&parameters, weight), before, sizeof before);
    set_gradients(&parameters);
    optimizer_step(optimizer, &rates, 1);
    assert_memory_equal(parameter_values(&parameters, weight), before, sizeof before);
    assert_memory_not_equal(parameter_values(&parameters, scale), scale_before, sizeof scale_before);
    assert_int_equal(optimizer_group_steps(optimizer)[GROUP_BACKBONE], 0);
    assert_int_equal(optimizer_group_steps(optimizer)[GROUP_FER], 1);
    optimizer_free(optimizer);
    parameters_free(&parameters);
}

/* Plain descent: the step is the rate times the gradient, so rates by group show. */
static void test_each_group_has_its_rate(void **state)
{
    (void)state;
    struct error err = {0};
    struct parameters parameters;
    struct optimizer *optimizer;
    struct optimizer_options options = {.rule = OPTIMIZER_SGD};
    make_parameters(&parameters);
    assert_int_equal(optimizer_create(&optimizer, &parameters, &options, &err), STATUS_OK);
    struct optimizer_slab slabs[OPTIMIZER_MOST_SLABS];
    assert_int_equal(optimizer_slabs(optimizer, slabs), 0);
    struct optimizer_rates rates = all_at(0);
    rates.learning_rate[GROUP_BACKBONE] = 0.5;
    rates.learning_rate[GROUP_FER] = 0.25;
    set_gradients(&parameters);
    real before[42];
    memcpy(before, parameters.values, sizeof before);
    optimizer_step(optimizer, &rates, 1);
    for (size_t i = 0; i < 42; i++) {
        double rate = i < 36 ? 0.5 : 0.25;
        double wanted = (double)before[i] - rate * (double)parameters.gradients[i];
        assert_true(fabs((double)parameters.values[i] - wanted) < 1e-6);
    }
    optimizer_free(optimizer);
    parameters_free(&parameters);
}

static void test_restoring_gives_the_same_bits(void **state)
{
    (void)state;
    struct error err = {0};
    struct parameters parameters;
    struct optimizer *optimizer;
    struct optimizer_options options = adamw();
    options.sharpness_aware = true;
    options.sam_rho = 0.05;
    make_parameters(&parameters);
    assert_int_equal(optimizer_create(&optimizer, &parameters, &options, &err), STATUS_OK);
    struct optimizer_rates rates = all_at(0.1);
    real before[42];
    memcpy(before, parameters.values, sizeof before);
    set_gradients(&parameters);
    double norm = optimizer_gradient_norm(optimizer, &rates);
    optimizer_sharpen(optimizer, &rates, norm);
    double moved = 0;
    for (size_t i = 0; i < 42; i++) moved += pow((double)parameters.values[i] - (double)before[i], 2);
    assert_true(fabs(sqrt(moved) - 0.05) < 1e-6); /* rho, whatever the gradient */
    for (size_t i = 0; i < 42; i++) assert_true(fabs((double)parameters.gradients[i]) <= 0);
    optimizer_restore(optimizer, &rates);
    assert_memory_equal(parameters.values, before, sizeof before);
    optimizer_restore(optimizer, &rates); /* nothing to restore any more */
    assert_memory_equal(parameters.values, before, sizeof before);
    optimizer_free(optimizer);
    parameters_free(&parameters);
}

/* ---- many numbers ------------------------------------------------------------------------------------------------ */

enum { MANY = 100003, STEPS = 3 };

/* A few steps over tensors of awkward sizes; the slabs and the weights, one after the other, into `out`. */
static void run_many(int threads, real *out)
{
    struct error err = {0};
    struct parameters parameters = {0};
    struct optimizer *optimizer;
    static const size_t sizes[] = {3, 40000, 17, 59000, 983};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        struct parameter entry = {.shape = {sizes[i]}, .rank = 1, .group = (enum parameter_group)(i % GROUP_COUNT)};
        entry.decays = i % 2 == 1;
        snprintf(entry.name, sizeof entry.name, "tensor%zu", i);
        assert_int_equal(parameters_add(&parameters, entry, NULL, &err), STATUS_OK);
    }
    assert_int_equal(parameters_allocate(&parameters, &err), STATUS_OK);
    assert_int_equal(parameters.value_count, MANY);
    struct random_stream stream = random_stream(7, RANDOM_TEST, 0, 0);
    real *values = parameters_write(&parameters, GROUP_BACKBONE);
    for (size_t i = 0; i < MANY; i++) values[i] = (real)random_normal(&stream);
    threads_set(threads);
    struct optimizer_options options = adamw();
    options.sharpness_aware = true;
    options.sam_rho = 0.05;
    assert_int_equal(optimizer_create(&optimizer, &parameters, &options, &err), STATUS_OK);
    struct optimizer_rates rates = all_at(0.01);
    for (int step = 0; step < STEPS; step++) {
        for (size_t i = 0; i < MANY; i++) parameters.gradients[i] = (real)random_normal(&stream);
        optimizer_sharpen(optimizer, &rates, optimizer_gradient_norm(optimizer, &rates));
        for (size_t i = 0; i < MANY; i++) parameters.gradients[i] = (real)random_normal(&stream);
        double norm = optimizer_gradient_norm(optimizer, &rates);
        optimizer_step(optimizer, &rates, optimizer_clip_factor(norm, 1));
    }
    struct optimizer_slab slabs[OPTIMIZER_MOST_SLABS];
    assert_int_equal(optimizer_slabs(optimizer, slabs), 2);
    assert_string_equal(slabs[0].name, "first_moment");
    assert_string_equal(slabs[1].name, "second_moment");
    memcpy(out, parameters.values, MANY * sizeof *out);
    memcpy(out + MANY, slabs[0].values, MANY * sizeof *out);
    memcpy(out + 2 * MANY, slabs[1].values, MANY * sizeof *out);
    optimizer_free(optimizer);
    parameters_free(&parameters);
}

static void test_any_number_of_threads_gives_the_same_bits(void **state)
{
    (void)state;
    struct error err = {0};
    real *one = memory_allocate(3 * MANY, sizeof *one, "results", &err);
    real *three = memory_allocate(3 * MANY, sizeof *three, "results", &err);
    assert_true(one != NULL && three != NULL);
    int threads = threads_get();
    run_many(1, one);
    run_many(3, three);
    threads_set(threads);
    assert_memory_equal(one, three, 3 * MANY * sizeof *one);
    memory_free(one);
    memory_free(three);
}

static void test_norm_of_infinite_gradients(void **state)
{
    (void)state;
    struct error err = {0};
    struct parameters parameters;
    struct optimizer *optimizer;
    struct optimizer_options options = adamw();
    make_parameters(&parameters);
    assert_int_equal(optimizer_create(&optimizer, &parameters, &options, &err), STATUS_OK);
    struct optimizer_rates rates = all_at(0.1);
    parameters.gradients[41] = NAN;
    assert_true(isnan(optimizer_gradient_norm(optimizer, &rates)));
    parameters.gradients[41] = -INFINITY;
    assert_true(isinf(optimizer_gradient_norm(optimizer, &rates)));
    rates.frozen[GROUP_FER] = true;
    assert_true(optimizer_gradient_norm(optimizer, &rates) <= 0);
    assert_true(optimizer_clip_factor(10, 0) >= 1 && optimizer_clip_factor(10, 0) <= 1);
    assert_true(fabs(optimizer_clip_factor(10, 5) - 0.5) < 1e-6);
    assert_true(optimizer_clip_factor(1, 5) >= 1);
    optimizer_free(optimizer);
    parameters_free(&parameters);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_five_steps_are_those_of_pytorch),
        cmocka_unit_test(test_a_frozen_group_is_left_alone),
        cmocka_unit_test(test_each_group_has_its_rate),
        cmocka_unit_test(test_restoring_gives_the_same_bits),
        cmocka_unit_test(test_any_number_of_threads_gives_the_same_bits),
        cmocka_unit_test(test_norm_of_infinite_gradients),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
