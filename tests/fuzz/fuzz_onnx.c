/* An ONNX model from hostile bytes, and the search for an EfficientNet in its graph. */
#include "ckpt/onnx_graph.h"
#include "rmfer/ckpt/onnx.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static size_t count_text(const struct onnx_model *model)
{
    size_t length = strlen(model->producer);
    for (size_t i = 0; i < model->node_count; i++) {
        const struct onnx_node *node = &model->nodes[i];
        length += strlen(node->op_type) + strlen(node->name) + strlen(node->domain);
        for (size_t j = 0; j < node->input_count; j++) length += strlen(node->inputs[j]);
        for (size_t j = 0; j < node->output_count; j++) length += strlen(node->outputs[j]);
        for (size_t j = 0; j < node->attribute_count; j++) length += strlen(node->attributes[j].name);
    }
    for (size_t i = 0; i < model->input_count; i++) length += strlen(model->inputs[i].name);
    for (size_t i = 0; i < model->property_count; i++) length += strlen(model->properties[i].value);
    return length;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct onnx_model model;
    struct error err = {0};
    if (onnx_parse(&model, bytes, size, "fuzz", &err) != STATUS_OK) return 0;
    if (count_text(&model) > size) abort();
    for (size_t i = 0; i < model.initializer_count; i++) {
        const struct tensor *tensor = &model.initializers[i];
        float *values = malloc(tensor->count * sizeof *values + 1);
        if (tensor->count > 8 * size || values == NULL) abort();
        tensor_read_floats(tensor, values);
        free(values);
    }
    struct onnx_facts facts;
    struct architecture architecture;
    if (onnx_graph_facts(&model, &facts, NULL) == STATUS_OK &&
        architecture_tiny(&architecture, true, 64, 1, NULL) == STATUS_OK) {
        struct pool pool = pool_with_limits((size_t)16 << 20, SIZE_MAX);
        struct onnx_weights weights;
        (void)onnx_graph_architecture(&architecture, &facts, false);
        if (onnx_graph_weights(&weights, &model, &architecture, &pool, NULL) == STATUS_OK)
            for (size_t i = 0; i < weights.count; i++)
                if (weights.tensors[i].count > 0)
                    (void)tensor_element(&weights.tensors[i], weights.tensors[i].count - 1);
        pool_free(&pool);
    }
    onnx_close(&model);
    return 0;
}
