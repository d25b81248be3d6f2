/* The plain view: drawing what [augment] asks for, in torchvision's ranges; and normalisation. The operations are in
 * augment_color.c, augment_geometry.c and randaugment.c, which draw nothing. */
#include "rmfer/data/augment.h"

#include <math.h>
#include <string.h>

static double jitter_factor(double range, struct random_stream *stream)
{
    return random_between(stream, range < 1.0 ? 1.0 - range : 0.0, 1.0 + range);
}

/* ColorJitter: the four operations in random order, each with a factor of its own; a range of 0 leaves one out. */
static void apply_color_jitter(struct image *image, const struct config_augment *options, struct random_stream *stream)
{
    int64_t order[4] = {0, 1, 2, 3};
    random_shuffle(stream, order, 4);
    double brightness = jitter_factor(options->brightness, stream), contrast = jitter_factor(options->contrast, stream);
    double saturation = jitter_factor(options->saturation, stream);
    double hue = random_between(stream, -options->hue, options->hue);
    for (int i = 0; i < 4; i++) {
        if (order[i] == 0 && options->brightness > 0) augment_brightness(image, brightness);
        if (order[i] == 1 && options->contrast > 0) augment_contrast(image, contrast);
        if (order[i] == 2 && options->saturation > 0) augment_saturation(image, saturation);
        if (order[i] == 3 && options->hue > 0) augment_hue(image, hue);
    }
}

/* The three of METHOD: one drawn uniformly, or each in turn. */
static void apply_usual_three(struct image *image, const struct config_augment *options, struct random_stream *stream)
{
    if (options->mode == AUGMENT_NONE) return;
    bool all = options->mode == AUGMENT_ALL;
    uint64_t chosen = all ? 0 : random_below(stream, 3);
    if ((all || chosen == 0) && random_uniform(stream) < options->grayscale_p) augment_grayscale(image);
    if ((all || chosen == 1) && random_uniform(stream) < options->flip_p) augment_flip(image);
    if (all || chosen == 2) apply_color_jitter(image, options, stream);
}

/* torchvision's RandAugment: n operations drawn with replacement, all of one magnitude bin, half of the signed ones
 * turned round. */
static status apply_randaugment(struct image *image, const struct config_augment *options, struct random_stream *stream,
                                struct augment_workspace *workspace, struct error *err)
{
    status result = STATUS_OK;
    for (int64_t i = 0; i < options->randaugment_n && result == STATUS_OK; i++) {
        enum randaugment_operation operation = (enum randaugment_operation)random_below(stream, RANDAUGMENT_COUNT);
        double magnitude = randaugment_magnitude(operation, (int)options->randaugment_m, image->width, image->height);
        bool is_signed = operation >= RANDAUGMENT_SHEAR_X && operation <= RANDAUGMENT_SHARPNESS;
        if (is_signed && random_below(stream, 2) == 1) magnitude = -magnitude;
        result = augment_randaugment(image, operation, magnitude, workspace, err);
    }
    return result;
}

/* torchvision's RandomErasing: area 2 to 33 % of the picture, aspect ratio 0.3 to 3.3, ten attempts to fit. */
static struct pixel_box draw_erasing(const struct image *image, struct random_stream *stream)
{
    double area = (double)image->width * image->height;
    for (int attempt = 0; attempt < 10; attempt++) {
        double erased = area * random_between(stream, 0.02, 0.33);
        double ratio = exp(random_between(stream, log(0.3), log(3.3)));
        int height = (int)rint(sqrt(erased * ratio)), width = (int)rint(sqrt(erased / ratio));
        if (height >= image->height || width >= image->width) continue;
        int y = (int)random_below(stream, (uint64_t)(image->height - height) + 1);
        int x = (int)random_below(stream, (uint64_t)(image->width - width) + 1);
        return (struct pixel_box){x, y, width, height};
    }
    return (struct pixel_box){0};
}

status augment_apply(struct image *image, const struct config_augment *options, struct random_stream *stream,
                     struct augment_workspace *workspace, struct pixel_box *erased, struct error *err)
{
    *erased = (struct pixel_box){0};
    if (!options->enabled) return STATUS_OK;
    status result = apply_randaugment(image, options, stream, workspace, err);
    if (result == STATUS_OK && options->rotation > 0)
        result = augment_rotate(image, random_between(stream, -options->rotation, options->rotation), workspace, err);
    if (result == STATUS_OK && options->crop_padding > 0) {
        uint64_t places = (uint64_t)options->crop_padding * 2 + 1;
        int dy = (int)random_below(stream, places) - (int)options->crop_padding;
        int dx = (int)random_below(stream, places) - (int)options->crop_padding;
        result = augment_shift(image, dx, dy, workspace, err);
    }
    if (result != STATUS_OK) return result;
    apply_usual_three(image, options, stream);
    if (options->erasing_p > 0 && random_uniform(stream) < options->erasing_p) *erased = draw_erasing(image, stream);
    return STATUS_OK;
}

