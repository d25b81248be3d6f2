/* Augmentations of single pixels' colours and the flip, in the arithmetic of Pillow on bytes (torchvision's PIL back
 * end). They draw nothing: augment.c and augment_views.c do. Loops have no branches, so that the compiler makes vectors
 * of them. */
#include "data/augment_internal.h"
#include "data/for_avx2.h"

#include <math.h>
#include <string.h>

/* ITU-R 601 luma with weights in 2^-16, as Pillow's convert("L"). */
ALWAYS_INLINE int luma(const uint8_t *rgb)
{
    return (rgb[0] * 19595 + rgb[1] * 38470 + rgb[2] * 7471 + 0x8000) >> 16;
}

ALWAYS_INLINE uint8_t blend(int from, int to, float share)
{
    float value = (float)from + share * (float)(to - from);
    value = value > 0.0f ? value : 0.0f;
    return (uint8_t)(int)(value < 255.0f ? value : 255.0f);
}

uint8_t augment_blend(int from, int to, float share)
{
    return blend(from, to, share);
}

ALWAYS_INLINE void turn_gray_body(uint8_t *rgb, size_t pixels)
{
    for (size_t i = 0; i < pixels; i++) {
        uint8_t gray = (uint8_t)luma(rgb + 3 * i);
        rgb[3 * i] = rgb[3 * i + 1] = rgb[3 * i + 2] = gray;
    }
}

DEFINE_FOR_AVX2(turn_gray, (uint8_t * rgb, size_t pixels), (rgb, pixels))

void augment_grayscale(struct image *image)
{
    turn_gray(image->rgb, image_bytes(image) / 3);
}

/* Pixels of `from` into `to`, last first. Four bytes are moved for three: the next pixel is written over what is too
 * much. */
static void reverse_pixels(const uint8_t *from, size_t pixels, uint8_t *to)
{
    for (size_t i = 0; i + 1 < pixels; i++) memcpy(to + 3 * i, from + 3 * (pixels - 1 - i), 4);
    memcpy(to + 3 * (pixels - 1), from, 3);
}

static void flip_row(uint8_t *row, size_t width)
{
    enum { AT_ONCE = 64 };
    uint8_t left[3 * AT_ONCE + 1], right[3 * AT_ONCE + 1];
    for (size_t done = 0, half = width / 2; done < half; done += AT_ONCE) {
        size_t pixels = half - done < AT_ONCE ? half - done : AT_ONCE;
        uint8_t *low = row + 3 * done, *high = row + 3 * (width - done - pixels);
        memcpy(left, low, 3 * pixels);
        memcpy(right, high, 3 * pixels);
        left[3 * pixels] = right[3 * pixels] = 0;
        reverse_pixels(right, pixels, low);
        reverse_pixels(left, pixels, high);
    }
}

void augment_flip(struct image *image)
{
    size_t width = (size_t)image->width;
    for (size_t y = 0; y < (size_t)image->height; y++) flip_row(image->rgb + 3 * width * y, width);
}

ALWAYS_INLINE void blend_with_constant_body(uint8_t *bytes, size_t count, int constant, float factor)
{
    for (size_t i = 0; i < count; i++) bytes[i] = blend(constant, bytes[i], factor);
}

DEFINE_FOR_AVX2(blend_with_constant, (uint8_t * bytes, size_t count, int constant, float factor),
                (bytes, count, constant, factor))

void augment_brightness(struct image *image, double factor)
{
    blend_with_constant(image->rgb, image_bytes(image), 0, (float)factor);
}

/* A row's sum fits 32 bits: 65,500 pixels at most. */
ALWAYS_INLINE void sum_luma_body(const uint8_t *rgb, size_t rows, size_t width, uint64_t *sum)
{
    for (size_t y = 0; y < rows; y++, rgb += 3 * width) {
        int row = 0;
        for (size_t x = 0; x < width; x++) row += luma(rgb + 3 * x);
        *sum += (uint64_t)row;
    }
}

DEFINE_FOR_AVX2(sum_luma, (const uint8_t *rgb, size_t rows, size_t width, uint64_t *sum), (rgb, rows, width, sum))

void augment_contrast(struct image *image, double factor)
{
    uint64_t sum = 0;
    sum_luma(image->rgb, (size_t)image->height, (size_t)image->width, &sum);
    double mean = (double)sum / (double)(image_bytes(image) / 3);
    blend_with_constant(image->rgb, image_bytes(image), (int)(mean + 0.5), (float)factor);
}

ALWAYS_INLINE void saturate_body(uint8_t *rgb, size_t pixels, float factor)
{
    for (size_t i = 0; i < pixels; i++) {
        uint8_t *pixel = rgb + 3 * i;
        int gray = luma(pixel);
        uint8_t r = blend(gray, pixel[0], factor), g = blend(gray, pixel[1], factor), b = blend(gray, pixel[2], factor);
        pixel[0] = r;
        pixel[1] = g;
        pixel[2] = b;
    }
}

DEFINE_FOR_AVX2(saturate, (uint8_t * rgb, size_t pixels, float factor), (rgb, pixels, factor))

