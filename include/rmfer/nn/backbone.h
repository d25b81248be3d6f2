/* f_Feat in training mode: images to pooled features and back, over memory planned once.
 *
 * Kept for the backward pass are the outputs of the convolutions (before batch-norm) and the blocks' outputs; what
 * batch-norm, SiLU and gates make of them is computed again where it is read. */
#ifndef RMFER_NN_BACKBONE_H
#define RMFER_NN_BACKBONE_H

#include "rmfer/nn/model.h"

#include <stdint.h>

struct backbone;

/* Plans memory for at most `batch` images. The model must outlive it. */
status backbone_create(struct backbone **backbone, struct model *model, int batch, int image_size,
                       struct error *err) MUST_CHECK;
void backbone_free(struct backbone *backbone);

struct backbone_pass {
    double bn_momentum; /* 0 leaves the running statistics alone */
    double drop_path;   /* of the last block; block i of n has drop_path * i / n */
    uint64_t seed, draw; /* key of the drop-path masks */
};

/* features [n,D] from images [n,H,W,3], with batch statistics. `images` must stay until the backward pass. */
void backbone_forward(struct backbone *backbone, const struct backbone_pass *pass, const real *images, int n,
                      real *features);

/* Adds the gradients of every backbone parameter for the last forward pass, from dfeatures [n,D]. */
void backbone_backward(struct backbone *backbone, const real *dfeatures);

size_t backbone_saved_bytes(const struct backbone *backbone);
size_t backbone_scratch_bytes(const struct backbone *backbone);

/* One line of the layer table: what `rmfer info` and `rmfer bench` print. */
struct layer_info {
    char name[48];
    int kernel, stride;
    size_t channels, side;           /* of the output */
    size_t parameters;               /* with batch-norm */
    double multiply_adds;            /* forward, one image */
    size_t saved_bytes;              /* kept for backward, one image */
    double forward_seconds, backward_seconds; /* summed since backbone_profile */
};

/* The layers in order; `layers` has room for LAYER_MOST. Returns how many there are. */
enum { LAYER_MOST = 2 + 4 * MOST_BLOCKS };
size_t backbone_layers(const struct architecture *architecture, int image_size, struct layer_info *layers);

/* From now on the seconds of every layer are added to `layers` (of backbone_layers); NULL stops that. */
void backbone_profile(struct backbone *backbone, struct layer_info *layers);

#endif
