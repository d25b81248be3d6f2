/* Import: PyTorch's files give PyTorch's logits; classes go by name; checkpoints and ONNX come back as they went. */
#include "support/scratch.h"

#include "rmfer/base/file.h"
#include "rmfer/base/memory.h"
#include "rmfer/ckpt/export.h"
#include "rmfer/ckpt/import.h"
#include "rmfer/ckpt/weights.h"
#include "rmfer/nn/inference.h"

#include <dirent.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char golden[] = "tests/golden/ckpt";

static void must(status result, const struct error *err)
{
    if (result != STATUS_OK) fail_msg("%s", err->message);
}

/* ---- logits ---- */

struct pictures {
    int count, side;
    float *images; /* [count, side, side, 3] */
};

static struct pictures read_pictures(const char *folder)
{
    struct safetensors file;
    struct error err = {0};
    must(safetensors_open(&file, scratch_path(folder, "pictures.safetensors"), &err), &err);
    const struct tensor *tensor = safetensors_find(&file, "images");
    assert_non_null(tensor);
    struct pictures pictures = {.count = (int)tensor->shape[0], .side = (int)tensor->shape[1]};
    pictures.images = malloc(tensor->count * sizeof *pictures.images);
    assert_non_null(pictures.images);
    tensor_read_floats(tensor, pictures.images);
    safetensors_close(&file);
    return pictures;
}

/* [count, classes], to be freed. */
static float *logits_of(const struct model *model, const struct pictures *pictures)
{
    struct inference *inference;
    struct error err = {0};
    float *logits = malloc((size_t)(pictures->count * model->classes) * sizeof *logits);
    assert_non_null(logits);
    must(inference_create(&inference, &model->architecture, model->classes, pictures->count, pictures->side, &err),
         &err);
    inference_load(inference, model);
    inference_run(inference, pictures->images, pictures->count, NULL, logits);
    inference_free(inference);
    return logits;
}

static double largest_difference(const float *a, const float *b, size_t count, double *scale)
{
    double largest = 0;
    *scale = 1;
    for (size_t i = 0; i < count; i++) {
        largest = fmax(largest, isnan(a[i]) ? INFINITY : fabs((double)a[i] - b[i]));
        *scale = fmax(*scale, fabs(b[i]));
    }
    return largest;
}

static void assert_logits(const struct model *model, const struct pictures *pictures, const float *expected,
                          double tolerance, const char *what)
{
    double scale;
    float *logits = logits_of(model, pictures);
    double difference = largest_difference(logits, expected, (size_t)(pictures->count * model->classes), &scale);
    if (!(difference <= tolerance * scale)) fail_msg("%s: logits differ by %g (scale %g)", what, difference, scale);
    free(logits);
}

/* ---- a case of scripts/golden_checkpoints.py ---- */

struct expected {
    struct safetensors file;
    float *logits;
};

static const char *fact(const struct expected *expected, const char *key)
{
    const char *value = safetensors_metadata_value(&expected->file, key);
    return value == NULL ? "" : value;
}

static void assert_same_parameters(const struct model *a, const struct model *b)
{
    assert_int_equal(a->parameters.count, b->parameters.count);
    assert_memory_equal(a->parameters.values, b->parameters.values,
                        a->parameters.value_count * sizeof *a->parameters.values);
    assert_memory_equal(a->parameters.buffers, b->parameters.buffers,
                        a->parameters.buffer_count * sizeof *a->parameters.buffers);
}

