/* Rows of kept maps (rmfer/ops/context.h) on their way between memory and the kernels, which compute with reals: a few
 * rows are widened while they are in cache, and rounded while they still are. No whole map is ever converted. */
#ifndef RMFER_SRC_OPS_KEPT_ROWS_H
#define RMFER_SRC_OPS_KEPT_ROWS_H

#include "rmfer/ops/context.h"

/* Rows that can be read, `ld` numbers from one to the next. */
struct real_rows {
    const real *at;
    size_t ld;
};

/* The rows of `map` from number `index` on, whose pixels are `ld` numbers apart: where they are, or widened into
 * `room`, whose pixels are `ld_room` apart. */
static inline struct real_rows kept_rows(const struct op_context *context, struct rows size, const void *map,
                                         size_t index, size_t ld, real *room, size_t ld_room)
{
    if (context->storage == STORAGE_REAL) return (struct real_rows){(const real *)map + index, ld};
    context->kernels->widen(size, room, ld_room, (const uint16_t *)map + index, ld, context->storage);
    return (struct real_rows){room, ld_room};
}

/* Where rows of `map` from number `index` on are to be made: in place, or in `room` where kept_write has work to do. */
static inline real *kept_target(const struct op_context *context, void *map, size_t index, bool streams, real *room)
{
    return context->storage == STORAGE_REAL && !streams ? (real *)map + index : room;
}

/* Brings `made`, which kept_target gave, to `map`; afterwards it holds the numbers that were kept, so that statistics
 * of it are those of what is read later. */
static inline void kept_write(const struct op_context *context, struct rows size, void *map, size_t index, size_t ld,
                              bool streams, real *made, size_t ld_made)
{
    if (context->storage != STORAGE_REAL)
        context->kernels->narrow(size, (uint16_t *)map + index, ld, made, ld_made, context->storage, streams);
    else if (streams)
        context->kernels->stream(size, (real *)map + index, ld, made, ld_made);
}

#endif
