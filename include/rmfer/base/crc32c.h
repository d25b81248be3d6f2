/* CRC-32C (Castagnoli; reflected polynomial 0x82f63b78, as in iSCSI, RFC 3720 B.4): tells bytes that changed by
 * accident, every single bit and every run of up to 32 of them. No protection against somebody who means it. */
#ifndef RMFER_BASE_CRC32C_H
#define RMFER_BASE_CRC32C_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What eight bytes at a time are looked up in, where the processor has no instruction for it; 8 KB that whoever sums
 * much makes once. */
struct crc32c_tables {
    bool only;           /* the instruction is left alone, for a test; crc32c_prepare says false */
    uint32_t of[8][256]; /* [k][b]: the sum of byte b with k zero bytes behind it */
};
void crc32c_prepare(struct crc32c_tables *tables);

/* The sum of bytes that follow others, whose sum is `crc`; 0 for the first. */
uint32_t crc32c_extend(const struct crc32c_tables *tables, uint32_t crc, const void *bytes, size_t size);

/* The sum of a few bytes, without tables. */
uint32_t crc32c(const void *bytes, size_t size);

#endif
