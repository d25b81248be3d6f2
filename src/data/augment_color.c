/* Augmentations of single pixels' colours and the flip, in the arithmetic of Pillow on bytes (torchvision's PIL back
 * end). They draw nothing: augment.c and augment_views.c do. */
#include "data/augment_internal.h"

#include <math.h>
#include <string.h>

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
