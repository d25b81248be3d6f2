/* Memory that several processes of a machine have in common, without a name: it is gone with the last of them, however
 * they end, and nothing of it is ever in a folder. Room is got piece by piece; what is not reserved must not be
 * touched. */
#ifndef RMFER_BASE_SHARED_MEMORY_H
#define RMFER_BASE_SHARED_MEMORY_H

#include "rmfer/base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Zeroed is none. */
struct shared_memory {
    char *base; /* [size], page-aligned; zeros where nobody wrote */
    size_t size;
    int file;
};

/* What another process needs to find it. */
struct shared_memory_key {
    int64_t process, file;
    uint64_t size, token; /* size 0: there is none */
};

/* Address space for `size` bytes, the first `reserved` of which are reserved. */
status shared_memory_create(struct shared_memory *memory, struct shared_memory_key *key, size_t size, size_t reserved,
                            struct error *err) MUST_CHECK;

/* The same memory in another process, while the one that made it lives. Fails where processes do not see each other
 * (containers of their own, other users). */
status shared_memory_join(struct shared_memory *memory, const struct shared_memory_key *key,
                          struct error *err) MUST_CHECK;

/* Room for `bytes` from `begin` on; false where the machine has none left. Any number of threads. */
bool shared_memory_reserve(struct shared_memory *memory, size_t begin, size_t bytes);

void shared_memory_free(struct shared_memory *memory);

/* Bytes in front that are this file's own. */
enum { SHARED_MEMORY_HEAD = 64 };

#endif
