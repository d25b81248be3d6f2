/* EfficientNet (Tan and Le 2019): B0's plan scaled in width and depth. */
#include "rmfer/nn/architecture.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

struct stage_plan {
    int expansion, kernel, stride, channels, repeats;
};

static const struct stage_plan stage_plans[STAGE_COUNT] = {
    {1, 3, 1, 16, 1},  {6, 3, 2, 24, 2},  {6, 5, 2, 40, 2},  {6, 3, 2, 80, 3},
    {6, 5, 1, 112, 3}, {6, 5, 2, 192, 4}, {6, 3, 1, 320, 1},
};

enum { STEM_CHANNELS = 32, HEAD_CHANNELS = 1280 };

static const struct scaling {
    const char *name;
    double width, depth;
    int image_size;
} scalings[] = {{"b0", 1.0, 1.0, 224}, {"b1", 1.0, 1.1, 240}, {"b2", 1.1, 1.2, 260}, {"b3", 1.2, 1.4, 300}};

static const char *const known_names[] = {"tf_efficientnet_b0", "tf_efficientnet_b1", "tf_efficientnet_b2",
                                          "tf_efficientnet_b3", "efficientnet_b0",    "efficientnet_b1",
                                          "efficientnet_b2",    "efficientnet_b3",    NULL};

const char *const *architecture_names(void)
{
    return known_names;
}

/* The nearest multiple of 8, at least 8, and never more than a tenth below. */
static int scaled_channels(int channels, double width)
{
    double wanted = channels * width;
    int rounded = (int)(wanted + 4) / 8 * 8;
    if (rounded < 8) rounded = 8;
    if (rounded < 0.9 * wanted) rounded += 8;
    return rounded;
}

static int shrunken_channels(int channels, int divisor)
{
    int rounded = (channels / divisor + 4) / 8 * 8;
    return rounded < 8 ? 8 : rounded;
}

/* Fills the blocks from `channels` and `repeats` of each stage. */
static void set_blocks(struct architecture *a, const int *channels, const int *repeats)
{
    int input = a->stem;
    a->block_count = 0;
    for (int s = 0; s < STAGE_COUNT; s++) {
        const struct stage_plan *plan = &stage_plans[s];
        for (int i = 0; i < repeats[s]; i++) {
            BUG_UNLESS(a->block_count < MOST_BLOCKS);
            struct block_shape *block = &a->blocks[a->block_count++];
            *block = (struct block_shape){.stage = s,
                                          .index = i,
                                          .kernel = plan->kernel,
                                          .stride = i == 0 ? plan->stride : 1,
                                          .input = input,
                                          .expanded = input * plan->expansion,
                                          .squeezed = input / 4 > 0 ? input / 4 : 1,
                                          .output = channels[s],
                                          .has_expansion = plan->expansion != 1};
            block->has_residual = block->stride == 1 && input == channels[s];
            input = channels[s];
        }
    }
}

static void set_flavour(struct architecture *a, bool same_padding)
{
    a->same_padding = same_padding;
    a->bn_epsilon = same_padding ? 1e-3 : 1e-5;
}

static void build(struct architecture *a, const struct scaling *scaling, bool same_padding)
{
    int channels[STAGE_COUNT], repeats[STAGE_COUNT];
    for (int s = 0; s < STAGE_COUNT; s++) {
        channels[s] = scaled_channels(stage_plans[s].channels, scaling->width);
        repeats[s] = (int)ceil(stage_plans[s].repeats * scaling->depth);
    }
    *a = (struct architecture){.stem = scaled_channels(STEM_CHANNELS, scaling->width),
                               .features = scaled_channels(HEAD_CHANNELS, scaling->width),
                               .image_size = scaling->image_size};
    snprintf(a->name, sizeof a->name, "%sefficientnet_%s", same_padding ? "tf_" : "", scaling->name);
    set_flavour(a, same_padding);
    set_blocks(a, channels, repeats);
}

