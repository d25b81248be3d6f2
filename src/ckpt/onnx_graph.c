/* The chain of Conv nodes of an exported EfficientNet, followed from input to output and matched with the layers of
 * the architectures that are known. */
#include "ckpt/onnx_graph.h"

#include "ckpt/onnx_values.h"
#include "rmfer/ckpt/export.h"
#include "rmfer/nn/layers.h"
#include "rmfer/nn/model.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* B3 has 130 convolutions and exports of it some 700 nodes; what is far beyond is no EfficientNet. */
enum { MOST_CONVOLUTIONS = 512, MOST_NODES = 16384, IDENTITIES_FOLLOWED = 8 };
/* Between the features and what is computed of them. */
enum { NODES_FOLLOWED = 32, MOST_HEADS = 16 };

/* A value known beforehand: an initializer, a Constant, or either behind Identity nodes. */
static const struct tensor *constant_value(const struct onnx_model *model, const char *value)
{
    for (int i = 0; i < IDENTITIES_FOLLOWED; i++) {
        const struct tensor *tensor = onnx_initializer(model, value);
        if (tensor != NULL) return tensor;
        const struct onnx_node *node = onnx_producer(model, value);
        if (node == NULL) return NULL;
        if (onnx_is_operator(node, "Constant")) {
            const struct onnx_attribute *attribute = onnx_attribute_find(node, "value");
            return attribute == NULL ? NULL : attribute->tensor;
        }
        if (!onnx_is_operator(node, "Identity") || node->input_count == 0) return NULL;
        value = node->inputs[0];
    }
    return NULL;
}

/* Input `index` of a node as a constant, NULL when there is none. */
static const struct tensor *constant_input(const struct onnx_model *model, const struct onnx_node *node, size_t index)
{
    if (index >= node->input_count || node->inputs[index][0] == '\0') return NULL;
    return constant_value(model, node->inputs[index]);
}

static bool is_one_of(const struct onnx_node *node, const char *const *op_types)
{
    for (; *op_types != NULL; op_types++)
        if (onnx_is_operator(node, *op_types)) return true;
    return false;
}

/* ---- facts ---- */

/* 1 for padding that only SAME makes, 0 for the symmetric one, -1 for a window of 1. An export of SAME padding has
 * auto_pad, uneven pads, or no pads behind a Pad node. */
static int padding_of(const struct onnx_node *convolution, const struct tensor *weight)
{
    if (weight->shape[2] <= 1) return -1;
    const struct onnx_attribute *automatic = onnx_attribute_find(convolution, "auto_pad");
    if (automatic != NULL && strcmp(automatic->string, "SAME_UPPER") == 0) return 1;
    const struct onnx_attribute *pads = onnx_attribute_find(convolution, "pads");
    if (pads == NULL || pads->integer_count != 4) return 1;
    const int64_t symmetric = (int64_t)(weight->shape[2] - 1) / 2;
    for (int i = 0; i < 4; i++)
        if (pads->integers[i] != symmetric) return 1;
    return 0;
}

static void note_convolution(struct onnx_facts *facts, const struct onnx_node *node, const struct tensor *weight)
{
    if (facts->convolutions == 0) facts->stem = weight->shape[0];
    facts->features = weight->shape[0];
    facts->convolutions++;
    int padding = padding_of(node, weight);
    /* At some sizes SAME is even in most layers: one uneven layer decides. */
    if (padding > facts->same_padding) facts->same_padding = padding;
}

/* Up from the first convolution to the graph's input. What only moves pixels or changes their type is no preparation.
 */
static void note_input(struct onnx_facts *facts, const struct onnx_model *model, const struct onnx_node *convolution)
{
    static const char *const moving[] = {"Pad", "Identity", "Cast", "Transpose", NULL};
    const char *value = convolution->inputs[0];
    const struct onnx_node *node = onnx_producer(model, value);
    for (int i = 0; i < NODES_FOLLOWED && node != NULL && node->input_count > 0; i++) {
        bool turned = node->input_count > 1 && constant_value(model, node->inputs[0]) != NULL;
        if (!is_one_of(node, moving)) facts->prepares = true;
        value = node->inputs[turned ? 1 : 0];
        node = onnx_producer(model, value);
    }
    for (size_t i = 0; i < model->input_count; i++) {
        const struct onnx_value *input = &model->inputs[i];
        if (strcmp(input->name, value) != 0 || input->rank != 4) continue;
        int first = input->shape[1] == 3 ? 2 : 1; /* [N,3,H,W] or [N,H,W,3] */
        if (input->shape[first] == input->shape[first + 1] && input->shape[first] > 0)
            facts->side = input->shape[first];
    }
}

