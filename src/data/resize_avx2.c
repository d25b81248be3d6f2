/* Resizing's inner loops for AVX2: pairs of pixels times pairs of weights. A weight does not fit the 16 bits of that
 * multiplication: it is taken apart into `high` 2^15 + `low`, low of 0 .. 2^15 - 1, and the two sums are put together
 * before they are rounded. All sums are modulo 2^32, as those of the plain C are. */
#include "data/resize_loops.h"

#if defined(__x86_64__) && defined(__GNUC__)
#include <immintrin.h>
#include <string.h>

enum { LOW_BITS = 15, VECTOR_BYTES = 32 };

#define FOR_AVX2 __attribute__((target("avx2")))

/* Two weights side by side, as the multiplication wants them. */
static int32_t low_pair(int32_t first, int32_t second)
{
    int32_t mask = (1 << LOW_BITS) - 1;
    return (first & mask) | (second & mask) << 16;
}

static int32_t high_pair(int32_t first, int32_t second)
{
    return (int32_t)(((uint32_t)(first >> LOW_BITS) & 0xffff) | (uint32_t)(second >> LOW_BITS) << 16);
}

FOR_AVX2 static inline __m256i joined(__m256i low, __m256i high)
{
    return _mm256_srai_epi32(_mm256_add_epi32(low, _mm256_slli_epi32(high, LOW_BITS)), RESIZE_WEIGHT_BITS);
}

/* ---- down -------------------------------------------------------------------------------------------------------- */

/* 32 columns of one output row. */
FOR_AVX2 static inline void down_32(const int32_t *weights, int count, const uint8_t *from, size_t stride,
                                    uint8_t *target)
{
    const __m256i zero = _mm256_setzero_si256();
    __m256i low[4], high[4];
    for (int i = 0; i < 4; i++) {
        low[i] = _mm256_set1_epi32(RESIZE_HALF);
        high[i] = zero;
    }
    for (int t = 0; t < count; t += 2) {
        const uint8_t *next = t + 1 < count ? from + stride : from;
        int32_t second = t + 1 < count ? weights[t + 1] : 0;
        __m256i a = _mm256_loadu_si256((const __m256i *)from), b = _mm256_loadu_si256((const __m256i *)next);
        __m256i w_low = _mm256_set1_epi32(low_pair(weights[t], second));
        __m256i w_high = _mm256_set1_epi32(high_pair(weights[t], second));
        __m256i left = _mm256_unpacklo_epi8(a, b), right = _mm256_unpackhi_epi8(a, b);
        __m256i pairs[4] = {_mm256_unpacklo_epi8(left, zero), _mm256_unpackhi_epi8(left, zero),
                            _mm256_unpacklo_epi8(right, zero), _mm256_unpackhi_epi8(right, zero)};
        for (int i = 0; i < 4; i++) {
            low[i] = _mm256_add_epi32(low[i], _mm256_madd_epi16(pairs[i], w_low));
            high[i] = _mm256_add_epi32(high[i], _mm256_madd_epi16(pairs[i], w_high));
        }
        from += 2 * stride;
    }
    __m256i left = _mm256_packs_epi32(joined(low[0], high[0]), joined(low[1], high[1]));
    __m256i right = _mm256_packs_epi32(joined(low[2], high[2]), joined(low[3], high[3]));
    _mm256_storeu_si256((__m256i *)target, _mm256_packus_epi16(left, right));
}

/* The last columns are taken together with some that are done already. */
FOR_AVX2 static void down(const struct resize_pass *pass, const uint8_t *source, int first, size_t stride,
                          uint8_t *target)
{
    if (stride < VECTOR_BYTES) {
        resize_loops_portable.down(pass, source, first, stride, target);
        return;
    }
    for (int i = 0; i < pass->outputs; i++, target += stride) {
        const int32_t *weights = pass->weights + (size_t)i * (size_t)pass->taps;
        const uint8_t *from = source + (size_t)(pass->bounds[2 * i] - first) * stride;
        int count = pass->bounds[2 * i + 1];
        for (size_t column = 0; column < stride; column += VECTOR_BYTES) {
            size_t at = column + VECTOR_BYTES <= stride ? column : stride - VECTOR_BYTES;
            down_32(weights, count, from + at, stride, target + at);
        }
    }
}

/* ---- across ------------------------------------------------------------------------------------------------------ */

