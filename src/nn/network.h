/* A model's layers as operations: the list of layers with geometry, views into the parameters, and the room that packed
 * weights and batch-norm numbers need. Training (backbone_*.c) and inference (inference.c) are built on it.
 *
 * Every function here walks the list; how the layers feed each other is not its matter. */
#ifndef RMFER_NN_NETWORK_H
#define RMFER_NN_NETWORK_H

#include "rmfer/base/plan.h"
#include "rmfer/nn/layers.h"
#include "rmfer/nn/model.h"
#include "rmfer/ops/conv1x1.h"
#include "rmfer/ops/depthwise.h"
#include "rmfer/ops/squeeze_excite.h"
#include "rmfer/ops/stem.h"

struct network_layer {
    const struct layer *row; /* the member of the union is that of row->operation */
    union {
        struct stem stem;
        struct conv1x1 conv1x1;
        struct depthwise depthwise;
        struct squeeze_excite squeeze_excite;
    };
    struct batchnorm bn; /* behind the convolution; not used of a gate */
};

/* The layers of one block by what they are for. */
struct network_block {
    struct network_layer *expand; /* NULL without expansion */
    struct network_layer *depthwise, *gate, *project;
};

/* Points into itself: never copied. */
struct network {
    struct layers list;
    struct network_layer layers[LAYER_MOST]; /* [list.count] */
    struct network_layer *stem, *head;
    struct network_block blocks[MOST_BLOCKS];
    int block_count;
};

/* Fills in the geometry. */
void network_init(struct network *network, const struct architecture *architecture, int image_size);

/* Points every layer at the model's parameters (and gradients). */
void network_bind(struct network *network, const struct model *model);

/* Room for packed weights, both ways where `with_backward`. */
void network_place_weights(struct network *network, const struct op_context *context, bool with_backward,
                           struct plan *plan);

/* Room for the numbers of every batch-norm. */
void network_place_norms(struct network *network, struct plan *plan);

/* Packs every layer's present weights. */
void network_pack(struct network *network, const struct op_context *context);

/* Lets `network` use the packed weights of `from`, of the same architecture. */
void network_share_weights(struct network *network, const struct network *from);

/* Batch-norm's scales and shifts from the running statistics. */
void network_use_running_statistics(struct network *network);

/* Scratch of one thread, in reals, for at most `images` images. */
size_t network_scratch_reals(const struct network *network, const struct op_context *context, size_t images);

/* The largest maps of one image, in reals, where nothing is kept and the layers take turns in them. */
struct shared_maps {
    size_t narrow;         /* a block's input or output */
    size_t wide;           /* what the depthwise convolution or the last pooling reads */
    size_t depthwise;      /* what the depthwise convolution writes */
    size_t gate, squeezed; /* a gate's factors, and what is between its two convolutions */
};

struct shared_maps network_shared_maps(const struct network *network);

/* A layer's place in the list. */
static inline size_t network_index(const struct network *network, const struct network_layer *layer)
{
    return (size_t)(layer - network->layers);
}

/* How a layer's output map, or a gate's input map, of so many images is cut into tiles. */
static inline struct tiling layer_tiling(const struct op_context *context, const struct layer *row, size_t images)
{
    bool gate = row->operation == LAYER_SQUEEZE_EXCITE;
    return tiling_of(context, images, gate ? layer_input_pixels(row) : layer_output_pixels(row));
}

#endif
