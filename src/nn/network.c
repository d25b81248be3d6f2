#include "nn/network.h"

#include <stdio.h>

static void init_depthwise(struct depthwise *conv, const struct architecture *a, const struct block_shape *shape,
                           int height)
{
    int output = convolution_output(a, height, shape->kernel, shape->stride);
    size_t pad = (size_t)convolution_padding(a, height, shape->kernel, shape->stride);
    *conv = (struct depthwise){.channels = (size_t)shape->expanded,
                               .kernel = shape->kernel,
                               .stride = shape->stride,
                               .height = (size_t)height,
                               .width = (size_t)height,
                               .output_height = (size_t)output,
                               .output_width = (size_t)output,
                               .pad_top = pad,
                               .pad_left = pad};
}

static void init_batchnorm(struct batchnorm *bn, size_t channels, double epsilon)
{
    *bn = (struct batchnorm){.channels = channels, .epsilon = epsilon};
}

/* Returns the side of the block's output. */
static int init_block(struct network_block *block, const struct architecture *a, const struct block_shape *shape,
                      int side)
{
    size_t input = (size_t)shape->input, expanded = (size_t)shape->expanded, output = (size_t)shape->output;
    *block = (struct network_block){.shape = *shape};
    init_depthwise(&block->depthwise, a, shape, side);
    block->input_pixels = (size_t)side * (size_t)side;
    block->output_pixels = block->depthwise.output_height * block->depthwise.output_width;
    block->expand = (struct conv1x1){.input = input, .output = expanded};
    block->project = (struct conv1x1){.input = expanded, .output = output};
    block->squeeze_excite.channels = expanded;
    block->squeeze_excite.squeezed = (size_t)shape->squeezed;
    block->squeeze_excite.reduce = (struct linear){.input = expanded, .output = (size_t)shape->squeezed};
    block->squeeze_excite.expand = (struct linear){.input = (size_t)shape->squeezed, .output = expanded};
    init_batchnorm(&block->bn_expand, expanded, a->bn_epsilon);
    init_batchnorm(&block->bn_depthwise, expanded, a->bn_epsilon);
    init_batchnorm(&block->bn_project, output, a->bn_epsilon);
    return (int)block->depthwise.output_height;
}

void network_init(struct network *network, const struct architecture *a, int image_size)
{
    *network = (struct network){.architecture = *a, .image_size = image_size, .block_count = a->block_count};
    int side = convolution_output(a, image_size, STEM_KERNEL, STEM_STRIDE);
    size_t pad = (size_t)convolution_padding(a, image_size, STEM_KERNEL, STEM_STRIDE);
    network->stem = (struct stem){.output = (size_t)a->stem,
                                  .height = (size_t)image_size,
                                  .width = (size_t)image_size,
                                  .output_height = (size_t)side,
                                  .output_width = (size_t)side,
                                  .pad_top = pad,
                                  .pad_left = pad};
    init_batchnorm(&network->bn_stem, (size_t)a->stem, a->bn_epsilon);
    for (int i = 0; i < a->block_count; i++) side = init_block(&network->blocks[i], a, &a->blocks[i], side);
    network->head_pixels = (size_t)side * (size_t)side;
    network->head = (struct conv1x1){.input = (size_t)a->blocks[a->block_count - 1].output,
                                     .output = (size_t)a->features};
    init_batchnorm(&network->bn_head, (size_t)a->features, a->bn_epsilon);
}

/* The registry keeps the network's order, so binding walks it once. */
struct binder {
    const struct parameters *parameters;
    size_t next;
};

static void take(struct binder *binder, const char *ending, const real **values, real **gradients)
{
    const struct parameter *entry = &binder->parameters->items[binder->next++];
    size_t length = strlen(entry->name), wanted = strlen(ending);
    BUG_UNLESS(length >= wanted && strcmp(entry->name + length - wanted, ending) == 0);
    *values = parameter_values(binder->parameters, entry);
    if (gradients != NULL) *gradients = parameter_gradients(binder->parameters, entry);
}

static void bind_batchnorm(struct binder *binder, struct batchnorm *bn)
{
    const real *mean, *variance;
    take(binder, ".weight", &bn->gamma, &bn->dgamma);
    take(binder, ".bias", &bn->beta, &bn->dbeta);
    take(binder, ".running_mean", &mean, NULL);
    take(binder, ".running_var", &variance, NULL);
    bn->running_mean = (real *)(uintptr_t)mean; /* the registry's buffers are ours to change */
    bn->running_var = (real *)(uintptr_t)variance;
}

