/* A model as an ONNX graph: batch-norm folded into the convolutions, SiLU and the gates as the operators that
 * runtimes fuse, optionally with the normalisation of bytes in front. Numbers only: no graph is optimised here. */
#include "rmfer/ckpt/export.h"

#include "ckpt/checkpoint_metadata.h"
#include "ckpt/onnx_write.h"
#include "ckpt/pool.h"
#include "rmfer/base/memory.h"
#include "rmfer/nn/layers.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { NAME_BYTES = 96 };

/* The network while it is written, and what the last node's output is called. */
struct graph {
    const struct model *model;
    struct onnx_writer writer;
    struct pool pool; /* folded weights */
    char value[NAME_BYTES];
};

#define INPUTS(...) ((const char *const[]){__VA_ARGS__, NULL})

/* ---- weights ---- */

static const struct parameter *find(const struct graph *graph, const char *layer, const char *part)
{
    char name[NAME_BYTES];
    snprintf(name, sizeof name, "%s.%s", layer, part);
    const struct parameter *entry = parameters_find(&graph->model->parameters, name);
    BUG_UNLESS(entry != NULL);
    return entry;
}

static const float *values_of(const struct graph *graph, const char *layer, const char *part)
{
    return parameter_values(&graph->model->parameters, find(graph, layer, part));
}

/* A layer's own weight and bias. */
static void add_plain_weights(struct graph *graph, const char *layer)
{
    static const char *const parts[] = {"weight", "bias"};
    for (int i = 0; i < 2; i++) {
        const struct parameter *entry = find(graph, layer, parts[i]);
        onnx_writer_initializer(&graph->writer, entry->name, entry->rank, entry->shape,
                                parameter_values(&graph->model->parameters, entry));
    }
}

/* y = gamma (W x - mean) / sqrt(var + eps) + beta = (scale W) x + (beta - scale mean), scale = gamma / sqrt(var +
 * eps), as CONVOLUTION.weight and CONVOLUTION.bias. */
static void add_folded_weights(struct graph *graph, const char *convolution, const char *batchnorm)
{
    const struct parameter *entry = find(graph, convolution, "weight");
    size_t channels = entry->shape[0], fan = entry->count / channels;
    const float *w = values_of(graph, convolution, "weight");
    const float *gamma = values_of(graph, batchnorm, "weight"), *beta = values_of(graph, batchnorm, "bias");
    const float *mean = values_of(graph, batchnorm, "running_mean"), *var = values_of(graph, batchnorm, "running_var");
    struct error *err = graph->writer.err;
    float *weight = pool_take(&graph->pool, entry->count, sizeof *weight, err);
    float *bias = pool_take(&graph->pool, channels, sizeof *bias, err);
    if (weight == NULL || bias == NULL) {
        graph->writer.result = STATUS_FAILED;
        return;
    }
    for (size_t c = 0; c < channels; c++) {
        double scale = gamma[c] / sqrt(var[c] + graph->model->architecture.bn_epsilon);
        for (size_t i = 0; i < fan; i++) weight[c * fan + i] = (float)(scale * w[c * fan + i]);
        bias[c] = (float)(beta[c] - scale * mean[c]);
    }
    char name[NAME_BYTES];
    onnx_writer_initializer(&graph->writer, entry->name, entry->rank, entry->shape, weight);
    snprintf(name, sizeof name, "%s.bias", convolution);
    onnx_writer_initializer(&graph->writer, name, 1, &channels, bias);
}

/* ---- nodes ---- */

/* Adds a node on the present value; its output, LAYER.suffix, becomes the present value. */
static void add_unary(struct graph *graph, const char *op_type, const char *layer, const char *suffix,
                      const struct onnx_written_attribute *attributes)
{
    char output[NAME_BYTES];
    snprintf(output, sizeof output, "%s.%s", layer, suffix);
    onnx_writer_node(&graph->writer, op_type, INPUTS(graph->value), output, attributes);
    memcpy(graph->value, output, sizeof output);
}

/* The same with a second input. */
static void add_binary(struct graph *graph, const char *op_type, const char *other, const char *layer,
                       const char *suffix)
{
    char output[NAME_BYTES];
    snprintf(output, sizeof output, "%s.%s", layer, suffix);
    onnx_writer_node(&graph->writer, op_type, INPUTS(graph->value, other), output, NULL);
    memcpy(graph->value, output, sizeof output);
}

/* x sigmoid(x), which ONNX has no operator for before opset 24. */
static void add_silu(struct graph *graph, const char *layer)
{
    char input[NAME_BYTES];
    memcpy(input, graph->value, sizeof input);
    add_unary(graph, "Sigmoid", layer, "sigmoid", NULL);
    add_binary(graph, "Mul", input, layer, "silu");
}

