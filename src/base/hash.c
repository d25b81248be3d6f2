/* FNV-1a: a byte after the other is put in, and the sum multiplied by a prime. */
#include "rmfer/base/hash.h"

#include <ctype.h>

uint64_t hash_add(uint64_t hash, const void *bytes, size_t size)
{
    const uint8_t *at = bytes;
    for (size_t i = 0; i < size; i++) hash = (hash ^ at[i]) * UINT64_C(1099511628211);
    return hash;
}

uint64_t hash_add_letters(uint64_t hash, const char *text)
{
    for (; *text != '\0'; text++) {
        char letter = (char)tolower((unsigned char)*text);
        hash = hash_add(hash, &letter, 1);
    }
    return hash;
}