status onnx_graph_facts(const struct onnx_model *model, struct onnx_facts *facts, struct error *err)
{
    *facts = (struct onnx_facts){.same_padding = -1};
    if (model->node_count > MOST_NODES) return error_set(err, "%zu nodes: no EfficientNet", model->node_count);
    for (size_t i = 0; i < model->node_count && facts->convolutions < MOST_CONVOLUTIONS; i++) {
        const struct onnx_node *node = &model->nodes[i];
        if (onnx_is_operator(node, "BatchNormalization") && facts->bn_epsilon == 0) {
            const struct onnx_attribute *epsilon = onnx_attribute_find(node, "epsilon");
            facts->bn_epsilon = epsilon == NULL ? 1e-5 : (double)epsilon->real;
        }
        if (!onnx_is_operator(node, "Conv")) continue;
        const struct tensor *weight = constant_input(model, node, 1);
        if (weight == NULL || weight->rank != 4)
            return error_set(err, "the weight of Conv number %zu is not in the file as a constant",
                             facts->convolutions);
        if (facts->convolutions == 0) note_input(facts, model, node);
        note_convolution(facts, node, weight);
    }
    /* SAME that is even everywhere (odd input sizes) has its epsilon to tell it by, when batch-norm is there. */
    if (facts->same_padding == 0 && fabs(facts->bn_epsilon - 1e-3) < 1e-6) facts->same_padding = 1;
    return STATUS_OK;
}

/* A gate has two. */
static size_t layer_convolutions(const struct layer *layer)
{
    return layer->operation == LAYER_SQUEEZE_EXCITE ? 2 : 1;
}

size_t onnx_graph_convolutions(const struct architecture *architecture)
{
    struct layers layers;
    size_t count = 0;
    layers_describe(&layers, architecture, architecture->image_size);
    for (size_t i = 0; i < layers.count; i++) count += layer_convolutions(&layers.items[i]);
    return count;
}

bool onnx_graph_architecture(struct architecture *architecture, const struct onnx_facts *facts, bool same_padding)
{
    for (const char *const *name = architecture_names(); *name != NULL; name++) {
        if (architecture_find(architecture, *name, NULL) != STATUS_OK) continue;
        if (architecture->same_padding == same_padding && (size_t)architecture->stem == facts->stem &&
            onnx_graph_convolutions(architecture) == facts->convolutions &&
            (size_t)architecture->features == facts->features)
            return true;
    }
    return false;
}

/* ---- weights ---- */

/* The convolutions of a network in the order they are run. */
struct planned {
    char convolution[48];
    char batchnorm[LAYER_NAME_BYTES]; /* "": a bias instead */
};

struct plan {
    struct planned items[MOST_CONVOLUTIONS];
    size_t count;
};

/* Every tensor of rank 4 is a convolution's weight. */
static void plan_make(struct plan *plan, const struct architecture *architecture)
{
    struct layers layers;
    struct layer_tensor tensors[LAYER_MOST_TENSORS];
    layers_describe(&layers, architecture, architecture->image_size);
    plan->count = 0;
    for (size_t i = 0; i < layers.count; i++) {
        size_t count = layer_tensors(&layers.items[i], tensors);
        for (size_t t = 0; t < count; t++) {
            if (tensors[t].rank != 4) continue;
            BUG_UNLESS(plan->count < MOST_CONVOLUTIONS);
            struct planned *item = &plan->items[plan->count++];
            memcpy(item->convolution, tensors[t].owner, sizeof item->convolution);
            memcpy(item->batchnorm, layers.items[i].norm, sizeof item->batchnorm);
        }
    }
}

struct collection {
    const struct onnx_model *model;
    const struct architecture *architecture;
    struct pool *pool;
    struct tensor *tensors;
    size_t count, capacity;
    bool folded;
    struct error *err;
};

