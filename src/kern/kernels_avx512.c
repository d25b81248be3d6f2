/* AVX-512: 16 floats a vector, 32 registers: a tile of 14 rows by 2 vectors keeps 28 sums. */
#include <immintrin.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef __m512 vector;
typedef __m256i halves;
enum { LANES = 16, TILE_ROWS = 14, TILE_VECTORS = 2 };

#define TILE_IS_LARGE 1
#define TABLE         kernels_avx512
#define TABLE_NAME    "avx512"

static inline vector v_load(const float *p)
{
    return _mm512_loadu_ps(p);
}

static inline void v_store(float *p, vector v)
{
    _mm512_storeu_ps(p, v);
}

static inline __mmask16 lane_mask(size_t lanes)
{
    return (__mmask16)((1u << lanes) - 1u);
}

/* The first `lanes` numbers, zeros behind them. */
static inline vector v_load_part(const float *p, size_t lanes)
{
    return _mm512_maskz_loadu_ps(lane_mask(lanes), p);
}

static inline void v_store_part(float *p, vector v, size_t lanes)
{
    _mm512_mask_storeu_ps(p, lane_mask(lanes), v);
}

static inline void v_stream(float *p, vector v)
{
    _mm512_stream_ps(p, v);
}

static inline void v_stream_end(void)
{
    _mm_sfence();
}

static inline vector v_set(float x)
{
    return _mm512_set1_ps(x);
}

static inline vector v_fma(vector a, vector b, vector c)
{
    return _mm512_fmadd_ps(a, b, c);
}

/* NaN in the second argument comes through. */
static inline vector v_clamp(float low, float high, vector x)
{
    return _mm512_min_ps(_mm512_set1_ps(high), _mm512_max_ps(_mm512_set1_ps(low), x));
}

/* 2^n for whole n; `shifted` is ROUNDING + n. */
static inline vector v_power_of_two(vector shifted)
{
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_castps_si512(shifted), 23));
}

/* a / b for normal b: times the 14-bit estimate after one Newton step, y (2 - b y), within 3 units in the last place.
 */
static inline vector v_quotient(vector a, vector b)
{
    vector y = _mm512_rcp14_ps(b);
    return _mm512_mul_ps(a, _mm512_mul_ps(y, _mm512_fnmadd_ps(b, y, _mm512_set1_ps(2.0f))));
}

static inline halves h_load(const uint16_t *p)
{
    return _mm256_loadu_si256((const __m256i *)(const void *)p);
}

static inline void h_store(uint16_t *p, halves h)
{
    _mm256_storeu_si256((__m256i *)(void *)p, h);
}

static inline void h_stream(uint16_t *p, halves h)
{
    _mm256_stream_si256((__m256i *)(void *)p, h);
}

static inline vector v_from_float16(halves h)
{
    return _mm512_cvtph_ps(h);
}

static inline halves v_to_float16(vector v)
{
    return _mm512_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}

static inline vector v_from_bfloat16(halves h)
{
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(h), 16));
}

/* Half a unit less one is added, and one more where the last bit kept is odd; NaN only has its quiet bit set. */
static inline halves v_to_bfloat16(vector v)
{
    __m512i bits = _mm512_castps_si512(v);
    __m512i odd = _mm512_and_si512(_mm512_srli_epi32(bits, 16), _mm512_set1_epi32(1));
    __m512i rounded = _mm512_add_epi32(_mm512_add_epi32(bits, _mm512_set1_epi32(0x7fff)), odd);
    __mmask16 is_nan = _mm512_cmp_ps_mask(v, v, _CMP_UNORD_Q);
    rounded = _mm512_mask_or_epi32(rounded, is_nan, bits, _mm512_set1_epi32(0x400000));
    return _mm512_cvtepi32_epi16(_mm512_srli_epi32(rounded, 16));
}

#include "kern/simd.inc"
