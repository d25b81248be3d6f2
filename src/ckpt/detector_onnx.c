/* YuNet's layers by walking its ONNX graph back from the outputs. Every step says which kind of node it expects, so
 * that another network, or an int8 export of this one, ends in a message instead of in wrong boxes. */
#include "rmfer/ckpt/detector_onnx.h"

#include "ckpt/onnx_values.h"
#include "rmfer/base/memory.h"
#include "rmfer/ckpt/onnx.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { MOST_TENSORS = 160, MOST_STEPS = 16 };

struct walk {
    struct onnx_model model;
    struct detector_weights weights;
    float *tensors[MOST_TENSORS]; /* copies of the weights, owned */
    size_t tensor_count;
    const struct onnx_node *depthwise[DETECTOR_BACKBONE_UNITS]; /* the backbone's nodes, for comparing */
};

static bool is_kind(const struct onnx_node *node, const char *kind)
{
    return strcmp(node->op_type, kind) == 0;
}

static bool is_passed(const struct onnx_node *node)
{
    static const char *const kinds[] = {"Relu", "MaxPool", "Sigmoid", "Reshape", "Transpose"};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (is_kind(node, kinds[i])) return true;
    return false;
}

/* Back over what changes no weights to a node of `kind`; *pools counts the maxima passed. */
static status step_back(const struct walk *walk, const char *value, const char *kind, const struct onnx_node **found,
                        int *pools, struct error *err)
{
    char text[TENSOR_NAME_TEXT];
    *pools = 0;
    const struct onnx_node *node = onnx_producer(&walk->model, value);
    for (int step = 0; node != NULL && step < MOST_STEPS && is_passed(node) && node->input_count > 0; step++) {
        *pools += is_kind(node, "MaxPool");
        value = node->inputs[0];
        node = onnx_producer(&walk->model, value);
    }
    *found = node;
    if (node != NULL && is_kind(node, kind) && node->input_count >= 1) return STATUS_OK;
    if (node == NULL)
        return error_set(err, "not YuNet: %s is wanted before '%s', which nothing computes", kind,
                         tensor_name_text(text, sizeof text, value));
    return error_set(err, "not YuNet with float weights: a node %s stands where %s is wanted",
                     tensor_name_text(text, sizeof text, node->op_type), kind);
}

static status copy_tensor(struct walk *walk, const struct tensor *tensor, const float **values, struct error *err)
{
    BUG_UNLESS(walk->tensor_count < MOST_TENSORS);
    float *copy = memory_allocate(tensor->count, sizeof *copy, "the detector's weights", err);
    if (copy == NULL) return STATUS_FAILED;
    walk->tensors[walk->tensor_count++] = copy;
    tensor_read_floats(tensor, copy);
    *values = copy;
    char text[TENSOR_NAME_TEXT];
    for (size_t i = 0; i < tensor->count; i++)
        if (!isfinite(copy[i]))
            return error_set(err, "'%s' holds a value that is not finite (NaN or infinity)",
                             tensor_name_text(text, sizeof text, tensor->name));
    return STATUS_OK;
}

/* A convolution's numbers; shape[0] is its output channels, shape[1] its inputs of one group. */
struct convolution {
    size_t shape[4];
    const float *weight, *bias;
};

static bool has_stride(const struct onnx_node *node, int64_t stride)
{
    const struct onnx_attribute *attribute = onnx_attribute_find(node, "strides");
    if (attribute == NULL) return stride == 1;
    for (size_t i = 0; i < attribute->integer_count; i++)
        if (attribute->integers[i] != stride) return false;
    return true;
}

/* Padding keeps the size: (kernel - 1) / 2 on every side. */
static bool has_padding(const struct onnx_node *node, int64_t padding)
{
    const struct onnx_attribute *attribute = onnx_attribute_find(node, "pads");
    if (attribute == NULL) return padding == 0;
    for (size_t i = 0; i < attribute->integer_count; i++)
        if (attribute->integers[i] != padding) return false;
    return true;
}

static status read_convolution(struct walk *walk, const struct onnx_node *node, size_t kernel, int64_t stride,
                               bool depthwise, struct convolution *conv, struct error *err)
{
    char text[TENSOR_NAME_TEXT];
    const struct tensor *weight = node->input_count >= 2 ? onnx_initializer(&walk->model, node->inputs[1]) : NULL;
    const struct tensor *bias = node->input_count >= 3 ? onnx_initializer(&walk->model, node->inputs[2]) : NULL;
    if (weight == NULL || bias == NULL)
        return error_set(err, "not YuNet: convolution '%s' has no weight and bias in the file",
                         tensor_name_text(text, sizeof text, node->name));
    int64_t group = onnx_attribute_integer(node, "group", 1);
    bool fits = weight->rank == 4 && weight->shape[2] == kernel && weight->shape[3] == kernel &&
                weight->shape[0] <= DETECTOR_MOST_CHANNELS && weight->shape[1] <= DETECTOR_MOST_CHANNELS &&
                bias->count == weight->shape[0] && has_stride(node, stride) && has_padding(node, (int64_t)kernel / 2) &&
                (depthwise ? weight->shape[1] == 1 && group == (int64_t)weight->shape[0] : group == 1);
    if (!fits)
        return error_set(err, "not YuNet: convolution '%s' has another shape than a %zux%zu%s of stride %d",
                         tensor_name_text(text, sizeof text, node->name), kernel, kernel, depthwise ? " a channel" : "",
                         (int)stride);
    memcpy(conv->shape, weight->shape, sizeof conv->shape);
    status result = copy_tensor(walk, weight, &conv->weight, err);
    return result == STATUS_OK ? copy_tensor(walk, bias, &conv->bias, err) : result;
}

