/* The backbone forward, with batch statistics: conv_stem, the blocks, conv_head, the mean over pixels.
 *
 * Every convolution leaves its map before batch-norm and the statistics of that map; batch-norm and SiLU are applied by
 * the layer that reads it. backbone_backward.c is this file read from its end. */
#include "nn/backbone_internal.h"

static void use_batch_statistics(struct backbone_pass *p, struct network_layer *layer, size_t parts, double momentum)
{
    struct moments moments = {parts, p->moment_counts, p->moment_values};
    batchnorm_from_batch(&p->context, &layer->bn, &moments, momentum);
}

/* Draws the block's drop-path factors; false where every image keeps its path. */
static bool draw_drop_path(struct backbone_pass *p, const struct forward_options *options, const struct layer *project,
                           real *keep)
{
    double rate = options->drop_path * project->block / p->network.block_count;
    if (rate <= 0 || !project->adds_input) return false;
    struct random_stream stream = random_stream(options->seed, RANDOM_DROP_PATH, options->draw,
                                                (uint64_t)project->block);
    backbone_draw_factors(p, &stream, rate, keep);
    return true;
}

/* expanded = W input */
static void forward_expand(struct backbone_pass *p, const struct forward_options *options, struct network_layer *expand,
                           const real *input)
{
    struct tiling in = layer_tiling(&p->context, expand->row, p->n);
    conv1x1_forward(&p->context, &expand->conv1x1, &in, (struct conv1x1_input){.x = input}, saved_of(p, expand)->map,
                    p->moment_values, p->moment_counts);
    use_batch_statistics(p, expand, in.tiles, options->bn_momentum);
}

/* projected = W (gate silu(bn(depthwise))); output = keep bn(projected) [+ input] */
static void forward_project(struct backbone_pass *p, const struct forward_options *options, struct network_block *block,
                            const real *input)
{
    struct network_layer *project = block->project;
    struct layer_saved *saved = saved_of(p, project);
    struct tiling out = layer_tiling(&p->context, project->row, p->n);
    struct conv1x1_input gated = {saved_of(p, block->depthwise)->map, &block->depthwise->bn,
                                  saved_of(p, block->gate)->gate.gate, false};
    conv1x1_forward(&p->context, &project->conv1x1, &out, gated, saved->map, p->moment_values, p->moment_counts);
    use_batch_statistics(p, project, out.tiles, options->bn_momentum);
    saved->drops = draw_drop_path(p, options, project->row, saved->keep);
    batchnorm_apply(&p->context, &out, &project->bn, saved->map, saved->drops ? saved->keep : NULL,
                    project->row->adds_input ? input : NULL, saved->output);
}

/* input: the previous block's output, or the stem before batch-norm (input_bn says so). Returns the block's output. */
static const real *forward_block(struct backbone_pass *p, const struct forward_options *options,
                                 struct network_block *block, const void *input, const struct batchnorm *input_bn)
{
    double start = backbone_now(p->backbone);
    const void *wide = input;
    const struct batchnorm *wide_bn = input_bn;
    if (block->expand != NULL) {
        forward_expand(p, options, block->expand, input);
        wide = saved_of(p, block->expand)->map;
        wide_bn = &block->expand->bn;
        backbone_lap(p, block->expand, false, &start);
    }
    struct network_layer *depthwise = block->depthwise;
    void *map = saved_of(p, depthwise)->map;
    depthwise_forward(&p->context, &depthwise->depthwise, p->n, wide, wide_bn, map, p->moment_values, p->moment_counts);
    use_batch_statistics(p, depthwise, p->n * depthwise_moment_parts(&p->context, &depthwise->depthwise),
                         options->bn_momentum);
    backbone_lap(p, depthwise, false, &start);
    struct layer_saved *gate = saved_of(p, block->gate);
    squeeze_forward(&p->context, p->n, layer_output_pixels(depthwise->row), map, &depthwise->bn, gate->sums,
                    gate->mean);
    squeeze_excite_forward(&p->context, &block->gate->squeeze_excite, p->n, gate->mean, gate->gate);
    backbone_lap(p, block->gate, false, &start);
    forward_project(p, options, block, input);
    backbone_lap(p, block->project, false, &start);
    return saved_of(p, block->project)->output;
}

static void forward_stem(struct backbone_pass *p, const struct forward_options *options, const real *images)
{
    struct network_layer *stem = p->network.stem;
    struct tiling tiling = layer_tiling(&p->context, stem->row, p->n);
    double start = backbone_now(p->backbone);
    stem_forward(&p->context, &stem->stem, &tiling, images, NULL, saved_of(p, stem)->map, p->moment_values,
                 p->moment_counts);
    use_batch_statistics(p, stem, tiling.tiles, options->bn_momentum);
    backbone_lap(p, stem, false, &start);
}

/* features = the mean over pixels of silu(bn(W input)) */
static void forward_head(struct backbone_pass *p, const struct forward_options *options, const real *input,
                         real *features)
{
    struct network_layer *head = p->network.head;
    struct layer_saved *saved = saved_of(p, head);
    struct tiling tiling = layer_tiling(&p->context, head->row, p->n);
    double start = backbone_now(p->backbone);
    conv1x1_forward(&p->context, &head->conv1x1, &tiling, (struct conv1x1_input){.x = input}, saved->map,
                    p->moment_values, p->moment_counts);
    use_batch_statistics(p, head, tiling.tiles, options->bn_momentum);
    squeeze_forward(&p->context, p->n, layer_output_pixels(head->row), saved->map, &head->bn, saved->sums, features);
    backbone_lap(p, head, false, &start);
}

/* Packs the weights where they are not those that were packed last. */
static void pack_changed_weights(struct backbone *b)
{
    struct parameters_stamp present = parameters_stamp(&b->model->parameters, GROUP_BACKBONE);
    if (parameters_stamps_equal(present, b->packed)) return;
    network_pack(&b->network, &b->context);
    b->packed = present;
    b->packs++;
}

void backbone_forward(struct backbone_pass *p, const struct forward_options *options, const real *images, int n,
                      real *features)
{
    struct network *network = &p->network;
    backbone_set_rows(p, options, n);
    BUG_UNLESS(p->n >= 1 && p->n <= p->rows);
    p->images = images;
    pack_changed_weights(p->backbone);
    if (options->bn_momentum != 0) parameters_write_buffers(&p->backbone->model->parameters);
    forward_stem(p, options, images);
    const real *map = forward_block(p, options, &network->blocks[0], saved_of(p, network->stem)->map,
                                    &network->stem->bn);
    for (int i = 1; i < network->block_count; i++) map = forward_block(p, options, &network->blocks[i], map, NULL);
    bool shared = pass_is_shared(p);
    forward_head(p, options, map, shared ? p->own_features : features);
    if (shared) backbone_gather_features(p, features);
    p->may_go_back = p->kind == PASS_TRAINS;
    p->weights = p->backbone->packed;
}
