/* NEON of 64-bit Arm: 4 floats a vector, 32 registers: a tile of 12 rows by 2 vectors keeps 24 sums. */
#include <arm_neon.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

typedef float32x4_t vector;
enum { LANES = 4, TILE_ROWS = 12, TILE_VECTORS = 2 };

#define TILE_IS_LARGE 1
#define TABLE      kernels_neon
#define TABLE_NAME "neon"

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

/* x * 2^n for normal x and whole n; `shifted` is ROUNDING + n, whose last bits go into the exponent of x. */
static inline vector v_scale_by_power(vector x, vector shifted)
{
    int32x4_t exponent = vshlq_n_s32(vreinterpretq_s32_f32(shifted), 23);
    return vreinterpretq_f32_s32(vaddq_s32(vreinterpretq_s32_f32(x), exponent));
}

static inline vector v_reciprocal(vector x)
{
    return vdivq_f32(vdupq_n_f32(1.0f), x);
}

#include "kern/simd.inc"
