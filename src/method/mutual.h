/* acl.loss = mutual: a projection head of its own, D -> D -> 128, over the faces of a step's moments, the loss over
 * their unit rows, and the way back to features. Who makes the features, and the rest of a step, is the method's. */
#ifndef RMFER_METHOD_MUTUAL_H
#define RMFER_METHOD_MUTUAL_H

#include "method/mlp.h"
#include "rmfer/base/plan.h"
#include "rmfer/config/config.h"
#include "rmfer/data/batch.h"
#include "rmfer/data/rmset_index.h"
#include "rmfer/nn/model.h"
#include "rmfer/ops/mutual_contrastive.h"

struct mutual {
    struct mlp head;
    struct mutual_contrastive setup; /* n: the most rows */
    real *unit, *dunit, *dz;         /* [rows,128] */
    real *norm;                      /* [rows] */
    struct mutual_room room;
};

enum { MUTUAL_HEAD_ENTRIES = 4 };

/* The head as entries of the registry. Returns MUTUAL_HEAD_ENTRIES. */
size_t mutual_head(size_t features, struct parameter *entries);

/* Refuses settings that the loss cannot work with. */
status mutual_check(const struct config *config, struct error *err) MUST_CHECK;

/* The loss that [acl] describes; `class_shares` of the labels say by what chance two faces show one expression. */
struct mutual_contrastive mutual_setup(const struct config *config, const struct model *model,
                                       const double *class_shares);

/* The share of lambda 2 that counts at `progress` (0 .. 1) of the run: rises from 0 over acl.ramp of it once ACL has
 * joined, which it does at `joins` of it. */
double mutual_ramp(const struct config *config, double progress, double joins);

/* A method's moves_with_progress: acl.ramp, where the loss has a weight. */
const char *mutual_moves(const struct config *config);

/* Points at the model's head; place hands out room for setup.n rows. */
void mutual_bind(struct mutual *mutual, const struct op_context *context, const struct model *model,
                 const struct mutual_contrastive *setup);
void mutual_place(struct mutual *mutual, struct plan *plan);

/* Writes apart [rows,rows] from who the rows show: faces of one video within acl.far frames, or one face twice, are no
 * negatives of each other (0); all others are (1). */
void mutual_tell_apart(const struct config *config, const struct rmset_index *index, const int64_t *ids, size_t rows,
                       unsigned char *apart);

/* The loss of features [rows,D] with guesses [rows,E] and `apart` (NULL: everybody is); dfeatures (overwritten) = its
 * gradient times scale; the head's gradients are added to. */
double mutual_run(struct mutual *mutual, size_t rows, const real *features, const real *guesses,
                  const unsigned char *apart, double scale, real *dfeatures, struct mutual_similarities *similarities);

#endif
