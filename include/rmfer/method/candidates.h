/* What attention makes of an anchor's candidates (METHOD, phase 2): their cosine similarity with the anchor, and which
 * of them are kept. A training step scores with it, and whoever wants to look at what a trained model would keep. No
 * gradient.
 *
 * A draw is an anchor, then its positives, then its negatives. What is kept is told as indices, the kept positives
 * first, each counted within its kind. */
#ifndef RMFER_METHOD_CANDIDATES_H
#define RMFER_METHOD_CANDIDATES_H

#include "rmfer/method/rmfer_heads.h"

/* The scoring of one draw, as a part of something that has heads and makes features. */
struct candidate_scoring {
    const struct heads *heads;
    size_t positives, negatives, kept_positives, kept_negatives;
    struct projected projected; /* [1 + positives + negatives, D] */
    real *similarities;         /* [positives + negatives], of the last draw */
};

/* Says how many are drawn and kept; place hands out the room. */
struct candidate_scoring candidate_scoring_of(const struct heads *heads, size_t positives, size_t negatives,
                                              double kept_share);
void candidate_scoring_place(struct candidate_scoring *scoring, struct plan *plan);

/* From features [1 + positives + negatives, D] to chosen [kept_positives + kept_negatives]. */
void candidate_scoring_choose(struct candidate_scoring *scoring, const real *features, size_t *chosen);

/* ---- a model that is looked at ---- */

struct candidate_setup {
    int image_size;
    size_t positives, negatives; /* of a draw */
    double kept_share;           /* gamma */
    bool batch_statistics;       /* acl.scoring_bn = train: the draw is one batch */
    double temperature;          /* tau of the attention */
    enum self_mask self_mask;
};

/* What a model makes of a draw; the arrays belong to the scorer, until it scores again. */
struct candidate_scores {
    const real *similarities; /* [positives + negatives] cosines of H(F) with the anchor's */
    const real *attention;    /* [positives + negatives] the anchor's row of A over the draw (METHOD, phase 1 step 3) */
    const size_t *chosen;     /* [kept_positives + kept_negatives] */
    size_t kept_positives, kept_negatives;
};

struct candidate_scorer;

/* Plans memory for one draw. The model, which has the heads, must outlive the scorer; it is not changed. */
status candidate_scorer_create(struct candidate_scorer **scorer, struct model *model,
                               const struct candidate_setup *setup, struct error *err) MUST_CHECK;
void candidate_scorer_free(struct candidate_scorer *scorer);

/* images [1 + positives + negatives, H, W, 3], normalised. */
struct candidate_scores candidate_scorer_run(struct candidate_scorer *scorer, const real *images);

#endif
