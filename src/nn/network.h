/* A model's layers as operations: geometry for one image size, views into the parameters, and the room that packed
 * weights and batch-norm numbers need. Training (backbone.c) and inference (inference.c) are built on it. */
#ifndef RMFER_NN_NETWORK_H
#define RMFER_NN_NETWORK_H

#include "rmfer/base/plan.h"
#include "rmfer/nn/model.h"
#include "rmfer/ops/conv1x1.h"
#include "rmfer/ops/depthwise.h"
#include "rmfer/ops/squeeze_excite.h"
#include "rmfer/ops/stem.h"

#include <stdint.h>
#include <string.h>

struct network_block {
    struct block_shape shape;
    size_t input_pixels, output_pixels; /* of one image */
    struct conv1x1 expand, project;
    struct depthwise depthwise;
    struct squeeze_excite squeeze_excite;
    struct batchnorm bn_expand, bn_depthwise, bn_project;
};

struct network {
    struct architecture architecture;
    int image_size;
    struct stem stem;
    struct batchnorm bn_stem;
    struct network_block blocks[MOST_BLOCKS];
    int block_count;
    size_t head_pixels;
    struct conv1x1 head;
    struct batchnorm bn_head;
};

/* Fills in the geometry. */
void network_init(struct network *network, const struct architecture *architecture, int image_size);

/* Points every layer at the model's parameters (and gradients). */
void network_bind(struct network *network, const struct model *model);

/* Room for batch-norm numbers and packed weights, both ways where `with_backward`. */
void network_place(struct network *network, const struct op_context *context, bool with_backward, struct plan *plan);

/* Packs every layer's present weights. */
void network_pack(struct network *network, const struct op_context *context);

/* Scratch of one thread, in reals, for at most `images` images. */
size_t network_scratch_reals(const struct network *network, const struct op_context *context, size_t images);

#endif