void augment_saturation(struct image *image, double factor)
{
    saturate(image->rgb, image_bytes(image) / 3, (float)factor);
}

/* ---- hue ---------------------------------------------------------------------------------------------------------
 *
 * The hexagonal model (A. R. Smith 1978) with hue and saturation cut to bytes, as Pillow's convert("HSV"), the hue
 * turned, and back. Pillow computes in single and double; what is below gives the same bytes for every colour and every
 * turn (tests/test_data_augment.c), by whole numbers where it can. */

enum { HUE_PIXELS = 64 }; /* that are worked on together: planes of them stay in the first cache */

struct hue_planes {
    int r[HUE_PIXELS], g[HUE_PIXELS], b[HUE_PIXELS];
};

ALWAYS_INLINE int larger(int a, int b)
{
    return a > b ? a : b;
}

ALWAYS_INLINE int smaller(int a, int b)
{
    return a < b ? a : b;
}

/* Where the colour stands on the circle, 0..255. With the largest channel known, Pillow's difference of two quotients
 * is one quotient, of the middle channel, and a whole number of sixths. */
ALWAYS_INLINE int hue_of(int r, int g, int b, int most, int least)
{
    int middle = r + g + b - most - least;
    float share = (float)(most - middle) / (float)larger(most - least, 1);
    int red = r == most, green = (r != most) & (g == most), blue = 1 - red - green;
    int rising = (red & (b != least)) | (green & (b == least)) | (blue & (r == least));
    int sign = 2 * rising - 1;
    float sixths = (float)(2 * green + 4 * blue - sign) + (float)sign * share;
    float turn = sixths / 6.0f;
    return (int)((turn < 0.0f ? turn + 1.0f : turn) * 255.0f);
}

/* round(x / 255) for x of 0 .. 255 * 255. */
ALWAYS_INLINE int over_255(int x)
{
    return (x + 128 + ((x + 128) >> 8)) >> 8;
}

/* round(value (1 - saturation part / 255^2)): numbers below 2^24 are exact in single, and no quotient is as near to a
 * whole number as its rounding could move it. */
ALWAYS_INLINE int shaded(int value, int saturation, int part)
{
    return (int)((float)(value * (65025 - saturation * part) + 32512) / 65025.0f);
}

/* Red's share in a sector of the circle: most, falling, bottom, bottom, growing, most. Green's is two sectors later,
 * blue's four. By masks, for a choice becomes a branch. */
ALWAYS_INLINE int channel(int sector, int most, int falling, int bottom, int growing)
{
    int is_falling = -(sector == 1), is_bottom = -((sector == 2) | (sector == 3)), is_growing = -(sector == 4);
    int is_most = ~(is_falling | is_bottom | is_growing);
    return (most & is_most) | (falling & is_falling) | (bottom & is_bottom) | (growing & is_growing);
}

ALWAYS_INLINE void turn_hue_of_planes(struct hue_planes *p, int shift)
{
    for (int i = 0; i < HUE_PIXELS; i++) {
        int r = p->r[i], g = p->g[i], b = p->b[i];
        int most = larger(r, larger(g, b)), least = smaller(r, smaller(g, b));
        int saturation = (int)((float)(most - least) / (float)larger(most, 1) * 255.0f);
        int hue = (hue_of(r, g, b, most, least) + shift) & 255;
        int sector = (6 * hue * 257 + 257) >> 16, rest = 6 * hue - 255 * sector;
        int bottom = over_255(most * (255 - saturation));
        int falling = shaded(most, saturation, rest), growing = shaded(most, saturation, 255 - rest);
        sector = sector == 6 ? 0 : sector;
        p->r[i] = channel(sector, most, falling, bottom, growing);
        p->g[i] = channel(sector < 2 ? sector + 4 : sector - 2, most, falling, bottom, growing);
        p->b[i] = channel(sector < 4 ? sector + 2 : sector - 4, most, falling, bottom, growing);
    }
}

ALWAYS_INLINE void turn_hue_body(uint8_t *rgb, size_t pixels, int shift)
{
    struct hue_planes planes;
    memset(&planes, 0, sizeof planes);
    for (size_t done = 0; done < pixels; done += HUE_PIXELS) {
        size_t count = pixels - done < HUE_PIXELS ? pixels - done : HUE_PIXELS;
        uint8_t *own = rgb + 3 * done;
        for (size_t i = 0; i < count; i++) {
            planes.r[i] = own[3 * i];
            planes.g[i] = own[3 * i + 1];
            planes.b[i] = own[3 * i + 2];
        }
        turn_hue_of_planes(&planes, shift);
        for (size_t i = 0; i < count; i++) {
            own[3 * i] = (uint8_t)planes.r[i];
            own[3 * i + 1] = (uint8_t)planes.g[i];
            own[3 * i + 2] = (uint8_t)planes.b[i];
        }
    }
}

DEFINE_FOR_AVX2(turn_hue, (uint8_t * rgb, size_t pixels, int shift), (rgb, pixels, shift))

void augment_hue(struct image *image, double turn)
{
    turn_hue(image->rgb, image_bytes(image) / 3, (int)(turn * 255.0) & 255);
}
