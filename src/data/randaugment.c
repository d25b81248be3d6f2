/* RandAugment's operations (Cubuk et al. 2019), with torchvision's magnitudes of 31 bins. Which are drawn, and from
 * which ranges, augment.c (torchvision's) and augment_views.c (FixMatch's) say. */
#include "data/augment_internal.h"

#include <math.h>
#include <string.h>

enum { LAST_BIN = 30 };

double randaugment_magnitude(enum randaugment_operation operation, int bin, int width, int height)
{
    double share = (double)bin / LAST_BIN;
    switch (operation) {
    case RANDAUGMENT_SHEAR_X:
    case RANDAUGMENT_SHEAR_Y: return 0.3 * share;
    case RANDAUGMENT_TRANSLATE_X: return 150.0 / 331.0 * width * share;
    case RANDAUGMENT_TRANSLATE_Y: return 150.0 / 331.0 * height * share;
    case RANDAUGMENT_ROTATE: return 30.0 * share;
    case RANDAUGMENT_BRIGHTNESS:
    case RANDAUGMENT_COLOR:
    case RANDAUGMENT_CONTRAST:
    case RANDAUGMENT_SHARPNESS: return 0.9 * share;
    case RANDAUGMENT_POSTERIZE: return 8.0 - rint(share * 4.0);
    case RANDAUGMENT_SOLARIZE: return 255.0 * (1.0 - share);
    default: return 0.0;
    }
}

static void apply_table(struct image *image, int channel, const uint8_t table[256])
{
    size_t bytes = image_bytes(image);
    for (size_t i = (size_t)channel; i < bytes; i += 3) image->rgb[i] = table[image->rgb[i]];
}

static void count_values(const struct image *image, int channel, uint64_t counts[256])
{
    memset(counts, 0, 256 * sizeof *counts);
    size_t bytes = image_bytes(image);
    for (size_t i = (size_t)channel; i < bytes; i += 3) counts[image->rgb[i]]++;
}

/* Keeps the `bits` highest bits. */
static void posterize(struct image *image, int bits)
{
    uint8_t table[256];
    int mask = 0xff & ~((1 << (8 - bits)) - 1);
    for (int i = 0; i < 256; i++) table[i] = (uint8_t)(i & mask);
    for (int c = 0; c < 3; c++) apply_table(image, c, table);
}

/* Turns values from `threshold` up into their negative. */
static void solarize(struct image *image, double threshold)
{
    uint8_t table[256];
    for (int i = 0; i < 256; i++) table[i] = (uint8_t)(i < threshold ? i : 255 - i);
    for (int c = 0; c < 3; c++) apply_table(image, c, table);
}

/* Each channel's range is stretched to 0..255. */
static void autocontrast(struct image *image)
{
    for (int c = 0; c < 3; c++) {
        uint64_t counts[256];
        count_values(image, c, counts);
        int low = 0, high = 255;
        while (low < 255 && counts[low] == 0) low++;
        while (high > 0 && counts[high] == 0) high--;
        if (high <= low) continue;
        uint8_t table[256];
        double scale = 255.0 / (high - low), offset = -low * scale;
        for (int i = 0; i < 256; i++) {
            int value = (int)(i * scale + offset);
            table[i] = (uint8_t)(value < 0 ? 0 : value > 255 ? 255 : value);
        }
        apply_table(image, c, table);
    }
}

/* Each channel's values are spread evenly (Pillow's ImageOps.equalize). */
static void equalize(struct image *image)
{
    for (int c = 0; c < 3; c++) {
        uint64_t counts[256], total = 0, last = 0;
        count_values(image, c, counts);
        for (int i = 0; i < 256; i++) {
            total += counts[i];
            if (counts[i] != 0) last = counts[i];
        }
        uint64_t step = (total - last) / 255;
        if (step == 0) continue;
        uint8_t table[256];
        uint64_t sum = step / 2;
        for (int i = 0; i < 256; sum += counts[i], i++) table[i] = (uint8_t)(sum / step > 255 ? 255 : sum / step);
        apply_table(image, c, table);
    }
}

