/* Drawing augmentations, and the colour operations of torchvision's PIL back end (Pillow's arithmetic on bytes).
 * What moves pixels is in augment_geometry.c, RandAugment's further operations in randaugment.c. */
#include "rmfer/data/augment.h"
#include "data/augment_internal.h"
#include "rmfer/base/memory.h"

#include <math.h>
#include <string.h>

void augment_workspace_free(struct augment_workspace *workspace)
{
    memory_free(workspace->copy);
    *workspace = (struct augment_workspace){0};
}

status augment_copy(const struct image *image, struct augment_workspace *workspace, struct error *err)
{
    size_t bytes = image_bytes(image);
    if (bytes > workspace->capacity) {
        uint8_t *larger = memory_allocate(bytes, 1, "an augmentation's copy", err);
        if (larger == NULL) return STATUS_FAILED;
        memory_free(workspace->copy);
        workspace->copy = larger;
        workspace->capacity = bytes;
    }
    memcpy(workspace->copy, image->rgb, bytes);
    return STATUS_OK;
}

/* ITU-R 601 luma with weights in 2^-16, as Pillow's convert("L"). */
static uint8_t luma(const uint8_t *rgb)
{
    return (uint8_t)((rgb[0] * 19595 + rgb[1] * 38470 + rgb[2] * 7471 + 0x8000) >> 16);
}

void augment_grayscale(struct image *image)
{
    size_t bytes = image_bytes(image);
    for (uint8_t *pixel = image->rgb; pixel < image->rgb + bytes; pixel += 3) memset(pixel, luma(pixel), 3);
}

void augment_flip(struct image *image)
{
    size_t stride = (size_t)image->width * 3;
    for (int y = 0; y < image->height; y++) {
        uint8_t *left = image->rgb + (size_t)y * stride, *right = left + stride - 3;
        for (; left < right; left += 3, right -= 3) {
            for (int c = 0; c < 3; c++) {
                uint8_t kept = left[c];
                left[c] = right[c];
                right[c] = kept;
            }
        }
    }
}

uint8_t augment_blend(int from, int to, float share)
{
    float value = (float)from + share * (float)(to - from);
    if (value <= 0.0f) return 0;
    return value >= 255.0f ? 255 : (uint8_t)value;
}

/* A blend with one value for the whole picture is a table. */
static void blend_with_constant(struct image *image, int constant, double factor)
{
    uint8_t table[256];
    for (int i = 0; i < 256; i++) table[i] = augment_blend(constant, i, (float)factor);
    size_t bytes = image_bytes(image);
    for (size_t i = 0; i < bytes; i++) image->rgb[i] = table[image->rgb[i]];
}

void augment_brightness(struct image *image, double factor)
{
    blend_with_constant(image, 0, factor);
}

void augment_contrast(struct image *image, double factor)
{
    size_t bytes = image_bytes(image);
    uint64_t sum = 0;
    for (size_t i = 0; i < bytes; i += 3) sum += luma(image->rgb + i);
    double mean = (double)sum / (double)(bytes / 3);
    blend_with_constant(image, (int)(mean + 0.5), factor);
}

void augment_saturation(struct image *image, double factor)
{
    size_t bytes = image_bytes(image);
    for (uint8_t *pixel = image->rgb; pixel < image->rgb + bytes; pixel += 3) {
        int gray = luma(pixel);
        for (int c = 0; c < 3; c++) pixel[c] = augment_blend(gray, pixel[c], (float)factor);
    }
}

struct hsv {
    uint8_t hue, saturation, value;
};