/* A convolution node of OWNER's weight and bias; pads are those of the image size that the graph is for, so that no
 * runtime has to know SAME. */
static void add_convolution(struct graph *graph, const struct layer *layer, const char *owner)
{
    char weight[NAME_BYTES], bias[NAME_BYTES], output[NAME_BYTES];
    int64_t kernel = layer->kernel, stride = layer->stride;
    int64_t before = (int64_t)layer->pad_before, after = (int64_t)layer->pad_after;
    snprintf(weight, sizeof weight, "%s.weight", owner);
    snprintf(bias, sizeof bias, "%s.bias", owner);
    snprintf(output, sizeof output, "%s.out", owner);
    const struct onnx_written_attribute attributes[] = {
        {.name = "kernel_shape", .count = 2, .integers = {kernel, kernel}},
        {.name = "strides", .count = 2, .integers = {stride, stride}},
        {.name = "pads", .count = 4, .integers = {before, before, after, after}},
        {.name = "group", .integer = layer->groups},
        {.name = NULL},
    };
    onnx_writer_node(&graph->writer, "Conv", INPUTS(graph->value, weight, bias), output, attributes);
    memcpy(graph->value, output, sizeof output);
}

/* x * sigmoid(W2 silu(W1 mean(x) + b1) + b2) */
static void add_squeeze_excite(struct graph *graph, const struct layer *layer)
{
    char input[NAME_BYTES];
    struct layer_tensor tensors[LAYER_MOST_TENSORS];
    memcpy(input, graph->value, sizeof input);
    add_unary(graph, "GlobalAveragePool", layer->name, "pool", NULL);
    size_t count = layer_tensors(layer, tensors);
    for (size_t i = 0; i < count; i++) {
        const char *owner = tensors[i].owner;
        if (tensors[i].rank != 4) continue;
        add_plain_weights(graph, owner);
        add_convolution(graph, layer, owner);
        if (tensors[i].part == PART_REDUCE)
            add_silu(graph, owner);
        else
            add_unary(graph, "Sigmoid", owner, "gate", NULL);
    }
    add_binary(graph, "Mul", input, layer->name, "out");
}

/* The next layer on the present value. `block_input` is the value that the layer's block began with. */
static void add_layer(struct graph *graph, const struct layer *layer, const char *block_input)
{
    if (layer->operation == LAYER_SQUEEZE_EXCITE) {
        add_squeeze_excite(graph, layer);
        return;
    }
    add_folded_weights(graph, layer->name, layer->norm);
    add_convolution(graph, layer, layer->name);
    if (layer->activates) add_silu(graph, layer->name);
    if (layer->adds_input) add_binary(graph, "Add", block_input, layer->name, "sum");
}

static void add_network(struct graph *graph, int image_size)
{
    struct layers layers;
    char block_input[NAME_BYTES] = "";
    layers_describe(&layers, &graph->model->architecture, image_size);
    for (size_t i = 0; i < layers.count; i++) {
        bool begins = i == 0 || layers.items[i].block != layers.items[i - 1].block;
        if (begins) memcpy(block_input, graph->value, sizeof block_input);
        add_layer(graph, &layers.items[i], block_input);
    }
}

/* ---- the graph's ends ---- */

/* uint8 [N,H,W,3] to normalised [N,3,H,W]: (x / 255 - mean) / std = x scale + shift. */
static void add_preprocessing(struct graph *graph, const struct checkpoint_info *info)
{
    static const struct onnx_written_attribute to_float[] = {{.name = "to", .integer = 1}, {.name = NULL}};
    static const struct onnx_written_attribute channels_first[] = {
        {.name = "perm", .count = 4, .integers = {0, 3, 1, 2}}, {.name = NULL}};
    static const size_t shape[4] = {1, 3, 1, 1};
    float *numbers = pool_take(&graph->pool, 6, sizeof *numbers, graph->writer.err);
    if (numbers == NULL) {
        graph->writer.result = STATUS_FAILED;
        return;
    }
    for (int c = 0; c < 3; c++) {
        numbers[c] = (float)(1 / (255 * info->std[c]));
        numbers[3 + c] = (float)(-info->mean[c] / info->std[c]);
    }
    onnx_writer_initializer(&graph->writer, "preprocess.scale", 4, shape, numbers);
    onnx_writer_initializer(&graph->writer, "preprocess.shift", 4, shape, numbers + 3);
    add_unary(graph, "Cast", "preprocess", "float", to_float);
    add_unary(graph, "Transpose", "preprocess", "channels_first", channels_first);
    add_binary(graph, "Mul", "preprocess.scale", "preprocess", "scaled");
    add_binary(graph, "Add", "preprocess.shift", "preprocess", "normalised");
}

