/* What is read at both ends of a foreign ONNX graph: the layers on its features, and the pictures it takes. */
#include "support/scratch.h"

#include "ckpt/onnx_write.h"
#include "rmfer/base/text.h"
#include "rmfer/ckpt/import.h"
#include "rmfer/nn/layers.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { LARGEST = 4096, SIDE = 48 };

static float numbers[LARGEST]; /* of every tensor */
static char *folder;

/* A node of the tail, its inputs from `data`; weights are [outputs, inputs], or transposed of a MatMul. */
struct tail_node {
    const char *op_type, *inputs[3], *output;
};
enum { MOST_TAIL = 6 };

static void node(struct onnx_writer *writer, const char *op_type, const char *a, const char *b, const char *c,
                 const char *output)
{
    static const struct onnx_written_attribute transposed[] = {{.name = "transB", .integer = 1}, {0}};
    const char *const inputs[] = {a, b, b == NULL ? NULL : c, NULL};
    onnx_writer_node(writer, op_type, inputs, output, strcmp(op_type, "Gemm") == 0 ? transposed : NULL);
}

/* The convolutions of a network in their order, each on the one before, as their shapes are all that is looked at. */
static void write_convolutions(struct onnx_writer *writer, const struct architecture *architecture, const char *input)
{
    struct layers layers;
    struct layer_tensor tensors[LAYER_MOST_TENSORS];
    char at[64];
    snprintf(at, sizeof at, "%s", input);
    layers_describe(&layers, architecture, architecture->image_size);
    for (size_t i = 0; i < layers.count; i++) {
        size_t count = layer_tensors(&layers.items[i], tensors);
        for (size_t t = 0; t < count; t++) {
            char weight[80], bias[80], output[64];
            if (tensors[t].rank != 4) continue;
            snprintf(weight, sizeof weight, "%s.w", tensors[t].owner);
            snprintf(bias, sizeof bias, "%s.b", tensors[t].owner);
            snprintf(output, sizeof output, "%s", tensors[t].owner);
            onnx_writer_initializer(writer, weight, 4, tensors[t].shape, numbers);
            onnx_writer_initializer(writer, bias, 1, tensors[t].shape, numbers);
            node(writer, "Conv", at, weight, bias, output);
            memcpy(at, output, sizeof at);
        }
    }
    node(writer, "GlobalAveragePool", at, NULL, NULL, "pool");
    node(writer, "Flatten", "pool", NULL, NULL, "flat");
}

static const char *written(const struct tail_node *tail, bool prepares)
{
    struct architecture architecture;
    struct error err = {0};
    struct onnx_writer writer = {.err = &err};
    const char *path = scratch_path(folder, "tf_efficientnet_graph.onnx");
    assert_int_equal(architecture_tiny(&architecture, true, 64, 1, &err), STATUS_OK);
    const size_t features = (size_t)architecture.features, one = 1;
    onnx_writer_initializer(&writer, "scale", 1, &one, numbers);
    onnx_writer_initializer(&writer, "W7", 2, (size_t[]){7, features}, numbers);
    onnx_writer_initializer(&writer, "W7t", 2, (size_t[]){features, 7}, numbers);
    onnx_writer_initializer(&writer, "Wsame", 2, (size_t[]){features, features}, numbers);
    onnx_writer_initializer(&writer, "b7", 1, (size_t[]){7}, numbers);
    onnx_writer_initializer(&writer, "bsame", 1, &features, numbers);
    if (prepares) node(&writer, "Mul", "input", "scale", NULL, "scaled");
    write_convolutions(&writer, &architecture, prepares ? "scaled" : "input");
    for (; tail->op_type != NULL; tail++)
        node(&writer, tail->op_type, tail->inputs[0], tail->inputs[1], tail->inputs[2], tail->output);
    onnx_writer_end(&writer, ONNX_INPUT, "input", TENSOR_F32, 4, (size_t[]){0, 3, SIDE, SIDE});
    onnx_writer_end(&writer, ONNX_OUTPUT, "logits", TENSOR_F32, 2, (size_t[]){0, 7});
    if (onnx_writer_save(&writer, path, NULL, 0, &err) != STATUS_OK) fail_msg("%s", err.message);
    onnx_writer_free(&writer);
    return path;
}

