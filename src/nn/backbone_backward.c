/* The backbone backward: backbone_forward.c read from its end, the gradient of the features to those of every
 * parameter.
 *
 * Nothing activated or normalised was kept: it is computed again from the maps before batch-norm where it is read. The
 * small gradients on the way are the backbone's, shared by its passes; the large ones of a block lie where the maps of
 * the blocks behind it were, so nothing behind a block may be read once the block goes back. */
#include "nn/backbone_internal.h"

#include <string.h>

/* The gate's own gradient comes as sums0; with it the sums that the depthwise batch-norm needs follow without another
 * pass over the map, because its dz = (du gate + mean_gradient) silu'(z) is linear in gate and mean_gradient:
 * sum dz = sum_n gate_n sums1_n + mean_gradient_n squeezed1_n, and likewise with (x - mean). */
static void backward_gate(struct backbone_pass *p, struct network_block *block)
{
    struct backbone *b = p->backbone;
    const struct layer_saved *saved = saved_of(p, block->gate);
    size_t c = block->gate->row->output, pixels = layer_input_pixels(block->gate->row);
    for (size_t n = 0; n < p->n; n++) memcpy(b->gate_gradient + n * c, b->image_sums + n * 3 * c, c * sizeof(real));
    squeeze_excite_backward(&block->gate->squeeze_excite, p->n, saved->mean, saved->gate, b->gate_gradient,
                            b->mean_gradient, b->squeeze_room);
    memset(b->sums, 0, 2 * c * sizeof(real));
    for (size_t n = 0; n < p->n; n++) {
        real *at_pixel = b->mean_gradient + n * c;
        for (size_t i = 0; i < c; i++) at_pixel[i] /= (real)pixels;
        for (size_t row = 0; row < 2; row++) {
            const real *through = b->image_sums + (n * 3 + row + 1) * c, *gate = saved->gate.gate + n * c;
            const real *slopes = saved->sums + (n * 3 + row + 1) * c;
            for (size_t i = 0; i < c; i++) b->sums[row * c + i] += gate[i] * through[i] + at_pixel[i] * slopes[i];
        }
    }
    batchnorm_backward_shared(&p->context, &block->depthwise->bn, b->sums, p->n * pixels);
}

static const struct block_gradients *gradients_of(const struct backbone_pass *p, const struct network_block *block)
{
    return &p->gradients[block->project->row->block];
}

/* b->gradient (of the block's output) to the block's expanded gradient (of the gated map) and the gate's sums. */
static void backward_project(struct backbone_pass *p, struct network_block *block)
{
    struct backbone *b = p->backbone;
    struct network_layer *project = block->project;
    const struct layer_saved *saved = saved_of(p, project);
    struct tiling out = layer_tiling(&p->context, project->row, p->n);
    const real *keep = saved->drops ? saved->keep : NULL;
    batchnorm_apply_backward(&p->context, &out, &project->bn, saved->map, keep, b->gradient, b->segment_sums,
                             b->image_sums, b->sums);
    batchnorm_backward_shared(&p->context, &project->bn, b->sums, p->n * layer_output_pixels(project->row));
    struct conv1x1_input gated = {saved_of(p, block->depthwise)->map, &block->depthwise->bn,
                                  saved_of(p, block->gate)->gate.gate, false};
    struct conv1x1_upstream upstream = {.y = saved->map, .bn = &project->bn, .dy = b->gradient, .keep = keep};
    conv1x1_gated_backward(&p->context, &project->conv1x1, &out, gated, upstream, gradients_of(p, block)->expanded,
                           b->segment_sums, b->partials);
    segments_sum(&p->context, &out, 3 * project->row->input, b->segment_sums, b->image_sums);
}

/* Sums of dz that depthwise_backward left per image, into the batch-norm before the depthwise convolution. */
static void finish_input_batchnorm(struct backbone_pass *p, struct batchnorm *bn, size_t pixels)
{
    struct backbone *b = p->backbone;
    memset(b->sums, 0, 2 * bn->channels * sizeof(real));
    rows_sum(&p->context, p->n, 2 * bn->channels, b->image_sums, b->sums);
    batchnorm_backward_shared(&p->context, bn, b->sums, p->n * pixels);
}

/* The block's expanded gradient to `dz`: of the input before its batch-norm `bn`, or without one of the input itself,
 * to which `residual` is added. */
static void backward_depthwise(struct backbone_pass *p, struct network_block *block, const void *input,
                               struct batchnorm *bn, const real *residual, real *dz)
{
    struct backbone *b = p->backbone;
    struct network_layer *depthwise = block->depthwise;
    struct depthwise_upstream upstream = {saved_of(p, depthwise)->map, &depthwise->bn, gradients_of(p, block)->expanded,
                                          saved_of(p, block->gate)->gate.gate, b->mean_gradient};
    depthwise_backward(&p->context, &depthwise->depthwise, p->n, input, bn, upstream, residual, dz, b->image_sums,
                       b->partials);
    if (bn != NULL) finish_input_batchnorm(p, bn, layer_input_pixels(depthwise->row));
}