/* Adds a tensor as LAYER.PART. */
static status collect(struct collection *collection, const char *layer, const char *part, const struct tensor *tensor)
{
    char name[96];
    BUG_UNLESS(collection->count < collection->capacity);
    int length = snprintf(name, sizeof name, "%s.%s", layer, part);
    struct tensor *item = &collection->tensors[collection->count];
    *item = *tensor;
    item->name = pool_string(collection->pool, name, (size_t)length, collection->err);
    if (item->name == NULL) return STATUS_FAILED;
    collection->count++;
    return STATUS_OK;
}

static status collect_constant(struct collection *collection, const char *layer, const char *part, size_t channels,
                               float value)
{
    struct tensor tensor = {.type = TENSOR_F32};
    float *values = pool_take(collection->pool, channels, sizeof *values, collection->err);
    if (values == NULL) return STATUS_FAILED;
    for (size_t i = 0; i < channels; i++) values[i] = value;
    BUG_UNLESS(tensor_set_shape(&tensor, 1, &channels));
    tensor.data = (const uint8_t *)values;
    return collect(collection, layer, part, &tensor);
}

static status collect_folded(struct collection *collection, const char *layer, const struct tensor *bias)
{
    collection->folded = true;
    size_t channels = bias->count;
    float weight = (float)sqrt(1 + collection->architecture->bn_epsilon);
    status result = collect(collection, layer, "bias", bias);
    if (result == STATUS_OK) result = collect_constant(collection, layer, "weight", channels, weight);
    if (result == STATUS_OK) result = collect_constant(collection, layer, "running_mean", channels, 0);
    if (result == STATUS_OK) result = collect_constant(collection, layer, "running_var", channels, 1);
    return result;
}

/* BatchNormalization's inputs: X, scale, B, mean, variance. */
static status collect_batchnorm(struct collection *collection, const char *layer, const struct onnx_node *node)
{
    static const char *const parts[] = {"weight", "bias", "running_mean", "running_var"};
    for (size_t i = 0; i < 4; i++) {
        const struct tensor *tensor = constant_input(collection->model, node, i + 1);
        if (tensor == NULL) return error_set(collection->err, "the numbers of '%s' are not in the file", layer);
        status result = collect(collection, layer, parts[i], tensor);
        if (result != STATUS_OK) return result;
    }
    return STATUS_OK;
}

static status collect_convolution(struct collection *collection, const struct planned *planned,
                                  const struct onnx_node *node)
{
    const struct onnx_model *model = collection->model;
    const struct tensor *weight = constant_input(model, node, 1), *bias = constant_input(model, node, 2);
    if (weight == NULL || node->output_count == 0)
        return error_set(collection->err, "the weight of '%s' is not in the file", planned->convolution);
    status result = collect(collection, planned->convolution, "weight", weight);
    if (result != STATUS_OK) return result;
    if (planned->batchnorm[0] == '\0') {
        if (bias == NULL) return error_set(collection->err, "'%s' has no bias", planned->convolution);
        return collect(collection, planned->convolution, "bias", bias);
    }
    const struct onnx_node *batchnorm = onnx_consumer(model, "BatchNormalization", node->outputs[0]);
    if (batchnorm != NULL && bias != NULL)
        return error_set(collection->err, "'%s' has a bias and batch-norm behind it", planned->convolution);
    if (batchnorm != NULL) return collect_batchnorm(collection, planned->batchnorm, batchnorm);
    if (bias != NULL) return collect_folded(collection, planned->batchnorm, bias);
    return error_set(collection->err, "'%s' has neither batch-norm nor bias", planned->convolution);
}

/* ---- the layers on the features ---- */

/* y = W x + b of a Gemm, or of a MatMul and the Add behind it. */
struct linear_node {
    const struct onnx_node *node;
    const struct tensor *constant; /* the weight as it stands in the file */
    struct tensor weight;          /* [outputs, inputs] */
    const struct tensor *bias;     /* NULL: zeros */
    const char *output;
    bool is_hidden; /* another layer takes what it gives */
};

static void turn(struct tensor *weight)
{
    struct tensor was = *weight;
    for (int i = 0; i < 2; i++) {
        weight->shape[i] = was.shape[1 - i];
        weight->strides[i] = was.strides[1 - i];
    }
}

/* Gemm can do more than a linear layer does: scale, and transpose its input. */
static bool is_plain(const struct onnx_node *node)
{
    if (!onnx_is_operator(node, "Gemm")) return true;
    const struct onnx_attribute *alpha = onnx_attribute_find(node, "alpha"), *beta = onnx_attribute_find(node, "beta");
    return (alpha == NULL || alpha->real == 1) && (beta == NULL || beta->real == 1) &&
           onnx_attribute_integer(node, "transA", 0) == 0;
}