/* A blend with the smoothed picture: a 3 x 3 mean with five times the weight on the centre; the border stays. */
static status sharpness(struct image *image, double factor, struct augment_workspace *workspace, struct error *err)
{
    status result = augment_copy(image, workspace, err);
    if (result != STATUS_OK) return result;
    const float edge = 1.0f / 13.0f, centre = 5.0f / 13.0f;
    size_t stride = (size_t)image->width * 3;
    for (int y = 0; y < image->height; y++) {
        bool border_row = y == 0 || y == image->height - 1;
        uint8_t *row = image->rgb + (size_t)y * stride;
        const uint8_t *from = workspace->copy + (size_t)y * stride;
        for (size_t i = 0; i < stride; i++) {
            int smooth = from[i];
            if (!border_row && i >= 3 && i < stride - 3) {
                const uint8_t *above = from + i - stride, *below = from + i + stride;
                float sum = 0.5f;
                sum += (float)below[-3] * edge + (float)below[0] * edge + (float)below[3] * edge;
                sum += (float)from[i - 3] * edge + (float)from[i] * centre + (float)from[i + 3] * edge;
                sum += (float)above[-3] * edge + (float)above[0] * edge + (float)above[3] * edge;
                smooth = sum >= 255.0f ? 255 : (int)sum;
            }
            row[i] = augment_blend(smooth, from[i], (float)factor);
        }
    }
    return STATUS_OK;
}

status augment_operate(struct image *image, enum randaugment_operation operation, double amount,
                       struct augment_workspace *workspace, struct error *err)
{
    double m[6] = {1, 0, 0, 0, 1, 0};
    switch (operation) {
    case RANDAUGMENT_SHEAR_X: m[1] = amount; return augment_affine_nearest(image, m, workspace, err);
    case RANDAUGMENT_SHEAR_Y: m[3] = amount; return augment_affine_nearest(image, m, workspace, err);
    case RANDAUGMENT_TRANSLATE_X: return augment_shift(image, (int)amount, 0, workspace, err);
    case RANDAUGMENT_TRANSLATE_Y: return augment_shift(image, 0, (int)amount, workspace, err);
    case RANDAUGMENT_ROTATE:
        augment_rotation_map(image, amount, m);
        return augment_affine_nearest(image, m, workspace, err);
    case RANDAUGMENT_SHARPNESS: return sharpness(image, amount, workspace, err);
    case RANDAUGMENT_BRIGHTNESS: augment_brightness(image, amount); break;
    case RANDAUGMENT_COLOR: augment_saturation(image, amount); break;
    case RANDAUGMENT_CONTRAST: augment_contrast(image, amount); break;
    case RANDAUGMENT_POSTERIZE: posterize(image, (int)amount); break;
    case RANDAUGMENT_SOLARIZE: solarize(image, amount); break;
    case RANDAUGMENT_AUTOCONTRAST: autocontrast(image); break;
    case RANDAUGMENT_EQUALIZE: equalize(image); break;
    case RANDAUGMENT_IDENTITY:
    case RANDAUGMENT_COUNT: break;
    }
    return STATUS_OK;
}

status augment_randaugment(struct image *image, enum randaugment_operation operation, double magnitude,
                           struct augment_workspace *workspace, struct error *err)
{
    bool is_factor = operation >= RANDAUGMENT_BRIGHTNESS && operation <= RANDAUGMENT_SHARPNESS;
    bool is_shift = operation == RANDAUGMENT_TRANSLATE_X || operation == RANDAUGMENT_TRANSLATE_Y;
    double amount = is_factor ? 1.0 + magnitude : is_shift ? -trunc(magnitude) : magnitude;
    return augment_operate(image, operation, amount, workspace, err);
}
