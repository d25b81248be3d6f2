/* Memory planned in two runs of the same code: the first, without a base, only counts; the second hands out.
 *
 * What is placed where, and how much it is, so stands in one function and the sum cannot disagree with the pieces. The
 * memory itself belongs to an arena (memory.h). */
#ifndef RMFER_BASE_PLAN_H
#define RMFER_BASE_PLAN_H

#include "rmfer/base/memory.h"
#include "rmfer/base/real.h"

struct plan {
    char *base;
    size_t used; /* bytes */
};

/* The next count * size bytes, 64-byte aligned; NULL while counting. */
static inline void *plan_take(struct plan *plan, size_t count, size_t size)
{
    char *piece = plan->base == NULL ? NULL : plan->base + plan->used;
    plan->used = size_add(plan->used, arena_rounded(size_multiply(count, size)));
    return piece;
}

static inline real *plan_reals(struct plan *plan, size_t count)
{
    return plan_take(plan, count, sizeof(real));
}

/* Raises a largest need to what is wanted here. */
static inline void size_at_least(size_t *most, size_t wanted)
{
    if (wanted > *most) *most = wanted;
}

/* Takes everything that `self` needs from the plan; runs twice, and must take the same both times. */
typedef void plan_place(void *self, struct plan *plan);

/* Both runs of `place`: the arena is made as large as the first counts, and the second hands it out. Where nothing is
 * taken, the arena stays empty. The caller frees it; errors, those of arena_init and arena_reserve, leave it empty. */
status plan_arena_init(struct arena *arena, plan_place *place, void *self, const char *what,
                       struct error *err) MUST_CHECK;
status plan_arena_reserve(struct arena *arena, plan_place *place, void *self, const char *what,
                          struct error *err) MUST_CHECK;

#endif
