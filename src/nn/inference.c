/* Inference: groups of images through the folded network, in maps that the layers share. */
#include "rmfer/nn/inference.h"

#include "nn/network.h"
#include "rmfer/base/clock.h"
#include "rmfer/base/threads.h"
#include "rmfer/nn/backbone.h"
#include "rmfer/ops/blocked.h"
#include "rmfer/ops/expand_depthwise.h"

#include <string.h>

/* Images go through the network a few at a time, so that a block's wide maps stay in cache. */
static const size_t GROUP_BYTES = (size_t)6 << 20;

/* A linear layer's numbers of our own, its weights packed: the model may change or go after it was loaded. */
struct own_linear {
    real *packed, *bias;
};

/* Which numbers of a model were loaded: what has not changed since is not loaded again. */
struct loaded {
    struct parameters_stamp weights, classifier, statistics;
};

struct inference {
    struct network network;
    struct op_context context;
    struct arena arena;
    struct loaded loaded;
    bool may_run; /* something was loaded */
    size_t packs;
    struct linear classifier, affect;
    bool has_affect;
    size_t batch, classes;
    size_t group;         /* images that go through together */
    real *current, *next; /* block inputs and outputs of a group */
    real *depthwise;      /* blocked */
    real *last;           /* what is pooled */
    real *mean;
    struct squeeze_excite_saved gate;
    real *features;            /* [batch,D] */
    const real *last_features; /* of the last run, and how many rows */
    size_t last_rows;
    struct own_linear own_classifier, own_affect;
    struct own_linear reduce[MOST_BLOCKS], expand[MOST_BLOCKS]; /* of the gates */
    struct layer_time *times;                                   /* borrowed; NULL = nobody asks */
    double since;                                               /* when the present layer began */
};

/* A block's expansion and depthwise convolution. */
static struct expand_depthwise first_half(const struct network_block *block)
{
    const struct network_layer *expand = block->expand;
    return (struct expand_depthwise){expand == NULL ? NULL : &expand->conv1x1, expand == NULL ? NULL : &expand->bn,
                                     &block->depthwise->depthwise, &block->depthwise->bn};
}

/* The maps of one image, in reals, and the scratch of a worker that its blocks need. */
struct group_maps {
    size_t narrow, depthwise, last, block_scratch;
};

static struct group_maps group_maps(const struct inference *inference)
{
    const struct network *network = &inference->network;
    const struct layer *head = network->head->row;
    struct group_maps maps = {.narrow = network_shared_maps(network).narrow};
    maps.last = layer_output_pixels(head) * head->output;
    for (int b = 0; b < network->block_count; b++) {
        const struct layer *row = network->blocks[b].depthwise->row;
        struct expand_depthwise half = first_half(&network->blocks[b]);
        size_at_least(&maps.depthwise, blocked_reals(layer_output_pixels(row), row->output));
        size_at_least(&maps.block_scratch, expand_depthwise_scratch_reals(&inference->context, &half));
    }
    return maps;
}

/* Images of a group: as many as fit the cache, but work for every thread. */
static size_t group_size(const struct inference *inference, struct group_maps maps)
{
    size_t bytes = (maps.depthwise + 2 * maps.narrow) * sizeof(real);
    size_t group = GROUP_BYTES / bytes;
    size_at_least(&group, 2 * (size_t)inference->context.threads);
    return group < inference->batch ? group : inference->batch;
}

static struct own_linear place_linear(const struct op_context *context, const struct linear *layer, struct plan *plan)
{
    real *packed = plan_reals(plan, linear_packed_reals(context, layer));
    return (struct own_linear){packed, plan_reals(plan, layer->output)};
}