/* Written and read again, the model is the same to the bit. */
static void check_checkpoint(const struct model *model, const struct checkpoint_info *info, const char *folder)
{
    struct checkpoint checkpoint;
    struct model again;
    struct error err = {0};
    const char *path = scratch_path(folder, "native.safetensors");
    must(checkpoint_write(path, model, info, NULL, 0, &err), &err);
    must(checkpoint_open(&checkpoint, path, &err), &err);
    assert_string_equal(checkpoint.info.arch, info->arch);
    assert_int_equal(checkpoint.info.class_count, info->class_count);
    for (size_t i = 0; i < info->class_count; i++) assert_string_equal(checkpoint.info.classes[i], info->classes[i]);
    assert_memory_equal(checkpoint.info.mean, info->mean, sizeof info->mean);
    assert_memory_equal(checkpoint.info.std, info->std, sizeof info->std);
    must(checkpoint_create_model(&checkpoint, false, &again, &err), &err);
    assert_same_parameters(model, &again);
    model_free(&again);
    checkpoint_close(&checkpoint);
}

/* Exported as ONNX and imported from there, the model computes the same and knows its classes. */
static void check_onnx(const struct model *model, const struct checkpoint_info *info, const struct pictures *pictures,
                       const float *logits, const char *folder, bool with_preprocess)
{
    struct model again;
    struct checkpoint_info said;
    struct import_report report;
    struct error err = {0};
    const struct export_options options = {.with_preprocess = with_preprocess};
    const struct import_options no_options = {0};
    const char *path = scratch_path(folder, "exported.onnx");
    must(export_onnx(path, model, info, &options, &err), &err);
    must(import_create_model(&again, &path, 1, &no_options, &report, &said, &err), &err);
    assert_string_equal(report.architecture, info->arch);
    assert_true(report.folded);
    assert_int_equal(said.image_size, info->image_size);
    assert_string_equal(said.classes[0], info->classes[0]);
    assert_logits(&again, pictures, logits, 1e-4, "ONNX and back");
    model_free(&again);
    import_report_free(&report);
}

static void run_case(const char *folder, const char *expected_name, const struct pictures *pictures)
{
    struct expected expected;
    struct error err = {0};
    must(safetensors_open(&expected.file, scratch_path(folder, expected_name), &err), &err);
    const struct tensor *tensor = safetensors_find(&expected.file, "logits");
    expected.logits = malloc(tensor->count * sizeof(float));
    assert_non_null(expected.logits);
    tensor_read_floats(tensor, expected.logits);

    const char *paths[2] = {scratch_path(folder, fact(&expected, "file")),
                            scratch_path(folder, fact(&expected, "second"))};
    const char *asked = fact(&expected, "asked");
    struct import_options options = {.architecture = asked[0] == '\0' ? NULL : asked};
    struct model model;
    struct checkpoint_info info;
    struct import_report report;
    size_t files = fact(&expected, "second")[0] == '\0' ? 1 : 2;
    if (strstr(paths[0], "_state.pth") != NULL) {
        /* A bare state dict with timm's names is of either flavour: that is asked for, not guessed at. */
        assert_int_equal(import_create_model(&model, paths, files, &options, &report, &info, &err), STATUS_USAGE);
        assert_non_null(strstr(err.message, "--arch says which"));
        error_clear(&err);
        import_report_free(&report);
        options.architecture = fact(&expected, "architecture");
    }
    must(import_create_model(&model, paths, files, &options, &report, &info, &err), &err);
    assert_string_equal(report.architecture, fact(&expected, "architecture"));
    assert_int_equal(report.folded, fact(&expected, "folded")[0] != '\0');
    assert_int_equal(report.unexpected, 0);
    assert_int_equal(report.classifier, IMPORT_CLASSIFIER_COPIED);
    const char *classes = fact(&expected, "classes");
    const char *first = classes[0] != '\0' ? classes : "class_0";
    assert_memory_equal(first, report.class_names[0], strlen(report.class_names[0]));
    assert_logits(&model, pictures, expected.logits, 1e-4, fact(&expected, "file"));

    char *scratch = scratch_make();
    info.image_size = pictures->side;
    check_checkpoint(&model, &info, scratch);
    check_onnx(&model, &info, pictures, expected.logits, scratch, false);
    if (asked[0] != '\0') check_onnx(&model, &info, pictures, expected.logits, scratch, true); /* the small ones */
    scratch_remove(scratch);
    model_free(&model);
    import_report_free(&report);
    free(expected.logits);
    safetensors_close(&expected.file);
}