/* Whether a node is a linear layer with its weight in the file, and which. */
static bool read_weight(struct linear_node *linear, const struct onnx_model *model, const struct onnx_node *node)
{
    bool gemm = onnx_is_operator(node, "Gemm");
    if (!gemm && !onnx_is_operator(node, "MatMul")) return false;
    const struct tensor *weight = constant_input(model, node, 1);
    if (weight == NULL || weight->rank != 2 || node->output_count == 0) return false;
    *linear = (struct linear_node){.node = node, .constant = weight, .weight = *weight, .output = node->outputs[0]};
    if (!gemm || onnx_attribute_integer(node, "transB", 0) == 0) turn(&linear->weight);
    return true;
}

/* Its bias too; false when what it adds is no bias, or not in the file. */
static bool read_bias(struct linear_node *linear, const struct onnx_model *model)
{
    const struct onnx_node *node = linear->node;
    if (onnx_is_operator(node, "Gemm")) {
        if (node->input_count < 3 || node->inputs[2][0] == '\0') return true;
        linear->bias = constant_input(model, node, 2);
    } else {
        const struct onnx_node *add = onnx_consumer(model, "Add", linear->output);
        if (add == NULL || add->output_count == 0) return true;
        linear->bias = constant_input(model, add, 1);
        if (linear->bias == NULL) linear->bias = constant_input(model, add, 0);
        linear->output = add->outputs[0];
    }
    return linear->bias != NULL && linear->bias->count == linear->weight.shape[0];
}

/* Whether a value is the pooled features, in whatever shape. */
static bool is_pooled(const struct onnx_model *model, const char *value)
{
    static const char *const pooling[] = {"GlobalAveragePool", "ReduceMean", "AveragePool", NULL};
    static const char *const passing[] = {"Flatten", "Squeeze", "Reshape", "Dropout", "Identity", "Cast", NULL};
    for (int i = 0; i < NODES_FOLLOWED; i++) {
        const struct onnx_node *node = onnx_producer(model, value);
        if (node == NULL || node->input_count == 0) return false;
        if (is_one_of(node, pooling)) return true;
        if (!is_one_of(node, passing)) return false;
        value = node->inputs[0];
    }
    return false;
}

/* The linear layer whose output, by way of whatever, a node takes; NULL when it takes none's. */
static const struct onnx_node *layer_before(const struct onnx_model *model, const struct onnx_node *node)
{
    struct linear_node unused;
    for (int i = 0; i < NODES_FOLLOWED && node->input_count > 0; i++) {
        bool turned = node->input_count > 1 && constant_value(model, node->inputs[0]) != NULL;
        node = onnx_producer(model, node->inputs[turned ? 1 : 0]);
        if (node == NULL || read_weight(&unused, model, node)) return node;
    }
    return NULL;
}

/* The layers at the graph's end: those on the features, and what is not read of the others. */
struct tail {
    struct linear_node layers[MOST_HEADS];
    size_t count;
    char *unread; /* [ONNX_UNREAD_BYTES] */
    size_t length;
};

static void list_unread(struct tail *tail, const struct linear_node *linear)
{
    char name[TENSOR_NAME_TEXT], shape[TENSOR_SHAPE_TEXT];
    size_t left = ONNX_UNREAD_BYTES - tail->length;
    int length = snprintf(tail->unread + tail->length, left, "%s '%s' %s",
                          tail->length == 0 ? "a head of several layers is not read:" : ",",
                          tensor_name_text(name, sizeof name, linear->constant->name),
                          tensor_shape_text(shape, sizeof shape, linear->weight.rank, linear->weight.shape));
    tail->length += (size_t)length < left ? (size_t)length : left - 1;
}

/* A layer behind others, or that is read for another reason; those it stands on are none on the features alone. */
static void note_deeper(struct tail *tail, const struct onnx_model *model, const struct linear_node *linear)
{
    const struct onnx_node *before = layer_before(model, linear->node);
    for (size_t i = 0; i < tail->count; i++) {
        if (tail->layers[i].node != before || tail->layers[i].is_hidden) continue;
        tail->layers[i].is_hidden = true;
        list_unread(tail, &tail->layers[i]);
    }
    list_unread(tail, linear);
}