/* "tiny_tf_D_R" or "tiny_D_R", so that a checkpoint of a shrunken network can be read back. */
static bool find_tiny(struct architecture *a, const char *name)
{
    int divisor = 0, repeats = 0, end = 0;
    bool same = strncmp(name, "tiny_tf_", 8) == 0;
    if (sscanf(name, same ? "tiny_tf_%3d_%3d%n" : "tiny_%3d_%3d%n", &divisor, &repeats, &end) != 2) return false;
    if (name[end] != '\0' || divisor < 1 || divisor > 64 || repeats < 1 || repeats > 4) return false;
    return architecture_tiny(a, same, divisor, repeats, NULL) == STATUS_OK;
}

/* What may follow a network's name: how it was trained. Others, "_pruned" and "_gn" say, are of other networks. */
static bool is_training(const char *suffix)
{
    static const char *const known[] = {"_ns", "_ap", "_aa"};
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (strncmp(suffix, known[i], strlen(known[i])) == 0) suffix += strlen(known[i]);
    return suffix[0] == '\0' || suffix[0] == '.';
}

status architecture_find(struct architecture *a, const char *name, struct error *err)
{
    bool same = strncmp(name, "tf_", 3) == 0;
    const char *rest = same ? name + 3 : name;
    for (size_t i = 0; i < sizeof scalings / sizeof scalings[0]; i++) {
        char wanted[32];
        int length = snprintf(wanted, sizeof wanted, "efficientnet_%s", scalings[i].name);
        if (strncmp(rest, wanted, (size_t)length) != 0) continue;
        if (!is_training(rest + length)) continue;
        build(a, &scalings[i], same);
        return STATUS_OK;
    }
    if (find_tiny(a, name)) return STATUS_OK;
    return error_set_usage(err, "unknown architecture '%.64s' (tf_efficientnet_b0 to b3, efficientnet_b0 to b3)", name);
}

status architecture_check_input(int image_size, int batch, struct error *err)
{
    if (image_size >= SMALLEST_IMAGE && image_size <= LARGEST_IMAGE && batch >= 1) return STATUS_OK;
    return error_set_usage(err, "images of %d pixels in batches of %d: %d to %d pixels and at least 1 image are needed",
                           image_size, batch, SMALLEST_IMAGE, LARGEST_IMAGE);
}

status architecture_tiny(struct architecture *a, bool same_padding, int divisor, int most_repeats, struct error *err)
{
    if (divisor < 1 || most_repeats < 1 || most_repeats > 4)
        return error_set(err, "a tiny network needs a divisor of at least 1 and 1 to 4 repeats");
    int channels[STAGE_COUNT], repeats[STAGE_COUNT];
    for (int s = 0; s < STAGE_COUNT; s++) {
        channels[s] = shrunken_channels(stage_plans[s].channels, divisor);
        repeats[s] = stage_plans[s].repeats < most_repeats ? stage_plans[s].repeats : most_repeats;
    }
    /* As in the real networks the first block narrows and so has no residual: the engine does not keep the stem's
     * activated map that one would add. */
    int stem = shrunken_channels(STEM_CHANNELS, divisor);
    if (stem <= channels[0]) stem = channels[0] + 8;
    *a = (struct architecture){.stem = stem, .features = shrunken_channels(HEAD_CHANNELS, divisor), .image_size = 64};
    snprintf(a->name, sizeof a->name, "tiny_%s%d_%d", same_padding ? "tf_" : "", divisor, most_repeats);
    set_flavour(a, same_padding);
    set_blocks(a, channels, repeats);
    return STATUS_OK;
}

/* TF SAME: output = ceil(n / s), pad_total = max((output - 1) s + k - n, 0). Symmetric: (k - 1) / 2 on each side. */
int convolution_output(const struct architecture *a, int input, int kernel, int stride)
{
    if (a->same_padding) return (input + stride - 1) / stride;
    return (input + 2 * ((kernel - 1) / 2) - kernel) / stride + 1;
}

int convolution_padding(const struct architecture *a, int input, int kernel, int stride)
{
    if (!a->same_padding) return (kernel - 1) / 2;
    int total = (convolution_output(a, input, kernel, stride) - 1) * stride + kernel - input;
    return total > 0 ? total / 2 : 0;
}