static size_t run_cases(const char *folder)
{
    static const char ending[] = ".expected.safetensors";
    size_t count = 0;
    DIR *entries = opendir(folder);
    assert_non_null(entries);
    struct pictures pictures = read_pictures(folder);
    for (const struct dirent *entry; (entry = readdir(entries)) != NULL;) {
        if (!text_ends_with_ignoring_case(entry->d_name, ending)) continue;
        char name[256];
        snprintf(name, sizeof name, "%s", entry->d_name);
        run_case(folder, name, &pictures);
        count++;
    }
    closedir(entries);
    free(pictures.images);
    return count;
}

static void test_shrunken_networks_in_every_format(void **state)
{
    (void)state;
    assert_int_equal(run_cases(golden), 7);
}

/* The whole networks, made by the installed PyTorch and torchvision. */
static void run_whole(const char *network, size_t cases)
{
    if (system("/usr/bin/python3 -c 'import torch, torchvision' >/dev/null 2>&1") != 0) {
        printf("skipped: whole networks, as /usr/bin/python3 has no torch and torchvision\n");
        skip();
    }
    char *folder = scratch_make(), command[512];
    snprintf(command, sizeof command, "/usr/bin/python3 scripts/golden_checkpoints.py %s --full %s >/dev/null 2>&1",
             folder, network);
    assert_int_equal(system(command), 0);
    assert_int_equal(run_cases(folder), cases);
    scratch_remove(folder);
}

static void test_whole_b0(void **state)
{
    (void)state;
    run_whole("b0", 5);
}

static void test_whole_b2(void **state)
{
    (void)state;
    run_whole("b2", 2);
}

/* ---- every type and stride ---- */

static void test_views(void **state)
{
    (void)state;
    static const char *const files[] = {"views.pt", "views_plain.pt", "views_deflated.pt"};
    struct safetensors expected;
    struct error err = {0};
    must(safetensors_open(&expected, scratch_path(golden, "views.safetensors"), &err), &err);
    for (size_t f = 0; f < 3; f++) {
        struct weight_set set;
        must(weights_read(&set, scratch_path(golden, files[f]), &err), &err);
        assert_int_equal(set.count, expected.count);
        for (size_t i = 0; i < set.count; i++) {
            float got[32], wanted[32];
            const struct tensor *tensor = &expected.tensors[i];
            assert_string_equal(set.tensors[i].name, tensor->name);
            /* numpy writes the scalar as one element. */
            if (set.tensors[i].rank > 0) assert_true(tensor_has_shape(&set.tensors[i], tensor->rank, tensor->shape));
            assert_int_equal(set.tensors[i].count, tensor->count);
            tensor_read_floats(&set.tensors[i], got);
            tensor_read_floats(tensor, wanted);
            assert_memory_equal(got, wanted, tensor->count * sizeof *got);
        }
        weights_free(&set);
    }
    safetensors_close(&expected);
}

/* ---- into a model that exists ---- */

static const char *const file_order[] = {"Anger", "Disgust", "Fear", "Happiness", "Neutral", "Sadness", "Surprise"};
static const char *const other_order[] = {"neutral", "happy", "sad", "surprise", "fear", "disgust", "anger"};
/* other_order[i] is file_order[rows[i]]. */
static const size_t rows[] = {4, 3, 5, 6, 2, 1, 0};

static void make_tiny(struct model *model, int classes, bool same_padding)
{
    struct architecture architecture;
    struct error err = {0};
    must(architecture_tiny(&architecture, same_padding, 64, 1, &err), &err);
    must(model_create(model, &architecture, classes, true, &err), &err);
    model_initialise(model, 5);
}

static const float *values(const struct model *model, size_t index)
{
    return parameter_values(&model->parameters, &model->parameters.items[index]);
}

