/* Many small pieces of memory that end together: what a parser makes of a foreign file.
 *
 * The pool has a limit in bytes, so that a small file cannot ask for much. It never moves a piece. */
#ifndef RMFER_CKPT_POOL_H
#define RMFER_CKPT_POOL_H

#include "rmfer/base/error.h"

#include <stddef.h>

struct pool_chunk;

struct pool {
    struct pool_chunk *newest;
    size_t reserved; /* bytes of all chunks */
    size_t limit;
};

struct pool pool_with_limit(size_t limit);

/* count * size zeroed bytes, 16-byte aligned; NULL and an error beyond the limit. 0 bytes give a valid pointer. */
void *pool_take(struct pool *pool, size_t count, size_t size, struct error *err) MUST_CHECK;

/* `length` bytes copied, with a NUL behind them. */
char *pool_string(struct pool *pool, const void *bytes, size_t length, struct error *err) MUST_CHECK;

void pool_free(struct pool *pool);

#endif
