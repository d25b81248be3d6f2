/* What the methods have in common that learn from few labelled pictures beside many without a label: their one phase,
 * their two streams, what they refuse, and cross-entropy on the labelled rows. What they make of the unlabelled ones is
 * each method's own. */
#ifndef RMFER_METHOD_SEMI_SUPERVISED_H
#define RMFER_METHOD_SEMI_SUPERVISED_H

#include "method/one_pass.h"
#include "rmfer/method/method.h"
#include "rmfer/ops/softmax_cross_entropy.h"

/* Streams of a batch, in the order of semi_supervised_streams. */
enum { LABELLED, UNLABELLED };
/* Every one of these methods has this term and this figure in front. */
enum { TERM_FER };
enum { ACCURACY };

/* Refuses a frozen backbone and training data that all have a label. */
status semi_supervised_check(const struct config *config, struct error *err);
/* And class weights, and valence and arousal, for methods whose mixed pictures have no one class nor numbers. */
status semi_supervised_check_mixing(const struct config *config, struct error *err);

/* Adds the only phase: L_FER weighs 1, every parameter learns at train.lr. Returns it for the other weights. */
struct phase *semi_supervised_phase(const struct config *config, struct phase_table *table);

/* train.batch labelled rows in the weak view, `ratio` times as many unlabelled ones in `views`. Returns 2, the number
 * of streams. */
size_t semi_supervised_streams(const struct config *config, int64_t ratio, int view_count, const enum view_kind *views,
                               struct stream_request *requests);

/* Rows of the second. */
size_t semi_supervised_unlabelled_rows(const struct config *config, int64_t ratio);

/* The shares of the labelled rows and of `views` views of `unlabelled` rows each, in shares [1 + views]. Returns how
 * many those are. */
size_t semi_supervised_views(const struct method_setup *setup, size_t unlabelled, size_t views,
                             struct stream_share *shares);

/* What the labelled loss is, of a whole batch. */
struct cross_entropy semi_supervised_cross_entropy(const struct method_setup *setup);

/* Adds cross-entropy and accuracy of the pass's first rows, `loss.n` with `targets`, which are `share` of the step's
 * labelled rows; writes their dlogits. */
void semi_supervised_labelled_loss(struct one_pass *pass, struct cross_entropy loss, const real *targets, double share,
                                   const struct method_step *step, struct step_outcome *outcome);

/* Writes the loss of valence and arousal of the pass's first rows, those of the labelled stream, as term `term`; its
 * gradient goes with the pass's. */
void semi_supervised_affect_loss(struct one_pass *pass, size_t term, const struct method_step *step,
                                 struct step_outcome *outcome);

/* min(progress / length, 1): what a weight that rises over the first `length` of the run is multiplied by. */
double semi_supervised_ramp(double progress, double length);

#endif