/* The block's input gradient to b->gradient (of the block's input), to which a residual's part was added before. */
static void backward_expand(struct backbone_pass *p, struct network_block *block, const real *input)
{
    struct backbone *b = p->backbone;
    struct network_layer *expand = block->expand;
    struct tiling in = layer_tiling(&p->context, expand->row, p->n);
    struct conv1x1_upstream upstream = {
        .y = saved_of(p, expand)->map, .bn = &expand->bn, .dy = gradients_of(p, block)->input};
    conv1x1_backward(&p->context, &expand->conv1x1, &in, input, upstream, b->gradient, block->project->row->adds_input,
                     b->partials);
}

/* b->gradient: of the block's output, then of its input. Behind the stem (input_bn) dz stays before its batch-norm, in
 * the block's input gradient. */
static void backward_block(struct backbone_pass *p, struct network_block *block, const void *input,
                           struct batchnorm *input_bn)
{
    struct backbone *b = p->backbone;
    double start = backbone_now(b);
    backward_project(p, block);
    backbone_lap(p, block->project, true, &start);
    backward_gate(p, block);
    backbone_lap(p, block->gate, true, &start);
    if (block->expand == NULL) {
        backward_depthwise(p, block, input, input_bn, block->project->row->adds_input ? b->gradient : NULL,
                           input_bn != NULL ? gradients_of(p, block)->input : b->gradient);
        backbone_lap(p, block->depthwise, true, &start);
        return;
    }
    backward_depthwise(p, block, saved_of(p, block->expand)->map, &block->expand->bn, NULL,
                       gradients_of(p, block)->input);
    backbone_lap(p, block->depthwise, true, &start);
    backward_expand(p, block, input);
    backbone_lap(p, block->expand, true, &start);
}

static void backward_stem(struct backbone_pass *p)
{
    struct network_layer *stem = p->network.stem;
    struct tiling tiling = layer_tiling(&p->context, stem->row, p->n);
    double start = backbone_now(p->backbone);
    stem_backward(&p->context, &stem->stem, &tiling, p->images, saved_of(p, stem)->map, &stem->bn,
                  gradients_of(p, &p->network.blocks[0])->input, p->backbone->partials);
    backbone_lap(p, stem, true, &start);
}

/* features = mean over pixels of silu(bn(head)): every pixel gets dfeatures / pixels. */
static void backward_head(struct backbone_pass *p, const real *input, const real *dfeatures)
{
    struct backbone *b = p->backbone;
    struct network_layer *head = p->network.head;
    const struct layer_saved *saved = saved_of(p, head);
    size_t pixels = layer_output_pixels(head->row), features = head->row->output;
    double start = backbone_now(b);
    for (size_t i = 0; i < p->n * features; i++) b->mean_gradient[i] = dfeatures[i] / (real)pixels;
    squeeze_backward(p->n, features, b->mean_gradient, saved->sums, b->sums);
    batchnorm_backward_shared(&p->context, &head->bn, b->sums, p->n * pixels);
    struct tiling tiling = layer_tiling(&p->context, head->row, p->n);
    struct conv1x1_upstream upstream = {.y = saved->map, .bn = &head->bn, .pooled = b->mean_gradient};
    conv1x1_backward(&p->context, &head->conv1x1, &tiling, input, upstream, b->gradient, false, b->partials);
    backbone_lap(p, head, true, &start);
}

static const struct network_layer *first_layer(const struct network_block *block)
{
    return block->expand != NULL ? block->expand : block->depthwise;
}

void backbone_backward(struct backbone_pass *p, const real *dfeatures)
{
    struct network *network = &p->network;
    int last = network->block_count - 1;
    struct parameters_stamp present = parameters_stamp(&p->backbone->model->parameters, GROUP_BACKBONE);
    BUG_UNLESS(p->may_go_back && parameters_stamps_equal(p->weights, present));
    if (pass_is_shared(p)) {
        backbone_pick_gradients(p, dfeatures);
        dfeatures = p->own_features;
    }
    backward_head(p, saved_of(p, network->blocks[last].project)->output, dfeatures);
    backbone_final_from(p, network->head);
    for (int i = last; i > 0; i--) {
        backward_block(p, &network->blocks[i], saved_of(p, network->blocks[i - 1].project)->output, NULL);
        backbone_final_from(p, first_layer(&network->blocks[i]));
    }
    backward_block(p, &network->blocks[0], saved_of(p, network->stem)->map, &network->stem->bn);
    backward_stem(p);
    backbone_final_from(p, network->stem);
    p->may_go_back = false;
}