static void test_classes_go_by_name(void **state)
{
    (void)state;
    struct weight_set set;
    struct model model;
    struct import_report report;
    struct error err = {0};
    const char *path = "tests/golden/ckpt/module_half.pt";
    const struct import_options options = {.classes = other_order, .class_count = 7, .for_training = true};
    must(weights_read(&set, path, &err), &err);
    const struct tensor *weight = tensor_find_sorted(set.tensors, set.count, "classifier.weight");
    const struct tensor *bias = tensor_find_sorted(set.tensors, set.count, "classifier.bias");
    make_tiny(&model, 7, true);
    must(import_into_model(&model, path, &options, &report, &err), &err);
    assert_int_equal(report.classifier, IMPORT_CLASSIFIER_PERMUTED);
    assert_int_equal(report.missing, 4); /* H, which stays fresh */
    size_t wide = weight->shape[1];
    for (size_t i = 0; i < 7; i++) {
        assert_true(values(&model, model.fer.bias)[i] == (float)tensor_element(bias, rows[i]));
        for (size_t j = 0; j < wide; j++)
            assert_true(values(&model, model.fer.weight)[i * wide + j] ==
                        (float)tensor_element(weight, rows[i] * wide + j));
    }
    assert_memory_equal(values(&model, model.fer.weight), values(&model, model.ial.weight), 7 * wide * sizeof(float));
    assert_memory_equal(values(&model, model.fer.bias), values(&model, model.ial.bias), 7 * sizeof(float));
    import_report_free(&report);
    model_free(&model);
    weights_free(&set);
}

/* Imports `path` into a tiny model and says what became of the classifier; fresh means untouched. */
static enum import_classifier classifier_after(const char *path, const struct import_options *options, int classes)
{
    struct model model, untouched;
    struct import_report report;
    struct error err = {0};
    make_tiny(&model, classes, true);
    make_tiny(&untouched, classes, true);
    must(import_into_model(&model, path, options, &report, &err), &err);
    enum import_classifier fate = report.classifier;
    size_t bytes = (size_t)classes * (size_t)model.architecture.features * sizeof(float);
    bool same = memcmp(values(&model, model.fer.weight), values(&untouched, untouched.fer.weight), bytes) == 0;
    assert_int_equal(same, fate == IMPORT_CLASSIFIER_FRESH);
    assert_memory_equal(values(&model, model.fer.weight), values(&model, model.ial.weight), bytes);
    assert_true(report.notes.length > 0);
    import_report_free(&report);
    model_free(&model);
    model_free(&untouched);
    return fate;
}

static void test_no_class_order_is_guessed(void **state)
{
    (void)state;
    static const char *const eight[] = {"Neutral", "Happiness", "Sadness", "Surprise",
                                        "Fear",    "Disgust",   "Anger",   "Contempt"};
    const char *module = "tests/golden/ckpt/module_half.pt", *bare = "tests/golden/ckpt/timm_plain.pth";
    struct import_options options = {.classes = other_order, .class_count = 7};
    assert_int_equal(classifier_after(bare, &options, 7), IMPORT_CLASSIFIER_FRESH);
    options.source_classes = file_order;
    options.source_class_count = 7;
    assert_int_equal(classifier_after(bare, &options, 7), IMPORT_CLASSIFIER_PERMUTED);
    options.classes = file_order;
    assert_int_equal(classifier_after(bare, &options, 7), IMPORT_CLASSIFIER_COPIED);
    /* A class that the file does not have; fewer classes than it has. */
    assert_int_equal(classifier_after(module, &(struct import_options){.classes = eight, .class_count = 8}, 8),
                     IMPORT_CLASSIFIER_FRESH);
    assert_int_equal(classifier_after(module, &(struct import_options){.classes = other_order + 4, .class_count = 3},
                                      3),
                     IMPORT_CLASSIFIER_PERMUTED);
    assert_int_equal(classifier_after(bare, &(struct import_options){0}, 5), IMPORT_CLASSIFIER_FRESH);
    assert_int_equal(classifier_after(bare, &(struct import_options){0}, 7), IMPORT_CLASSIFIER_COPIED);
}

