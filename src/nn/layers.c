/* The list of layers: EfficientNet's wiring (Tan and Le 2019) in timm's order and names, said here and nowhere else. */
#include "rmfer/nn/layers.h"

#include "rmfer/base/real.h"
#include "rmfer/ops/stem.h"

#include <stdio.h>
#include <string.h>

/* The list while it grows: where the next layer's input comes from. */
struct list_builder {
    struct layers *layers;
    const struct architecture *architecture;
    int side;  /* of the map so far */
    int norms; /* batch-norms of the present block, or outside of blocks */
    int block; /* -1 outside of blocks */
};

/* "conv_pw" as "blocks.2.1.conv_pw" inside a block. */
static void set_name(const struct list_builder *b, char name[LAYER_NAME_BYTES], const char *own)
{
    if (b->block < 0) {
        snprintf(name, LAYER_NAME_BYTES, "%s", own);
        return;
    }
    const struct block_shape *block = &b->architecture->blocks[b->block];
    snprintf(name, LAYER_NAME_BYTES, "blocks.%d.%d.%s", block->stage, block->index, own);
}

static size_t count_parameters(const struct layer *layer)
{
    struct layer_tensor tensors[LAYER_MOST_TENSORS];
    size_t count = layer_tensors(layer, tensors), total = 0;
    for (size_t i = 0; i < count; i++) {
        if (tensors[i].is_buffer) continue;
        size_t numbers = 1;
        for (int axis = 0; axis < tensors[i].rank; axis++) numbers *= tensors[i].shape[axis];
        total += numbers;
    }
    return total;
}

/* What backbone_plan.c keeps of a layer from forward to backward, in reals an image. */
static size_t count_saved(const struct layer *layer)
{
    size_t map = layer_output_pixels(layer) * layer->output;
    switch (layer->role) {
    case ROLE_GATE: return 5 * layer->output + 2 * layer->squeezed; /* sums [3], mean, gate; and between the two */
    case ROLE_PROJECT: return 2 * map + 1;          /* before batch-norm, the block's output, drop-path */
    case ROLE_HEAD: return map + 3 * layer->output; /* and the sums [3] over its pixels */
    case ROLE_STEM:
    case ROLE_EXPAND:
    case ROLE_DEPTHWISE: break;
    }
    return map;
}

static double count_multiply_adds(const struct layer *layer)
{
    if (layer->operation == LAYER_SQUEEZE_EXCITE) return 2.0 * (double)(layer->output * layer->squeezed);
    size_t window = (size_t)(layer->kernel * layer->kernel) * (layer->input / (size_t)layer->groups);
    return (double)layer_output_pixels(layer) * (double)(window * layer->output);
}

static struct layer *append(struct list_builder *b, const char *name, struct layer layer)
{
    BUG_UNLESS(b->layers->count < LAYER_MOST);
    struct layer *row = &b->layers->items[b->layers->count++];
    *row = layer;
    row->block = row->stage = row->index = b->block;
    row->activates = layer.operation != LAYER_SQUEEZE_EXCITE && layer.role != ROLE_PROJECT;
    row->adds_input = layer.role == ROLE_PROJECT && b->architecture->blocks[b->block].has_residual;
    if (b->block >= 0) {
        row->stage = b->architecture->blocks[b->block].stage;
        row->index = b->architecture->blocks[b->block].index;
    }
    set_name(b, row->name, name);
    return row;
}

static void finish(struct layer *row)
{
    row->parameters = count_parameters(row);
    row->multiply_adds = count_multiply_adds(row);
    row->saved_reals = count_saved(row);
    row->saved_map = row->role == ROLE_GATE ? 0 : layer_output_pixels(row) * row->output;
}

/* A convolution of the map so far and its batch-norm: "bn1", "bn2" ... in their order. */
static struct layer *add_convolution(struct list_builder *b, const char *name, struct layer layer)
{
    const struct architecture *a = b->architecture;
    struct layer *row = append(b, name, layer);
    int output = convolution_output(a, b->side, row->kernel, row->stride);
    int before = convolution_padding(a, b->side, row->kernel, row->stride);
    int after = a->same_padding ? (output - 1) * row->stride + row->kernel - b->side - before : before;
    char norm[16];
    snprintf(norm, sizeof norm, "bn%d", ++b->norms);
    set_name(b, row->norm, norm);
    row->side_in = (size_t)b->side;
    row->side_out = (size_t)output;
    row->pad_before = (size_t)before;
    row->pad_after = after > 0 ? (size_t)after : 0;
    b->side = output;
    finish(row);
    return row;
}

static void add_conv1x1(struct list_builder *b, const char *name, enum layer_role role, int input, int output)
{
    add_convolution(b, name,
                    (struct layer){.operation = LAYER_CONV1X1,
                                   .role = role,
                                   .kernel = 1,
                                   .stride = 1,
                                   .groups = 1,
                                   .input = (size_t)input,
                                   .output = (size_t)output});
}

