/* mixup (Zhang et al. 2018) as MixMatch has it: every picture of a step, labelled or with a guess, is mixed with a
 * partner drawn among all of them, and so are their targets. One share for a step, the larger part for the picture
 * itself, so that a mixed labelled row stays mostly labelled. */
#ifndef RMFER_METHOD_MIXUP_H
#define RMFER_METHOD_MIXUP_H

#include "rmfer/base/plan.h"
#include "rmfer/base/random.h"

#include <stdint.h>

struct mixup {
    size_t capacity, rows, picture_reals, classes;
    const real **pictures, **targets; /* [capacity]: rows before they are mixed, borrowed */
    int64_t *partners;                /* [capacity], a permutation of the rows */
    double share;                     /* of the row itself; its partner has the rest */
};

/* Places room for `capacity` rows, which is set before. */
void mixup_place(struct mixup *mixup, struct plan *plan);

/* Forgets the last step's rows. */
void mixup_begin(struct mixup *mixup);
/* `rows` more: pictures [rows,picture_reals], targets [rows,classes]. */
void mixup_add(struct mixup *mixup, size_t rows, const real *pictures, const real *targets);

/* share = max(l, 1 - l) with l ~ Beta(alpha, alpha), 1 where alpha is 0; and the partners. A function of the keys. */
void mixup_draw(struct mixup *mixup, uint64_t seed, uint64_t draw, double alpha);

/* picture = share * own + (1 - share) * the partner's, target likewise. */
void mixup_make(const struct mixup *mixup, size_t row, real *picture, real *target);

/* Which mixtures pass `number` of `parts` has, of lists of `batch` rows whose first is labelled: a part of the labelled
 * rows, which `order` [batch] begins with, and for the first pass a part of every other list, for another pass its own
 * list but for that part. Returns how many are labelled. */
size_t mixup_interleave(size_t batch, size_t parts, size_t number, size_t *order);

/* l ~ Beta(alpha, alpha), alpha > 0. */
double mixup_beta(struct random_stream *stream, double alpha);

#endif
