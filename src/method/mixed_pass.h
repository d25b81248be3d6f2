/* Mixtures (mixup.h) through the network as the authors of MixMatch and ReMixMatch take them: in passes of B rows, each
 * with a share of the labelled ones, so that no pass has batch statistics of unlabelled pictures alone; running
 * statistics follow the first pass only. What is learned from a pass's logits is the method's. */
#ifndef RMFER_METHOD_MIXED_PASS_H
#define RMFER_METHOD_MIXED_PASS_H

#include "method/mixup.h"
#include "method/one_pass.h"

struct mixed_pass {
    size_t batch, parts; /* B rows a pass; passes, of a labelled batch and parts - 1 unlabelled ones */
    real *targets;       /* [batch,classes]: mixed ones of the pass's rows */
    size_t *order;       /* [batch]: which mixtures the pass has */
};

/* Places room for passes of `batch` rows, which is set before. */
void mixed_pass_place(struct mixed_pass *mixed, size_t classes, struct plan *plan);

/* Takes pass `number`, from 0 to parts - 1, of what `mixup` has drawn through the network. Returns how many of its
 * rows, the first ones, are mixed labelled ones. */
size_t mixed_pass_forward(struct mixed_pass *mixed, const struct mixup *mixup, struct one_pass *pass,
                          const struct method_step *step, size_t number);

/* The unlabelled rows of a pass over those of the step: the weight of its mean in the step's. */
double mixed_pass_others_share(const struct mixed_pass *mixed, size_t labelled);

#endif
