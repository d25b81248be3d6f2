#include "rmfer/nn/inference.h"

#include "nn/network.h"
#include "rmfer/base/threads.h"

/* Images go through the network a few at a time, so that a block's wide maps stay in cache. */
static const size_t GROUP_BYTES = (size_t)6 << 20;

/* A linear layer's numbers of our own: the model may change or go after it was loaded. */
struct own_linear {
    real *weight, *bias;
};

struct inference {
    struct network network;
    struct op_context context;
    struct arena arena;
    bool loaded;
    struct linear classifier;
    size_t batch, classes;
    real *current, *next;      /* block inputs and outputs of a group */
    real *expanded, *depthwise;
    real *mean;
    struct squeeze_excite_saved gate;
    real *features;            /* [batch,D] */
    struct own_linear own_classifier;
    struct own_linear reduce[MOST_BLOCKS], expand[MOST_BLOCKS]; /* of the gates */
};

static size_t larger(size_t a, size_t b)
{
    return a > b ? a : b;
}

/* Reals of the widest maps of one image: block inputs and outputs, expanded, depthwise. */
struct widths {
    size_t narrow, expanded, depthwise, channels, squeezed;
};

static struct widths find_widths(const struct network *network)
{
    struct widths w = {.narrow = network->stem.output_height * network->stem.output_width * network->stem.output};
    w.expanded = network->head_pixels * network->head.output;
    w.channels = network->head.output;
    for (int i = 0; i < network->block_count; i++) {
        const struct network_block *block = &network->blocks[i];
        size_t expanded = block->project.input;
        w.narrow = larger(w.narrow, block->output_pixels * block->project.output);
        if (block->shape.has_expansion) w.expanded = larger(w.expanded, block->input_pixels * expanded);
        w.depthwise = larger(w.depthwise, block->output_pixels * expanded);
        w.channels = larger(w.channels, expanded);
        w.squeezed = larger(w.squeezed, block->squeeze_excite.squeezed);
    }
    return w;
}

/* Images of a group: as many as fit the cache, but work for every thread. */
static size_t group_size(const struct inference *inference)
{
    struct widths w = find_widths(&inference->network);
    size_t bytes = (w.expanded + w.depthwise + 2 * w.narrow) * sizeof(real);
    size_t group = larger(GROUP_BYTES / bytes, 2 * (size_t)inference->context.threads);
    return group < inference->batch ? group : inference->batch;
}

static struct own_linear place_linear(const struct linear *layer, struct plan *plan)
{
    real *weight = plan_reals(plan, layer->input * layer->output);
    return (struct own_linear){weight, plan_reals(plan, layer->output)};
}

static void place(struct inference *i, struct plan *plan)
{
    struct widths w = find_widths(&i->network);
    size_t group = group_size(i), d = i->network.head.output, threads = (size_t)i->context.threads;
    network_place(&i->network, &i->context, false, plan);
    i->current = plan_reals(plan, group * w.narrow);
    i->next = plan_reals(plan, group * w.narrow);
    i->expanded = plan_reals(plan, group * w.expanded);
    i->depthwise = plan_reals(plan, group * w.depthwise);
    i->mean = plan_reals(plan, group * w.channels);
    i->gate.reduced = plan_reals(plan, group * w.squeezed);
    i->gate.activated = plan_reals(plan, group * w.squeezed);
    i->gate.gate = plan_reals(plan, group * w.channels);
    i->features = plan_reals(plan, i->batch * d);
    i->classifier = (struct linear){.input = d, .output = i->classes};
    i->own_classifier = place_linear(&i->classifier, plan);
    for (int b = 0; b < i->network.block_count; b++) {
        i->reduce[b] = place_linear(&i->network.blocks[b].squeeze_excite.reduce, plan);
        i->expand[b] = place_linear(&i->network.blocks[b].squeeze_excite.expand, plan);
    }
    i->context.scratch_reals = network_scratch_reals(&i->network, &i->context, group);
    i->context.scratch = plan_reals(plan, threads * i->context.scratch_reals);
}