/* Imports it; the notes, to be freed. */
static struct text import_of(const char *path, enum import_classifier wanted, float bias, int side)
{
    static const char *const classes[] = {"a", "b", "c", "d", "e", "f", "g"};
    const struct import_options options = {.architecture = "tiny_tf_64_1", .classes = classes, .class_count = 7};
    struct model model;
    struct import_report report;
    struct checkpoint_info info;
    struct error err = {0};
    if (import_create_model(&model, &path, 1, &options, &report, &info, &err) != STATUS_OK) fail_msg("%s", err.message);
    assert_int_equal(report.classifier, wanted);
    assert_int_equal(info.image_size, side);
    if (wanted != IMPORT_CLASSIFIER_FRESH)
        assert_true(parameter_values(&model.parameters, &model.parameters.items[model.fer.bias])[2] == bias);
    struct text notes = report.notes;
    report.notes = (struct text){0};
    import_report_free(&report);
    model_free(&model);
    return notes;
}

static void test_layers_on_the_features(void **state)
{
    (void)state;
    static const struct {
        struct tail_node nodes[MOST_TAIL];
        bool is_taken;
        float bias;
        const char *note;
    } cases[] = {
        {{{"Gemm", {"flat", "W7", "b7"}, "logits"}}, true, 3, "rows in the file's order"},
        {{{"Dropout", {"flat"}, "d"}, {"Gemm", {"d", "W7", "b7"}, "x"}, {"Softmax", {"x"}, "logits"}}, true, 3, "rows"},
        {{{"MatMul", {"flat", "W7t"}, "m"}, {"Add", {"m", "b7"}, "logits"}}, true, 3, "rows"},
        {{{"MatMul", {"flat", "W7t"}, "m"}, {"Add", {"b7", "m"}, "logits"}}, true, 3, "rows"},
        {{{"MatMul", {"flat", "W7t"}, "logits"}}, true, 0, "rows"},
        {{{"Gemm", {"flat", "W7"}, "logits"}}, true, 0, "rows"},
        {{{"Gemm", {"flat", "Wsame", "bsame"}, "h"}, {"Relu", {"h"}, "r"}, {"Gemm", {"r", "W7", "b7"}, "logits"}},
         false,
         0,
         "a head of several layers is not read: 'Wsame' [24, 24], 'W7' [7, 24]"},
        {{{"MatMul", {"flat", "Wsame"}, "m"},
          {"Add", {"bsame", "m"}, "h"},
          {"Relu", {"h"}, "r"},
          {"Gemm", {"r", "W7", "b7"}, "logits"}},
         false,
         0,
         "a head of several layers is not read"},
        {{{"Mul", {"flat", "scale"}, "s"}, {"Gemm", {"s", "W7", "b7"}, "logits"}}, false, 0, "'W7' [7, 24]"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct text notes = import_of(written(cases[i].nodes, false),
                                      cases[i].is_taken ? IMPORT_CLASSIFIER_COPIED : IMPORT_CLASSIFIER_FRESH,
                                      cases[i].bias, SIDE);
        if (strstr(text_string(&notes), cases[i].note) == NULL)
            fail_msg("case %zu: '%s' does not say '%s'", i, text_string(&notes), cases[i].note);
        text_free(&notes);
    }
}

static void test_pictures_of_a_graph(void **state)
{
    (void)state;
    static const struct tail_node tail[MOST_TAIL] = {{"Gemm", {"flat", "W7", "b7"}, "logits"}};
    static const char warning[] = "warning: the graph computes something of its pictures";
    for (int prepares = 0; prepares < 2; prepares++) {
        struct text notes = import_of(written(tail, prepares), IMPORT_CLASSIFIER_COPIED, 3, SIDE);
        assert_non_null(strstr(text_string(&notes), "input: 48 x 48, as the graph's"));
        assert_int_equal(strstr(text_string(&notes), warning) != NULL, prepares);
        text_free(&notes);
    }
}

static int begin(void **state)
{
    (void)state;
    folder = scratch_make();
    for (int i = 0; i < LARGEST; i++) numbers[i] = (float)(i + 1);
    return 0;
}

static int end(void **state)
{
    (void)state;
    scratch_remove(folder);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_layers_on_the_features),
        cmocka_unit_test(test_pictures_of_a_graph),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
