/* The heap behind one function, and arenas: mapped pages, huge ones where the system has them. */
#define _GNU_SOURCE /* MAP_ANONYMOUS, MADV_HUGEPAGE */
#include "rmfer/base/memory.h"

#include "rmfer/base/limits.h"

#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>

enum { ALIGNMENT = 64 };
static const size_t HUGE_PAGE = (size_t)2 << 20;

static atomic_ulong allocations;
static atomic_long fail_countdown;

void memory_fail_after(long countdown)
{
    atomic_store(&fail_countdown, countdown);
}

unsigned long memory_allocation_count(void)
{
    return atomic_load(&allocations);
}

static int must_fail_now(void)
{
    if (atomic_load(&fail_countdown) == 0) return 0;
    return atomic_fetch_sub(&fail_countdown, 1) == 1;
}

size_t size_multiply(size_t a, size_t b)
{
    size_t product;
    return __builtin_mul_overflow(a, b, &product) ? SIZE_MAX : product;
}

size_t size_add(size_t a, size_t b)
{
    size_t sum;
    return __builtin_add_overflow(a, b, &sum) ? SIZE_MAX : sum;
}

size_t arena_rounded(size_t bytes)
{
    size_t padded = size_add(bytes, ALIGNMENT - 1);
    return padded == SIZE_MAX ? SIZE_MAX : padded / ALIGNMENT * ALIGNMENT;
}

void *memory_allocate(size_t count, size_t size, const char *what, struct error *err)
{
    atomic_fetch_add(&allocations, 1);
    size_t bytes = arena_rounded(size_multiply(count, size));
    if (bytes == 0) bytes = ALIGNMENT;
    void *block = bytes == SIZE_MAX || must_fail_now() ? NULL : aligned_alloc(ALIGNMENT, bytes);
    if (block == NULL) {
        error_set(err, "not enough memory for %s (%zu x %zu bytes)", what, count, size);
        return NULL;
    }
    memset(block, 0, bytes);
    return block;
}

void *memory_grow(void *block, size_t old_count, size_t new_count, size_t size, const char *what, struct error *err)
{
    void *larger = memory_allocate(new_count, size, what, err);
    if (larger == NULL || block == NULL) return larger;
    memcpy(larger, block, (old_count < new_count ? old_count : new_count) * size);
    memory_free(block);
    return larger;
}

void memory_free(void *block)
{
    free(block);
}

char *memory_copy_string(const char *text, struct error *err)
{
    size_t length = strlen(text);
    char *copy = memory_allocate(length + 1, 1, "a string", err);
    if (copy != NULL) memcpy(copy, text, length);
    return copy;
}

status arena_reserve(struct arena *arena, size_t size, const char *what, struct error *err)
{
    *arena = (struct arena){0};
    size_t bytes = size_add(arena_rounded(size), HUGE_PAGE);
    void *base = MAP_FAILED;
    if (bytes != SIZE_MAX && !must_fail_now())
        base = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (base == MAP_FAILED) return error_set(err, "not enough memory for %s (%zu MiB)", what, size >> 20);
    atomic_fetch_add(&allocations, 1);
    /* Advice only: without huge pages the arena works as well, with more page faults at the start. */
    (void)madvise(base, bytes, MADV_HUGEPAGE);
    arena->base = base;
    arena->size = bytes;
    return STATUS_OK;
}

status arena_init(struct arena *arena, size_t size, const char *what, struct error *err)
{
    /* Touching more than there is would end this process, or another, without a word. */
    size_t left = limits_memory_left("");
    *arena = (struct arena){0};
    if (size > left)
        return error_set(err, "not enough memory: %s takes %zu MiB, this machine or control group has %zu MiB left", what,
                         size >> 20, left >> 20);
    status result = arena_reserve(arena, size, what, err);
    for (size_t at = 0; result == STATUS_OK && at < arena->size; at += 4096) ((volatile char *)arena->base)[at] = 0;
    return result;
}

void *arena_take(struct arena *arena, size_t bytes)
{
    size_t rounded = arena_rounded(bytes);
    BUG_UNLESS(rounded <= arena->size - arena->used);
    void *piece = arena->base + arena->used;
    arena->used += rounded;
    return piece;
}

void arena_free(struct arena *arena)
{
    if (arena->base != NULL) munmap(arena->base, arena->size);
    *arena = (struct arena){0};
}

size_t memory_peak_resident(void)
{
    struct rusage usage;
    if (getrusage(RUSAGE_SELF, &usage) != 0) return 0;
    return (size_t)usage.ru_maxrss * 1024; /* Linux counts in KiB */
}