status inference_create(struct inference **out, const struct architecture *architecture, int classes, int batch,
                        int image_size, struct error *err)
{
    *out = NULL;
    if (image_size < SMALLEST_IMAGE || image_size > 4096 || batch < 1 || classes < 1)
        return error_set_usage(err, "images of %d pixels in batches of %d: at least %d pixels and 1 image are needed",
                               image_size, batch, SMALLEST_IMAGE);
    struct inference *i = memory_allocate(1, sizeof *i, "inference", err);
    if (i == NULL) return STATUS_FAILED;
    i->batch = (size_t)batch;
    i->classes = (size_t)classes;
    i->context = op_context_of(kernels_best(), threads_get());
    network_init(&i->network, architecture, image_size);
    struct plan plan = {0};
    place(i, &plan);
    status result = arena_reserve(&i->arena, plan.used, "the inference memory plan", err);
    if (result != STATUS_OK) {
        memory_free(i);
        return result;
    }
    plan = (struct plan){arena_take(&i->arena, plan.used), 0};
    place(i, &plan);
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

/* Lets `layer`, which points at the model's numbers, point at copies of them. */
static void copy_linear(struct linear *layer, struct own_linear own)
{
    memcpy(own.weight, layer->weight, layer->input * layer->output * sizeof(real));
    memcpy(own.bias, layer->bias, layer->output * sizeof(real));
    layer->weight = own.weight;
    layer->bias = own.bias;
}

void inference_load(struct inference *i, const struct model *model)
{
    BUG_UNLESS((size_t)model->classes == i->classes);
    struct network *network = &i->network;
    const struct parameters *all = &model->parameters;
    network_bind(network, model);
    network_pack(network, &i->context);
    batchnorm_from_running(&network->bn_stem);
    for (int b = 0; b < network->block_count; b++) {
        struct network_block *block = &network->blocks[b];
        if (block->shape.has_expansion) batchnorm_from_running(&block->bn_expand);
        batchnorm_from_running(&block->bn_depthwise);
        batchnorm_from_running(&block->bn_project);
        copy_linear(&block->squeeze_excite.reduce, i->reduce[b]);
        copy_linear(&block->squeeze_excite.expand, i->expand[b]);
    }
    batchnorm_from_running(&network->bn_head);
    i->classifier.weight = parameter_values(all, &all->items[model->fer.weight]);
    i->classifier.bias = parameter_values(all, &all->items[model->fer.bias]);
    copy_linear(&i->classifier, i->own_classifier);
    i->loaded = true;
}

/* i->current to i->next, then they change places. */
static void run_block(struct inference *i, const struct network_block *block, size_t n)
{
    struct tiling in = tiling_of(&i->context, n, block->input_pixels);
    struct tiling out = tiling_of(&i->context, n, block->output_pixels);
    const real *wide = i->current;
    if (block->shape.has_expansion) {
        conv1x1_infer(&i->context, &block->expand, &in, (struct conv1x1_input){.x = i->current},
                      (struct conv1x1_after){.bn = &block->bn_expand, .activates = true}, i->expanded);
        wide = i->expanded;
    }
    depthwise_infer(&i->context, &block->depthwise, n, wide, &block->bn_depthwise, i->depthwise, i->mean);
    squeeze_excite_forward(&i->context, &block->squeeze_excite, n, i->mean, i->gate);
    struct conv1x1_after after = {.bn = &block->bn_project,
                                  .residual = block->shape.has_residual ? i->current : NULL};
    conv1x1_infer(&i->context, &block->project, &out,
                  (struct conv1x1_input){.x = i->depthwise, .gate = i->gate.gate}, after, i->next);
    real *spare = i->current;
    i->current = i->next;
    i->next = spare;
}

static void pool_features(const struct inference *i, size_t n, real *features)
{
    size_t d = i->network.head.output, pixels = i->network.head_pixels;
    memset(features, 0, n * d * sizeof *features);
    for (size_t image = 0; image < n; image++) {
        real *own = features + image * d;
        i->context.kernels->sum((struct rows){pixels, d}, i->expanded + image * pixels * d, d, own);
        for (size_t c = 0; c < d; c++) own[c] /= (real)pixels;
    }
}

static void run_group(struct inference *i, const real *images, size_t n, real *features)
{
    const struct network *network = &i->network;
    struct tiling stem = tiling_of(&i->context, n, network->stem.output_height * network->stem.output_width);
    stem_forward(&i->context, &network->stem, &stem, images, &network->bn_stem, i->current, NULL, NULL);
    for (int b = 0; b < network->block_count; b++) run_block(i, &network->blocks[b], n);
    struct tiling head = tiling_of(&i->context, n, network->head_pixels);
    conv1x1_infer(&i->context, &network->head, &head, (struct conv1x1_input){.x = i->current},
                  (struct conv1x1_after){.bn = &network->bn_head, .activates = true}, i->expanded);
    pool_features(i, n, features);
}

void inference_run(struct inference *i, const real *images, int count, real *features, real *logits)
{
    BUG_UNLESS(count >= 1 && (size_t)count <= i->batch && i->loaded);
    size_t n = (size_t)count, group = group_size(i), d = i->network.head.output;
    size_t image_reals = i->network.stem.height * i->network.stem.width * STEM_INPUT;
    real *out = features == NULL ? i->features : features;
    for (size_t at = 0; at < n; at += group) {
        size_t size = n - at < group ? n - at : group;
        run_group(i, images + at * image_reals, size, out + at * d);
    }
    if (logits != NULL) linear_forward(&i->context, &i->classifier, n, out, logits);
}
