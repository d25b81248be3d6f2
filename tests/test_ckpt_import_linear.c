/* Which layer an import takes as the classifier, whose names and temperature it gets, and what it says when there is
 * none, or when a file was given for nothing. */
#include "support/scratch.h"

#include "rmfer/ckpt/import.h"
#include "rmfer/ckpt/safetensors.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { CLASSES = 7, MOST_TENSORS = 256, MOST_ADDED = 5 };

static const char *const alphabetical[] = {"Anger", "Disgust", "Fear", "Happiness", "Neutral", "Sadness", "Surprise"};
static const char *const emotions[] = {"Neutral", "Happiness", "Sadness", "Surprise", "Fear", "Disgust", "Anger"};

/* A tensor to be written beside a backbone; sides of FEATURES are the network's. */
enum { FEATURES = -1 };
struct added {
    const char *name;
    int rank, shape[4];
};

static struct scratch_model {
    char *folder;
    struct model model;
    float *numbers; /* 1, 2, 3 ... */
} the;

static void must(status result, const struct error *err)
{
    if (result != STATUS_OK) fail_msg("%s", err->message);
}

static int begin(void **state)
{
    (void)state;
    struct architecture architecture;
    the.folder = scratch_make();
    must(architecture_tiny(&architecture, true, 64, 1, NULL), NULL);
    must(model_create(&the.model, &architecture, CLASSES, false, NULL), NULL);
    model_initialise(&the.model, 5);
    the.numbers = malloc(4096 * sizeof *the.numbers);
    assert_non_null(the.numbers);
    for (int i = 0; i < 4096; i++) the.numbers[i] = (float)(i + 1);
    return 0;
}

static int end(void **state)
{
    (void)state;
    model_free(&the.model);
    free(the.numbers);
    scratch_remove(the.folder);
    return 0;
}

/* Appends the model's backbone behind a prefix, with or without its running statistics; `names` keeps the names. */
static size_t add_backbone(struct tensor *tensors, char (*names)[96], size_t count, const char *prefix, bool whole)
{
    const struct parameters *all = &the.model.parameters;
    for (size_t i = 0; i < all->count; i++) {
        const struct parameter *entry = &all->items[i];
        if (entry->group != GROUP_BACKBONE || (entry->is_buffer && !whole)) continue;
        assert_true(count < MOST_TENSORS);
        snprintf(names[count], sizeof names[count], "%s%s", prefix, entry->name);
        tensors[count] = (struct tensor){.name = names[count], .type = TENSOR_F32};
        assert_true(tensor_set_shape(&tensors[count], entry->rank, entry->shape));
        tensors[count++].data = (const uint8_t *)parameter_values(all, entry);
    }
    return count;
}

static size_t add_tensors(struct tensor *tensors, size_t count, const struct added *added)
{
    for (; added->name != NULL; added++) {
        size_t shape[4];
        for (int i = 0; i < added->rank; i++)
            shape[i] = added->shape[i] == FEATURES ? (size_t)the.model.architecture.features : (size_t)added->shape[i];
        tensors[count] = (struct tensor){.name = added->name, .type = TENSOR_F32, .data = (const uint8_t *)the.numbers};
        assert_true(tensor_set_shape(&tensors[count], added->rank, shape) && tensors[count].count <= 4096);
        count++;
    }
    return count;
}

/* Writes a foreign file, with a backbone where `prefix` is not NULL; gives its path. */
static const char *written(const char *name, const char *prefix, const struct added *added)
{
    static struct tensor tensors[MOST_TENSORS];
    static char names[MOST_TENSORS][96];
    struct error err = {0};
    const char *path = scratch_path(the.folder, name);
    size_t count = prefix == NULL ? 0 : add_backbone(tensors, names, 0, prefix, true);
    must(safetensors_write(path, tensors, add_tensors(tensors, count, added), NULL, 0, &err), &err);
    return path;
}

/* A checkpoint of ours with other classes than HSEmotion's order, and a temperature. */
static const char *native(const char *name, bool is_fresh)
{
    struct error err = {0};
    struct checkpoint_info info = checkpoint_info_defaults(&the.model.architecture);
    info.classes = emotions;
    info.class_count = CLASSES;
    info.temperature = 0.5;
    info.untrained = is_fresh;
    must(checkpoint_write(scratch_path(the.folder, name), &the.model, &info, NULL, 0, &err), &err);
    return scratch_path(the.folder, name);
}

