/* Augmentations, equal to torchvision's on 8-bit pictures (its PIL back end), and normalisation to floats. The weak
 * and the strong view of semi-supervised methods, made of the same operations, are in views.h.
 *
 * augment_apply draws; the single operations beneath it do not, so that each can be held against torchvision. All
 * work on RGB pictures in place. Order: RandAugment, rotation, random crop, then grayscale / flip / colour jitter as
 * the mode says, then random erasing (of the normalised picture, to zero). */
#ifndef RMFER_DATA_AUGMENT_H
#define RMFER_DATA_AUGMENT_H

#include "rmfer/base/random.h"
#include "rmfer/config/config.h"
#include "rmfer/data/image.h"

#include <stddef.h>
#include <stdint.h>

/* A rectangle of pixels; nothing when width is 0. */
struct pixel_box {
    int x, y, width, height;
};

/* A second picture that operations moving pixels need. Zeroed is empty. */
struct augment_workspace {
    uint8_t *copy;
    size_t capacity;
};

void augment_workspace_free(struct augment_workspace *workspace);

/* Draws and applies what `options` asks for, from `stream` alone. *erased is what erasing chose: hand it to
 * image_normalise. */
status augment_apply(struct image *image, const struct config_augment *options, struct random_stream *stream,
                     struct augment_workspace *workspace, struct pixel_box *erased, struct error *err) MUST_CHECK;

/* (x / 255 - mean) / std per channel into out [height, width, 3]; 0 inside `erased` (may be NULL). */
void image_normalise(const uint8_t *rgb, int width, int height, const float mean[3], const float std[3],
                     const struct pixel_box *erased, float *out);

/* Luma (ITU-R 601 in 16-bit fixed point, as PIL's convert("L")) in all three channels. */
void augment_grayscale(struct image *image);
void augment_flip(struct image *image);

/* ColorJitter's parts: blend with black, with the mean luma, with the grayscale picture; turn of the hue by
 * `turn` in -0.5 .. 0.5 of the colour circle. */
void augment_brightness(struct image *image, double factor);
void augment_contrast(struct image *image, double factor);
void augment_saturation(struct image *image, double factor);
void augment_hue(struct image *image, double turn);

/* torchvision's `crop` after `pad`: the picture moves by -dx, -dy, black comes in. */
status augment_shift(struct image *image, int dx, int dy, struct augment_workspace *workspace,
                     struct error *err) MUST_CHECK;

/* The same, but what comes in is the picture mirrored at its edge. */
status augment_shift_reflected(struct image *image, int dx, int dy, struct augment_workspace *workspace,
                               struct error *err) MUST_CHECK;

/* Rotation counter-clockwise by `degrees` about the centre, bilinear, black outside. */
status augment_rotate(struct image *image, double degrees, struct augment_workspace *workspace,
                      struct error *err) MUST_CHECK;

/* The rectangle from (x, y) on, in pixels, stretched over the whole picture, bilinear. It lies within the picture. */
status augment_zoom(struct image *image, double x, double y, double width, double height,
                    struct augment_workspace *workspace, struct error *err) MUST_CHECK;

/* RandAugment's operations. */
enum randaugment_operation {
    RANDAUGMENT_IDENTITY,
    RANDAUGMENT_SHEAR_X,
    RANDAUGMENT_SHEAR_Y,
    RANDAUGMENT_TRANSLATE_X,
    RANDAUGMENT_TRANSLATE_Y,
    RANDAUGMENT_ROTATE,
    RANDAUGMENT_BRIGHTNESS,
    RANDAUGMENT_COLOR,
    RANDAUGMENT_CONTRAST,
    RANDAUGMENT_SHARPNESS,
    RANDAUGMENT_POSTERIZE,
    RANDAUGMENT_SOLARIZE,
    RANDAUGMENT_AUTOCONTRAST,
    RANDAUGMENT_EQUALIZE,
    RANDAUGMENT_COUNT
};

/* One of them by its amount: the share of a shear, pixels of augment_shift, degrees, the factor of brightness,
 * colour, contrast and sharpness (1 = as it is), bits that posterize keeps, the value from which solarize inverts. */
status augment_operate(struct image *image, enum randaugment_operation operation, double amount,
                       struct augment_workspace *workspace, struct error *err) MUST_CHECK;

/* The same by `magnitude` as torchvision hands it to the operation. */
status augment_randaugment(struct image *image, enum randaugment_operation operation, double magnitude,
                           struct augment_workspace *workspace, struct error *err) MUST_CHECK;

/* torchvision's magnitude for `bin` of 0..30 on a picture of that size, sign not yet drawn. */
double randaugment_magnitude(enum randaugment_operation operation, int bin, int width, int height);

#endif
