/* A model: the registry of parameters made from the list of layers and the heads, and its random start. */
#include "rmfer/nn/model.h"

#include "rmfer/base/random.h"
#include "rmfer/nn/layers.h"
#include "rmfer/ops/linear.h"

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

static size_t add(struct builder *builder, struct parameter entry)
{
    size_t index = 0;
    entry.group = builder->group;
    if (builder->result == STATUS_OK)
        builder->result = parameters_add(builder->parameters, entry, &index, builder->err);
    return index;
}

static struct linear_indices add_linear(struct builder *builder, enum parameter_group group, const char *layer,
                                        int output, int input)
{
    struct parameter weight = {.shape = {(size_t)output, (size_t)input}, .rank = 2, .decays = true};
    struct parameter bias = {.shape = {(size_t)output}, .rank = 1};
    struct linear_indices indices;
    snprintf(weight.name, sizeof weight.name, "%s.weight", layer);
    snprintf(bias.name, sizeof bias.name, "%s.bias", layer);
    builder->group = group;
    indices.weight = add(builder, weight);
    indices.bias = add(builder, bias);
    return indices;
}

/* The list of layers, tensor by tensor. */
static void add_backbone(struct builder *builder, const struct architecture *architecture)
{
    struct layers layers;
    struct layer_tensor tensors[LAYER_MOST_TENSORS];
    layers_describe(&layers, architecture, architecture->image_size);
    builder->group = GROUP_BACKBONE;
    for (size_t i = 0; i < layers.count; i++) {
        size_t count = layer_tensors(&layers.items[i], tensors);
        for (size_t t = 0; t < count; t++) {
            struct parameter entry = {.rank = tensors[t].rank, .is_buffer = tensors[t].is_buffer};
            entry.decays = entry.rank > 1;
            memcpy(entry.shape, tensors[t].shape, sizeof entry.shape);
            memcpy(entry.name, tensors[t].name, sizeof entry.name);
            add(builder, entry);
        }
    }
}

status model_create(struct model *model, const struct architecture *architecture, int classes, bool with_heads,
                    struct error *err)
{
    return model_create_with(model, architecture, classes, &(struct model_heads){.attention = with_heads}, err);
}

status model_create_with(struct model *model, const struct architecture *architecture, int classes,
                         const struct model_heads *heads, struct error *err)
{
    *model = (struct model){
        .architecture = *architecture, .classes = classes, .has_heads = heads->attention, .has_affect = heads->affect};
    struct builder builder = {&model->parameters, GROUP_BACKBONE, err, STATUS_OK};
    model->parameters.without_gradients = heads->without_gradients;
    int d = architecture->features;
    add_backbone(&builder, architecture);
    model->fer = add_linear(&builder, GROUP_FER, "classifier", classes, d);
    if (heads->attention) {
        model->projection_first = add_linear(&builder, GROUP_PROJECTION, "ial.projection.0", d, d);
        model->projection_second = add_linear(&builder, GROUP_PROJECTION, "ial.projection.2", d, d);
        model->ial = add_linear(&builder, GROUP_IAL, "ial.classifier", classes, d);
    }
    builder.group = GROUP_METHOD;
    for (size_t i = 0; i < heads->added_count; i++) add(&builder, heads->added[i]);
    if (heads->affect) model->affect = add_linear(&builder, GROUP_FER, "va", AFFECT_DIMENSIONS, d);
    if (builder.result == STATUS_OK) builder.result = product_reserve(err);
    if (builder.result == STATUS_OK) builder.result = parameters_allocate(&model->parameters, err);
    if (builder.result != STATUS_OK) model_free(model);
    return builder.result;
}

void model_free(struct model *model)
{
    parameters_free(&model->parameters);
    *model = (struct model){0};
}

/* A linear layer's bias stands behind its weight in the registry. */
static bool follows_matrix(const struct model *model, size_t index)
{
    const struct parameter *entry = &model->parameters.items[index];
    return parameter_name_ends_with(entry, ".bias") && index > 0 && (entry - 1)->rank == 2;
}

/* The fan of a linear layer's bias is its weight's. */
static void initialise_entry(struct model *model, size_t index, uint64_t seed)
{
    const struct parameter *entry = &model->parameters.items[index];
    real *values = parameter_write(&model->parameters, entry);
    struct random_stream stream = random_stream(seed, RANDOM_INITIALISE, index, 0);
    bool linear = entry->group != GROUP_BACKBONE && (entry->rank == 2 || follows_matrix(model, index));
    if (entry->rank == 4) {
        double fan_out = (double)(entry->shape[0] * entry->shape[2] * entry->shape[3]);
        if (entry->shape[1] == 1 && entry->shape[2] > 1) fan_out /= (double)entry->shape[0]; /* depthwise groups */
        for (size_t i = 0; i < entry->count; i++) values[i] = (real)(random_normal(&stream) * sqrt(2 / fan_out));
    } else if (linear) {
        const struct parameter *weight = entry->rank == 2 ? entry : entry - 1;
        double bound = 1 / sqrt((double)weight->shape[1]);
        for (size_t i = 0; i < entry->count; i++) values[i] = (real)random_between(&stream, -bound, bound);
    } else {
        bool bn_scale = entry->is_buffer ? parameter_is_running_variance(entry)
                                         : parameter_name_ends_with(entry, ".weight");
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
    struct parameters *all = &model->parameters;
    const struct linear_indices from = model->fer, to = model->ial;
    memcpy(parameter_write(all, &all->items[to.weight]), parameter_values(all, &all->items[from.weight]),
           all->items[from.weight].count * sizeof(real));
    memcpy(parameter_write(all, &all->items[to.bias]), parameter_values(all, &all->items[from.bias]),
           all->items[from.bias].count * sizeof(real));
}
