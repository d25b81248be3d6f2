/* The figures: each appends one SVG or PNG to `out`, `format` as canvas_begin has it. Class names are cut where they
 * are too long for a label. */
#ifndef RMFER_PLOT_FIGURES_H
#define RMFER_PLOT_FIGURES_H

#include "rmfer/plot/answers.h"
#include "rmfer/plot/canvas.h"
#include "rmfer/plot/run.h"

/* Learning curves over epochs, a panel each for losses, accuracies, learning rates and speed, groups laid over each
 * other: the mean of a group's runs, with their range as a band (of one run: the range of the points that fall on one
 * pixel); the switch to phase 2 is marked. `key`: that number alone (an evaluation's where there is one), NULL = all.
 * Fails when no run has anything of what is asked for. */
status figure_curves(const struct run_group *groups, size_t count, const char *key, const char *title,
                     enum canvas_format format, struct text *out, struct error *err) MUST_CHECK;

/* A confusion matrix, rows (the truth) normalised to shares, counts below the shares. */
status figure_confusion(const struct run_confusion *confusion, const char *const *names, size_t name_count,
                        const char *title, enum canvas_format format, struct text *out, struct error *err) MUST_CHECK;

/* What a cloud's caption tells, beside the drawing. */
struct mds_measures {
    double classical_stress, stress; /* embedding_stress before and after SMACOF */
    size_t rounds;                   /* of SMACOF */
    double plane_centre_distance;    /* mean distance from the class centre of the normalised points of the plane */
};

/* Features of each checkpoint's sample in a plane: every cloud moved to its mean, scaled to a mean squared length of 1
 * and turned onto the first one (Procrustes). Made once and drawn as often as there are formats. */
struct mds_layout {
    const struct answers *answers; /* [count], borrowed */
    size_t count;
    double *positions;             /* [count, sampled, 2] */
    double *centres;               /* [count, classes, 2], of the classes; NaN where one has no picture */
    struct mds_measures *measures; /* [count] */
};

/* All answers must be of the same pictures. The caller frees even after a failure. */
status mds_layout_init(struct mds_layout *layout, const struct answers *answers, size_t count,
                       struct error *err) MUST_CHECK;
void mds_layout_free(struct mds_layout *layout);

/* The paper's Figure 5: the clouds side by side on the same axes; class centres marked; stress and mean distances from
 * the class centre in the captions. */
status figure_mds(const struct mds_layout *layout, const char *title, enum canvas_format format, struct text *out,
                  struct error *err) MUST_CHECK;

enum { SIMILARITY_BINS = 80 }; /* of the cosine, from -1 to 1 */

/* Pairs of the sample by cosine similarity. */
struct similarity_counts {
    double same[SIMILARITY_BINS], different[SIMILARITY_BINS];      /* pairs */
    double same_pairs, different_pairs, same_mean, different_mean; /* means NaN without pairs */
};
status similarity_count(const struct answers *answers, struct similarity_counts *counts, struct error *err) MUST_CHECK;

/* Distributions of the cosine similarity of pairs of features, of one class and of different classes. */
status figure_similarity(const struct answers *answers, const char *title, enum canvas_format format, struct text *out,
                         struct error *err) MUST_CHECK;

/* The reliability diagram: accuracy over confidence in the bins of calibration_measure, and how many answers each has;
 * beside it the same at the temperature that the checkpoint holds, where it holds one. */
status figure_calibration(const struct answers *answers, const char *title, enum canvas_format format, struct text *out,
                          struct error *err) MUST_CHECK;

/* Mean attention of the inter-sample attention by class: cell (c, k) is the mean, over the sample's pictures of class
 * c, of the attention they give to all pictures of class k, in batches as in training, so that rows sum to 1; and how
 * many times the share that k has among the others of the batch. [classes, classes] each, NaN for a class without
 * pictures. */
struct class_attention {
    double *share, *lift;
    size_t *counts; /* [classes], pictures that looked */
};
status class_attention_init(struct class_attention *attention, const struct answers *answers, uint64_t seed,
                            struct error *err) MUST_CHECK;
void class_attention_free(struct class_attention *attention);
status figure_attention(const struct answers *answers, const struct class_attention *attention, const char *title,
                        enum canvas_format format, struct text *out, struct error *err) MUST_CHECK;

#endif