static void add_depthwise(struct list_builder *b, const struct block_shape *block)
{
    size_t channels = (size_t)block->expanded;
    add_convolution(b, "conv_dw",
                    (struct layer){.operation = LAYER_DEPTHWISE,
                                   .role = ROLE_DEPTHWISE,
                                   .kernel = block->kernel,
                                   .stride = block->stride,
                                   .groups = block->expanded,
                                   .input = channels,
                                   .output = channels});
}

static void add_gate(struct list_builder *b, const struct block_shape *block)
{
    size_t channels = (size_t)block->expanded;
    finish(append(b, "se",
                  (struct layer){.operation = LAYER_SQUEEZE_EXCITE,
                                 .role = ROLE_GATE,
                                 .kernel = 1,
                                 .stride = 1,
                                 .groups = 1,
                                 .input = channels,
                                 .output = channels,
                                 .squeezed = (size_t)block->squeezed,
                                 .side_in = (size_t)b->side,
                                 .side_out = 1}));
}

/* MBConv: [expand 1x1] -> depthwise -> gate -> project 1x1 [+ the block's input]. */
static void add_block(struct list_builder *b, int number)
{
    const struct block_shape *block = &b->architecture->blocks[number];
    b->block = number;
    b->norms = 0;
    if (block->has_expansion) add_conv1x1(b, "conv_pw", ROLE_EXPAND, block->input, block->expanded);
    add_depthwise(b, block);
    add_gate(b, block);
    add_conv1x1(b, block->has_expansion ? "conv_pwl" : "conv_pw", ROLE_PROJECT, block->expanded, block->output);
}

void layers_describe(struct layers *layers, const struct architecture *a, int image_size)
{
    struct list_builder b = {.layers = layers, .architecture = a, .side = image_size, .block = -1};
    layers->count = 0;
    add_convolution(&b, "conv_stem",
                    (struct layer){.operation = LAYER_STEM,
                                   .role = ROLE_STEM,
                                   .kernel = STEM_KERNEL,
                                   .stride = STEM_STRIDE,
                                   .groups = 1,
                                   .input = STEM_INPUT,
                                   .output = (size_t)a->stem});
    for (int i = 0; i < a->block_count; i++) add_block(&b, i);
    b.block = -1;
    b.norms = 1; /* bn1 stands behind the stem */
    add_conv1x1(&b, "conv_head", ROLE_HEAD, a->blocks[a->block_count - 1].output, a->features);
}

/* ---- tensors ----------------------------------------------------------------------------------------------------- */

static struct layer_tensor *name_tensor(struct layer_tensor *tensor, enum layer_part part, const char *layer,
                                        const char *kind)
{
    static const char *const suffixes[] = {
        [PART_CONVOLUTION] = "", [PART_NORM] = "", [PART_REDUCE] = ".conv_reduce", [PART_EXPAND] = ".conv_expand"};
    *tensor = (struct layer_tensor){.part = part, .kind = kind};
    snprintf(tensor->owner, sizeof tensor->owner, "%s%s", layer, suffixes[part]);
    snprintf(tensor->name, sizeof tensor->name, "%s.%s", tensor->owner, kind);
    return tensor;
}

/* [output, input of a group, kernel, kernel] */
static void add_weight(struct layer_tensor *tensor, enum layer_part part, const struct layer *layer, size_t output,
                       size_t input)
{
    name_tensor(tensor, part, layer->name, "weight");
    tensor->rank = 4;
    tensor->shape[0] = output;
    tensor->shape[1] = input;
    tensor->shape[2] = tensor->shape[3] = (size_t)layer->kernel;
}

static struct layer_tensor *add_vector(struct layer_tensor *tensor, enum layer_part part, const char *layer,
                                       const char *kind, size_t count)
{
    name_tensor(tensor, part, layer, kind);
    tensor->rank = 1;
    tensor->shape[0] = count;
    return tensor;
}

size_t layer_tensors(const struct layer *layer, struct layer_tensor tensors[LAYER_MOST_TENSORS])
{
    struct layer_tensor *next = tensors;
    if (layer->operation == LAYER_SQUEEZE_EXCITE) {
        add_weight(next++, PART_REDUCE, layer, layer->squeezed, layer->input);
        add_vector(next++, PART_REDUCE, layer->name, "bias", layer->squeezed);
        add_weight(next++, PART_EXPAND, layer, layer->output, layer->squeezed);
        add_vector(next++, PART_EXPAND, layer->name, "bias", layer->output);
        return (size_t)(next - tensors);
    }
    add_weight(next++, PART_CONVOLUTION, layer, layer->output, layer->input / (size_t)layer->groups);
    add_vector(next++, PART_NORM, layer->norm, "weight", layer->output);
    add_vector(next++, PART_NORM, layer->norm, "bias", layer->output);
    add_vector(next++, PART_NORM, layer->norm, "running_mean", layer->output)->is_buffer = true;
    add_vector(next++, PART_NORM, layer->norm, "running_var", layer->output)->is_buffer = true;
    return (size_t)(next - tensors);
}
