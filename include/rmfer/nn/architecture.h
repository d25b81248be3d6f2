/* EfficientNet B0 to B3 in both flavours, from one table: the shapes of every layer before any memory is planned. */
#ifndef RMFER_NN_ARCHITECTURE_H
#define RMFER_NN_ARCHITECTURE_H

#include "rmfer/base/error.h"

#include <stdbool.h>
#include <stddef.h>

enum { MOST_BLOCKS = 32, STAGE_COUNT = 7 };

/* One MBConv block: [expand 1x1] -> depthwise -> squeeze-excite -> project 1x1 [+ input]. */
struct block_shape {
    int stage, index; /* "blocks.STAGE.INDEX" */
    int kernel, stride;
    int input, expanded, squeezed, output; /* channels; expanded = input when there is no expansion */
    bool has_expansion, has_residual;
};

struct architecture {
    char name[32];     /* "tf_efficientnet_b2" (SAME padding, eps 1e-3) or "efficientnet_b2" (symmetric, 1e-5) */
    bool same_padding; /* TF SAME: the odd pixel at the bottom/right */
    double bn_epsilon;
    int stem; /* channels of the 3x3 stride-2 stem */
    int block_count;
    struct block_shape blocks[MOST_BLOCKS];
    int features;   /* D, channels of the head: 1408 for B2 */
    int image_size; /* the default input side: 224, 240, 260, 300 */
};

enum { SMALLEST_IMAGE = 32, LARGEST_IMAGE = 4096 };

/* An error where `batch` square images of so many pixels a side are nothing for a network. */
status architecture_check_input(int image_size, int batch, struct error *err) MUST_CHECK;

/* "tf_efficientnet_b0" ... "efficientnet_b3" (timm's suffixes "_ns", "_ap", "_aa" and ".tag" are understood); an error
 * lists the known names. */
status architecture_find(struct architecture *architecture, const char *name, struct error *err) MUST_CHECK;

/* A shrunken network of `name`'s flavour for tests: every channel count divided by `divisor` (at least 8), one block
 * a stage at most `most_repeats`. Named "tiny_..."; checkpoints of it carry the same tensor names. */
status architecture_tiny(struct architecture *architecture, bool same_padding, int divisor, int most_repeats,
                         struct error *err) MUST_CHECK;

/* The known names, NULL-terminated. */
const char *const *architecture_names(void);

/* Output side of a convolution over `input` pixels, and the padding before the first one. */
int convolution_output(const struct architecture *architecture, int input, int kernel, int stride);
int convolution_padding(const struct architecture *architecture, int input, int kernel, int stride);

#endif
