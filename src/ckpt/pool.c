/* Blocks from the heap, pieces from the blocks, one limit for all. */
#include "ckpt/pool.h"

#include "rmfer/base/memory.h"

#include <stdint.h>
#include <string.h>

enum { PIECE_ALIGNMENT = 16, USUAL_CHUNK = 64 << 10 };

struct pool_chunk {
    struct pool_chunk *older;
    size_t size, used; /* bytes behind this header */
};

static const size_t header_bytes = (sizeof(struct pool_chunk) + PIECE_ALIGNMENT - 1) / PIECE_ALIGNMENT *
                                   PIECE_ALIGNMENT;

struct pool pool_with_limits(size_t limit, size_t steps)
{
    return (struct pool){.limit = limit, .steps_left = steps};
}

status pool_spend_steps(struct pool *pool, size_t steps, struct error *err)
{
    if (steps > pool->steps_left)
        return error_set(err, "it refers to its values too often to be a checkpoint: reading it would take too long");
    pool->steps_left -= steps;
    return STATUS_OK;
}

static struct pool_chunk *add_chunk(struct pool *pool, size_t bytes, struct error *err)
{
    size_t size = bytes < USUAL_CHUNK ? USUAL_CHUNK : bytes;
    if (bytes > pool->limit - pool->reserved) {
        error_set(err, "it asks for more than %zu bytes of memory", pool->limit);
        return NULL;
    }
    struct pool_chunk *chunk = memory_allocate(1, header_bytes + size, "a file's contents", err);
    if (chunk == NULL) return NULL;
    chunk->older = pool->newest;
    chunk->size = size;
    pool->newest = chunk;
    /* The last usual chunk may be counted smaller than it is, so that the limit is never passed. */
    pool->reserved += size < pool->limit - pool->reserved ? size : pool->limit - pool->reserved;
    return chunk;
}

void *pool_take(struct pool *pool, size_t count, size_t size, struct error *err)
{
    size_t bytes = size_add(size_multiply(count, size), PIECE_ALIGNMENT - 1);
    if (bytes == SIZE_MAX) {
        error_set(err, "it asks for more than %zu bytes of memory", pool->limit);
        return NULL;
    }
    bytes = bytes / PIECE_ALIGNMENT * PIECE_ALIGNMENT;
    struct pool_chunk *chunk = pool->newest;
    if (chunk == NULL || bytes > chunk->size - chunk->used) chunk = add_chunk(pool, bytes, err);
    if (chunk == NULL) return NULL;
    void *piece = (char *)chunk + header_bytes + chunk->used;
    chunk->used += bytes;
    return piece;
}

void *pool_grow(struct pool *pool, const void *items, size_t count, size_t capacity, size_t size, struct error *err)
{
    void *larger = pool_take(pool, capacity, size, err);
    if (larger != NULL && count > 0) memcpy(larger, items, count * size);
    return larger;
}

char *pool_string(struct pool *pool, const void *bytes, size_t length, struct error *err)
{
    char *copy = pool_take(pool, size_add(length, 1), 1, err);
    if (copy != NULL && length > 0) memcpy(copy, bytes, length);
    return copy;
}

void pool_free(struct pool *pool)
{
    while (pool->newest != NULL) {
        struct pool_chunk *older = pool->newest->older;
        memory_free(pool->newest);
        pool->newest = older;
    }
    pool->reserved = 0;
}
