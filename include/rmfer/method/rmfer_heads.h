/* The heads on pooled features: f_FER with that for affect beside it, the projection H, and f_IAL over attention. */
#ifndef RMFER_METHOD_RMFER_HEADS_H
#define RMFER_METHOD_RMFER_HEADS_H

#include "rmfer/base/plan.h"
#include "rmfer/method/affect_head.h"
#include "rmfer/method/rmfer_step.h"
#include "rmfer/nn/model.h"
#include "rmfer/ops/attention.h"
#include "rmfer/ops/linear.h"

/* A projection pass: hidden = relu(W0 F + b0), z = W2 hidden + b2, unit = z / |z|. [n,D] each, norm [n]. */
struct projected {
    real *hidden, *z, *unit, *norm;
};

struct heads {
    const struct op_context *context;
    size_t features, classes;
    struct linear fer, projection_first, projection_second, ial;
    struct affect_head affect;
    struct projected labelled, kept; /* of the labelled batch; of ACL's anchors and kept samples */
    real *fer_input, *fer_dropout;   /* features after dropout, and its factors */
    real *fer_logits, *ial_logits, *dlogits;
    real *attention, *mixed, *dmixed, *square_room, *similarity;
    real *dunit, *dz, *dhidden;
};

/* Points at the model's parameters; place hands out room for `batch` labelled and `kept` contrastive rows. */
void heads_bind(struct heads *heads, const struct op_context *context, const struct model *model);
void heads_place(struct heads *heads, size_t batch, size_t kept, struct plan *plan);
/* Room for a projection pass of `rows` rows of D = d numbers. */
void heads_place_projected(struct projected *out, size_t rows, size_t d, struct plan *plan);

void heads_project(const struct heads *heads, size_t n, const real *features, struct projected out);
/* dfeatures [n,D] is overwritten; heads->dunit holds the gradient of out.unit. */
void heads_project_backward(const struct heads *heads, size_t n, const real *features, struct projected out,
                            real *dfeatures);

/* L_FER and, where it weighs something, L_VA (*affect, else 0), both behind the same dropout; dfeatures (overwritten) =
 * their gradients, weighed and scaled. Returns L_FER. */
double heads_fer(const struct heads *heads, const struct objective *objective, const struct labelled_batch *batch,
                 const real *features, uint64_t seed, uint64_t draw, real *dfeatures, double *affect);

/* The operation's name for what ial.self_mask says. */
enum attention_mask heads_attention_mask(enum self_mask mask);

/* L_IAL; dfeatures (overwritten) = its gradient times lambda 1. `room` is [n,D]. */
double heads_ial(const struct heads *heads, const struct objective *objective, const struct labelled_batch *batch,
                 const real *features, real *dfeatures, real *room);

/* Mean cosine of the labelled batch's unit rows over pairs of equal and of different class. */
void heads_similarities(const struct heads *heads, const struct labelled_batch *batch, struct step_losses *losses);

#endif
