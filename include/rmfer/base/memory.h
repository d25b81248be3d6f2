/* Memory: checked allocation and arenas that are planned once.
 *
 * `memory_allocate` is the only way to the heap, so that tests can make it fail and count it. An arena is one block
 * of zeroed, page-aligned memory that hands out 64-byte aligned pieces and never gives one back before it ends.
 *
 * The system promises more memory than there is and ends, without a word, who comes to use it. So arenas are made
 * without being touched; when all of a plan are there, memory_commit compares their sum with what there is and touches
 * them. */
#ifndef RMFER_BASE_MEMORY_H
#define RMFER_BASE_MEMORY_H

#include "rmfer/base/error.h"

#include <stddef.h>

/* Fails, with both numbers, where `bytes` that `what` will touch are more than the machine or the process's control
 * group has left. */
status memory_require(size_t bytes, const char *what, struct error *err) MUST_CHECK;

/* count * size bytes, zeroed, 64-byte aligned; release with memory_free. `what` names the thing in the message.
 * NULL and an error when the product overflows or memory is short; a large block (4 MiB) is first asked of
 * memory_require. count * size = 0 gives one byte. */
void *memory_allocate(size_t count, size_t size, const char *what, struct error *err) MUST_CHECK;

/* Grows (or makes, for NULL) a memory_allocate block, keeping the first `old_count` elements; the rest is zeroed.
 * On failure the old block stays valid and NULL is returned. */
void *memory_grow(void *block, size_t old_count, size_t new_count, size_t size, const char *what,
                  struct error *err) MUST_CHECK;

void memory_free(void *block);

/* A copy of a string, release with memory_free. */
char *memory_copy_string(const char *text, struct error *err) MUST_CHECK;

/* For tests: the allocation numbered `countdown` from now on fails (0 = never), and the number made so far. */
void memory_fail_after(long countdown);
unsigned long memory_allocation_count(void);

struct arena {
    char *base;
    size_t size; /* bytes reserved */
    size_t used; /* bytes handed out */
};

/* Reserves `size` bytes (huge pages advised) for what will be used whole. Refuses more than the machine or the
 * process's control group has left beside the arenas that are there and not touched yet. */
status arena_init(struct arena *arena, size_t size, const char *what, struct error *err) MUST_CHECK;

/* Reserves `size` bytes for what may stay unused, the room of a batch that never gets full: nothing is refused for want
 * of memory here; memory_commit counts them, but does not touch them. */
status arena_reserve(struct arena *arena, size_t size, const char *what, struct error *err) MUST_CHECK;

/* The whole plan of `what`: all arenas of the process that are alive, and `more` bytes that will come beside them.
 * Refuses, with both numbers, what is more than there is; else touches the arenas, so that no page fault is left for a
 * training step and nobody else can take their memory. */
status memory_commit(size_t more, const char *what, struct error *err) MUST_CHECK;

/* The next `bytes`, 64-byte aligned. Sizes are planned beforehand: running out is a bug and aborts. */
void *arena_take(struct arena *arena, size_t bytes);

/* What arena_take will use for `bytes`, for planning. */
size_t arena_rounded(size_t bytes);

void arena_free(struct arena *arena);

/* a * b and a + b that stop at SIZE_MAX instead of wrapping, so that a later allocation fails cleanly. */
size_t size_multiply(size_t a, size_t b);
size_t size_add(size_t a, size_t b);

/* The process's largest resident size so far, in bytes. */
size_t memory_peak_resident(void);

#endif