static status find_tail(struct tail *tail, const struct collection *collection)
{
    const struct onnx_model *model = collection->model;
    for (size_t i = 0; i < model->node_count; i++) {
        struct linear_node linear;
        if (!read_weight(&linear, model, &model->nodes[i])) continue;
        bool fits = linear.weight.shape[1] == (size_t)collection->architecture->features &&
                    is_pooled(model, linear.node->inputs[0]) && read_bias(&linear, model);
        if (fits && tail->count == MOST_HEADS)
            return error_set(collection->err, "more than %d linear layers on the features", MOST_HEADS);
        if (fits)
            tail->layers[tail->count++] = linear;
        else
            note_deeper(tail, model, &linear);
    }
    return STATUS_OK;
}

static status collect_linear(struct collection *collection, const char *layer, const struct linear_node *linear)
{
    status result = collect(collection, layer, "weight", &linear->weight);
    if (result != STATUS_OK) return result;
    if (linear->bias != NULL) return collect(collection, layer, "bias", linear->bias);
    return collect_constant(collection, layer, "bias", linear->weight.shape[0], 0);
}

static status check_classifiers(const struct collection *collection, size_t fitting,
                                const struct linear_node *classifier)
{
    if (fitting > 1 && strcmp(classifier->output, ONNX_LOGITS) != 0)
        return error_set(collection->err,
                         "%zu linear layers on the features, and none's output is called " ONNX_LOGITS
                         ": which of them is the classifier is not known",
                         fitting);
    if (!is_plain(classifier->node))
        return error_set(collection->err, "the classifier's Gemm scales, or transposes its input");
    return STATUS_OK;
}

/* The classifier is the linear layer on the features, of several that whose output is called logits; beside it rmfer's
 * own exports may have the head for valence and arousal. A graph without any is a backbone. */
static status collect_heads(struct collection *collection, char unread[ONNX_UNREAD_BYTES])
{
    struct tail tail = {.unread = unread};
    const struct linear_node *classifier = NULL;
    size_t fitting = 0;
    bool has_affect = false;
    status result = find_tail(&tail, collection);
    for (size_t i = 0; i < tail.count && result == STATUS_OK; i++) {
        const struct linear_node *linear = &tail.layers[i];
        if (linear->is_hidden) continue;
        if (strcmp(linear->output, ONNX_VALENCE_AROUSAL) == 0 && linear->weight.shape[0] == AFFECT_DIMENSIONS) {
            if (!has_affect) result = collect_linear(collection, "va", linear);
            has_affect = true;
        } else if (fitting++ == 0 || strcmp(classifier->output, ONNX_LOGITS) != 0) {
            classifier = linear;
        }
    }
    if (result != STATUS_OK || classifier == NULL) return result;
    unread[0] = '\0';
    result = check_classifiers(collection, fitting, classifier);
    return result == STATUS_OK ? collect_linear(collection, "classifier", classifier) : result;
}

status onnx_graph_weights(struct onnx_weights *weights, const struct onnx_model *model,
                          const struct architecture *architecture, struct pool *pool, struct error *err)
{
    struct plan plan;
    *weights = (struct onnx_weights){0};
    plan_make(&plan, architecture);
    struct collection collection = {.model = model, .architecture = architecture, .pool = pool, .err = err};
    collection.capacity = 5 * plan.count + 4;
    collection.tensors = pool_take(pool, collection.capacity, sizeof *collection.tensors, err);
    if (collection.tensors == NULL) return STATUS_FAILED;
    size_t seen = 0;
    status result = STATUS_OK;
    for (size_t i = 0; result == STATUS_OK && i < model->node_count; i++) {
        if (!onnx_is_operator(&model->nodes[i], "Conv")) continue;
        if (seen < plan.count) result = collect_convolution(&collection, &plan.items[seen], &model->nodes[i]);
        seen++;
    }
    if (result == STATUS_OK && seen != plan.count)
        result = error_set(err, "%zu convolutions, %s has %zu", seen, architecture->name, plan.count);
    if (result == STATUS_OK) result = collect_heads(&collection, weights->unread);
    if (result != STATUS_OK) return result;
    qsort(collection.tensors, collection.count, sizeof *collection.tensors, tensor_compare_names);
    weights->tensors = collection.tensors;
    weights->count = collection.count;
    weights->folded = collection.folded;
    return STATUS_OK;
}
