/* The step that FixMatch and UDA share: cross-entropy on the labelled pictures, and where the network is sure of the
 * weak view of an unlabelled one, cross-entropy of its strong view against that guess.
 *
 *   L = CE(labelled) + lambda_u (1 / mu B) sum 1[max p(weak) >= c] CE(q(weak), strong)
 *
 * All rows of a step (labelled, weak, strong) are one pass, batch-norm sees them together; labelled pictures have the
 * weak view too. The guess q is of that same pass and carries no gradient. No average of the network makes guesses: the
 * average (train.ema_decay) is evaluated only, as in the papers. */
#ifndef RMFER_METHOD_CONSISTENCY_H
#define RMFER_METHOD_CONSISTENCY_H

#include "rmfer/method/method.h"

enum { CONSISTENCY_TERM_UNLABELLED = 1, CONSISTENCY_TERM_AFFECT, CONSISTENCY_TERMS, CONSISTENCY_FIGURES = 2 };

extern const struct method_term consistency_terms[CONSISTENCY_TERMS];
extern const struct method_figure consistency_figures[CONSISTENCY_FIGURES];

struct consistency_options {
    double threshold;   /* c */
    double temperature; /* q = softmax(logits / temperature); 0 = one-hot */
    int64_t ratio;      /* mu */
};

/* The members of a row of the table, given the method's options. */
void consistency_phases(const struct config *config, double weight, struct phase_table *table);
size_t consistency_streams(const struct config *config, int64_t ratio, struct stream_request *requests);
status consistency_create(void **self, const struct method_setup *setup, struct consistency_options options,
                          struct error *err);
void consistency_free(void *self);
void consistency_step(void *self, const struct method_step *step, struct step_outcome *outcome);
struct method_bytes consistency_bytes(const void *self);

#endif
