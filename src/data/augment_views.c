/* Drawing the weak and the strong view and that of a pair (views.h says whose they are). */
#include "rmfer/data/views.h"

#include <math.h>

static const uint8_t CUTOUT_COLOR[3] = {125, 123, 114}; /* the mean of ImageNet's pixels */

/* ---- weak -------------------------------------------------------------------------------------------------------- */

static status apply_weak(struct image *image, const struct config_augment_weak *options, struct random_stream *stream,
                         struct augment_workspace *workspace, struct error *err)
{
    int across = (int)(options->shift * image->width), down = (int)(options->shift * image->height);
    int dx = (int)random_below(stream, 2 * (uint64_t)across + 1) - across;
    int dy = (int)random_below(stream, 2 * (uint64_t)down + 1) - down;
    bool flips = random_uniform(stream) < options->flip_p;
    status result = augment_shift_reflected(image, dx, dy, workspace, err);
    if (result == STATUS_OK && flips) augment_flip(image);
    return result;
}

/* ---- strong ------------------------------------------------------------------------------------------------------ */

void strong_range(enum randaugment_operation operation, double *low, double *high)
{
    *low = *high = 0;
    switch (operation) {
    case RANDAUGMENT_BRIGHTNESS:
    case RANDAUGMENT_COLOR:
    case RANDAUGMENT_CONTRAST:
    case RANDAUGMENT_SHARPNESS: *low = 0.05, *high = 0.95; break;
    case RANDAUGMENT_ROTATE: *low = -30, *high = 30; break;
    case RANDAUGMENT_SHEAR_X:
    case RANDAUGMENT_SHEAR_Y:
    case RANDAUGMENT_TRANSLATE_X:
    case RANDAUGMENT_TRANSLATE_Y: *low = -0.3, *high = 0.3; break;
    case RANDAUGMENT_POSTERIZE: *low = 4, *high = 8; break;
    case RANDAUGMENT_SOLARIZE: *high = 256; break;
    case RANDAUGMENT_IDENTITY:
    case RANDAUGMENT_AUTOCONTRAST:
    case RANDAUGMENT_EQUALIZE:
    case RANDAUGMENT_COUNT: break;
    }
}

status strong_operation(struct image *image, enum randaugment_operation operation, double value,
                        struct augment_workspace *workspace, struct error *err)
{
    /* Pillow's transform takes the pixel whose centre is nearest: half a pixel goes up. */
    if (operation == RANDAUGMENT_TRANSLATE_X) value = floor(value * image->width + 0.5);
    if (operation == RANDAUGMENT_TRANSLATE_Y) value = floor(value * image->height + 0.5);
    return augment_operate(image, operation, value, workspace, err);
}

/* Both ends of a row belong to the square, as in Pillow's ImageDraw.rectangle. */
void augment_cutout(struct image *image, double share, double x, double y)
{
    if (share <= 0) return;
    double side = share * image->width;
    int left = (int)fmax(0, x - side / 2), top = (int)fmax(0, y - side / 2);
    int right = (int)fmin(image->width - 1, left + side), bottom = (int)fmin(image->height - 1, top + side);
    for (int row = top; row <= bottom; row++)
        for (int column = left; column <= right; column++)
            for (size_t c = 0; c < 3; c++)
                image->rgb[((size_t)row * (size_t)image->width + (size_t)column) * 3 + c] = CUTOUT_COLOR[c];
}

static status apply_strong(struct image *image, const struct config_augment *options, struct random_stream *stream,
                           struct augment_workspace *workspace, struct error *err)
{
    const struct config_augment_strong *strong = &options->strong;
    status result = STATUS_OK;
    if (strong->after_weak) result = apply_weak(image, &options->weak, stream, workspace, err);
    for (int64_t i = 0; i < strong->operations && result == STATUS_OK; i++) {
        enum randaugment_operation operation = (enum randaugment_operation)random_below(stream, RANDAUGMENT_COUNT);
        double low, high;
        strong_range(operation, &low, &high);
        result = strong_operation(image, operation, random_between(stream, low, high), workspace, err);
    }
    if (result != STATUS_OK) return result;
    double share = random_between(stream, 0, strong->cutout);
    double x = random_between(stream, 0, image->width), y = random_between(stream, 0, image->height);
    augment_cutout(image, share, x, y);
    return STATUS_OK;
}

/* ---- of a pair --------------------------------------------------------------------------------------------------- */

/* RandomResizedCrop: an area of `smallest` to 1 of the picture's, an aspect of 3/4 to 4/3, ten attempts to fit. */
static status zoom_somewhere(struct image *image, double smallest, struct random_stream *stream,
                             struct augment_workspace *workspace, struct error *err)
{
    enum { ATTEMPTS = 10 };
    for (int attempt = 0; attempt < ATTEMPTS; attempt++) {
        double area = random_between(stream, smallest, 1),
               aspect = exp(random_between(stream, -log(4.0 / 3), log(4.0 / 3)));
        double width = sqrt(area * aspect) * image->width, height = sqrt(area / aspect) * image->height;
        if (width > image->width || height > image->height) continue;
        double x = random_between(stream, 0, image->width - width),
               y = random_between(stream, 0, image->height - height);
        return augment_zoom(image, x, y, width, height, workspace, err);
    }
    return STATUS_OK; /* as it is */
}

static status apply_pair(struct image *image, const struct config_augment_pair *pair, struct random_stream *stream,
                         struct augment_workspace *workspace, struct pixel_box *erased, struct error *err)
{
    double jitter = random_uniform(stream) < pair->jitter_p ? pair->jitter : 0;
    const struct config_augment usual = {.enabled = true,
                                         .mode = AUGMENT_ALL,
                                         .grayscale_p = pair->grayscale_p,
                                         .flip_p = pair->flip_p,
                                         .brightness = jitter,
                                         .contrast = jitter,
                                         .saturation = jitter,
                                         .hue = jitter / 4};
    status result = zoom_somewhere(image, pair->crop, stream, workspace, err);
    return result == STATUS_OK ? augment_apply(image, &usual, stream, workspace, erased, err) : result;
}

/* ---- all --------------------------------------------------------------------------------------------------------- */

status view_apply(enum view_kind kind, struct image *image, const struct config_augment *options,
                  struct random_stream *stream, struct augment_workspace *workspace, struct pixel_box *erased,
                  struct error *err)
{
    *erased = (struct pixel_box){0};
    switch (kind) {
    case VIEW_AS_IS: return STATUS_OK;
    case VIEW_PLAIN: return augment_apply(image, options, stream, workspace, erased, err);
    case VIEW_WEAK: return apply_weak(image, &options->weak, stream, workspace, err);
    case VIEW_STRONG: return apply_strong(image, options, stream, workspace, err);
    case VIEW_PAIR: return apply_pair(image, &options->pair, stream, workspace, erased, err);
    }
    return STATUS_OK;
}
