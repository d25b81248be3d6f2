#include "rmfer/nn/backbone.h"

#include "nn/network.h"
#include "rmfer/base/threads.h"
#include "rmfer/ops/dropout.h"

#include <math.h>
#include <stdio.h>
#include <time.h>

/* What one block keeps from forward to backward. */
struct block_saved {
    real *expanded;  /* [N,input_pixels,expanded] before batch-norm; NULL without expansion */
    real *depthwise; /* [N,output_pixels,expanded] before batch-norm */
    real *projected; /* [N,output_pixels,output] before batch-norm */
    real *output;    /* [N,output_pixels,output] */
    real *squeezed;  /* [N,3,expanded]: squeeze_forward's sums */
    real *mean;      /* [N,expanded] */
    struct squeeze_excite_saved gate;
    real *keep;      /* [N] drop-path factors */
    bool drops;      /* keep is in use */
};

struct backbone {
    struct network network;
    struct op_context context;
    struct arena arena;
    int batch;
    /* saved */
    real *stem; /* before batch-norm */
    struct block_saved blocks[MOST_BLOCKS];
    real *head; /* before batch-norm */
    real *head_sums;
    size_t saved_bytes, scratch_bytes;
    /* scratch */
    real *moment_values;
    size_t *moment_counts;
    real *gradient;          /* of a block's output, then of its input */
    real *expanded_gradient; /* of the gated map */
    real *input_gradient;    /* of the depthwise input before SiLU */
    real *segment_sums, *image_sums, *sums;
    real *gate_gradient, *mean_gradient, *squeeze_room;
    real *partials;
    /* of the last forward pass */
    const real *images;
    size_t n;
    struct layer_info *profile;
};

/* ---- the memory plan ---------------------------------------------------------------------------------------------- */

/* The largest sizes that any layer needs of the buffers they share. */
struct needs {
    size_t moment_parts, moment_reals, gradient, expanded, input, segment_sums, channels, weights, taps, squeezed;
};

static void at_least(size_t *most, size_t wanted)
{
    if (wanted > *most) *most = wanted;
}

static void need_moments(struct needs *needs, size_t parts, size_t channels)
{
    at_least(&needs->moment_parts, parts);
    at_least(&needs->moment_reals, parts * 2 * channels);
}

static void need_block(struct needs *needs, const struct op_context *context, const struct network_block *block, size_t n)
{
    struct tiling in = tiling_of(context, n, block->input_pixels), out = tiling_of(context, n, block->output_pixels);
    size_t input = block->project.input, output = block->project.output;
    need_moments(needs, in.tiles, input);
    need_moments(needs, n * depthwise_moment_parts(context, &block->depthwise), input);
    need_moments(needs, out.tiles, output);
    at_least(&needs->gradient, n * block->output_pixels * output);
    at_least(&needs->gradient, n * block->input_pixels * block->expand.input);
    at_least(&needs->expanded, n * block->output_pixels * input);
    at_least(&needs->input, n * block->input_pixels * input);
    at_least(&needs->segment_sums, out.segments * 3 * input);
    at_least(&needs->segment_sums, out.segments * 2 * output);
    at_least(&needs->channels, input);
    at_least(&needs->channels, output);
    at_least(&needs->weights, input * output);
    at_least(&needs->weights, input * block->expand.input);
    at_least(&needs->taps, depthwise_packed_reals(&block->depthwise));
    at_least(&needs->squeezed, block->squeeze_excite.squeezed);
}

static struct needs find_needs(const struct network *network, const struct op_context *context, size_t n)
{
    struct needs needs = {0};
    struct tiling stem = tiling_of(context, n, network->stem.output_height * network->stem.output_width);
    struct tiling head = tiling_of(context, n, network->head_pixels);
    need_moments(&needs, stem.tiles, network->stem.output);
    need_moments(&needs, head.tiles, network->head.output);
    at_least(&needs.weights, network->stem.output * STEM_PATCH);
    at_least(&needs.weights, network->head.input * network->head.output);
    at_least(&needs.channels, network->head.output);
    at_least(&needs.gradient, n * network->head_pixels * network->head.input);
    for (int i = 0; i < network->block_count; i++) need_block(&needs, context, &network->blocks[i], n);
    return needs;
}