/* The usual backbone has a classifier of ImageNet's classes: one in a file of its own goes before it, under whatever
 * name. */
static void test_classifier_in_a_file_of_its_own(void **state)
{
    (void)state;
    static const char *const names[][2] = {{"classifier.weight", "classifier.bias"}, {"weight", "bias"}};
    struct model backbone, model;
    struct error err = {0};
    struct checkpoint_info info;
    char *folder = scratch_make();
    const char *paths[] = {scratch_path(folder, "tf_efficientnet_b0_backbone.safetensors"),
                           scratch_path(folder, "head.safetensors")};
    make_tiny(&backbone, 5, true);
    info = checkpoint_info_defaults(&backbone.architecture);
    info.classes = file_order;
    info.class_count = 5;
    must(checkpoint_write(paths[0], &backbone, &info, NULL, 0, &err), &err);
    size_t features = (size_t)backbone.architecture.features;
    float *weight = calloc(3 * features, sizeof *weight), bias[3] = {1, 2, 3};
    assert_non_null(weight);
    weight[features] = 7;
    for (int i = 0; i < 2; i++) {
        struct tensor head[2] = {{.name = names[i][0], .data = (const uint8_t *)weight},
                                 {.name = names[i][1], .data = (const uint8_t *)bias}};
        assert_true(tensor_set_shape(&head[0], 2, (size_t[]){3, features}) &&
                    tensor_set_shape(&head[1], 1, (size_t[]){3}));
        must(safetensors_write(paths[1], head, 2, NULL, 0, &err), &err);
        struct import_report report;
        const struct import_options options = {.classes = file_order, .class_count = 3};
        must(import_create_model(&model, paths, 2, &options, &report, &info, &err), &err);
        assert_int_equal(report.classifier, IMPORT_CLASSIFIER_COPIED);
        assert_int_equal(report.unexpected, 0);
        assert_true(parameter_values(&model.parameters, &model.parameters.items[model.fer.weight])[features] == 7);
        assert_true(parameter_values(&model.parameters, &model.parameters.items[model.fer.bias])[2] == 3);
        bool is_said = strstr(text_string(&report.notes), "2 tensors stand in more than one file") != NULL;
        assert_int_equal(is_said, i == 0);
        import_report_free(&report);
        model_free(&model);
    }
    free(weight);
    model_free(&backbone);
    scratch_remove(folder);
}

/* What an import that must fail says. */
static const char *refusal(const char *path, const struct import_options *options, bool same_padding, status expected)
{
    static struct error err;
    struct model model;
    struct import_report report;
    error_clear(&err);
    make_tiny(&model, 7, same_padding);
    assert_int_equal(import_into_model(&model, path, options, &report, &err), expected);
    assert_null(strchr(err.message, '\n'));
    import_report_free(&report);
    model_free(&model);
    return err.message;
}

#define ASSERT_SAYS(message, part)                                                      \
    do {                                                                                \
        const char *said = (message);                                                   \
        if (strstr(said, part) == NULL) fail_msg("'%s' does not say '%s'", said, part); \
    } while (0)

static void test_refusals(void **state)
{
    (void)state;
    const struct import_options none = {0}, training = {.for_training = true}, prefix = {.prefix = "nothing."};
    ASSERT_SAYS(refusal("tests/golden/ckpt/folded.onnx", &training, false, STATUS_FAILED), "for evaluation only");
    ASSERT_SAYS(refusal("tests/golden/ckpt/views.pt", &none, true, STATUS_FAILED), "no EfficientNet backbone");
    ASSERT_SAYS(refusal("tests/golden/ckpt/timm_plain.pth", &prefix, true, STATUS_USAGE), "'nothing.'");
    ASSERT_SAYS(refusal("tests/golden/ckpt/nothing.pth", &none, true, STATUS_FAILED), "nothing.pth");
    ASSERT_SAYS(refusal("tests/test_ckpt_import.c", &none, true, STATUS_FAILED), "neither safetensors");
    ASSERT_SAYS(refusal("tests/golden/ckpt", &none, true, STATUS_FAILED), "not a regular file");
}