/* Four taps' weights. */
struct four_taps {
    int32_t low[2], high[2];
};

static void pack_weights(const struct resize_pass *pass, size_t fours, struct four_taps *packed)
{
    for (int i = 0; i < pass->outputs; i++) {
        const int32_t *weights = pass->weights + (size_t)i * (size_t)pass->taps;
        size_t count = (size_t)pass->bounds[2 * i + 1];
        for (size_t f = 0; f < fours; f++, packed++) {
            int32_t w[4];
            for (size_t t = 0; t < 4; t++) w[t] = 4 * f + t < count ? weights[4 * f + t] : 0;
            for (size_t pair = 0; pair < 2; pair++) {
                packed->low[pair] = low_pair(w[2 * pair], w[2 * pair + 1]);
                packed->high[pair] = high_pair(w[2 * pair], w[2 * pair + 1]);
            }
        }
    }
}

/* One output pixel of two rows: R, G, B and nothing, as 32-bit numbers, of the first row in the lower half. */
FOR_AVX2 static inline __m256i across_pixel(const struct four_taps *weights, size_t fours, const uint8_t *a,
                                            const uint8_t *b)
{
    const __m256i first_two = _mm256_setr_epi8(0, -1, 3, -1, 1, -1, 4, -1, 2, -1, 5, -1, -1, -1, -1, -1, //
                                               0, -1, 3, -1, 1, -1, 4, -1, 2, -1, 5, -1, -1, -1, -1, -1);
    const __m256i last_two = _mm256_setr_epi8(6, -1, 9, -1, 7, -1, 10, -1, 8, -1, 11, -1, -1, -1, -1, -1, //
                                              6, -1, 9, -1, 7, -1, 10, -1, 8, -1, 11, -1, -1, -1, -1, -1);
    __m256i low = _mm256_set1_epi32(RESIZE_HALF), high = _mm256_setzero_si256();
    for (size_t f = 0; f < fours; f++, a += 12, b += 12, weights++) {
        __m256i both = _mm256_inserti128_si256(_mm256_castsi128_si256(_mm_loadu_si128((const __m128i *)a)),
                                               _mm_loadu_si128((const __m128i *)b), 1);
        __m256i front = _mm256_shuffle_epi8(both, first_two), back = _mm256_shuffle_epi8(both, last_two);
        low = _mm256_add_epi32(low, _mm256_madd_epi16(front, _mm256_set1_epi32(weights->low[0])));
        high = _mm256_add_epi32(high, _mm256_madd_epi16(front, _mm256_set1_epi32(weights->high[0])));
        low = _mm256_add_epi32(low, _mm256_madd_epi16(back, _mm256_set1_epi32(weights->low[1])));
        high = _mm256_add_epi32(high, _mm256_madd_epi16(back, _mm256_set1_epi32(weights->high[1])));
    }
    return joined(low, high);
}

/* Four pixels of 12 bytes in each half. */
FOR_AVX2 static inline __m256i four_pixels(const __m256i pixels[4])
{
    const __m256i close = _mm256_setr_epi8(0, 1, 2, 4, 5, 6, 8, 9, 10, 12, 13, 14, -1, -1, -1, -1, //
                                           0, 1, 2, 4, 5, 6, 8, 9, 10, 12, 13, 14, -1, -1, -1, -1);
    __m256i left = _mm256_packs_epi32(pixels[0], pixels[1]), right = _mm256_packs_epi32(pixels[2], pixels[3]);
    return _mm256_shuffle_epi8(_mm256_packus_epi16(left, right), close);
}

/* Everything that the passes over two rows need. */
struct across_job {
    const int *bounds;
    const struct four_taps *weights; /* [outputs, fours] */
    size_t fours;
    int outputs;
};

/* Outputs first .. first + 3 of two rows; behind the last one comes the last one again. */
FOR_AVX2 static inline __m256i across_four(const struct across_job *job, size_t fours, int first, int most,
                                           const uint8_t *a, const uint8_t *b)
{
    __m256i pixels[4];
    for (int j = 0; j < 4; j++) {
        int each = j < most ? first + j : first + most - 1;
        size_t at = 3 * (size_t)job->bounds[2 * each];
        pixels[j] = across_pixel(job->weights + (size_t)each * fours, fours, a + at, b + at);
    }
    return four_pixels(pixels);
}

