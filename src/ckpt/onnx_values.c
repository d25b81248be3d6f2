/* The lists of a graph's values. Names are at most ONNX_LONGEST_NAME letters, so that comparing them costs little. */
#include "ckpt/onnx_values.h"

#include <stdlib.h>
#include <string.h>

bool onnx_is_operator(const struct onnx_node *node, const char *op_type)
{
    return strcmp(node->op_type, op_type) == 0 && (node->domain[0] == '\0' || strcmp(node->domain, "ai.onnx") == 0);
}

static int compare_nodes(const struct onnx_node *a, const struct onnx_node *b)
{
    return (a > b) - (a < b); /* of one array */
}

static int compare_producers(const void *a, const void *b)
{
    const struct onnx_use *left = a, *right = b;
    int order = strcmp(left->value, right->value);
    return order != 0 ? order : compare_nodes(left->node, right->node);
}

static int compare_consumers(const void *a, const void *b)
{
    const struct onnx_use *left = a, *right = b;
    int order = strcmp(left->value, right->value);
    if (order == 0) order = strcmp(left->node->op_type, right->node->op_type);
    return order != 0 ? order : compare_nodes(left->node, right->node);
}

status onnx_list_values(struct onnx_model *model, struct pool *pool, struct error *err)
{
    size_t outputs = 0;
    for (size_t i = 0; i < model->node_count; i++) outputs += model->nodes[i].output_count;
    struct onnx_use *producers = pool_take(pool, outputs, sizeof *producers, err);
    struct onnx_use *consumers = pool_take(pool, 2 * model->node_count, sizeof *consumers, err);
    if (producers == NULL || consumers == NULL) return STATUS_FAILED;
    model->producers = producers;
    model->consumers = consumers;
    for (size_t i = 0; i < model->node_count; i++) {
        const struct onnx_node *node = &model->nodes[i];
        for (size_t j = 0; j < node->output_count; j++)
            producers[model->producer_count++] = (struct onnx_use){node->outputs[j], node};
        size_t taken = onnx_is_operator(node, "Add") ? 2 : onnx_is_operator(node, node->op_type) ? 1 : 0;
        for (size_t j = 0; j < taken && j < node->input_count; j++)
            consumers[model->consumer_count++] = (struct onnx_use){node->inputs[j], node};
    }
    if (model->producer_count > 0) qsort(producers, model->producer_count, sizeof *producers, compare_producers);
    if (model->consumer_count > 0) qsort(consumers, model->consumer_count, sizeof *consumers, compare_consumers);
    return STATUS_OK;
}

const struct onnx_node *onnx_producer(const struct onnx_model *model, const char *value)
{
    size_t low = 0, high = model->producer_count;
    while (low < high) { /* the first that is not before `value` */
        size_t middle = low + (high - low) / 2;
        if (strcmp(model->producers[middle].value, value) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    bool found = low < model->producer_count && strcmp(model->producers[low].value, value) == 0;
    return found ? model->producers[low].node : NULL;
}

static int compare_use(const struct onnx_use *use, const char *value, const char *op_type)
{
    int order = strcmp(use->value, value);
    return order != 0 ? order : strcmp(use->node->op_type, op_type);
}

const struct onnx_node *onnx_consumer(const struct onnx_model *model, const char *op_type, const char *value)
{
    size_t low = 0, high = model->consumer_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (compare_use(&model->consumers[middle], value, op_type) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    bool found = low < model->consumer_count && compare_use(&model->consumers[low], value, op_type) == 0;
    return found ? model->consumers[low].node : NULL;
}
