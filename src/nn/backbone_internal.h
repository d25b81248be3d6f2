/* What planning, forward and backward of the backbone share: who owns which piece of memory. */
#ifndef RMFER_NN_BACKBONE_INTERNAL_H
#define RMFER_NN_BACKBONE_INTERNAL_H

#include "nn/network.h"
#include "rmfer/base/random.h"
#include "rmfer/nn/backbone.h"

struct backbone {
    struct model *model;
    struct network network;         /* geometry and packed weights; batch-norm's numbers are each pass's own */
    struct parameters_stamp packed; /* of the weights when they were packed */
    size_t packs;
    struct op_context context;
    enum storage storage; /* of kept maps, of passes that are made from now on */
    struct arena arena;
    int image_size, batch;
    struct layer_time *times;
    const struct machines *machines; /* of passes that are made from now on */
    bool synchronised;
    size_t first_gradient[LAYER_MOST]; /* of each layer, in the slab */
    /* What one backward pass needs while it runs, for `batch` images. */
    real *gradient; /* of a block's output, then of its input */
    real *segment_sums, *image_sums, *sums;
    real *gate_gradient, *mean_gradient, *squeeze_room;
    real *partials; /* a thread's own sums of weight gradients */
};

/* The large gradients of one block. They lie where the maps of later layers were, which nobody reads any more when this
 * block goes back. */
struct block_gradients {
    real *expanded; /* of the gated map */
    real *input;    /* of the depthwise input before SiLU */
};

/* What a layer leaves behind in a forward pass; members that its role does not have are NULL. */
struct layer_saved {
    void *map;    /* [N,pixels,output] before batch-norm, a kept map (rmfer/ops/context.h); not of a gate */
    real *output; /* projection: the block's output, [N,pixels,output] */
    real *keep;   /* projection: drop-path factors [N] */
    bool drops;   /* keep is in use */
    real *sums;   /* gate and head: squeeze_forward's sums, [N,3,channels] */
    real *mean;   /* gate: [N,channels] */
    struct squeeze_excite_saved gate;
};

struct backbone_pass {
    struct backbone *backbone;
    enum pass_kind kind;
    struct network network; /* the backbone's weights, batch-norm's numbers of these rows */
    struct op_context context;
    const struct machines *machines; /* that rows are shared out over; NULL = none */
    struct arena arena;
    size_t rows, map_bytes;
    struct layer_saved saved[LAYER_MOST];
    struct block_gradients gradients[MOST_BLOCKS]; /* of a pass that trains */
    real *moment_values;                           /* partial statistics of the layer that runs */
    size_t *moment_counts;
    /* of the last forward pass */
    const real *images;
    size_t n, all; /* rows here, of all processes */
    struct pass_part parts[MOST_PASS_PARTS];
    size_t part_count;
    bool last;
    real *own_features; /* [rows,D]: features, then their gradients; NULL where no rows are shared out */
    bool may_go_back;   /* a forward pass was made, and no backward since */
    struct parameters_stamp weights;
};

static inline struct layer_saved *saved_of(struct backbone_pass *pass, const struct network_layer *layer)
{
    return &pass->saved[network_index(&pass->network, layer)];
}

static inline bool pass_is_shared(const struct backbone_pass *pass)
{
    return machines_are_many(pass->machines);
}

/* Notes which rows the pass has, and how many are here. */
void backbone_set_rows(struct backbone_pass *pass, const struct forward_options *options, int n);

/* pass->own_features to `features` [all,D], and back. */
void backbone_gather_features(struct backbone_pass *pass, real *features);
void backbone_pick_gradients(struct backbone_pass *pass, const real *dfeatures);

/* The gradients of this layer and of all behind it are made, if this is the step's last backward pass. */
void backbone_final_from(struct backbone_pass *pass, const struct network_layer *layer);

/* keep [rows] = the drop-path factors of the rows that are here, out of a draw for all. */
void backbone_draw_factors(const struct backbone_pass *pass, struct random_stream *stream, double rate, real *keep);

/* Seconds of a clock; 0 when nobody profiles. */
double backbone_now(const struct backbone *backbone);

/* Adds the time since *start to the layer's forward or backward seconds and starts again. */
void backbone_lap(const struct backbone_pass *pass, const struct network_layer *layer, bool backward, double *start);

#endif
