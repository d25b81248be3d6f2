/* The walks over the list of layers: geometry, parameters, packed weights, batch-norm, scratch. A new operation gets a
 * case in each of them. */
#include "nn/network.h"

#include <string.h>

/* ---- geometry ---------------------------------------------------------------------------------------------------- */

static void init_stem(struct stem *stem, const struct layer *row)
{
    *stem = (struct stem){.output = row->output,
                          .height = row->side_in,
                          .width = row->side_in,
                          .output_height = row->side_out,
                          .output_width = row->side_out,
                          .pad_top = row->pad_before,
                          .pad_left = row->pad_before};
}

static void init_depthwise(struct depthwise *conv, const struct layer *row)
{
    *conv = (struct depthwise){.channels = row->output,
                               .kernel = row->kernel,
                               .stride = row->stride,
                               .height = row->side_in,
                               .width = row->side_in,
                               .output_height = row->side_out,
                               .output_width = row->side_out,
                               .pad_top = row->pad_before,
                               .pad_left = row->pad_before};
}

static void init_layer(struct network_layer *layer, const struct layer *row, double bn_epsilon)
{
    *layer = (struct network_layer){.row = row, .bn = {.channels = row->output, .epsilon = bn_epsilon}};
    switch (row->operation) {
    case LAYER_STEM: init_stem(&layer->stem, row); return;
    case LAYER_CONV1X1: layer->conv1x1 = (struct conv1x1){.input = row->input, .output = row->output}; return;
    case LAYER_DEPTHWISE: init_depthwise(&layer->depthwise, row); return;
    case LAYER_SQUEEZE_EXCITE:
        layer->squeeze_excite = (struct squeeze_excite){.channels = row->output,
                                                        .squeezed = row->squeezed,
                                                        .reduce = {.input = row->output, .output = row->squeezed},
                                                        .expand = {.input = row->squeezed, .output = row->output}};
        return;
    }
}

/* Notes the layer where forward and backward look for it. */
static void note_role(struct network *network, struct network_layer *layer)
{
    struct network_block *block = layer->row->block < 0 ? NULL : &network->blocks[layer->row->block];
    switch (layer->row->role) {
    case ROLE_STEM: network->stem = layer; return;
    case ROLE_EXPAND: block->expand = layer; return;
    case ROLE_DEPTHWISE: block->depthwise = layer; return;
    case ROLE_GATE: block->gate = layer; return;
    case ROLE_PROJECT: block->project = layer; return;
    case ROLE_HEAD: network->head = layer; return;
    }
}

void network_init(struct network *network, const struct architecture *a, int image_size)
{
    *network = (struct network){.block_count = a->block_count};
    layers_describe(&network->list, a, image_size);
    for (size_t i = 0; i < network->list.count; i++) {
        init_layer(&network->layers[i], &network->list.items[i], a->bn_epsilon);
        note_role(network, &network->layers[i]);
    }
    /* The first block reads the stem before its batch-norm: neither an expansion nor a residual could. */
    BUG_UNLESS(network->blocks[0].expand == NULL && !network->blocks[0].project->row->adds_input);
}

/* ---- parameters -------------------------------------------------------------------------------------------------- */

/* The registry was made from the same list, so binding walks both at once. */
struct binder {
    const struct parameters *parameters;
    const struct layer_tensor *tensor; /* of the present layer */
    size_t next;
};

static const struct parameter *take_entry(struct binder *binder)
{
    const struct parameter *entry = &binder->parameters->items[binder->next++];
    BUG_UNLESS(strcmp(entry->name, binder->tensor->name) == 0);
    binder->tensor++;
    return entry;
}

static void bind_values(struct binder *binder, const real **values, real **gradients)
{
    const struct parameter *entry = take_entry(binder);
    *values = parameter_values(binder->parameters, entry);
    *gradients = parameter_gradients(binder->parameters, entry);
}

/* Running statistics move while a pass runs; backbone_forward announces it by parameters_write_buffers. */
static real *bind_buffer(struct binder *binder)
{
    return (real *)(uintptr_t)parameter_values(binder->parameters, take_entry(binder));
}

static void bind_batchnorm(struct binder *binder, struct batchnorm *bn)
{
    bind_values(binder, &bn->gamma, &bn->dgamma);
    bind_values(binder, &bn->beta, &bn->dbeta);
    bn->running_mean = bind_buffer(binder);
    bn->running_var = bind_buffer(binder);
}

static void bind_linear(struct binder *binder, struct linear *layer)
{
    bind_values(binder, &layer->weight, &layer->dweight);
    bind_values(binder, &layer->bias, &layer->dbias);
}

static void bind_layer(struct binder *binder, struct network_layer *layer)
{
    struct layer_tensor tensors[LAYER_MOST_TENSORS];
    layer_tensors(layer->row, tensors);
    binder->tensor = tensors;
    switch (layer->row->operation) {
    case LAYER_STEM: bind_values(binder, &layer->stem.weight, &layer->stem.dweight); break;
    case LAYER_CONV1X1: bind_values(binder, &layer->conv1x1.weight, &layer->conv1x1.dweight); break;
    case LAYER_DEPTHWISE: bind_values(binder, &layer->depthwise.weight, &layer->depthwise.dweight); break;
    case LAYER_SQUEEZE_EXCITE:
        bind_linear(binder, &layer->squeeze_excite.reduce);
        bind_linear(binder, &layer->squeeze_excite.expand);
        return;
    }
    bind_batchnorm(binder, &layer->bn);
}

