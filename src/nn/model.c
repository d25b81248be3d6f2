#include "rmfer/nn/model.h"

#include "rmfer/base/random.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* Building the registry: one struct carries where we are, so that the calls below read like the network. */
struct builder {
    struct parameters *parameters;
    enum parameter_group group;
    struct error *err;
    status result;
};

static size_t add(struct builder *builder, const char *layer, const char *tensor, struct parameter entry)
{
    size_t index = 0;
    snprintf(entry.name, sizeof entry.name, "%s.%s", layer, tensor);
    entry.group = builder->group;
    if (builder->result == STATUS_OK)
        builder->result = parameters_add(builder->parameters, entry, &index, builder->err);
    return index;
}

/* [output, input per group, kernel, kernel] */
static void add_convolution(struct builder *builder, const char *layer, int output, int input, int kernel)
{
    size_t k = (size_t)kernel;
    add(builder, layer, "weight",
        (struct parameter){.shape = {(size_t)output, (size_t)input, k, k}, .rank = 4, .decays = true});
}

static void add_convolution_bias(struct builder *builder, const char *layer, int output)
{
    add(builder, layer, "bias", (struct parameter){.shape = {(size_t)output}, .rank = 1});
}

static void add_batchnorm(struct builder *builder, const char *layer, int channels)
{
    struct parameter vector = {.shape = {(size_t)channels}, .rank = 1};
    add(builder, layer, "weight", vector);
    add(builder, layer, "bias", vector);
    vector.is_buffer = true;
    add(builder, layer, "running_mean", vector);
    add(builder, layer, "running_var", vector);
}

static struct linear_indices add_linear(struct builder *builder, enum parameter_group group, const char *layer,
                                        int output, int input)
{
    builder->group = group;
    struct linear_indices indices;
    indices.weight = add(builder, layer, "weight",
                         (struct parameter){.shape = {(size_t)output, (size_t)input}, .rank = 2, .decays = true});
    indices.bias = add(builder, layer, "bias", (struct parameter){.shape = {(size_t)output}, .rank = 1});
    return indices;
}

/* timm's names; a block without expansion numbers its layers differently. */
static void add_block(struct builder *builder, const struct block_shape *b)
{
    char layer[48], prefix[24];
    snprintf(prefix, sizeof prefix, "blocks.%d.%d", b->stage, b->index);
#define LAYER(name) (snprintf(layer, sizeof layer, "%s.%s", prefix, name), layer)
    if (b->has_expansion) {
        add_convolution(builder, LAYER("conv_pw"), b->expanded, b->input, 1);
        add_batchnorm(builder, LAYER("bn1"), b->expanded);
    }
    add_convolution(builder, LAYER("conv_dw"), b->expanded, 1, b->kernel);
    add_batchnorm(builder, LAYER(b->has_expansion ? "bn2" : "bn1"), b->expanded);
    add_convolution(builder, LAYER("se.conv_reduce"), b->squeezed, b->expanded, 1);
    add_convolution_bias(builder, LAYER("se.conv_reduce"), b->squeezed);
    add_convolution(builder, LAYER("se.conv_expand"), b->expanded, b->squeezed, 1);
    add_convolution_bias(builder, LAYER("se.conv_expand"), b->expanded);
    add_convolution(builder, LAYER(b->has_expansion ? "conv_pwl" : "conv_pw"), b->output, b->expanded, 1);
    add_batchnorm(builder, LAYER(b->has_expansion ? "bn3" : "bn2"), b->output);
#undef LAYER
}

static void add_backbone(struct builder *builder, const struct architecture *a)
{
    builder->group = GROUP_BACKBONE;
    add_convolution(builder, "conv_stem", a->stem, 3, 3);
    add_batchnorm(builder, "bn1", a->stem);
    for (int i = 0; i < a->block_count; i++) add_block(builder, &a->blocks[i]);
    add_convolution(builder, "conv_head", a->features, a->blocks[a->block_count - 1].output, 1);
    add_batchnorm(builder, "bn2", a->features);
}

status model_create(struct model *model, const struct architecture *architecture, int classes, bool with_heads,
                    struct error *err)
{
    *model = (struct model){.architecture = *architecture, .classes = classes, .has_heads = with_heads};
    struct builder builder = {&model->parameters, GROUP_BACKBONE, err, STATUS_OK};
    int d = architecture->features;
    add_backbone(&builder, architecture);
    model->fer = add_linear(&builder, GROUP_FER, "classifier", classes, d);
    if (with_heads) {
        model->projection_first = add_linear(&builder, GROUP_PROJECTION, "ial.projection.0", d, d);
        model->projection_second = add_linear(&builder, GROUP_PROJECTION, "ial.projection.2", d, d);
        model->ial = add_linear(&builder, GROUP_IAL, "ial.classifier", classes, d);
    }
    if (builder.result == STATUS_OK) builder.result = parameters_allocate(&model->parameters, err);
    if (builder.result != STATUS_OK) model_free(model);
    return builder.result;
}

void model_free(struct model *model)
{
    parameters_free(&model->parameters);
    *model = (struct model){0};
}

static bool name_ends_with(const struct parameter *entry, const char *ending)
{
    size_t length = strlen(entry->name), wanted = strlen(ending);
    return length >= wanted && strcmp(entry->name + length - wanted, ending) == 0;
}

/* The fan of a linear layer's bias is its weight's, which stands before it in the registry. */
static void initialise_entry(const struct model *model, size_t index, uint64_t seed)
{
    const struct parameter *entry = &model->parameters.items[index];
    real *values = parameter_values(&model->parameters, entry);
    struct random_stream stream = random_stream(seed, RANDOM_INITIALISE, index, 0);
    bool linear = entry->group != GROUP_BACKBONE;
    if (entry->rank == 4) {
        double fan_out = (double)(entry->shape[0] * entry->shape[2] * entry->shape[3]);
        if (entry->shape[1] == 1 && entry->shape[2] > 1) fan_out /= (double)entry->shape[0]; /* depthwise groups */
        for (size_t i = 0; i < entry->count; i++) values[i] = (real)(random_normal(&stream) * sqrt(2 / fan_out));
    } else if (linear) {
        const struct parameter *weight = entry->rank == 2 ? entry : entry - 1;
        double bound = 1 / sqrt((double)weight->shape[1]);
        for (size_t i = 0; i < entry->count; i++) values[i] = (real)random_between(&stream, -bound, bound);
    } else {
        bool bn_scale = entry->is_buffer ? name_ends_with(entry, "running_var") : name_ends_with(entry, ".weight");
        for (size_t i = 0; i < entry->count; i++) values[i] = bn_scale ? 1 : 0;
    }
}

void model_initialise(struct model *model, uint64_t seed)
{
    for (size_t i = 0; i < model->parameters.count; i++) initialise_entry(model, i, seed);
    if (model->has_heads) model_copy_classifier_to_ial(model);
}

void model_copy_classifier_to_ial(struct model *model)
{
    const struct parameters *all = &model->parameters;
    const struct linear_indices from = model->fer, to = model->ial;
    memcpy(parameter_values(all, &all->items[to.weight]), parameter_values(all, &all->items[from.weight]),
           all->items[from.weight].count * sizeof(real));
    memcpy(parameter_values(all, &all->items[to.bias]), parameter_values(all, &all->items[from.bias]),
           all->items[from.bias].count * sizeof(real));
}
