/* Rows gathered, one pass there and one back. */
#include "method/one_pass.h"

#include "method/bind.h"
#include "method/saved_storage.h"
#include "rmfer/base/plan.h"
#include "rmfer/base/threads.h"
#include "rmfer/ops/dropout.h"
#include "rmfer/ops/stem.h"

#include <string.h>

static void place(void *self, struct plan *plan)
{
    struct one_pass *pass = self;
    size_t wide = pass->most_rows * pass->dimensions, narrow = pass->most_rows * pass->classes;
    pass->images = plan_reals(plan,
                              size_multiply(pass->is_whole ? pass->most_rows : pass->most_own, pass->image_reals));
    pass->features = plan_reals(plan, wide);
    pass->dfeatures = plan_reals(plan, wide);
    pass->factors = plan_reals(plan, pass->dropout > 0 ? wide : 0);
    pass->input = pass->dropout > 0 ? plan_reals(plan, wide) : pass->features;
    pass->logits = plan_reals(plan, narrow);
    pass->dlogits = plan_reals(plan, narrow);
    affect_head_place(&pass->affect, pass->labelled, plan);
    if (pass->affect.exists) pass->daffect = plan_reals(plan, pass->labelled * pass->dimensions);
}

static struct one_pass describe(const struct method_setup *setup)
{
    const struct config *config = setup->config;
    struct model *model = setup->model;
    size_t side = (size_t)config->data.image_size;
    return (struct one_pass){.context = op_context_of(kernels_best(), threads_get()),
                             .classifier = bind_linear(model, model->fer),
                             .dropout = config->model.dropout,
                             .drop_path = config->model.drop_path,
                             .machines = setup->machines,
                             .labelled = (size_t)config->train.batch,
                             .classes = (size_t)model->classes,
                             .dimensions = (size_t)model->architecture.features,
                             .image_reals = side * side * STEM_INPUT};
}

/* Once most_rows, most_own and is_whole are known. Batch-norm needs enough values of the smallest pass. */
static status create(struct one_pass *pass, const struct method_setup *setup, size_t least_rows, struct error *err)
{
    int rows = (int)pass->most_own;
    affect_head_bind(&pass->affect, setup->model);
    status result = backbone_create(&pass->backbone, setup->model, rows, (int)setup->config->data.image_size, err);
    if (result != STATUS_OK) return result;
    backbone_share(pass->backbone, setup->machines, setup->config->train.sync_bn);
    backbone_store(pass->backbone, saved_storage(setup->config->train.saved));
    result = backbone_check_rows(pass->backbone, least_rows, err);
    if (result == STATUS_OK) result = backbone_pass_create(&pass->pass, pass->backbone, PASS_TRAINS, rows, err);
    return result == STATUS_OK ? plan_arena_init(&pass->arena, place, pass, "the rows of a step", err) : result;
}

status one_pass_init(struct one_pass *pass, const struct method_setup *setup, const struct stream_share *views,
                     size_t count, struct error *err)
{
    *pass = describe(setup);
    BUG_UNLESS(count <= MOST_PASS_PARTS);
    pass->is_last_allowed = true;
    for (size_t i = 0; i < count; i++) {
        pass->most_rows += views[i].part.rows;
        pass->most_own += pass_parts_most(setup->machines, &views[i].part, 1);
    }
    return create(pass, setup, pass->most_rows, err);
}

status one_pass_init_mixed(struct one_pass *pass, const struct method_setup *setup, size_t least_rows, size_t most_rows,
                           struct error *err)
{
    *pass = describe(setup);
    pass->is_whole = true;
    pass->most_rows = most_rows;
    pass->most_own = machines_most(setup->machines, most_rows, 1);
    return create(pass, setup, least_rows, err);
}

void one_pass_free(struct one_pass *pass)
{
    backbone_pass_free(pass->pass);
    backbone_free(pass->backbone);
    arena_free(&pass->arena);
    *pass = (struct one_pass){0};
}

void one_pass_begin(struct one_pass *pass)
{
    pass->rows = pass->own_rows = pass->part_count = 0;
}

real *one_pass_extend(struct one_pass *pass, size_t rows)
{
    BUG_UNLESS(pass->is_whole && pass->rows + rows <= pass->most_rows);
    real *room = pass->images + pass->rows * pass->image_reals;
    pass->rows += rows;
    return room;
}