static void test_another_network_is_named(void **state)
{
    (void)state;
    struct architecture architecture;
    struct model model;
    struct import_report report;
    struct error err = {0};
    const struct import_options none = {0};
    must(architecture_find(&architecture, "tf_efficientnet_b0", &err), &err);
    must(model_create(&model, &architecture, 7, false, &err), &err);
    assert_int_equal(import_into_model(&model, "tests/golden/ckpt/timm_plain.pth", &none, &report, &err),
                     STATUS_FAILED);
    ASSERT_SAYS(err.message, "7 blocks, 16 stem channels and 24 features instead of 16, 32 and 1280");
    import_report_free(&report);
    model_free(&model);
}

/* ---- native checkpoints ---- */

static void test_checkpoint_with_heads_and_state(void **state)
{
    (void)state;
    struct model model, again;
    struct checkpoint checkpoint;
    struct error err = {0};
    char *folder = scratch_make();
    const char *path = scratch_path(folder, "last.safetensors");
    make_tiny(&model, 7, true);
    struct checkpoint_info info = checkpoint_info_defaults(&model.architecture);
    info.classes = file_order;
    info.class_count = 7;
    info.mean[0] = 0.61120795;
    info.selected_on = "valid";
    info.epoch = 2.3;
    info.step = 12345678901;
    info.config = "[data]\nroot = /tmp/\"x\"\n";
    info.metrics = "{\"overall\": 0.5}";
    const uint8_t random_state[5] = {1, 2, 3, 254, 255};
    const float moments[3] = {0.5f, -1, 3};
    struct tensor extra[2] = {{.name = "random.state", .type = TENSOR_U8, .data = random_state},
                              {.name = "optimizer.moments", .type = TENSOR_F32, .data = (const uint8_t *)moments}};
    assert_true(tensor_set_shape(&extra[0], 1, (size_t[]){5}) && tensor_set_shape(&extra[1], 1, (size_t[]){3}));
    must(checkpoint_write(path, &model, &info, extra, 2, &err), &err);

    must(checkpoint_open(&checkpoint, path, &err), &err);
    assert_true(checkpoint_has_heads(&checkpoint));
    assert_true(checkpoint.info.epoch == 2.3 && checkpoint.info.step == 12345678901);
    assert_true(checkpoint.info.mean[0] == 0.61120795);
    assert_string_equal(checkpoint.info.config, info.config);
    assert_string_equal(checkpoint.info.metrics, info.metrics);
    assert_string_equal(checkpoint.info.selected_on, "valid");
    assert_string_equal(checkpoint.info.classes[6], "Surprise");
    const struct tensor *read = checkpoint_tensor(&checkpoint, "optimizer.moments");
    assert_true(read != NULL && tensor_has_shape(read, 1, (size_t[]){3}));
    assert_memory_equal(read->data, moments, sizeof moments);
    assert_memory_equal(checkpoint_tensor(&checkpoint, "random.state")->data, random_state, 5);
    /* PyTorch's counter, so that load_state_dict finds all it wants. */
    assert_true(tensor_element(checkpoint_tensor(&checkpoint, "bn1.num_batches_tracked"), 0) == 12345678901.0);
    must(checkpoint_create_model(&checkpoint, true, &again, &err), &err);
    assert_same_parameters(&model, &again);

    struct text description = {0};
    must(checkpoint_describe(&checkpoint, "", &description, &err), &err);
    ASSERT_SAYS(text_string(&description), "Anger, Disgust");
    ASSERT_SAYS(text_string(&description), "optimizer state");
    text_free(&description);
    checkpoint_close(&checkpoint);

    /* Imported as a start for another run: optimizer state is passed over, the heads come along. */
    struct import_report report;
    const struct import_options options = {.classes = file_order, .class_count = 7, .for_training = true};
    struct model start;
    make_tiny(&start, 7, true);
    must(import_into_model(&start, path, &options, &report, &err), &err);
    assert_same_parameters(&model, &start);
    assert_int_equal(report.unexpected, 0);
    assert_int_equal(report.missing, 0);
    import_report_free(&report);
    model_free(&start);
    model_free(&again);
    model_free(&model);
    scratch_remove(folder);
}

