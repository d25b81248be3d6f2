/* What a parser may spend on a foreign file: many small pieces of memory that end together, and steps.
 *
 * Both have a limit, so that a small file can ask neither for much memory nor for much time. Memory is counted here;
 * steps are counted by whoever walks something more often than the file has bytes for. Pieces never move. */
#ifndef RMFER_CKPT_POOL_H
#define RMFER_CKPT_POOL_H

#include "rmfer/base/error.h"

#include <stddef.h>

struct pool_chunk;

struct pool {
    struct pool_chunk *newest;
    size_t reserved; /* bytes of all chunks */
    size_t limit;
    size_t steps_left;
};

/* A pool of at most `limit` bytes, with `steps` to be walked. */
struct pool pool_with_limits(size_t limit, size_t steps);

/* Counts steps of about one comparison each; fails when there are none left. */
status pool_spend_steps(struct pool *pool, size_t steps, struct error *err) MUST_CHECK;

/* count * size zeroed bytes, 16-byte aligned; NULL and an error beyond the limit. 0 bytes give a valid pointer. */
void *pool_take(struct pool *pool, size_t count, size_t size, struct error *err) MUST_CHECK;

/* The same for an array that grows by doubling: a larger copy of `items`, of which `count` are kept. The old one stays
 * in the pool and is counted, three times the array's bytes at most. */
void *pool_grow(struct pool *pool, const void *items, size_t count, size_t capacity, size_t size,
                struct error *err) MUST_CHECK;

/* `length` bytes copied, with a NUL behind them. */
char *pool_string(struct pool *pool, const void *bytes, size_t length, struct error *err) MUST_CHECK;

void pool_free(struct pool *pool);

#endif