size_t one_pass_add(struct one_pass *pass, const struct batch_stream *stream, int view)
{
    size_t first = pass->rows, rows = (size_t)stream->rows, picture = pass->image_reals;
    const real *images = stream->images[view];
    if (pass->is_whole) {
        memcpy(one_pass_extend(pass, rows), images, rows * picture * sizeof(real));
        return first;
    }
    struct stream_share share = stream_share_of(pass->machines, rows, (size_t)(stream->group > 0 ? stream->group : 1));
    BUG_UNLESS(pass->part_count < MOST_PASS_PARTS && pass->own_rows + share.own <= pass->most_own);
    if (!share.is_parted) images += share.first * picture;
    memcpy(pass->images + pass->own_rows * picture, images, share.own * picture * sizeof(real));
    pass->parts[pass->part_count++] = share.part;
    pass->own_rows += share.own;
    pass->rows += rows;
    return first;
}

/* Where the rows that this process takes through the network begin. */
static const real *own_images(const struct one_pass *pass)
{
    return pass->is_whole ? pass->images + machines_share(pass->machines, pass->rows, 1).first * pass->image_reals
                          : pass->images;
}

static void forward(struct one_pass *pass, const struct method_step *step, bool last)
{
    struct forward_options options = {step->bn_momentum, pass->drop_path, step->seed,
                                      step->draw,        .last = last,    .part_count = pass->part_count};
    size_t count = pass->rows * pass->dimensions;
    memcpy(options.parts, pass->parts, sizeof options.parts);
    backbone_forward(pass->pass, &options, own_images(pass), (int)pass->rows, pass->features);
    if (pass->dropout > 0) {
        struct random_stream stream = random_stream(step->seed, RANDOM_DROPOUT, step->draw, 0);
        dropout_factors(&stream, pass->dropout, count, pass->factors);
        memcpy(pass->input, pass->features, count * sizeof(real));
        dropout_apply(count, pass->factors, pass->input);
    }
    linear_forward(&pass->context, &pass->classifier, pass->rows, pass->input, pass->logits);
    memset(pass->dlogits, 0, pass->rows * pass->classes * sizeof(real));
    pass->affect_rows = 0;
}

void one_pass_forward(struct one_pass *pass, const struct method_step *step)
{
    forward(pass, step, step->last && pass->is_last_allowed);
}

void one_pass_forward_beside(struct one_pass *pass, const struct method_step *step, size_t number)
{
    struct method_step beside = *step;
    beside.draw |= (uint64_t)number << 48; /* no run has so many batches */
    beside.bn_momentum = 0;
    forward(pass, &beside, false);
}

double one_pass_affect(struct one_pass *pass, const struct batch_stream *rows, double scale)
{
    size_t n = (size_t)rows->rows;
    BUG_UNLESS(n <= pass->labelled && n <= pass->rows && pass->affect_rows == 0);
    memset(pass->daffect, 0, n * pass->dimensions * sizeof(real));
    pass->affect_rows = n;
    return affect_head_loss(&pass->affect, &pass->context, n, pass->input, rows->affect, scale, pass->daffect);
}

void one_pass_backward_classifier(struct one_pass *pass)
{
    linear_backward(&pass->classifier, pass->rows, pass->input, pass->dlogits, pass->dfeatures);
    one_pass_add_gradient(pass, 0, pass->affect_rows, pass->daffect);
    one_pass_backward_dropout(pass);
}

void one_pass_backward_dropout(struct one_pass *pass)
{
    if (pass->dropout > 0) dropout_apply(pass->rows * pass->dimensions, pass->factors, pass->dfeatures);
}

void one_pass_add_gradient(struct one_pass *pass, size_t first, size_t rows, const real *dfeatures)
{
    real *to = pass->dfeatures + first * pass->dimensions;
    for (size_t i = 0; i < rows * pass->dimensions; i++) to[i] += dfeatures[i];
}

void one_pass_backward_backbone(struct one_pass *pass)
{
    backbone_backward(pass->pass, pass->dfeatures);
}

void one_pass_backward(struct one_pass *pass)
{
    one_pass_backward_classifier(pass);
    one_pass_backward_backbone(pass);
}

struct method_bytes one_pass_bytes(const struct one_pass *pass)
{
    return (struct method_bytes){.saved = backbone_pass_map_bytes(pass->pass),
                                 .scratch = backbone_bytes(pass->backbone) + backbone_pass_scratch_bytes(pass->pass) +
                                            pass->arena.size};
}