/* ---- normalisation ------------------------------------------------------------------------------------------------
 *
 * ((float)i / 255 - mean) / std of each byte and channel, the table, defines the result. Where there are fused
 * multiply-adds it is computed in vectors, each quotient by its reciprocal and one correction (Markstein 1990), which
 * rounds as a division does; whether it has is seen on all 256 bytes before. */

struct norm_table {
    float of[3][256];
};

static void look_up(const struct norm_table *table, const uint8_t *rgb, size_t bytes, float *out)
{
    for (size_t i = 0; i < bytes; i += 3) {
        out[i] = table->of[0][rgb[i]];
        out[i + 1] = table->of[1][rgb[i + 1]];
        out[i + 2] = table->of[2][rgb[i + 2]];
    }
}

#if defined(__x86_64__) && defined(__GNUC__)
#include <immintrin.h>

enum { NORM_BYTES = 24 }; /* eight pixels, three vectors */

/* Of NORM_BYTES bytes in a row. */
struct norm_factors {
    float mean[NORM_BYTES], std[NORM_BYTES], reciprocal[NORM_BYTES];
};

__attribute__((target("avx2,fma"))) static void normalise_groups(const struct norm_factors *f, const uint8_t *rgb,
                                                                 size_t groups, float *out)
{
    const __m256 whole = _mm256_set1_ps(255.0f), share = _mm256_set1_ps(1.0f / 255.0f);
    for (size_t g = 0; g < groups; g++, rgb += NORM_BYTES, out += NORM_BYTES) {
        for (int i = 0; i < NORM_BYTES; i += 8) {
            __m256 x = _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)(rgb + i))));
            __m256 std = _mm256_loadu_ps(f->std + i), reciprocal = _mm256_loadu_ps(f->reciprocal + i);
            __m256 quotient = _mm256_mul_ps(x, share);
            quotient = _mm256_fmadd_ps(_mm256_fnmadd_ps(quotient, whole, x), share, quotient);
            __m256 difference = _mm256_sub_ps(quotient, _mm256_loadu_ps(f->mean + i));
            quotient = _mm256_mul_ps(difference, reciprocal);
            quotient = _mm256_fmadd_ps(_mm256_fnmadd_ps(quotient, std, difference), reciprocal, quotient);
            _mm256_storeu_ps(out + i, quotient);
        }
    }
}

/* Every byte in every place of a group. */
static bool rounds_as_division(const struct norm_factors *factors, const struct norm_table *table)
{
    for (int byte = 0; byte < 256; byte++) {
        uint8_t rgb[NORM_BYTES];
        float out[NORM_BYTES];
        memset(rgb, byte, sizeof rgb);
        normalise_groups(factors, rgb, 1, out);
        for (int c = 0; c < 3; c++)
            if (!(out[c] == table->of[c][byte])) return false;
    }
    return true;
}

/* How many bytes it did, from the first on. */
static size_t normalise_fused(const float mean[3], const float std[3], const struct norm_table *table,
                              const uint8_t *rgb, size_t bytes, float *out)
{
    struct norm_factors factors;
    if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma")) return 0;
    for (int i = 0; i < NORM_BYTES; i++) {
        factors.mean[i] = mean[i % 3];
        factors.std[i] = std[i % 3];
        factors.reciprocal[i] = 1.0f / std[i % 3];
    }
    if (!rounds_as_division(&factors, table)) return 0;
    normalise_groups(&factors, rgb, bytes / NORM_BYTES, out);
    return bytes / NORM_BYTES * NORM_BYTES;
}
#else
static size_t normalise_fused(const float mean[3], const float std[3], const struct norm_table *table,
                              const uint8_t *rgb, size_t bytes, float *out)
{
    (void)mean, (void)std, (void)table, (void)rgb, (void)bytes, (void)out;
    return 0;
}
#endif

void image_normalise(const uint8_t *rgb, int width, int height, const float mean[3], const float std[3],
                     const struct pixel_box *erased, float *out)
{
    struct norm_table table;
    for (int c = 0; c < 3; c++)
        for (int i = 0; i < 256; i++) table.of[c][i] = ((float)i / 255.0f - mean[c]) / std[c];
    size_t bytes = (size_t)width * (size_t)height * 3;
    size_t done = normalise_fused(mean, std, &table, rgb, bytes, out);
    look_up(&table, rgb + done, bytes - done, out + done);
    if (erased == NULL || erased->width == 0) return;
    for (int y = erased->y; y < erased->y + erased->height; y++)
        memset(out + ((size_t)y * (size_t)width + (size_t)erased->x) * 3, 0, (size_t)erased->width * 3 * sizeof *out);
}