static void place(void *self, struct plan *plan)
{
    struct inference *i = self;
    struct shared_maps w = network_shared_maps(&i->network);
    struct group_maps maps = group_maps(i);
    size_t group = i->group = group_size(i, maps), d = i->network.head->row->output,
           threads = (size_t)i->context.threads;
    network_place_weights(&i->network, &i->context, false, plan);
    network_place_norms(&i->network, plan);
    i->current = plan_reals(plan, group * maps.narrow);
    i->next = plan_reals(plan, group * maps.narrow);
    i->depthwise = plan_reals(plan, group * maps.depthwise);
    i->last = plan_reals(plan, group * maps.last);
    i->mean = plan_reals(plan, group * w.gate);
    i->gate.reduced = plan_reals(plan, group * w.squeezed);
    i->gate.activated = plan_reals(plan, group * w.squeezed);
    i->gate.gate = plan_reals(plan, group * w.gate);
    i->features = plan_reals(plan, i->batch * d);
    i->classifier = (struct linear){.input = d, .output = i->classes};
    i->own_classifier = place_linear(&i->context, &i->classifier, plan);
    i->affect = (struct linear){.input = d, .output = AFFECT_DIMENSIONS};
    i->own_affect = place_linear(&i->context, &i->affect, plan);
    for (int b = 0; b < i->network.block_count; b++) {
        const struct squeeze_excite *gate = &i->network.blocks[b].gate->squeeze_excite;
        i->reduce[b] = place_linear(&i->context, &gate->reduce, plan);
        i->expand[b] = place_linear(&i->context, &gate->expand, plan);
    }
    size_t scratch = network_scratch_reals(&i->network, &i->context, group);
    size_at_least(&scratch, maps.block_scratch);
    i->context.scratch_reals = arena_rounded(scratch * sizeof(real)) / sizeof(real);
    i->context.scratch = plan_reals(plan, threads * i->context.scratch_reals);
}

status inference_create(struct inference **out, const struct architecture *architecture, int classes, int batch,
                        int image_size, struct error *err)
{
    *out = NULL;
    BUG_UNLESS(classes >= 1);
    status result = architecture_check_input(image_size, batch, err);
    if (result != STATUS_OK) return result;
    struct inference *i = memory_allocate(1, sizeof *i, "inference", err);
    if (i == NULL) return STATUS_FAILED;
    i->batch = (size_t)batch;
    i->classes = (size_t)classes;
    i->context = op_context_of(kernels_best(), threads_get());
    network_init(&i->network, architecture, image_size);
    result = plan_arena_reserve(&i->arena, place, i, "the inference memory plan", err);
    if (result != STATUS_OK) {
        memory_free(i);
        return result;
    }
    *out = i;
    return STATUS_OK;
}

void inference_free(struct inference *i)
{
    if (i == NULL) return;
    arena_free(&i->arena);
    memory_free(i);
}

size_t inference_bytes(const struct inference *i)
{
    return i->arena.used;
}

size_t inference_packs(const struct inference *i)
{
    return i->packs;
}

/* Lets `layer`, which points at the model's numbers, go by copies of them. */
static void take_linear(const struct inference *i, struct linear *layer, struct own_linear own)
{
    linear_pack(&i->context, layer, own.packed);
    layer->weight = NULL;
    memcpy(own.bias, layer->bias, layer->output * sizeof(real));
    layer->bias = own.bias;
}

static void load_weights(struct inference *i, const struct model *model)
{
    struct network *network = &i->network;
    network_bind(network, model);
    network_pack(network, &i->context);
    for (int b = 0; b < network->block_count; b++) {
        struct squeeze_excite *gate = &network->blocks[b].gate->squeeze_excite;
        take_linear(i, &gate->reduce, i->reduce[b]);
        take_linear(i, &gate->expand, i->expand[b]);
    }
    i->packs++;
}

static void load_linear(const struct inference *i, struct linear *layer, struct own_linear own,
                        const struct model *model, struct linear_indices at)
{
    const struct parameters *all = &model->parameters;
    layer->weight = parameter_values(all, &all->items[at.weight]);
    layer->bias = parameter_values(all, &all->items[at.bias]);
    take_linear(i, layer, own);
}

/* The layers of GROUP_FER. */
static void load_classifier(struct inference *i, const struct model *model)
{
    load_linear(i, &i->classifier, i->own_classifier, model, model->fer);
    i->has_affect = model->has_affect;
    if (model->has_affect) load_linear(i, &i->affect, i->own_affect, model, model->affect);
}