/* The unit that ends in `value`; *value becomes what comes into it. */
static status read_unit(struct walk *walk, const char **value, struct detector_unit_weights *unit,
                        const struct onnx_node **depthwise, int *pools, struct error *err)
{
    const struct onnx_node *second, *first;
    struct convolution pointwise, taps;
    int between;
    status result = step_back(walk, *value, "Conv", &second, pools, err);
    if (result == STATUS_OK) result = read_convolution(walk, second, 3, 1, true, &taps, err);
    if (result == STATUS_OK) result = step_back(walk, second->inputs[0], "Conv", &first, &between, err);
    if (result == STATUS_OK) result = read_convolution(walk, first, 1, 1, false, &pointwise, err);
    if (result != STATUS_OK) return result;
    if (pointwise.shape[0] != taps.shape[0])
        return error_set(err, "not YuNet: a unit's convolutions have %zu and %zu channels", pointwise.shape[0],
                         taps.shape[0]);
    *unit = (struct detector_unit_weights){pointwise.shape[1], pointwise.shape[0], pointwise.weight,
                                           pointwise.bias,     taps.weight,        taps.bias};
    *depthwise = second;
    *value = first->inputs[0];
    return STATUS_OK;
}

/* The backbone from its last unit's output back to the picture. */
static status read_backbone(struct walk *walk, const char *value, struct error *err)
{
    int pools;
    for (int i = DETECTOR_BACKBONE_UNITS - 1; i >= 0; i--) {
        status result = read_unit(walk, &value, &walk->weights.backbone[i], &walk->depthwise[i], &pools, err);
        if (result != STATUS_OK) return result;
        if (pools != (i == 0 || i == 4 || i == 6 || i == 8))
            return error_set(err, "not YuNet: %d maxima behind unit %d of the backbone", pools, i);
    }
    const struct onnx_node *stem;
    struct convolution conv;
    status result = step_back(walk, value, "Conv", &stem, &pools, err);
    if (result == STATUS_OK) result = read_convolution(walk, stem, 3, 2, false, &conv, err);
    if (result != STATUS_OK) return result;
    if (conv.shape[1] != 3) return error_set(err, "not YuNet: its picture has %zu channels", conv.shape[1]);
    walk->weights.stem_output = conv.shape[0];
    walk->weights.stem = conv.weight;
    walk->weights.stem_bias = conv.bias;
    return STATUS_OK;
}

/* Behind the addition that joins a level with the next one: the input that was not scaled up must be the backbone's.
 */
static status check_addition(const struct walk *walk, const char *value, int unit, struct error *err)
{
    const struct onnx_node *add, *source = NULL;
    int pools;
    status result = step_back(walk, value, "Add", &add, &pools, err);
    if (result != STATUS_OK) return result;
    for (size_t i = 0; i < add->input_count; i++) {
        const struct onnx_node *node = onnx_producer(&walk->model, add->inputs[i]);
        if (node == NULL || is_kind(node, "Resize") || is_kind(node, "Upsample")) continue;
        result = step_back(walk, add->inputs[i], "Conv", &source, &pools, err);
        if (result != STATUS_OK) return result;
    }
    if (source == walk->depthwise[unit] && pools == 0) return STATUS_OK;
    return error_set(err, "not YuNet: the neck does not take unit %d of the backbone", unit);
}

/* The heads, the shared unit and the lateral unit of a level; *value becomes the lateral unit's input. */
static status read_level(struct walk *walk, int level, const char **value, struct error *err)
{
    static const char *const heads[DETECTOR_HEADS] = {"cls", "obj", "bbox", "kps"};
    const struct onnx_node *node;
    const char *shared = NULL;
    int pools;
    for (int head = 0; head < DETECTOR_HEADS; head++) {
        char output[16];
        snprintf(output, sizeof output, "%s_%d", heads[head], 8 << level);
        const char *at = output;
        status result = read_unit(walk, &at, &walk->weights.heads[level][head], &node, &pools, err);
        if (result != STATUS_OK) return error_add_context(err, "output %s", output);
        if (shared != NULL && strcmp(shared, at) != 0)
            return error_set(err, "not YuNet: the heads of stride %d have different inputs", 8 << level);
        shared = at;
    }
    status result = read_unit(walk, &shared, &walk->weights.shared[level], &node, &pools, err);
    if (result == STATUS_OK) result = read_unit(walk, &shared, &walk->weights.lateral[level], &node, &pools, err);
    *value = shared;
    return result;
}

static status read_graph(struct walk *walk, struct error *err)
{
    const char *inputs[DETECTOR_LEVELS];
    for (int level = 0; level < DETECTOR_LEVELS; level++) {
        status result = read_level(walk, level, &inputs[level], err);
        if (result != STATUS_OK) return result;
    }
    status result = read_backbone(walk, inputs[2], err);
    if (result == STATUS_OK) result = check_addition(walk, inputs[1], 8, err);
    return result == STATUS_OK ? check_addition(walk, inputs[0], 6, err) : result;
}

status detector_read(struct detector **detector, const char *path, struct error *err)
{
    *detector = NULL;
    struct walk *walk = memory_allocate(1, sizeof *walk, "the detector's graph", err);
    if (walk == NULL) return STATUS_FAILED;
    status result = onnx_open(&walk->model, path, err);
    if (result == STATUS_OK) {
        result = read_graph(walk, err);
        if (result == STATUS_OK) result = detector_create(detector, &walk->weights, err);
        if (result != STATUS_OK) error_add_context(err, "%s", path);
        onnx_close(&walk->model);
    }
    for (size_t i = 0; i < walk->tensor_count; i++) memory_free(walk->tensors[i]);
    memory_free(walk);
    return result;
}
