/* The network as one list of layers, described once: whatever goes through the layers walks this list.
 *
 * A row is a convolution with the batch-norm behind it, or the gate of a block (squeeze-and-excitation). It says the
 * layer's name, operation and place in its block, its channels, window and maps at one image size, its tensors, and
 * what it keeps from forward to backward. The registry of parameters, binding, packing, the memory plans, `rmfer info`
 * and `rmfer bench`, foreign names and the ONNX graph follow from it. In which way the rows feed each other is said
 * where they are run: nn/backbone_forward.c, mirrored by nn/backbone_backward.c, and nn/inference.c. */
#ifndef RMFER_NN_LAYERS_H
#define RMFER_NN_LAYERS_H

#include "rmfer/nn/architecture.h"

enum layer_operation {
    LAYER_STEM, /* a 3x3 convolution of stride 2 over the picture */
    LAYER_CONV1X1,
    LAYER_DEPTHWISE,
    LAYER_SQUEEZE_EXCITE, /* two 1x1 convolutions over the mean of a map give a factor for each of its channels */
};

/* What a layer is for. A block is expand (not always), depthwise, gate, project. */
enum layer_role { ROLE_STEM, ROLE_EXPAND, ROLE_DEPTHWISE, ROLE_GATE, ROLE_PROJECT, ROLE_HEAD };

enum { LAYER_NAME_BYTES = 32, LAYER_MOST = 2 + 4 * MOST_BLOCKS };

struct layer {
    char name[LAYER_NAME_BYTES]; /* timm's: "conv_stem", "blocks.2.1.conv_pw", "blocks.2.1.se" */
    char norm[LAYER_NAME_BYTES]; /* of the batch-norm behind it, "blocks.2.1.bn1"; "" behind a gate */
    enum layer_operation operation;
    enum layer_role role;
    int block, stage, index; /* its block's running number, and "blocks.STAGE.INDEX"; -1 outside of blocks */
    bool activates;          /* SiLU behind the batch-norm */
    bool adds_input;         /* a projection: the block's input is added behind the batch-norm */
    int kernel, stride, groups;
    size_t input, output;         /* channels */
    size_t squeezed;              /* channels between a gate's two convolutions; 0 elsewhere */
    size_t side_in, side_out;     /* of the square maps; a gate's output is 1x1 */
    size_t pad_before, pad_after; /* of a row or column */
    size_t parameters;            /* numbers that are learned, batch-norm's included */
    double multiply_adds;         /* forward, one image */
    size_t saved_reals;           /* kept for backward, one image */
    size_t saved_map;             /* of these, the numbers that a kept map has, which may be stored narrower */
};

struct layers {
    size_t count;
    struct layer items[LAYER_MOST]; /* in the order they are run */
};

/* Describes every layer of the architecture for square images of that size. */
void layers_describe(struct layers *layers, const struct architecture *architecture, int image_size);

/* Pixels of a layer's input and output maps. */
static inline size_t layer_input_pixels(const struct layer *layer)
{
    return layer->side_in * layer->side_in;
}

static inline size_t layer_output_pixels(const struct layer *layer)
{
    return layer->side_out * layer->side_out;
}

/* The part of a layer that a tensor belongs to. */
enum layer_part {
    PART_CONVOLUTION,
    PART_NORM,
    PART_REDUCE, /* a gate's first convolution, conv_reduce */
    PART_EXPAND, /* its second, conv_expand */
};

struct layer_tensor {
    char name[64];    /* timm's, "blocks.2.1.se.conv_reduce.weight": `owner`, a dot, `kind` */
    char owner[48];   /* "blocks.2.1.se.conv_reduce" */
    const char *kind; /* "weight", "bias", "running_mean", "running_var" */
    enum layer_part part;
    size_t shape[4]; /* PyTorch's layout: OIHW, or channels */
    int rank;
    bool is_buffer; /* a running statistic: not learned */
};

/* A layer's tensors in the registry's order. Returns how many there are. */
enum { LAYER_MOST_TENSORS = 5 };
size_t layer_tensors(const struct layer *layer, struct layer_tensor tensors[LAYER_MOST_TENSORS]);

#endif
