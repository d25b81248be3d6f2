/* CRC-32C bit by bit, and eight bytes at a time by tables ("slicing by eight", Kounavis and Berry 2005). */
#include "rmfer/base/crc32c.h"

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
    for (unsigned byte = 0; byte < 256; byte++) {
        uint32_t crc = add_byte(0, (uint8_t)byte);
        for (int k = 0; k < 8; k++) {
            tables->of[k][byte] = crc;
            crc = add_byte(crc, 0);
        }
    }
}

uint32_t crc32c_extend(const struct crc32c_tables *tables, uint32_t crc, const void *bytes, size_t size)
{
    const uint8_t *at = bytes;
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