void network_bind(struct network *network, const struct model *model)
{
    struct binder binder = {&model->parameters, NULL, 0};
    for (size_t i = 0; i < network->list.count; i++) bind_layer(&binder, &network->layers[i]);
}

/* ---- room -------------------------------------------------------------------------------------------------------- */

static void place_conv1x1(const struct op_context *context, struct conv1x1 *conv, bool with_backward, struct plan *plan)
{
    conv->packed = plan_reals(plan, conv1x1_packed_reals(context, conv));
    conv->packed_transposed = with_backward ? plan_reals(plan, conv1x1_packed_transposed_reals(context, conv)) : NULL;
}

void network_place_weights(struct network *network, const struct op_context *context, bool with_backward,
                           struct plan *plan)
{
    for (size_t i = 0; i < network->list.count; i++) {
        struct network_layer *layer = &network->layers[i];
        switch (layer->row->operation) {
        case LAYER_STEM: layer->stem.packed = plan_reals(plan, stem_packed_reals(context, &layer->stem)); break;
        case LAYER_CONV1X1: place_conv1x1(context, &layer->conv1x1, with_backward, plan); break;
        case LAYER_DEPTHWISE:
            layer->depthwise.packed = plan_reals(plan, depthwise_packed_reals(&layer->depthwise));
            break;
        case LAYER_SQUEEZE_EXCITE: break; /* read as they are */
        }
    }
}

void network_place_norms(struct network *network, struct plan *plan)
{
    for (size_t i = 0; i < network->list.count; i++) {
        struct batchnorm *bn = &network->layers[i].bn;
        if (network->list.items[i].norm[0] == '\0') continue;
        bn->mean = plan_reals(plan, bn->channels);
        bn->rstd = plan_reals(plan, bn->channels);
        bn->scale = plan_reals(plan, bn->channels);
        bn->shift = plan_reals(plan, bn->channels);
        bn->slope = plan_reals(plan, bn->channels);
        bn->offset = plan_reals(plan, bn->channels);
    }
}

void network_pack(struct network *network, const struct op_context *context)
{
    for (size_t i = 0; i < network->list.count; i++) {
        struct network_layer *layer = &network->layers[i];
        switch (layer->row->operation) {
        case LAYER_STEM: stem_pack(context, &layer->stem); break;
        case LAYER_CONV1X1: conv1x1_pack(context, &layer->conv1x1); break;
        case LAYER_DEPTHWISE: depthwise_pack(&layer->depthwise); break;
        case LAYER_SQUEEZE_EXCITE: break;
        }
    }
}

void network_share_weights(struct network *network, const struct network *from)
{
    BUG_UNLESS(network->list.count == from->list.count);
    for (size_t i = 0; i < network->list.count; i++) {
        struct network_layer *layer = &network->layers[i];
        const struct network_layer *owner = &from->layers[i];
        switch (layer->row->operation) {
        case LAYER_STEM: layer->stem.packed = owner->stem.packed; break;
        case LAYER_CONV1X1:
            layer->conv1x1.packed = owner->conv1x1.packed;
            layer->conv1x1.packed_transposed = owner->conv1x1.packed_transposed;
            break;
        case LAYER_DEPTHWISE: layer->depthwise.packed = owner->depthwise.packed; break;
        case LAYER_SQUEEZE_EXCITE: break;
        }
    }
}

void network_use_running_statistics(struct network *network)
{
    for (size_t i = 0; i < network->list.count; i++)
        if (network->list.items[i].norm[0] != '\0') batchnorm_from_running(&network->layers[i].bn);
}

struct shared_maps network_shared_maps(const struct network *network)
{
    struct shared_maps most = {0};
    for (size_t i = 0; i < network->list.count; i++) {
        const struct layer *row = &network->list.items[i];
        size_t map = layer_output_pixels(row) * row->output;
        switch (row->role) {
        case ROLE_STEM:
        case ROLE_PROJECT: size_at_least(&most.narrow, map); break;
        case ROLE_EXPAND:
        case ROLE_HEAD: size_at_least(&most.wide, map); break;
        case ROLE_DEPTHWISE: size_at_least(&most.depthwise, map); break;
        case ROLE_GATE:
            size_at_least(&most.gate, row->output);
            size_at_least(&most.squeezed, row->squeezed);
            break;
        }
    }
    return most;
}

static size_t layer_scratch_reals(const struct network_layer *layer, const struct op_context *context, size_t images)
{
    struct tiling tiling = layer_tiling(context, layer->row, images);
    size_t normalise = 2 * layer->row->output, own = 0; /* batchnorm_apply needs a scale and a shift */
    switch (layer->row->operation) {
    case LAYER_STEM: own = stem_scratch_reals(&layer->stem, &tiling); break;
    case LAYER_CONV1X1: own = conv1x1_scratch_reals(&layer->conv1x1, &tiling); break;
    case LAYER_DEPTHWISE: own = depthwise_scratch_reals(context, &layer->depthwise); break;
    case LAYER_SQUEEZE_EXCITE: break;
    }
    size_at_least(&own, op_kept_room(context, tiling.image_rows,
                                     layer->row->output)); /* of this layer's map or its gate's input */
    return own > normalise ? own : normalise;
}

size_t network_scratch_reals(const struct network *network, const struct op_context *context, size_t images)
{
    size_t most = 0;
    for (size_t i = 0; i < network->list.count; i++)
        size_at_least(&most, layer_scratch_reals(&network->layers[i], context, images));
    return arena_rounded(most * sizeof(real)) / sizeof(real);
}
