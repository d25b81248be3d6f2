/* The head for affect in training: valence and arousal, linear in pooled features, against labels by concordance. It
 * learns beside f_FER from the same rows, whatever the method; rows without a label have no say.
 *
 *   L_VA = 1 - mean over valence and arousal of their concordance correlation coefficient over the rows
 *
 * (ops/concordance.h). Where the rows come from, and what the loss weighs, is the method's. */
#ifndef RMFER_METHOD_AFFECT_HEAD_H
#define RMFER_METHOD_AFFECT_HEAD_H

#include "rmfer/base/plan.h"
#include "rmfer/nn/model.h"
#include "rmfer/ops/linear.h"

/* The term's name and label in a method's table. */
#define AFFECT_TERM                 \
    {                               \
        "va", "valence and arousal" \
    }

struct affect_head {
    bool exists; /* the model has one; nothing else is set otherwise */
    struct linear layer;
    real *predicted, *dpredicted; /* [most rows, 2] */
    real *room;                   /* [most rows, D] */
};

void affect_head_bind(struct affect_head *head, const struct model *model);
/* Room for `rows` rows. */
void affect_head_place(struct affect_head *head, size_t rows, struct plan *plan);

/* L_VA of `n` rows of features [n,D] with `truth` [n,2] (NaN = no label; NULL = no row has one): its value, the layer's
 * gradients times `scale` added to, and `scale` times its gradient added to dfeatures [n,D]. */
double affect_head_loss(const struct affect_head *head, const struct op_context *context, size_t n,
                        const real *features, const real *truth, double scale, real *dfeatures);

#endif
