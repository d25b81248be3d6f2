/* CRC-32C bit by bit; eight bytes at a time by tables ("slicing by eight", Kounavis and Berry 2005); and by the
 * instruction that x86 has for it since SSE4.2, three stretches at a time, as one alone would wait for itself. */
#include "rmfer/base/crc32c.h"

#if defined(__x86_64__) && defined(__GNUC__)
#define HAS_CRC_INSTRUCTION
#include <nmmintrin.h>
#include <string.h>
#endif

static uint32_t add_byte(uint32_t crc, uint8_t byte)
{
    crc ^= byte;
    for (int bit = 0; bit < 8; bit++) crc = (crc >> 1) ^ ((crc & 1) != 0 ? UINT32_C(0x82f63b78) : 0);
    return crc;
}

uint32_t crc32c(const void *bytes, size_t size)
{
    const uint8_t *at = bytes;
    uint32_t crc = UINT32_MAX;
    for (size_t i = 0; i < size; i++) crc = add_byte(crc, at[i]);
    return ~crc;
}

void crc32c_prepare(struct crc32c_tables *tables)
{
    tables->only = false;
    for (unsigned byte = 0; byte < 256; byte++) {
        uint32_t crc = add_byte(0, (uint8_t)byte);
        for (int k = 0; k < 8; k++) {
            tables->of[k][byte] = crc;
            crc = add_byte(crc, 0);
        }
    }
}

#if defined(HAS_CRC_INSTRUCTION)
enum { STRETCH = 1 << 16 };

/* The product of two polynomials modulo CRC-32C's, bit-reversed as the sums are. */
static uint32_t multiply(uint32_t a, uint32_t b)
{
    uint32_t product = 0;
    for (uint32_t bit = UINT32_C(1) << 31; bit != 0; bit >>= 1) {
        if ((a & bit) != 0) product ^= b;
        b = (b >> 1) ^ ((b & 1) != 0 ? UINT32_C(0x82f63b78) : 0);
    }
    return product;
}

/* x^(8 n): what a sum is multiplied by when n bytes follow. */
static uint32_t power(size_t n)
{
    uint32_t result = UINT32_C(1) << 31, square = UINT32_C(1) << 23; /* 1, x^8 */
    for (; n != 0; n >>= 1) {
        if ((n & 1) != 0) result = multiply(result, square);
        square = multiply(square, square);
    }
    return result;
}

__attribute__((target("sse4.2"))) static uint64_t add_word(uint64_t crc, const uint8_t *at)
{
    uint64_t word;
    memcpy(&word, at, sizeof word);
    return _mm_crc32_u64(crc, word);
}

__attribute__((target("sse4.2"))) static uint32_t extend_by_instruction(uint32_t sum, const uint8_t *at, size_t size)
{
    uint64_t crc = ~sum;
    if (size >= 3 * STRETCH) {
        uint32_t shift = power(STRETCH);
        for (; size >= 3 * STRETCH; at += 3 * STRETCH, size -= 3 * STRETCH) {
            uint64_t second = 0, third = 0;
            for (size_t i = 0; i < STRETCH; i += 8) {
                crc = add_word(crc, at + i);
                second = add_word(second, at + STRETCH + i);
                third = add_word(third, at + 2 * STRETCH + i);
            }
            crc = multiply(shift, (uint32_t)crc) ^ second;
            crc = multiply(shift, (uint32_t)crc) ^ third;
        }
    }
    for (; size >= 8; at += 8, size -= 8) crc = add_word(crc, at);
    for (; size > 0; at++, size--) crc = _mm_crc32_u8((uint32_t)crc, *at);
    return ~(uint32_t)crc;
}
#endif

static uint32_t extend_by_tables(const struct crc32c_tables *tables, uint32_t crc, const uint8_t *at, size_t size)
{
    crc = ~crc;
    for (; size >= 8; at += 8, size -= 8) {
        uint32_t low = crc ^ ((uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24);
        crc = tables->of[7][low & 0xff] ^ tables->of[6][low >> 8 & 0xff] ^ tables->of[5][low >> 16 & 0xff] ^
              tables->of[4][low >> 24] ^ tables->of[3][at[4]] ^ tables->of[2][at[5]] ^ tables->of[1][at[6]] ^
              tables->of[0][at[7]];
    }
    for (; size > 0; at++, size--) crc = crc >> 8 ^ tables->of[0][(crc ^ *at) & 0xff];
    return ~crc;
}

uint32_t crc32c_extend(const struct crc32c_tables *tables, uint32_t crc, const void *bytes, size_t size)
{
#if defined(HAS_CRC_INSTRUCTION)
    if (!tables->only && __builtin_cpu_supports("sse4.2")) return extend_by_instruction(crc, bytes, size);
#endif
    return extend_by_tables(tables, crc, bytes, size);
}
