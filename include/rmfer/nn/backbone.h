/* f_Feat with batch statistics: images to pooled features and back, over memory planned once.
 *
 * A backbone is a model's layers with their weights packed. A pass is rows of images through it: it has the maps and
 * the batch-norm numbers of its own rows, so that several passes over one backbone may live at once. A pass that will
 * go back keeps the outputs of the convolutions (before batch-norm) and the blocks' outputs; what batch-norm, SiLU and
 * gates make of them is computed again where it is read. A pass that only scores keeps nothing: its layers take turns
 * in a few maps. Running statistics and no batch: see inference.h. */
#ifndef RMFER_NN_BACKBONE_H
#define RMFER_NN_BACKBONE_H

#include "rmfer/kern/kernels.h"
#include "rmfer/nn/layers.h"
#include "rmfer/nn/model.h"
#include "rmfer/ops/machines.h"

#include <stdint.h>

struct backbone;

/* Plans the packed weights and the room that all backward passes share, for at most `batch` images each. The model must
 * outlive the backbone. */
status backbone_create(struct backbone **backbone, struct model *model, int batch, int image_size,
                       struct error *err) MUST_CHECK;
void backbone_free(struct backbone *backbone);

/* From now on the rows of every new pass are shared out over `machines` (borrowed; NULL = all are here): a pass is
 * given this process's rows of pictures and gives features of all rows, and takes their gradients. `synchronised`
 * batch-norm has the statistics of all rows, else of each process's own. Gradients are this process's part of the sum.
 */
void backbone_share(struct backbone *backbone, const struct machines *machines, bool synchronised);

/* Refuses passes of `rows` pictures, of all processes together, that would leave batch-norm one value of a channel,
 * whose deviation from its own mean says nothing: a usage error. After backbone_share. */
status backbone_check_rows(const struct backbone *backbone, size_t rows, struct error *err) MUST_CHECK;

/* From now on every new pass stores its maps before batch-norm so (at first as reals). Narrower ones take and move half
 * the memory; what is computed from them, statistics and gradients, stays in reals. A value that float16 cannot hold
 * (beyond 65504) becomes infinite, and so the features stop being numbers. */
void backbone_store(struct backbone *backbone, enum storage storage);

/* Bytes of packed weights and of what backward passes share. */
size_t backbone_bytes(const struct backbone *backbone);

/* How often the weights were packed: once for each change of them that a forward pass met. */
size_t backbone_packs(const struct backbone *backbone);

enum pass_kind {
    PASS_TRAINS, /* forward and backward; at most the backbone's `batch` images */
    PASS_SCORES, /* forward alone */
};

struct backbone_pass;

/* Plans memory for at most `rows` images. The backbone must outlive its passes. */
status backbone_pass_create(struct backbone_pass **pass, struct backbone *backbone, enum pass_kind kind, int rows,
                            struct error *err) MUST_CHECK;
void backbone_pass_free(struct backbone_pass *pass);

/* Bytes of the maps (of a pass that scores: those that its layers share), and of everything else. */
size_t backbone_pass_map_bytes(const struct backbone_pass *pass);
size_t backbone_pass_scratch_bytes(const struct backbone_pass *pass);

enum { MOST_PASS_PARTS = 8 };

struct forward_options {
    double bn_momentum;  /* 0 leaves the running statistics alone */
    double drop_path;    /* of the last block; block i of n has drop_path * i / n */
    uint64_t seed, draw; /* key of the drop-path masks */
    bool last;           /* no later backward pass of this step adds to the backbone's gradients */
    /* The rows, part after part, each shared out by itself; none = all n rows are one part, shared out row by row. */
    size_t part_count;
    struct pass_part {
        size_t rows, group; /* rows of a group are not parted */
    } parts[MOST_PASS_PARTS];
};

/* Rows of all parts that are this process's; the most that any process has. */
size_t pass_parts_own(const struct machines *machines, const struct pass_part *parts, size_t count);
size_t pass_parts_most(const struct machines *machines, const struct pass_part *parts, size_t count);

/* features [n,D] from images [n,H,W,3], with batch statistics. `images` must stay until the backward pass; where rows
 * are shared out they are this process's alone, part after part. */
void backbone_forward(struct backbone_pass *pass, const struct forward_options *options, const real *images, int n,
                      real *features);

/* Adds the gradients of every backbone parameter for the forward pass before it, from dfeatures [n,D]. Once for a
 * forward pass, of a pass that trains, with the weights of that forward pass (a bug otherwise). */
void backbone_backward(struct backbone_pass *pass, const real *dfeatures);

/* Seconds of one layer, summed over its passes: what the processor spent on the calling thread, which is the clock's
 * time but for what other programs take and for waiting asleep. */
struct layer_time {
    double forward, backward;
};

/* From now on the seconds of every layer of every pass are added to `times` [layers.count]; NULL stops that. */
void backbone_profile(struct backbone *backbone, struct layer_time *times);

#endif