static void place_block(struct backbone *b, int index, size_t n, struct plan *plan)
{
    const struct network_block *block = &b->network.blocks[index];
    struct block_saved *saved = &b->blocks[index];
    size_t expanded = block->project.input, squeezed = block->squeeze_excite.squeezed;
    saved->expanded = block->shape.has_expansion ? plan_reals(plan, n * block->input_pixels * expanded) : NULL;
    saved->depthwise = plan_reals(plan, n * block->output_pixels * expanded);
    saved->projected = plan_reals(plan, n * block->output_pixels * block->project.output);
    saved->output = plan_reals(plan, n * block->output_pixels * block->project.output);
    saved->squeezed = plan_reals(plan, n * 3 * expanded);
    saved->mean = plan_reals(plan, n * expanded);
    saved->gate.reduced = plan_reals(plan, n * squeezed);
    saved->gate.activated = plan_reals(plan, n * squeezed);
    saved->gate.gate = plan_reals(plan, n * expanded);
    saved->keep = plan_reals(plan, n);
}

static void place(struct backbone *b, struct plan *plan)
{
    size_t n = (size_t)b->batch, threads = (size_t)b->context.threads;
    const struct network *network = &b->network;
    struct needs needs = find_needs(network, &b->context, n);
    b->stem = plan_reals(plan, n * network->stem.output_height * network->stem.output_width * network->stem.output);
    for (int i = 0; i < network->block_count; i++) place_block(b, i, n, plan);
    b->head = plan_reals(plan, n * network->head_pixels * network->head.output);
    b->head_sums = plan_reals(plan, n * 3 * network->head.output);
    b->saved_bytes = plan->used;
    network_place(&b->network, &b->context, true, plan);
    b->moment_values = plan_reals(plan, needs.moment_reals);
    b->moment_counts = plan_take(plan, needs.moment_parts, sizeof *b->moment_counts);
    b->gradient = plan_reals(plan, needs.gradient);
    b->expanded_gradient = plan_reals(plan, needs.expanded);
    b->input_gradient = plan_reals(plan, needs.input);
    b->segment_sums = plan_reals(plan, needs.segment_sums);
    b->image_sums = plan_reals(plan, n * 3 * needs.channels);
    b->sums = plan_reals(plan, 2 * needs.channels);
    b->gate_gradient = plan_reals(plan, n * needs.channels);
    b->mean_gradient = plan_reals(plan, n * needs.channels);
    b->squeeze_room = plan_reals(plan, n * needs.squeezed);
    b->partials = plan_reals(plan, threads * (needs.weights > needs.taps ? needs.weights : needs.taps));
    b->context.scratch_reals = network_scratch_reals(network, &b->context, n);
    b->context.scratch = plan_reals(plan, threads * b->context.scratch_reals);
    b->scratch_bytes = plan->used - b->saved_bytes;
}

status backbone_create(struct backbone **out, struct model *model, int batch, int image_size, struct error *err)
{
    *out = NULL;
    if (image_size < SMALLEST_IMAGE || image_size > 4096 || batch < 1)
        return error_set_usage(err, "images of %d pixels in batches of %d: at least %d pixels and 1 image are needed",
                               image_size, batch, SMALLEST_IMAGE);
    struct backbone *b = memory_allocate(1, sizeof *b, "the backbone", err);
    if (b == NULL) return STATUS_FAILED;
    b->batch = batch;
    b->context = op_context_of(kernels_best(), threads_get());
    network_init(&b->network, &model->architecture, image_size);
    network_bind(&b->network, model);
    struct plan plan = {0};
    place(b, &plan);
    status result = arena_init(&b->arena, plan.used, "the training memory plan", err);
    if (result != STATUS_OK) {
        memory_free(b);
        return result;
    }
    plan = (struct plan){arena_take(&b->arena, plan.used), 0};
    place(b, &plan);
    *out = b;
    return STATUS_OK;
}