/* Beside the weights that training goes on with stands their moving average: evaluation takes that. */
static void test_averages_are_what_is_evaluated(void **state)
{
    (void)state;
    enum { MOST = 512 };
    static struct tensor extra[MOST];
    static char names[MOST][80];
    struct model model, average, again;
    struct checkpoint checkpoint;
    struct error err = {0};
    char *folder = scratch_make();
    const char *path = scratch_path(folder, "last.safetensors");
    make_tiny(&model, 7, true);
    make_tiny(&average, 7, true);
    struct parameters *all = &average.parameters;
    assert_true(all->count < MOST);
    for (size_t i = 0; i < all->count; i++) {
        const struct parameter *entry = &all->items[i];
        real *values = parameter_write(all, entry);
        for (size_t j = 0; j < entry->count; j++) values[j] += (real)0.5;
        snprintf(names[i], sizeof names[i], "%s%s", CHECKPOINT_AVERAGE, entry->name);
        extra[i] = (struct tensor){.name = names[i], .type = TENSOR_F32, .data = (const uint8_t *)values};
        assert_true(tensor_set_shape(&extra[i], entry->rank, entry->shape));
    }
    struct checkpoint_info info = checkpoint_info_defaults(&model.architecture);
    info.classes = file_order;
    info.class_count = 7;
    must(checkpoint_write(path, &model, &info, extra, all->count, &err), &err);
    must(checkpoint_open(&checkpoint, path, &err), &err);
    must(checkpoint_create_model(&checkpoint, true, &again, &err), &err);
    assert_same_parameters(&average, &again);
    must(checkpoint_load_model(&checkpoint, &again, &err), &err);
    assert_same_parameters(&model, &again);
    checkpoint_close(&checkpoint);

    /* What a new run starts from, too; an optimizer's moments and the average are no blocks of the network. */
    struct import_report report;
    const struct import_options options = {.classes = file_order, .class_count = 7, .for_training = true};
    const struct import_options plain = {.classes = file_order, .class_count = 7, .prefix = ""};
    must(import_into_model(&again, path, &options, &report, &err), &err);
    assert_same_parameters(&average, &again);
    assert_int_equal(report.unexpected, 0);
    ASSERT_SAYS(text_string(&report.notes), "their moving average");
    import_report_free(&report);
    must(import_into_model(&again, path, &plain, &report, &err), &err);
    assert_same_parameters(&model, &again);
    import_report_free(&report);
    model_free(&again);
    model_free(&average);
    model_free(&model);
    scratch_remove(folder);
}

static void test_checkpoint_that_does_not_fit(void **state)
{
    (void)state;
    struct model model, other;
    struct checkpoint checkpoint;
    struct error err = {0};
    char *folder = scratch_make();
    const char *path = scratch_path(folder, "a.safetensors");
    make_tiny(&model, 7, true);
    struct checkpoint_info info = checkpoint_info_defaults(&model.architecture);
    info.classes = file_order;
    info.class_count = 7;
    must(export_safetensors(path, &model, &info, false, &err), &err);
    must(checkpoint_open(&checkpoint, path, &err), &err);
    assert_false(checkpoint_has_heads(&checkpoint));
    assert_int_equal(checkpoint_create_model(&checkpoint, true, &other, &err), STATUS_FAILED);
    ASSERT_SAYS(err.message, "'ial.projection.0.weight' is missing");
    error_clear(&err);
    make_tiny(&other, 6, true);
    assert_int_equal(checkpoint_load_model(&checkpoint, &other, &err), STATUS_FAILED);
    ASSERT_SAYS(err.message, "'classifier.weight' is [7, 24], the model's [6, 24]");
    error_clear(&err);
    model_free(&other);
    checkpoint_close(&checkpoint);
    assert_int_equal(checkpoint_open(&checkpoint, scratch_path(golden, "views.safetensors"), &err), STATUS_FAILED);
    ASSERT_SAYS(err.message, "rmfer import");
    error_clear(&err);
    info.classes = (const char *const[]){"a,b", "c", "d", "e", "f", "g", "h"};
    assert_int_equal(checkpoint_write(path, &model, &info, NULL, 0, &err), STATUS_FAILED);
    ASSERT_SAYS(err.message, "comma");
    model_free(&model);
    scratch_remove(folder);
}

