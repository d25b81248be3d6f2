/* The views of a picture: what is done to it before the network sees it.
 *
 * The weak and the strong view are those of FixMatch (Sohn et al. 2020) as microsoft/Semi-supervised-learning draws
 * them: weak is a shift and a flip; strong is RandAugment, each operation with an amount drawn uniformly from the
 * operation's own range, then cutout. The view of a pair is SimCLR's (Chen et al. 2020), as torchvision's
 * RandomResizedCrop, RandomHorizontalFlip, ColorJitter and RandomGrayscale, without blur. */
#ifndef RMFER_DATA_VIEWS_H
#define RMFER_DATA_VIEWS_H

#include "rmfer/data/augment.h"

enum view_kind {
    VIEW_AS_IS,  /* resized, nothing else */
    VIEW_PLAIN,  /* [augment] */
    VIEW_WEAK,   /* [augment.weak]: shift, flip */
    VIEW_STRONG, /* [augment.strong]: RandAugment, cutout */
    VIEW_PAIR,   /* [augment.pair]: random resized crop, flip, colour jitter, grayscale */
};

/* Makes `image` the view `kind` of itself, drawing from `stream` alone. `options` may be NULL with VIEW_AS_IS.
 * *erased is what VIEW_PLAIN's erasing chose: hand it to image_normalise. */
status view_apply(enum view_kind kind, struct image *image, const struct config_augment *options,
                  struct random_stream *stream, struct augment_workspace *workspace, struct pixel_box *erased,
                  struct error *err) MUST_CHECK;

/* The range that the strong view draws an operation's `value` from; 0 .. 0 where it takes none. Factors .05 to .95,
 * degrees -30 to 30, shares of the side -.3 to .3 (shear, translation), 4 to 8 bits, values 0 to 256. */
void strong_range(enum randaugment_operation operation, double *low, double *high);

/* One operation of the strong view with a value of its range. */
status strong_operation(struct image *image, enum randaugment_operation operation, double value,
                        struct augment_workspace *workspace, struct error *err) MUST_CHECK;

/* A square of `share` of the width, centred at (x, y) in pixels and cut off at the picture's edge, becomes gray. */
void augment_cutout(struct image *image, double share, double x, double y);

#endif
