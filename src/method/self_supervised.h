/* What the methods have in common that learn from two pictures of one thing without a label (SimCLR, MoCo, BYOL,
 * SimSiam): their pairs, which are two views of an unlabelled picture or two persons of one moment of the RMset
 * ([self_supervised] views), the pass that pairs and labelled pictures share, and the loss of the labels beside the
 * method's own. With labelled_weight = 0 no label is used: what the network has learned is then taken up by model.init
 * of another run. What is made of the features of a pair is each method's own. */
#ifndef RMFER_METHOD_SELF_SUPERVISED_H
#define RMFER_METHOD_SELF_SUPERVISED_H

#include "method/mlp.h"
#include "method/one_pass.h"
#include "method/semi_supervised.h"

enum { PAIR_TERM = TERM_FER + 1, PAIR_TERMS };
/* Figures: accuracy of the labelled rows; mean similarity within pairs, and of strangers: both near 1 where the network
 * has collapsed to one answer. */
enum { PAIR_SIMILARITY = ACCURACY + 1, STRANGER_SIMILARITY, PAIR_FIGURES };
extern const struct method_figure self_supervised_figures[PAIR_FIGURES];

struct self_supervised {
    struct one_pass pass;
    struct cross_entropy labelled;
    const struct config *config;
    size_t pairs;       /* of a step */
    size_t first;       /* row of the pass where the pairs begin: all first pictures, then all second ones */
    struct arena heads; /* what a method's heads and losses need */
};

/* ---- members of a row of the table ---- */

status self_supervised_check(const struct config *config, struct error *err);
/* L_FER weighs self_supervised.labelled_weight, the method's term self_supervised.weight. */
void self_supervised_phases(const struct config *config, struct phase_table *table);
size_t self_supervised_streams(const struct config *config, struct stream_request *requests);

/* ---- a step ---- */

/* Plans the pass for labelled rows and `views` (1 or 2) pictures of each pair. Every process has all pictures (the rows
 * of the table say mixes_pictures), as a teacher looks at all of them. */
status self_supervised_init(struct self_supervised *shared, const struct method_setup *setup, size_t views,
                            struct error *err) MUST_CHECK;
/* Plans what `place` takes for `self` in shared->heads (plan_arena_init). */
status self_supervised_place(struct self_supervised *shared, plan_place *place, void *self,
                             struct error *err) MUST_CHECK;
void self_supervised_free(struct self_supervised *shared);
/* Members of the table's row for a method that begins with its struct self_supervised and owns nothing else. */
void self_supervised_free_method(void *self);
struct method_bytes self_supervised_bytes(const void *self);

/* Picture `which` (0 or 1) of a pair. */
const real *self_supervised_picture(const struct self_supervised *shared, const struct method_step *step, size_t which,
                                    size_t pair);

/* Features of the labelled rows and of `views` pictures of each pair; the labels' loss into the outcome (overwritten),
 * its gradients into f_FER's and the rows'. Returns the pairs' features [views * pairs, D]. */
const real *self_supervised_forward(struct self_supervised *shared, const struct method_step *step, size_t views,
                                    struct step_outcome *outcome);
/* Adds the method's gradient of those features and goes back through the backbone; `term` is the method's
 * loss. */
void self_supervised_backward(struct self_supervised *shared, const struct method_step *step, size_t views,
                              const real *dfeatures, double term, struct step_outcome *outcome);

/* Sets the figures from unit rows [n,d] of first pictures and of second ones. */
void self_supervised_similarities(size_t n, size_t d, const real *first, const real *second,
                                  struct step_outcome *outcome);

/* Of unit rows [2n,d], first pictures and then second ones: the sum over both pictures of the mean over pairs of p . t,
 * where t is the other picture's row of `targets` and carries no gradient. dp [2n,d] = its gradient times `scale`. */
double self_supervised_agreement(size_t n, size_t d, const real *p, const real *targets, double scale, real *dp);

#endif
