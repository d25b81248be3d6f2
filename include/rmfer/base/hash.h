/* FNV-1a of 64 bits, for tables and for telling things apart; nothing to be trusted with what was made to collide. */
#ifndef RMFER_BASE_HASH_H
#define RMFER_BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

#define HASH_START UINT64_C(14695981039346656037)

/* The hash of what was hashed so far (HASH_START: nothing) with `size` bytes behind it. */
uint64_t hash_add(uint64_t hash, const void *bytes, size_t size);

/* The same of a text, whose ASCII letters count alike in either case. */
uint64_t hash_add_letters(uint64_t hash, const char *text);

#endif
