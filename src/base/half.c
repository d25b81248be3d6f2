/* Rounding on the bits of a float. To half precision 8 exponent bits become 5, 23 fraction bits become 10; to bfloat16
 * the exponent stays and 7 fraction bits are left. */
#include "rmfer/base/half.h"

#include <string.h>

enum {
    SIGN = 0x8000,
    INFINITE = 0x7c00,
    QUIET = 0x0200,
    QUIET_UPPER = 0x0040,
    FRACTION_CUT = 13,
    LEAST_EXPONENT = 113
};

/* value >> shift with the bits shifted out rounded to nearest, ties to even; 1 <= shift <= 31. */
static uint32_t shift_rounded(uint32_t value, int shift)
{
    uint32_t kept = value >> shift, rest = value & ((UINT32_C(1) << shift) - 1), tie = UINT32_C(1) << (shift - 1);
    return kept + (rest > tie || (rest == tie && (kept & 1) == 1));
}

uint16_t half_from_float(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    uint32_t sign = bits >> 16 & SIGN, fraction = bits & 0x7fffff, half;
    int exponent = (int)(bits >> 23 & 0xff);
    if (exponent == 0xff) return (uint16_t)(sign | INFINITE | (fraction != 0 ? QUIET : 0));
    if (exponent >= LEAST_EXPONENT) {
        /* The fraction may carry into the exponent, which is then right too. */
        half = shift_rounded((uint32_t)(exponent - LEAST_EXPONENT + 1) << 23 | fraction, FRACTION_CUT);
        return (uint16_t)(sign | (half > INFINITE ? INFINITE : half));
    }
    int shift = FRACTION_CUT + 1 + LEAST_EXPONENT - 1 - exponent; /* a subnormal half, in units of 2^-24 */
    if (shift > 31) return (uint16_t)sign;
    return (uint16_t)(sign | shift_rounded(fraction | 0x800000, shift));
}

static float float_of(uint32_t bits)
{
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* IEEE 754 binary16: 1 sign, 5 exponent (bias 15), 10 fraction bits. */
float half_to_float(uint16_t half)
{
    uint32_t sign = (uint32_t)(half & SIGN) << 16, exponent = (half >> 10) & 31, fraction = half & 0x3ff;
    if (exponent == 0) { /* zero and subnormals: fraction * 2^-24, exact in float */
        float value = (float)fraction * 0x1p-24f;
        return sign ? -value : value;
    }
    if (exponent == 31) return float_of(sign | 0x7f800000u | fraction << FRACTION_CUT);
    return float_of(sign | (exponent + LEAST_EXPONENT - 1) << 23 | fraction << FRACTION_CUT);
}

uint16_t bfloat16_from_float(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    if (value != value) return (uint16_t)(bits >> 16 | QUIET_UPPER); /* rounding could carry out of the fraction */
    return (uint16_t)shift_rounded(bits, 16);
}

float bfloat16_to_float(uint16_t upper)
{
    return float_of((uint32_t)upper << 16);
}

bool half_from_floats(const float *values, size_t count, uint16_t *halves)
{
    bool finite = true;
    for (size_t i = 0; i < count; i++) {
        halves[i] = half_from_float(values[i]);
        finite = finite && (halves[i] & INFINITE) != INFINITE;
    }
    return finite;
}