void inference_load(struct inference *i, const struct model *model)
{
    BUG_UNLESS((size_t)model->classes == i->classes);
    const struct parameters *all = &model->parameters;
    struct loaded present = {parameters_stamp(all, GROUP_BACKBONE), parameters_stamp(all, GROUP_FER),
                             parameters_stamp_buffers(all)};
    bool weights = !parameters_stamps_equal(present.weights, i->loaded.weights);
    if (weights) load_weights(i, model);
    if (weights || !parameters_stamps_equal(present.statistics, i->loaded.statistics))
        network_use_running_statistics(&i->network);
    if (!parameters_stamps_equal(present.classifier, i->loaded.classifier)) load_classifier(i, model);
    i->loaded = present;
    i->may_run = true;
}

void inference_profile(struct inference *i, struct layer_time *times)
{
    i->times = times;
}

/* Adds the time since the last lap to the layer. */
static void lap(struct inference *i, const struct network_layer *layer)
{
    if (i->times == NULL) return;
    double now = clock_thread_seconds();
    i->times[network_index(&i->network, layer)].forward += now - i->since;
    i->since = now;
}

/* i->current to i->next, then they change places. */
static void run_block(struct inference *i, const struct network_block *block, size_t n)
{
    struct tiling out = layer_tiling(&i->context, block->project->row, n);
    struct expand_depthwise half = first_half(block);
    expand_depthwise_infer(&i->context, &half, n, i->current, i->depthwise, i->mean);
    lap(i, block->depthwise);
    squeeze_excite_forward(&i->context, &block->gate->squeeze_excite, n, i->mean, i->gate);
    lap(i, block->gate);
    struct conv1x1_after after = {.bn = &block->project->bn,
                                  .residual = block->project->row->adds_input ? i->current : NULL};
    conv1x1_infer(&i->context, &block->project->conv1x1, &out,
                  (struct conv1x1_input){.x = i->depthwise, .gate = i->gate.gate, .blocked = true}, after, i->next);
    lap(i, block->project);
    real *spare = i->current;
    i->current = i->next;
    i->next = spare;
}

static void pool_features(const struct inference *i, size_t n, real *features)
{
    const struct layer *head = i->network.head->row;
    size_t d = head->output, pixels = layer_output_pixels(head);
    memset(features, 0, n * d * sizeof *features);
    for (size_t image = 0; image < n; image++) {
        real *own = features + image * d;
        i->context.kernels->sum((struct rows){pixels, d}, i->last + image * pixels * d, d, own);
        for (size_t c = 0; c < d; c++) own[c] /= (real)pixels;
    }
}

static void run_group(struct inference *i, const real *images, size_t n, real *features)
{
    const struct network *network = &i->network;
    const struct network_layer *stem_layer = network->stem, *head_layer = network->head;
    struct tiling stem = layer_tiling(&i->context, stem_layer->row, n),
                  head = layer_tiling(&i->context, head_layer->row, n);
    if (i->times != NULL) i->since = clock_thread_seconds();
    stem_forward(&i->context, &stem_layer->stem, &stem, images, &stem_layer->bn, i->current, NULL, NULL);
    lap(i, stem_layer);
    for (int b = 0; b < network->block_count; b++) run_block(i, &network->blocks[b], n);
    conv1x1_infer(&i->context, &head_layer->conv1x1, &head, (struct conv1x1_input){.x = i->current},
                  (struct conv1x1_after){.bn = &head_layer->bn, .activates = true}, i->last);
    pool_features(i, n, features);
    lap(i, head_layer);
}

void inference_run(struct inference *i, const real *images, int count, real *features, real *logits)
{
    BUG_UNLESS(count >= 1 && (size_t)count <= i->batch && i->may_run);
    size_t n = (size_t)count, group = i->group, d = i->network.head->row->output;
    size_t image_reals = layer_input_pixels(i->network.stem->row) * STEM_INPUT;
    real *out = features == NULL ? i->features : features;
    for (size_t at = 0; at < n; at += group) {
        size_t size = n - at < group ? n - at : group;
        run_group(i, images + at * image_reals, size, out + at * d);
    }
    if (logits != NULL) linear_forward(&i->context, &i->classifier, n, out, logits);
    i->last_features = out;
    i->last_rows = n;
}

void inference_affect(struct inference *i, real *affect)
{
    BUG_UNLESS(i->has_affect && i->last_features != NULL);
    linear_forward(&i->context, &i->affect, i->last_rows, i->last_features, affect);
}
