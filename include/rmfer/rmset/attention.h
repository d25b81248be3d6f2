/* Figure 4 of the paper: an anchor of an RMset with its positives P and negatives N, what attention makes of each under
 * one or several checkpoints, and which it keeps. The draw is training's (rmset_index_draw_for), the scores are those
 * of a training step (method/candidates.h); nothing is augmented. */
#ifndef RMFER_RMSET_ATTENTION_H
#define RMFER_RMSET_ATTENTION_H

#include "rmfer/base/text.h"
#include "rmfer/data/image.h"
#include "rmfer/data/rmset_index.h"

enum { MOST_ATTENTION_CHECKPOINTS = 7 };

struct rmset_attention_options {
    const char *folder; /* of the RMset */
    const char *anchor; /* "VIDEO:FRAME:FACE", the columns of index.csv */
    const char *out;    /* where the sheet will go, or NULL: refused where it is a face of the RMset or a checkpoint */
    const char *const *checkpoints; /* at most MOST_ATTENTION_CHECKPOINTS; none = nothing is scored */
    size_t checkpoint_count;
    /* KEY=VALUE over each checkpoint's configuration. The first one's (the defaults' where there is none) says what is
     * drawn and kept: acl.n_pos, n_neg, near, far, gamma, rmset.every. Each one's own says how it sees: temperature,
     * mask, scoring_bn, normalisation. All videos count, grouped as recorded. */
    const char *const *settings;
    size_t setting_count;
    uint64_t seed; /* of the draw */
};

struct attention_face {
    struct rmset_face who;
    struct text path; /* of its picture, "SHARD.tar#OFFSET" in a shard */
    struct image picture;
};

/* What one checkpoint makes of the candidates: [positives + negatives] each. */
struct attention_of {
    const char *checkpoint; /* borrowed from the options */
    double *similarities;   /* cosine with the anchor */
    double *weights;        /* the anchor's attention over the draw */
    bool *kept;             /* in P_imp, in N_imp */
};

/* Zeroed is empty. */
struct rmset_attention {
    struct text video; /* of the anchor and all candidates */
    int64_t near, far; /* d and d', frames */
    size_t positives, negatives;
    struct attention_face *faces; /* [1 + positives + negatives]: the anchor, P, N, in the order of the draw */
    struct attention_of *views;   /* [view_count] */
    size_t view_count;
};

/* Draws, reads and scores. The options' strings must outlive the result. Errors name what is near a name that is not
 * there, and the checkpoint that has no heads. */
status rmset_attention_make(struct rmset_attention *attention, const struct rmset_attention_options *options,
                            struct error *err) MUST_CHECK;
void rmset_attention_free(struct rmset_attention *attention);

/* Draws the sheet: the anchor, then P, then N, each with frame, face and every checkpoint's attention and similarity;
 * what a checkpoint keeps is framed in its colour. Ordered by the last checkpoint, what it keeps first. */
status rmset_attention_sheet(const struct rmset_attention *attention, struct image *sheet,
                             struct error *err) MUST_CHECK;

#endif