static void bind_linear(struct binder *binder, struct linear *layer)
{
    take(binder, ".weight", &layer->weight, &layer->dweight);
    take(binder, ".bias", &layer->bias, &layer->dbias);
}

void network_bind(struct network *network, const struct model *model)
{
    struct binder binder = {&model->parameters, 0};
    take(&binder, "conv_stem.weight", &network->stem.weight, &network->stem.dweight);
    bind_batchnorm(&binder, &network->bn_stem);
    for (int i = 0; i < network->block_count; i++) {
        struct network_block *block = &network->blocks[i];
        if (block->shape.has_expansion) {
            take(&binder, "conv_pw.weight", &block->expand.weight, &block->expand.dweight);
            bind_batchnorm(&binder, &block->bn_expand);
        }
        take(&binder, "conv_dw.weight", &block->depthwise.weight, &block->depthwise.dweight);
        bind_batchnorm(&binder, &block->bn_depthwise);
        bind_linear(&binder, &block->squeeze_excite.reduce);
        bind_linear(&binder, &block->squeeze_excite.expand);
        take(&binder, ".weight", &block->project.weight, &block->project.dweight);
        bind_batchnorm(&binder, &block->bn_project);
    }
    take(&binder, "conv_head.weight", &network->head.weight, &network->head.dweight);
    bind_batchnorm(&binder, &network->bn_head);
}

static void place_batchnorm(struct batchnorm *bn, struct plan *plan)
{
    bn->mean = plan_reals(plan, bn->channels);
    bn->rstd = plan_reals(plan, bn->channels);
    bn->scale = plan_reals(plan, bn->channels);
    bn->shift = plan_reals(plan, bn->channels);
    bn->slope = plan_reals(plan, bn->channels);
    bn->offset = plan_reals(plan, bn->channels);
}

static void place_conv1x1(const struct op_context *context, struct conv1x1 *conv, bool with_backward,
                          struct plan *plan)
{
    conv->packed = plan_reals(plan, conv1x1_packed_reals(context, conv));
    conv->packed_transposed =
        with_backward ? plan_reals(plan, conv1x1_packed_transposed_reals(context, conv)) : NULL;
}

void network_place(struct network *network, const struct op_context *context, bool with_backward, struct plan *plan)
{
    network->stem.packed = plan_reals(plan, stem_packed_reals(context, &network->stem));
    place_batchnorm(&network->bn_stem, plan);
    for (int i = 0; i < network->block_count; i++) {
        struct network_block *block = &network->blocks[i];
        if (block->shape.has_expansion) {
            place_conv1x1(context, &block->expand, with_backward, plan);
            place_batchnorm(&block->bn_expand, plan);
        }
        block->depthwise.packed = plan_reals(plan, depthwise_packed_reals(&block->depthwise));
        place_batchnorm(&block->bn_depthwise, plan);
        place_conv1x1(context, &block->project, with_backward, plan);
        place_batchnorm(&block->bn_project, plan);
    }
    place_conv1x1(context, &network->head, with_backward, plan);
    place_batchnorm(&network->bn_head, plan);
}

void network_pack(struct network *network, const struct op_context *context)
{
    stem_pack(context, &network->stem);
    for (int i = 0; i < network->block_count; i++) {
        struct network_block *block = &network->blocks[i];
        if (block->shape.has_expansion) conv1x1_pack(context, &block->expand);
        depthwise_pack(&block->depthwise);
        conv1x1_pack(context, &block->project);
    }
    conv1x1_pack(context, &network->head);
}

static void at_least(size_t *most, size_t wanted)
{
    if (wanted > *most) *most = wanted;
}

size_t network_scratch_reals(const struct network *network, const struct op_context *context, size_t images)
{
    struct tiling tiling = tiling_of(context, images, network->stem.output_height * network->stem.output_width);
    size_t most = stem_scratch_reals(&network->stem, &tiling);
    for (int i = 0; i < network->block_count; i++) {
        const struct network_block *block = &network->blocks[i];
        tiling = tiling_of(context, images, block->input_pixels);
        at_least(&most, conv1x1_scratch_reals(&block->expand, &tiling));
        at_least(&most, depthwise_scratch_reals(context, &block->depthwise));
        tiling = tiling_of(context, images, block->output_pixels);
        at_least(&most, conv1x1_scratch_reals(&block->project, &tiling));
        at_least(&most, 2 * block->bn_project.channels);
    }
    tiling = tiling_of(context, images, network->head_pixels);
    at_least(&most, conv1x1_scratch_reals(&network->head, &tiling));
    return arena_rounded(most * sizeof(real)) / sizeof(real);
}
