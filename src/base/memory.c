/* The heap behind one function, and arenas: mapped pages, huge ones where the system has them. */
#define _GNU_SOURCE /* MAP_ANONYMOUS, MADV_HUGEPAGE */
#include "rmfer/base/memory.h"

#include "rmfer/base/limits.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23 /* younger than some C libraries */
#endif

enum { ALIGNMENT = 64 };
static const size_t HUGE_PAGE = (size_t)2 << 20;
/* Smaller ones are not worth a look at /proc. */
static const size_t LARGE_BLOCK = (size_t)4 << 20;
/* For stacks, page tables and the small blocks that come between. */
static const size_t SPARE = (size_t)6 << 20;

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

/* `held` bytes of `needed` are touched already. */
static status refuse(size_t held, size_t needed, size_t left, const char *what, struct error *err)
{
    return error_set(err, "not enough memory: %zu MiB for %s, this machine or control group has %zu MiB left%s",
                     needed >> 20, what, size_add(held, left) >> 20, held > 0 ? " for it" : "");
}

status memory_require(size_t bytes, const char *what, struct error *err)
{
    size_t left = limits_memory_left(""), needed = size_add(bytes, SPARE);
    return needed <= left ? STATUS_OK : refuse(0, needed, left, what, err);
}

void *memory_allocate(size_t count, size_t size, const char *what, struct error *err)
{
    atomic_fetch_add(&allocations, 1);
    size_t bytes = arena_rounded(size_multiply(count, size));
    if (bytes == 0) bytes = ALIGNMENT;
    if (bytes >= LARGE_BLOCK && bytes != SIZE_MAX && memory_require(bytes, what, err) != STATUS_OK) return NULL;
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

/* ---- arenas ------------------------------------------------------------------------------------------------------
 * Each mapping begins with a page that tells of it and links it to the others: a part of the heap's own book-keeping,
 * under one lock, as the C library's. */

enum { PAGE = 4096 };

struct mapping {
    struct mapping *next, *previous;
    size_t bytes;        /* with this page */
    bool is_wholly_used; /* memory_commit touches it */
};

static pthread_mutex_t mappings_lock = PTHREAD_MUTEX_INITIALIZER;
static struct mapping *mappings;

static void link_mapping(struct mapping *mapping)
{
    pthread_mutex_lock(&mappings_lock);
    mapping->next = mappings;
    if (mappings != NULL) mappings->previous = mapping;
    mappings = mapping;
    pthread_mutex_unlock(&mappings_lock);
}

static void unlink_mapping(struct mapping *mapping)
{
    pthread_mutex_lock(&mappings_lock);
    if (mapping->next != NULL) mapping->next->previous = mapping->previous;
    if (mapping->previous != NULL) mapping->previous->next = mapping->next;
    if (mappings == mapping) mappings = mapping->next;
    pthread_mutex_unlock(&mappings_lock);
}

/* Bytes of a mapping that are in memory. */
static size_t resident_bytes(const struct mapping *mapping)
{
    unsigned char pages[4096];
    size_t page = (size_t)sysconf(_SC_PAGESIZE), stretch = sizeof pages * page, resident = 0;
    for (size_t at = 0; at < mapping->bytes; at += stretch) {
        size_t length = mapping->bytes - at < stretch ? mapping->bytes - at : stretch;
        if (mincore((char *)mapping + at, length, pages) != 0) return resident;
        for (size_t i = 0; i < length / page; i++) resident += pages[i] & 1 ? page : 0;
    }
    return resident;
}

/* All arenas: bytes, and those of them in memory. */
static void count_mappings(size_t *bytes, size_t *resident)
{
    *bytes = *resident = 0;
    pthread_mutex_lock(&mappings_lock);
    for (const struct mapping *mapping = mappings; mapping != NULL; mapping = mapping->next) {
        *bytes += mapping->bytes;
        *resident += resident_bytes(mapping);
    }
    pthread_mutex_unlock(&mappings_lock);
}

static status require_beside_arenas(size_t more, const char *what, struct error *err)
{
    size_t bytes, resident, left = limits_memory_left("");
    count_mappings(&bytes, &resident);
    size_t needed = size_add(size_add(bytes, more), SPARE);
    return needed - resident <= left ? STATUS_OK : refuse(resident, needed, left, what, err);
}

static status map(struct arena *arena, size_t size, bool is_wholly_used, const char *what, struct error *err)
{
    *arena = (struct arena){0};
    size_t bytes = size_add(arena_rounded(size), HUGE_PAGE);
    bytes = bytes == SIZE_MAX ? SIZE_MAX : bytes / PAGE * PAGE;
    void *base = MAP_FAILED;
    if (bytes != SIZE_MAX && !must_fail_now())
        base = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (base == MAP_FAILED) return error_set(err, "not enough memory for %s (%zu MiB)", what, size >> 20);
    atomic_fetch_add(&allocations, 1);
    /* Advice only: without huge pages the arena works as well, with more page faults at the start. */
    (void)madvise(base, bytes, MADV_HUGEPAGE);
    struct mapping *mapping = base;
    mapping->bytes = bytes;
    mapping->is_wholly_used = is_wholly_used;
    link_mapping(mapping);
    arena->base = (char *)base + PAGE;
    arena->size = bytes - PAGE;
    return STATUS_OK;
}

status arena_reserve(struct arena *arena, size_t size, const char *what, struct error *err)
{
    return map(arena, size, false, what, err);
}

status arena_init(struct arena *arena, size_t size, const char *what, struct error *err)
{
    *arena = (struct arena){0};
    status result = require_beside_arenas(size, what, err);
    return result == STATUS_OK ? map(arena, size, true, what, err) : result;
}

status memory_commit(size_t more, const char *what, struct error *err)
{
    status result = require_beside_arenas(more, what, err);
    if (result != STATUS_OK) return result;
    pthread_mutex_lock(&mappings_lock);
    /* By the system, as threads may be writing there already; one from before Linux 5.14 leaves it to the first use. */
    for (struct mapping *mapping = mappings; mapping != NULL; mapping = mapping->next)
        if (mapping->is_wholly_used) (void)madvise(mapping, mapping->bytes, MADV_POPULATE_WRITE);
    pthread_mutex_unlock(&mappings_lock);
    return STATUS_OK;
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
    if (arena->base != NULL) {
        struct mapping *mapping = (struct mapping *)(void *)(arena->base - PAGE);
        unlink_mapping(mapping);
        munmap(mapping, mapping->bytes);
    }
    *arena = (struct arena){0};
}

size_t memory_peak_resident(void)
{
    struct rusage usage;
    if (getrusage(RUSAGE_SELF, &usage) != 0) return 0;
    return (size_t)usage.ru_maxrss * 1024; /* Linux counts in KiB */
}