/* The hexagonal model (A. R. Smith 1978) with hue and saturation cut to bytes, as Pillow's convert("HSV"). */
static struct hsv hsv_of(const uint8_t *rgb)
{
    int r = rgb[0], g = rgb[1], b = rgb[2];
    int most = r > g ? (r > b ? r : b) : (g > b ? g : b);
    int least = r < g ? (r < b ? r : b) : (g < b ? g : b);
    if (most == least) return (struct hsv){0, 0, (uint8_t)most};
    float spread = (float)(most - least);
    float from_r = (float)(most - r) / spread, from_g = (float)(most - g) / spread,
          from_b = (float)(most - b) / spread;
    float sixths;
    if (r == most)
        sixths = from_b - from_g;
    else if (g == most)
        sixths = (float)(2.0 + (double)from_r - (double)from_b);
    else
        sixths = (float)(4.0 + (double)from_g - (double)from_r);
    double turn = (double)sixths / 6.0 + 1.0; /* above 0 and below 2 */
    float hue = (float)(turn >= 1.0 ? turn - 1.0 : turn);
    float saturation = spread / (float)most;
    return (struct hsv){(uint8_t)((double)hue * 255.0), (uint8_t)((double)saturation * 255.0), (uint8_t)most};
}

static void rgb_of(struct hsv hsv, uint8_t *rgb)
{
    if (hsv.saturation == 0) {
        memset(rgb, hsv.value, 3);
        return;
    }
    double sixths = (double)((float)hsv.hue * 6.0f) / 255.0;
    int sector = (int)sixths;
    float rest = (float)(sixths - sector), value = (float)hsv.value;
    float saturation = (float)((double)(float)hsv.saturation / 255.0);
    uint8_t p = (uint8_t)round((double)value * (1.0 - (double)saturation));
    uint8_t q = (uint8_t)round((double)value * (1.0 - (double)(saturation * rest)));
    uint8_t t = (uint8_t)round((double)value * (1.0 - (double)saturation * (1.0 - (double)rest)));
    const uint8_t v = hsv.value;
    const uint8_t sectors[6][3] = {{v, t, p}, {q, v, p}, {p, v, t}, {p, q, v}, {t, p, v}, {v, p, q}};
    memcpy(rgb, sectors[sector % 6], 3);
}

void augment_hue(struct image *image, double turn)
{
    uint8_t shift = (uint8_t)(int)(turn * 255.0); /* modulo 256, negative turns too */
    size_t bytes = image_bytes(image);
    for (uint8_t *pixel = image->rgb; pixel < image->rgb + bytes; pixel += 3) {
        struct hsv hsv = hsv_of(pixel);
        hsv.hue = (uint8_t)(hsv.hue + shift);
        rgb_of(hsv, pixel);
    }
}

static double jitter_factor(double range, struct random_stream *stream)
{
    return random_between(stream, range < 1.0 ? 1.0 - range : 0.0, 1.0 + range);
}

/* ColorJitter: the four operations in random order, each with a factor of its own; a range of 0 leaves one out. */
static void apply_color_jitter(struct image *image, const struct config_augment *options,
                               struct random_stream *stream)
{
    int64_t order[4] = {0, 1, 2, 3};
    random_shuffle(stream, order, 4);
    double brightness = jitter_factor(options->brightness, stream),
           contrast = jitter_factor(options->contrast, stream);
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
static status apply_randaugment(struct image *image, const struct config_augment *options,
                                struct random_stream *stream, struct augment_workspace *workspace, struct error *err)
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

void image_normalise(const uint8_t *rgb, int width, int height, const float mean[3], const float std[3],
                     const struct pixel_box *erased, float *out)
{
    float table[3][256];
    for (int c = 0; c < 3; c++)
        for (int i = 0; i < 256; i++) table[c][i] = ((float)i / 255.0f - mean[c]) / std[c];
    size_t bytes = (size_t)width * (size_t)height * 3;
    for (size_t i = 0; i < bytes; i += 3) {
        out[i] = table[0][rgb[i]];
        out[i + 1] = table[1][rgb[i + 1]];
        out[i + 2] = table[2][rgb[i + 2]];
    }
    if (erased == NULL || erased->width == 0) return;
    for (int y = erased->y; y < erased->y + erased->height; y++)
        memset(out + ((size_t)y * (size_t)width + (size_t)erased->x) * 3, 0, (size_t)erased->width * 3 * sizeof *out);
}
