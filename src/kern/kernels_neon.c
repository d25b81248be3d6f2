/* NEON of 64-bit Arm: 4 floats a vector, 32 registers: a tile of 12 rows by 2 vectors keeps 24 sums. */
#include <arm_neon.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef float32x4_t vector;
typedef uint16x4_t halves;
enum { LANES = 4, TILE_ROWS = 12, TILE_VECTORS = 2 };

#define TILE_IS_LARGE 1
#define TABLE         kernels_neon
#define TABLE_NAME    "neon"

static inline vector v_load(const float *p)
{
    return vld1q_f32(p);
}

static inline void v_store(float *p, vector v)
{
    vst1q_f32(p, v);
}

/* The first `lanes` numbers, zeros behind them. */
static inline vector v_load_part(const float *p, size_t lanes)
{
    float whole[LANES] = {0};
    memcpy(whole, p, lanes * sizeof *whole);
    return vld1q_f32(whole);
}

static inline void v_store_part(float *p, vector v, size_t lanes)
{
    float whole[LANES];
    vst1q_f32(whole, v);
    memcpy(p, whole, lanes * sizeof *whole);
}

/* There is no single store past the caches. */
static inline void v_stream(float *p, vector v)
{
    vst1q_f32(p, v);
}

static inline void v_stream_end(void)
{
}

static inline vector v_set(float x)
{
    return vdupq_n_f32(x);
}

static inline vector v_fma(vector a, vector b, vector c)
{
    return vfmaq_f32(c, a, b);
}

/* NaN in the third argument comes through. */
static inline vector v_clamp(float low, float high, vector x)
{
    return vminq_f32(vdupq_n_f32(high), vmaxq_f32(vdupq_n_f32(low), x));
}

/* 2^n for whole n; `shifted` is ROUNDING + n. */
static inline vector v_power_of_two(vector shifted)
{
    return vreinterpretq_f32_s32(vshlq_n_s32(vreinterpretq_s32_f32(shifted), 23));
}

static inline vector v_quotient(vector a, vector b)
{
    return vdivq_f32(a, b);
}

static inline halves h_load(const uint16_t *p)
{
    return vld1_u16(p);
}

static inline void h_store(uint16_t *p, halves h)
{
    vst1_u16(p, h);
}

/* There is no single store past the caches. */
static inline void h_stream(uint16_t *p, halves h)
{
    vst1_u16(p, h);
}

static inline vector v_from_float16(halves h)
{
    return vcvt_f32_f16(vreinterpret_f16_u16(h));
}

static inline halves v_to_float16(vector v)
{
    return vreinterpret_u16_f16(vcvt_f16_f32(v));
}

static inline vector v_from_bfloat16(halves h)
{
    return vreinterpretq_f32_u32(vshll_n_u16(h, 16));
}

/* Half a unit less one is added, and one more where the last bit kept is odd; NaN only has its quiet bit set. */
static inline halves v_to_bfloat16(vector v)
{
    uint32x4_t bits = vreinterpretq_u32_f32(v);
    uint32x4_t odd = vandq_u32(vshrq_n_u32(bits, 16), vdupq_n_u32(1));
    uint32x4_t rounded = vaddq_u32(vaddq_u32(bits, vdupq_n_u32(0x7fff)), odd);
    uint32x4_t quiet = vorrq_u32(bits, vdupq_n_u32(0x400000));
    return vshrn_n_u32(vbslq_u32(vceqq_f32(v, v), rounded, quiet), 16);
}

#include "kern/simd.inc"