/* Two rows. Sixteen bytes are stored for twelve where the row goes on; its last pixels go through a buffer. */
FOR_AVX2 static inline void across_two(const struct across_job *job, size_t fours, const uint8_t *a, const uint8_t *b,
                                       uint8_t *to_a, uint8_t *to_b)
{
    int i = 0;
    for (; i + 6 <= job->outputs; i += 4) {
        __m256i bytes = across_four(job, fours, i, 4, a, b);
        _mm_storeu_si128((__m128i *)(to_a + 3 * (size_t)i), _mm256_castsi256_si128(bytes));
        _mm_storeu_si128((__m128i *)(to_b + 3 * (size_t)i), _mm256_extracti128_si256(bytes, 1));
    }
    for (; i < job->outputs; i += 4) {
        int most = job->outputs - i < 4 ? job->outputs - i : 4;
        uint8_t last[VECTOR_BYTES];
        _mm256_storeu_si256((__m256i *)last, across_four(job, fours, i, most, a, b));
        memcpy(to_a + 3 * (size_t)i, last, 3 * (size_t)most);
        memcpy(to_b + 3 * (size_t)i, last + 16, 3 * (size_t)most);
    }
}

FOR_AVX2 static void across_pair(const struct across_job *job, const uint8_t *a, const uint8_t *b, uint8_t *to_a,
                                 uint8_t *to_b)
{
    if (job->fours == 1)
        across_two(job, 1, a, b, to_a, to_b); /* enlarging: a loop less */
    else
        across_two(job, job->fours, a, b, to_a, to_b);
}

/* Fours of taps that the widest output needs: the pass has room for more. */
static size_t widest(const struct resize_pass *pass)
{
    int most = 1;
    for (int i = 0; i < pass->outputs; i++)
        if (pass->bounds[2 * i + 1] > most) most = pass->bounds[2 * i + 1];
    return ((size_t)most + 3) / 4;
}

/* Bytes from a row's begin on that across_pixel reads; those behind the row are multiplied by 0. */
static size_t bytes_read(const struct resize_pass *pass, size_t fours)
{
    size_t most = 0;
    for (int i = 0; i < pass->outputs; i++) {
        size_t reach = 3 * ((size_t)pass->bounds[2 * i] + 4 * (fours - 1)) + 16;
        if (reach > most) most = reach;
    }
    return most;
}

/* How many of the rows, in pairs, have so many bytes. */
static int rows_to_read(const struct resize_rows *rows, size_t needed)
{
    if (rows->readable < needed) return 0;
    size_t count = (rows->readable - needed) / rows->stride + 1;
    return (count < (size_t)rows->count ? (int)count : rows->count) & ~1;
}

/* The last rows, one at a time, out of a copy behind which there is more to read. */
static void across_last(const struct across_job *job, const struct resize_rows *rows, int row, uint8_t *target,
                        size_t to_stride, uint8_t *copy, size_t copy_bytes)
{
    size_t bytes = 3 * (size_t)rows->pixels;
    memset(copy, 0, copy_bytes);
    for (; row < rows->count; row++) {
        uint8_t *to = target + (size_t)row * to_stride;
        memcpy(copy, rows->from + (size_t)row * rows->stride, bytes);
        across_pair(job, copy, copy, to, to);
    }
}

static void across(const struct resize_pass *pass, const struct resize_rows *rows, uint8_t *target, size_t to_stride,
                   uint8_t *scratch)
{
    size_t fours = widest(pass), needed = bytes_read(pass, fours), row_bytes = 3 * (size_t)rows->pixels;
    size_t packed = (size_t)pass->outputs * fours * sizeof(struct four_taps),
           copy = needed > row_bytes ? needed : row_bytes;
    struct four_taps *weights = (struct four_taps *)(void *)scratch;
    pack_weights(pass, fours, weights);
    struct across_job job = {pass->bounds, weights, fours, pass->outputs};
    int fast = rows_to_read(rows, needed);
    for (int row = 0; row < fast; row += 2) {
        const uint8_t *from = rows->from + (size_t)row * rows->stride;
        uint8_t *to = target + (size_t)row * to_stride;
        across_pair(&job, from, from + rows->stride, to, to + to_stride);
    }
    across_last(&job, rows, fast, target, to_stride, scratch + packed, copy);
}

const struct resize_loops resize_loops_avx2 = {across, down};
#endif