struct outcome {
    status result;
    struct error err;
    struct import_report report;
    struct checkpoint_info info;
    struct model model;
};

static struct outcome import_of(const char *first, const char *second, const char *const *classes, const char *prefix)
{
    struct outcome outcome = {0};
    const char *paths[] = {first, second};
    const struct import_options options = {.architecture = "tiny_tf_64_1",
                                           .classes = classes,
                                           .class_count = classes == NULL ? 0 : CLASSES,
                                           .prefix = prefix};
    outcome.result = import_create_model(&outcome.model, paths, second == NULL ? 1 : 2, &options, &outcome.report,
                                         &outcome.info, &outcome.err);
    return outcome;
}

static void release(struct outcome *outcome)
{
    if (outcome->result == STATUS_OK) model_free(&outcome->model);
    import_report_free(&outcome->report);
}

static const float *values(const struct model *model, size_t index)
{
    return parameter_values(&model->parameters, &model->parameters.items[index]);
}

static void assert_says(const char *said, const char *part)
{
    if (strstr(said, part) == NULL) fail_msg("'%s' does not say '%s'", said, part);
}

static void test_what_is_a_classifier(void **state)
{
    (void)state;
    static const struct {
        struct added tensors[MOST_ADDED];
        bool is_taken;
        const char *note;
    } cases[] = {
        {{{"classifier.weight", 2, {7, FEATURES}}, {"classifier.bias", 1, {7}}}, true, "rows in the file's order"},
        {{{"classifier.weight", 2, {7, FEATURES}}}, true, "it has no bias: zeros"},
        {{{"classifier.weight", 4, {7, FEATURES, 1, 1}}, {"classifier.bias", 1, {7}}}, true, "the file's order"},
        {{{"expression.weight", 2, {7, FEATURES}}}, true, "it has no bias: zeros"},
        {{{"classifier.0.weight", 2, {12, FEATURES}},
          {"classifier.0.bias", 1, {12}},
          {"classifier.2.weight", 2, {7, 12}},
          {"classifier.2.bias", 1, {7}}},
         false,
         "a head of several layers is not read: 'classifier.0.weight' [12, 24], 'classifier.2.weight' [7, 12]"},
        {{{"classifier.1.weight", 2, {7, FEATURES}}, {"classifier.1.bias", 1, {7}}, {"classifier.4.weight", 2, {7, 7}}},
         false,
         "a head of several layers is not read"},
        {{{"head_fer.0.weight", 2, {FEATURES, FEATURES}},
          {"head_fer.0.bias", 1, {FEATURES}},
          {"head_fer.2.weight", 2, {7, FEATURES}},
          {"head_fer.2.bias", 1, {7}}},
         false,
         "several layers stand on the features: 'head_fer.0.weight' [24, 24], 'head_fer.2.weight' [7, 24]"},
        {{{"fc1.weight", 2, {12, FEATURES}}, {"fc1.bias", 1, {12}}, {"fc2.weight", 2, {7, 12}}, {"fc2.bias", 1, {7}}},
         false,
         "a head of several layers is not read: 'fc1.weight'"},
        {{{"expr.weight", 2, {7, FEATURES}},
          {"expr.bias", 1, {7}},
          {"va2.weight", 2, {2, FEATURES}},
          {"va2.bias", 1, {2}}},
         false,
         "several layers stand on the features: 'expr.weight' [7, 24], 'va2.weight' [2, 24]"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct outcome outcome = import_of(written("one.safetensors", "", cases[i].tensors), NULL, emotions, NULL);
        must(outcome.result, &outcome.err);
        assert_int_equal(outcome.report.classifier,
                         cases[i].is_taken ? IMPORT_CLASSIFIER_COPIED : IMPORT_CLASSIFIER_FRESH);
        assert_says(text_string(&outcome.report.notes), cases[i].note);
        if (cases[i].is_taken) {
            assert_true(values(&outcome.model, outcome.model.fer.weight)[25] == 26);
            bool has_bias = cases[i].tensors[1].name != NULL;
            assert_true(values(&outcome.model, outcome.model.fer.bias)[2] == (has_bias ? 3 : 0));
        }
        /* What is lost with a head is listed. */
        assert_int_equal(outcome.report.unexpected > 0, !cases[i].is_taken);
        release(&outcome);
    }
    struct outcome unnamed = import_of(written("one.safetensors", "", cases[4].tensors), NULL, NULL, NULL);
    assert_int_equal(unnamed.result, STATUS_USAGE);
    assert_says(unnamed.err.message, "a head of several layers is not read");
    release(&unnamed);
}

static const struct added none[] = {{NULL, 0, {0}}};
static const struct added classifier[] = {
    {"classifier.weight", 2, {7, FEATURES}}, {"classifier.bias", 1, {7}}, {NULL, 0, {0}}};
static const struct added linear[] = {{"weight", 2, {7, FEATURES}}, {"bias", 1, {7}}, {NULL, 0, {0}}};

/* Names, temperature and that it is fresh belong to a classifier, not to the backbone in another file. */
static void test_what_a_file_says_is_of_its_own_classifier(void **state)
{
    (void)state;
    const char *head = written("head.safetensors", NULL, linear);
    for (int fresh = 0; fresh < 2; fresh++) {
        const char *path = native("native.safetensors", fresh);
        struct outcome outcome = import_of(path, NULL, NULL, NULL);
        must(outcome.result, &outcome.err);
        assert_string_equal(outcome.report.class_names[6], "Anger");
        assert_true(outcome.info.untrained == fresh && outcome.info.temperature == (fresh ? 0 : 0.5));
        release(&outcome);
        outcome = import_of(path, head, NULL, NULL);
        must(outcome.result, &outcome.err);
        assert_string_equal(outcome.report.class_names[6], "class_6");
        assert_true(outcome.info.temperature == 0 && !outcome.info.untrained);
        assert_true(values(&outcome.model, outcome.model.fer.bias)[6] == 7);
        release(&outcome);
    }
}

static void test_files_given_for_nothing(void **state)
{
    (void)state;
    static const struct added wide[] = {{"weight", 2, {7, 31}}, {"bias", 1, {7}}, {NULL, 0, {0}}};
    const char *path = native("native.safetensors", false);
    struct outcome outcome = import_of(path, written("wide.safetensors", NULL, wide), NULL, NULL);
    assert_int_equal(outcome.result, STATUS_FAILED);
    assert_says(outcome.err.message, "wide.safetensors: nothing in it was used: 'weight' is [7, 31]");
    assert_says(outcome.err.message, "24 features");
    release(&outcome);
    /* Two backbones: the one that is taken is named, and the other. */
    outcome = import_of(written("other.safetensors", "module.", none), path, NULL, NULL);
    assert_int_equal(outcome.result, STATUS_FAILED);
    assert_says(outcome.err.message, "other.safetensors: nothing in it was used: the backbone was taken from");
    assert_says(outcome.err.message, "native.safetensors");
    assert_says(text_string(&outcome.report.notes), "native.safetensors: safetensors");
    release(&outcome);
}

/* An error is of the file that its tensor is of. */
static void test_the_file_at_fault_is_named(void **state)
{
    (void)state;
    const char *path = native("native.safetensors", false), *head = written("head.safetensors", NULL, linear);
    real *buffers = parameters_write_buffers(&the.model.parameters);
    float kept_number = the.numbers[3];
    the.numbers[3] = (float)(0.0 / 0.0);
    struct outcome outcome = import_of(path, written("nan.safetensors", NULL, linear), NULL, NULL);
    the.numbers[3] = kept_number;
    assert_int_equal(outcome.result, STATUS_FAILED);
    assert_says(outcome.err.message, "nan.safetensors: classifier.weight holds a value that is not finite");
    release(&outcome);

    const struct parameter *variance = NULL;
    for (size_t i = 0; i < the.model.parameters.count; i++)
        if (strcmp(the.model.parameters.items[i].name, "bn1.running_var") == 0)
            variance = &the.model.parameters.items[i];
    assert_non_null(variance);
    real kept = buffers[variance->offset];
    buffers[variance->offset] = -1;
    path = native("negative.safetensors", false);
    buffers[variance->offset] = kept;
    outcome = import_of(head, path, NULL, NULL);
    assert_int_equal(outcome.result, STATUS_FAILED);
    assert_says(outcome.err.message, "negative.safetensors: bn1.running_var holds a negative variance");
    release(&outcome);
    struct checkpoint checkpoint;
    struct model model;
    struct error err = {0};
    must(checkpoint_open(&checkpoint, path, &err), &err);
    assert_int_equal(checkpoint_create_model(&checkpoint, false, &model, &err), STATUS_FAILED);
    assert_says(err.message, "bn1.running_var holds a negative variance");
    checkpoint_close(&checkpoint);
}

/* The names that a preset gives are another file's where a file names its outputs itself, or has others. */
static void test_given_names_of_another_file(void **state)
{
    (void)state;
    struct error err = {0};
    struct import_report report;
    struct model model;
    must(model_create(&model, &the.model.architecture, CLASSES, true, &err), &err);
    struct import_options options = {
        .source_classes = alphabetical, .source_class_count = CLASSES, .classes = emotions, .class_count = CLASSES};
    must(import_into_model(&model, native("native.safetensors", false), &options, &report, &err), &err);
    assert_int_equal(report.classifier, IMPORT_CLASSIFIER_COPIED);
    assert_says(text_string(&report.notes), "warning: model.init_classes is passed over: it calls output 0 Anger, the "
                                            "file itself Neutral");
    import_report_free(&report);

    options.source_class_count = 6;
    must(import_into_model(&model, written("foreign.safetensors", "", classifier), &options, &report, &err), &err);
    assert_int_equal(report.classifier, IMPORT_CLASSIFIER_FRESH);
    assert_says(text_string(&report.notes), "model.init_classes names 6 outputs, the file has 7");
    import_report_free(&report);

    options.source_classes = (const char *const[]){"Anger", "Fear", "angry", "b", "c", "d", "e"};
    options.source_class_count = CLASSES;
    assert_int_equal(import_into_model(&model, scratch_path(the.folder, "foreign.safetensors"), &options, &report,
                                       &err),
                     STATUS_USAGE);
    assert_says(err.message, "model.init_classes: 'angry' means the same as a name before it");
    import_report_free(&report);
    model_free(&model);
}

/* An average of the parameters alone is no network. */
static void test_whole_sets_go_before_averages(void **state)
{
    (void)state;
    static struct tensor tensors[MOST_TENSORS];
    static char names[MOST_TENSORS][96];
    struct error err = {0};
    const char *path = scratch_path(the.folder, "sets.safetensors");
    size_t count = add_backbone(tensors, names, 0, "ema.", false);
    count = add_backbone(tensors, names, count, "model.", true);
    must(safetensors_write(path, tensors, count, NULL, 0, &err), &err);
    static const char *const prefixes[] = {NULL, "model", "model."};
    for (size_t i = 0; i < 3; i++) {
        struct outcome outcome = import_of(path, NULL, emotions, prefixes[i]);
        must(outcome.result, &outcome.err);
        assert_says(text_string(&outcome.report.notes), "behind 'model.'");
        if (i == 0)
            assert_says(text_string(&outcome.report.notes), "2 sets of weights are there, behind 'ema.', 'model.'");
        release(&outcome);
    }
    struct outcome outcome = import_of(path, NULL, emotions, "mod");
    assert_int_equal(outcome.result, STATUS_USAGE);
    assert_says(outcome.err.message, "no backbone with the prefix 'mod'; there are 'ema.', 'model.'");
    release(&outcome);
    outcome = import_of(written("head.safetensors", NULL, linear), written("bare.safetensors", NULL, none), NULL, NULL);
    assert_says(outcome.err.message, "head.safetensors and the files after it: no EfficientNet backbone");
    release(&outcome);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_a_classifier),
        cmocka_unit_test(test_what_a_file_says_is_of_its_own_classifier),
        cmocka_unit_test(test_files_given_for_nothing),
        cmocka_unit_test(test_the_file_at_fault_is_named),
        cmocka_unit_test(test_given_names_of_another_file),
        cmocka_unit_test(test_whole_sets_go_before_averages),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
