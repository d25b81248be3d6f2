/* AVX2, FMA and F16C: 8 floats a vector, 16 registers: a tile of 6 rows by 2 vectors keeps 12 sums. */
#include <immintrin.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef __m256 vector;
typedef __m128i halves;
enum { LANES = 8, TILE_ROWS = 6, TILE_VECTORS = 2 };

#define TILE_IS_LARGE 0
#define TABLE         kernels_avx2
#define TABLE_NAME    "avx2"

static inline vector v_load(const float *p)
{
    return _mm256_loadu_ps(p);
}

static inline void v_store(float *p, vector v)
{
    _mm256_storeu_ps(p, v);
}

static inline __m256i lane_mask(size_t lanes)
{
    static const int edge[16] = {-1, -1, -1, -1, -1, -1, -1, -1, 0, 0, 0, 0, 0, 0, 0, 0};
    return _mm256_loadu_si256((const __m256i *)(const void *)(edge + 8 - lanes));
}

/* The first `lanes` numbers, zeros behind them. */
static inline vector v_load_part(const float *p, size_t lanes)
{
    return _mm256_maskload_ps(p, lane_mask(lanes));
}

static inline void v_store_part(float *p, vector v, size_t lanes)
{
    _mm256_maskstore_ps(p, lane_mask(lanes), v);
}

static inline void v_stream(float *p, vector v)
{
    _mm256_stream_ps(p, v);
}

static inline void v_stream_end(void)
{
    _mm_sfence();
}

static inline vector v_set(float x)
{
    return _mm256_set1_ps(x);
}

static inline vector v_fma(vector a, vector b, vector c)
{
    return _mm256_fmadd_ps(a, b, c);
}

/* NaN in the second argument comes through. */
static inline vector v_clamp(float low, float high, vector x)
{
    return _mm256_min_ps(_mm256_set1_ps(high), _mm256_max_ps(_mm256_set1_ps(low), x));
}

/* 2^n for whole n; `shifted` is ROUNDING + n. */
static inline vector v_power_of_two(vector shifted)
{
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_castps_si256(shifted), 23));
}

static inline vector v_quotient(vector a, vector b)
{
    return _mm256_div_ps(a, b);
}

static inline halves h_load(const uint16_t *p)
{
    return _mm_loadu_si128((const __m128i *)(const void *)p);
}

static inline void h_store(uint16_t *p, halves h)
{
    _mm_storeu_si128((__m128i *)(void *)p, h);
}

static inline void h_stream(uint16_t *p, halves h)
{
    _mm_stream_si128((__m128i *)(void *)p, h);
}

static inline vector v_from_float16(halves h)
{
    return _mm256_cvtph_ps(h);
}

static inline halves v_to_float16(vector v)
{
    return _mm256_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT);
}

static inline vector v_from_bfloat16(halves h)
{
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(h), 16));
}

/* Half a unit less one is added, and one more where the last bit kept is odd; NaN only has its quiet bit set. */
static inline halves v_to_bfloat16(vector v)
{
    __m256i bits = _mm256_castps_si256(v);
    __m256i odd = _mm256_and_si256(_mm256_srli_epi32(bits, 16), _mm256_set1_epi32(1));
    __m256i rounded = _mm256_add_epi32(_mm256_add_epi32(bits, _mm256_set1_epi32(0x7fff)), odd);
    __m256i quiet = _mm256_or_si256(bits, _mm256_set1_epi32(0x400000));
    vector chosen = _mm256_blendv_ps(_mm256_castsi256_ps(rounded), _mm256_castsi256_ps(quiet),
                                     _mm256_cmp_ps(v, v, _CMP_UNORD_Q));
    __m256i upper = _mm256_srli_epi32(_mm256_castps_si256(chosen), 16);
    return _mm_packus_epi32(_mm256_castsi256_si128(upper), _mm256_extracti128_si256(upper, 1));
}

#include "kern/simd.inc"