/* ---- real material ---- */

static void test_authors_classifier(void **state)
{
    (void)state;
    char path[512];
    const char *material = getenv("RMFER_TEST_MATERIAL");
    snprintf(path, sizeof path, "%s/models/rmfer_classifier_8.pth", material == NULL ? "../shared" : material);
    if (!file_exists(path)) {
        printf("skipped: the authors' classifier, as %s is not there\n", path);
        skip();
    }
    struct weight_set set;
    struct error err = {0};
    must(weights_read(&set, path, &err), &err);
    assert_int_equal(set.count, 2);
    assert_true(set.tensors[0].in_module && set.tensors[1].in_module);
    assert_true(tensor_has_shape(tensor_find_sorted(set.tensors, set.count, "weight"), 2, (size_t[]){8, 1408}));
    const struct tensor *bias = tensor_find_sorted(set.tensors, set.count, "bias");
    double sum = 0;
    for (size_t i = 0; i < 8; i++) sum += tensor_element(bias, i);
    assert_true(fabs(sum + 0.0454722196) < 1e-8); /* what PyTorch reads */
    weights_free(&set);
}

static void test_onnx_of_a_detector(void **state)
{
    (void)state;
    char path[512];
    const char *material = getenv("RMFER_TEST_MATERIAL");
    snprintf(path, sizeof path, "%s/models/yunet_n_320_320.onnx", material == NULL ? "../shared" : material);
    if (!file_exists(path)) {
        printf("skipped: a detector's graph, as %s is not there\n", path);
        skip();
    }
    struct onnx_model model;
    struct error err = {0};
    must(onnx_open(&model, path, &err), &err);
    assert_int_equal(model.node_count, 115);
    assert_int_equal(model.initializer_count, 124);
    assert_int_equal(model.inputs[0].shape[3], 320);
    assert_string_equal(model.nodes[0].op_type, "Conv");
    const struct onnx_attribute *strides = onnx_attribute_find(&model.nodes[0], "strides");
    assert_true(strides != NULL && strides->integer_count == 2 && strides->integers[0] == 2);
    onnx_close(&model);
    /* A graph, but of another network. */
    struct model unused;
    struct import_report report;
    struct checkpoint_info info;
    const char *paths[] = {path};
    assert_int_equal(import_create_model(&unused, paths, 1, &(struct import_options){0}, &report, &info, &err),
                     STATUS_FAILED);
    ASSERT_SAYS(err.message, "none of EfficientNet B0 to B3");
    import_report_free(&report);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_shrunken_networks_in_every_format),
        cmocka_unit_test(test_whole_b0),
        cmocka_unit_test(test_whole_b2),
        cmocka_unit_test(test_views),
        cmocka_unit_test(test_classes_go_by_name),
        cmocka_unit_test(test_no_class_order_is_guessed),
        cmocka_unit_test(test_classifier_in_a_file_of_its_own),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_another_network_is_named),
        cmocka_unit_test(test_checkpoint_with_heads_and_state),
        cmocka_unit_test(test_averages_are_what_is_evaluated),
        cmocka_unit_test(test_checkpoint_that_does_not_fit),
        cmocka_unit_test(test_authors_classifier),
        cmocka_unit_test(test_onnx_of_a_detector),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