void backbone_free(struct backbone *b)
{
    if (b == NULL) return;
    arena_free(&b->arena);
    memory_free(b);
}

size_t backbone_saved_bytes(const struct backbone *b)
{
    return b->saved_bytes;
}

size_t backbone_scratch_bytes(const struct backbone *b)
{
    return b->scratch_bytes;
}

/* ---- profiling ------------------------------------------------------------------------------------------------------ */

void backbone_profile(struct backbone *b, struct layer_info *layers)
{
    b->profile = layers;
}

static double now(const struct backbone *b)
{
    if (b->profile == NULL) return 0;
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

enum block_part { PART_EXPAND, PART_DEPTHWISE, PART_SQUEEZE, PART_PROJECT, PART_COUNT };

static size_t layer_of(int block, enum block_part part)
{
    return 1 + (size_t)block * PART_COUNT + (size_t)part;
}

/* Adds the time since *start to a layer and starts again. */
static void lap(const struct backbone *b, size_t layer, bool backward, double *start)
{
    if (b->profile == NULL) return;
    double end = now(b);
    *(backward ? &b->profile[layer].backward_seconds : &b->profile[layer].forward_seconds) += end - *start;
    *start = end;
}

/* ---- forward -------------------------------------------------------------------------------------------------------- */

static void use_batch_statistics(struct backbone *b, struct batchnorm *bn, size_t parts, double momentum)
{
    struct moments moments = {parts, b->moment_counts, b->moment_values};
    batchnorm_from_batch(&b->context, bn, &moments, momentum);
}

/* Draws the block's drop-path factors; false where every image keeps its path. */
static bool draw_drop_path(struct backbone *b, const struct backbone_pass *pass, int index)
{
    double rate = pass->drop_path * index / b->network.block_count;
    if (rate <= 0 || !b->network.blocks[index].shape.has_residual) return false;
    struct random_stream stream =
        random_stream(pass->seed, RANDOM_DROP_PATH, pass->draw, (uint64_t)index);
    dropout_factors(&stream, rate, b->n, b->blocks[index].keep);
    return true;
}

/* input: the previous block's output, or the stem before batch-norm (input_bn says so). */
static void forward_block(struct backbone *b, const struct backbone_pass *pass, int index, const real *input,
                          const struct batchnorm *input_bn)
{
    struct network_block *block = &b->network.blocks[index];
    struct block_saved *saved = &b->blocks[index];
    const struct op_context *context = &b->context;
    struct tiling in = tiling_of(context, b->n, block->input_pixels);
    struct tiling out = tiling_of(context, b->n, block->output_pixels);
    double start = now(b);
    const real *wide = input;
    const struct batchnorm *wide_bn = input_bn;
    if (block->shape.has_expansion) {
        conv1x1_forward(context, &block->expand, &in, (struct conv1x1_input){.x = input}, saved->expanded,
                        b->moment_values, b->moment_counts);
        use_batch_statistics(b, &block->bn_expand, in.tiles, pass->bn_momentum);
        wide = saved->expanded;
        wide_bn = &block->bn_expand;
        lap(b, layer_of(index, PART_EXPAND), false, &start);
    }
    depthwise_forward(context, &block->depthwise, b->n, wide, wide_bn, saved->depthwise, b->moment_values,
                      b->moment_counts);
    size_t parts = b->n * depthwise_moment_parts(context, &block->depthwise);
    use_batch_statistics(b, &block->bn_depthwise, parts, pass->bn_momentum);
    lap(b, layer_of(index, PART_DEPTHWISE), false, &start);
    squeeze_forward(context, b->n, block->output_pixels, saved->depthwise, &block->bn_depthwise, saved->squeezed,
                    saved->mean);
    squeeze_excite_forward(context, &block->squeeze_excite, b->n, saved->mean, saved->gate);
    lap(b, layer_of(index, PART_SQUEEZE), false, &start);
    struct conv1x1_input gated = {saved->depthwise, &block->bn_depthwise, saved->gate.gate};
    conv1x1_forward(context, &block->project, &out, gated, saved->projected, b->moment_values, b->moment_counts);
    use_batch_statistics(b, &block->bn_project, out.tiles, pass->bn_momentum);
    saved->drops = draw_drop_path(b, pass, index);
    batchnorm_apply(context, &out, &block->bn_project, saved->projected, saved->drops ? saved->keep : NULL,
                    block->shape.has_residual ? input : NULL, saved->output);
    lap(b, layer_of(index, PART_PROJECT), false, &start);
}

void backbone_forward(struct backbone *b, const struct backbone_pass *pass, const real *images, int n, real *features)
{
    BUG_UNLESS(n >= 1 && n <= b->batch);
    struct network *network = &b->network;
    const struct op_context *context = &b->context;
    b->images = images;
    b->n = (size_t)n;
    network_pack(network, context);
    double start = now(b);
    struct tiling stem = tiling_of(&b->context, b->n, network->stem.output_height * network->stem.output_width);
    stem_forward(context, &network->stem, &stem, images, NULL, b->stem, b->moment_values, b->moment_counts);
    use_batch_statistics(b, &network->bn_stem, stem.tiles, pass->bn_momentum);
    lap(b, 0, false, &start);
    forward_block(b, pass, 0, b->stem, &network->bn_stem);
    for (int i = 1; i < network->block_count; i++) forward_block(b, pass, i, b->blocks[i - 1].output, NULL);
    start = now(b);
    struct tiling head = tiling_of(&b->context, b->n, network->head_pixels);
    struct conv1x1_input input = {.x = b->blocks[network->block_count - 1].output};
    conv1x1_forward(context, &network->head, &head, input, b->head, b->moment_values, b->moment_counts);
    use_batch_statistics(b, &network->bn_head, head.tiles, pass->bn_momentum);
    squeeze_forward(context, b->n, network->head_pixels, b->head, &network->bn_head, b->head_sums, features);
    lap(b, layer_of(network->block_count, PART_EXPAND), false, &start);
}

/* ---- backward ------------------------------------------------------------------------------------------------------- */

/* The gate's own gradient comes as sums0; with it the sums that the depthwise batch-norm needs follow without another
 * pass over the map, because its dz = (du gate + mean_gradient) silu'(z) is linear in gate and mean_gradient:
 * sum dz = sum_n gate_n sums1_n + mean_gradient_n squeezed1_n, and likewise with (x - mean). */
static void backward_gate(struct backbone *b, int index)
{
    struct network_block *block = &b->network.blocks[index];
    struct block_saved *saved = &b->blocks[index];
    size_t c = block->project.input, pixels = block->output_pixels;
    for (size_t n = 0; n < b->n; n++)
        memcpy(b->gate_gradient + n * c, b->image_sums + n * 3 * c, c * sizeof(real));
    squeeze_excite_backward(&b->context, &block->squeeze_excite, b->n, saved->mean, saved->gate, b->gate_gradient,
                            b->mean_gradient, b->squeeze_room);
    memset(b->sums, 0, 2 * c * sizeof(real));
    for (size_t n = 0; n < b->n; n++) {
        real *at_pixel = b->mean_gradient + n * c;
        for (size_t i = 0; i < c; i++) at_pixel[i] /= (real)pixels;
        for (size_t row = 0; row < 2; row++) {
            const real *through = b->image_sums + (n * 3 + row + 1) * c, *gate = saved->gate.gate + n * c;
            const real *slopes = saved->squeezed + (n * 3 + row + 1) * c;
            for (size_t i = 0; i < c; i++) b->sums[row * c + i] += gate[i] * through[i] + at_pixel[i] * slopes[i];
        }
    }
    batchnorm_backward(&block->bn_depthwise, b->sums, b->n * pixels);
}

/* Project, gate and their batch-norms: b->gradient (of the output) to b->expanded_gradient (of the gated map). */
static void backward_project(struct backbone *b, int index, double *start)
{
    struct network_block *block = &b->network.blocks[index];
    struct block_saved *saved = &b->blocks[index];
    struct tiling out = tiling_of(&b->context, b->n, block->output_pixels);
    const real *keep = saved->drops ? saved->keep : NULL;
    batchnorm_apply_backward(&b->context, &out, &block->bn_project, saved->projected, keep, b->gradient,
                             b->segment_sums, b->image_sums, b->sums);
    batchnorm_backward(&block->bn_project, b->sums, b->n * block->output_pixels);
    struct conv1x1_input gated = {saved->depthwise, &block->bn_depthwise, saved->gate.gate};
    struct conv1x1_upstream upstream = {
        .y = saved->projected, .bn = &block->bn_project, .dy = b->gradient, .keep = keep};
    conv1x1_gated_backward(&b->context, &block->project, &out, gated, upstream, b->expanded_gradient, b->segment_sums,
                           b->partials);
    segments_sum(&b->context, &out, 3 * block->project.input, b->segment_sums, b->image_sums);
    lap(b, layer_of(index, PART_PROJECT), true, start);
    backward_gate(b, index);
    lap(b, layer_of(index, PART_SQUEEZE), true, start);
}

/* Sums of dz that depthwise_backward left per image, into the batch-norm before the depthwise convolution. */
static void finish_input_batchnorm(struct backbone *b, struct batchnorm *bn, size_t pixels)
{
    memset(b->sums, 0, 2 * bn->channels * sizeof(real));
    rows_sum(&b->context, b->n, 2 * bn->channels, b->image_sums, b->sums);
    batchnorm_backward(bn, b->sums, b->n * pixels);
}

static void backward_block(struct backbone *b, int index, const real *input, struct batchnorm *input_bn)
{
    struct network_block *block = &b->network.blocks[index];
    struct block_saved *saved = &b->blocks[index];
    double start = now(b);
    backward_project(b, index, &start);
    struct depthwise_upstream upstream = {saved->depthwise, &block->bn_depthwise, b->expanded_gradient,
                                          saved->gate.gate, b->mean_gradient};
    bool residual = block->shape.has_residual;
    if (!block->shape.has_expansion) {
        /* Behind the stem dz stays before its batch-norm; elsewhere it is the gradient of the previous output. */
        real *dz = input_bn != NULL ? b->input_gradient : b->gradient;
        depthwise_backward(&b->context, &block->depthwise, b->n, input, input_bn, upstream,
                           residual ? b->gradient : NULL, dz, b->image_sums, b->partials);
        if (input_bn != NULL) finish_input_batchnorm(b, input_bn, block->input_pixels);
        lap(b, layer_of(index, PART_DEPTHWISE), true, &start);
        return;
    }
    depthwise_backward(&b->context, &block->depthwise, b->n, saved->expanded, &block->bn_expand, upstream, NULL,
                       b->input_gradient, b->image_sums, b->partials);
    finish_input_batchnorm(b, &block->bn_expand, block->input_pixels);
    lap(b, layer_of(index, PART_DEPTHWISE), true, &start);
    struct tiling in = tiling_of(&b->context, b->n, block->input_pixels);
    struct conv1x1_upstream expanded = {.y = saved->expanded, .bn = &block->bn_expand, .dy = b->input_gradient};
    conv1x1_backward(&b->context, &block->expand, &in, input, expanded, b->gradient, residual, b->partials);
    lap(b, layer_of(index, PART_EXPAND), true, &start);
}

/* features = mean over pixels of silu(bn(head)): every pixel gets dfeatures / pixels. */
static void backward_head(struct backbone *b, const real *dfeatures)
{
    struct network *network = &b->network;
    size_t count = b->n * network->head.output;
    for (size_t i = 0; i < count; i++) b->mean_gradient[i] = dfeatures[i] / (real)network->head_pixels;
    squeeze_backward(b->n, network->head.output, b->mean_gradient, b->head_sums, b->sums);
    batchnorm_backward(&network->bn_head, b->sums, b->n * network->head_pixels);
    struct tiling head = tiling_of(&b->context, b->n, network->head_pixels);
    struct conv1x1_upstream upstream = {.y = b->head, .bn = &network->bn_head, .pooled = b->mean_gradient};
    conv1x1_backward(&b->context, &network->head, &head, b->blocks[network->block_count - 1].output, upstream,
                     b->gradient, false, b->partials);
}

void backbone_backward(struct backbone *b, const real *dfeatures)
{
    struct network *network = &b->network;
    double start = now(b);
    backward_head(b, dfeatures);
    lap(b, layer_of(network->block_count, PART_EXPAND), true, &start);
    for (int i = network->block_count - 1; i > 0; i--) backward_block(b, i, b->blocks[i - 1].output, NULL);
    backward_block(b, 0, b->stem, &network->bn_stem);
    start = now(b);
    struct tiling stem = tiling_of(&b->context, b->n, network->stem.output_height * network->stem.output_width);
    stem_backward(&b->context, &network->stem, &stem, b->images, b->stem, &network->bn_stem, b->input_gradient,
                  b->partials);
    lap(b, 0, true, &start);
}

/* ---- the layer table ------------------------------------------------------------------------------------------------ */

static struct layer_info layer(const char *name, int kernel, int stride, size_t channels, size_t side, size_t weights,
                               double multiply_adds)
{
    struct layer_info info = {.kernel = kernel,
                              .stride = stride,
                              .channels = channels,
                              .side = side,
                              .parameters = weights + 2 * channels, /* with batch-norm's scale and shift */
                              .multiply_adds = multiply_adds,
                              .saved_bytes = side * side * channels * sizeof(real)};
    snprintf(info.name, sizeof info.name, "%s", name);
    return info;
}

static void block_layers(const struct network_block *block, struct layer_info *layers)
{
    char prefix[24], name[48];
    const struct block_shape *s = &block->shape;
    snprintf(prefix, sizeof prefix, "blocks.%d.%d", s->stage, s->index);
#define NAME(part) (snprintf(name, sizeof name, "%s.%s", prefix, part), name)
    size_t expanded = (size_t)s->expanded, output = (size_t)s->output, squeezed = (size_t)s->squeezed;
    size_t side_in = block->depthwise.height, side_out = block->depthwise.output_height;
    double in = (double)block->input_pixels, out = (double)block->output_pixels;
    size_t taps = (size_t)(s->kernel * s->kernel);
    size_t expansion = s->has_expansion ? (size_t)s->input * expanded : 0;
    layers[PART_EXPAND] = layer(NAME("conv_pw"), 1, 1, expanded, side_in, expansion, in * (double)expansion);
    if (!s->has_expansion) layers[PART_EXPAND] = (struct layer_info){0};
    layers[PART_DEPTHWISE] = layer(NAME("conv_dw"), s->kernel, s->stride, expanded, side_out, taps * expanded,
                                   out * (double)(taps * expanded));
    layers[PART_SQUEEZE] = layer(NAME("se"), 1, 1, expanded, 1, 2 * expanded * squeezed + squeezed - expanded,
                                 2.0 * (double)(expanded * squeezed));
    layers[PART_SQUEEZE].saved_bytes = (5 * expanded + 2 * squeezed) * sizeof(real);
    layers[PART_PROJECT] = layer(NAME(s->has_expansion ? "conv_pwl" : "conv_pw"), 1, 1, output, side_out,
                                 expanded * output, out * (double)(expanded * output));
    layers[PART_PROJECT].saved_bytes *= 2; /* before batch-norm, and the block's output */
#undef NAME
}

size_t backbone_layers(const struct architecture *architecture, int image_size, struct layer_info *layers)
{
    struct network network;
    network_init(&network, architecture, image_size);
    size_t side = network.stem.output_height, weights = network.stem.output * STEM_PATCH;
    layers[0] = layer("conv_stem", STEM_KERNEL, STEM_STRIDE, network.stem.output, side, weights,
                      (double)(side * side * weights));
    for (int i = 0; i < network.block_count; i++) block_layers(&network.blocks[i], &layers[layer_of(i, PART_EXPAND)]);
    size_t last = layer_of(network.block_count, PART_EXPAND), head = network.head.input * network.head.output;
    layers[last] = layer("conv_head", 1, 1, network.head.output, (size_t)sqrt((double)network.head_pixels), head,
                         (double)(network.head_pixels * head));
    return last + 1;
}