static void add_input(struct graph *graph, const struct checkpoint_info *info, const struct export_options *options)
{
    size_t side = (size_t)info->image_size;
    const size_t channels_last[4] = {0, side, side, 3}, channels_first[4] = {0, 3, side, side};
    bool raw = options->with_preprocess;
    onnx_writer_end(&graph->writer, ONNX_INPUT, "input", raw ? TENSOR_U8 : TENSOR_F32, 4,
                    raw ? channels_last : channels_first);
    snprintf(graph->value, sizeof graph->value, "input");
    if (raw) add_preprocessing(graph, info);
}

static void add_classifier(struct graph *graph)
{
    static const struct onnx_written_attribute from_axis_one[] = {{.name = "axis", .integer = 1}, {.name = NULL}};
    static const struct onnx_written_attribute transposed[] = {{.name = "transB", .integer = 1}, {.name = NULL}};
    const size_t shape[2] = {0, (size_t)graph->model->classes};
    add_unary(graph, "GlobalAveragePool", "features", "pool", NULL);
    add_unary(graph, "Flatten", "features", "out", from_axis_one);
    add_plain_weights(graph, "classifier");
    onnx_writer_node(&graph->writer, "Gemm", INPUTS(graph->value, "classifier.weight", "classifier.bias"), ONNX_LOGITS,
                     transposed);
    onnx_writer_end(&graph->writer, ONNX_OUTPUT, ONNX_LOGITS, TENSOR_F32, 2, shape);
    if (!graph->model->has_affect) return;
    const size_t affect[2] = {0, AFFECT_DIMENSIONS};
    add_plain_weights(graph, "va");
    onnx_writer_node(&graph->writer, "Gemm", INPUTS(graph->value, "va.weight", "va.bias"), ONNX_VALENCE_AROUSAL,
                     transposed);
    onnx_writer_end(&graph->writer, ONNX_OUTPUT, ONNX_VALENCE_AROUSAL, TENSOR_F32, 2, affect);
}

status export_onnx(const char *path, const struct model *model, const struct checkpoint_info *info,
                   const struct export_options *options, struct error *err)
{
    struct graph graph = {.model = model, .writer = {.err = err}, .pool = pool_with_limits(SIZE_MAX / 2, SIZE_MAX)};
    struct metadata_list metadata = {0};
    /* What the configuration says of local paths is nobody's business who gets the network. */
    struct checkpoint_info public = *info;
    public.config = "";
    public.folded = true;
    add_input(&graph, info, options);
    add_network(&graph, info->image_size);
    add_classifier(&graph);
    status result = graph.writer.result;
    if (result == STATUS_OK) result = metadata_from_info(&metadata, model->architecture.name, &public, err);
    if (result == STATUS_OK) result = onnx_writer_save(&graph.writer, path, metadata.items, metadata.count, err);
    metadata_list_free(&metadata);
    onnx_writer_free(&graph.writer);
    pool_free(&graph.pool);
    return result;
}

/* ---- safetensors ---- */

static void copy_entry(struct model *to, const struct model *from, const struct parameter *entry)
{
    const struct parameter *source = parameters_find(&from->parameters, entry->name);
    BUG_UNLESS(source != NULL && source->count == entry->count);
    memcpy(parameter_write(&to->parameters, entry), parameter_values(&from->parameters, source),
           entry->count * sizeof(real));
}

static status write_bare(const char *path, const struct model *bare, const struct checkpoint_info *info, bool narrow,
                         struct error *err)
{
    return narrow ? checkpoint_write_narrow(path, bare, info, err) : checkpoint_write(path, bare, info, NULL, 0, err);
}

status export_safetensors(const char *path, const struct model *model, const struct checkpoint_info *info, bool narrow,
                          struct error *err)
{
    if (!model->has_heads) return write_bare(path, model, info, narrow, err);
    struct model bare;
    const struct model_heads heads = {.affect = model->has_affect, .without_gradients = true};
    status result = model_create_with(&bare, &model->architecture, model->classes, &heads, err);
    if (result != STATUS_OK) return result;
    for (size_t i = 0; i < bare.parameters.count; i++) copy_entry(&bare, model, &bare.parameters.items[i]);
    result = write_bare(path, &bare, info, narrow, err);
    model_free(&bare);
    return result;
}
