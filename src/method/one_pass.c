/* Rows gathered, one pass there and one back. */
#include "method/one_pass.h"

#include "method/bind.h"
#include "rmfer/base/plan.h"
#include "rmfer/base/threads.h"
#include "rmfer/ops/dropout.h"
#include "rmfer/ops/stem.h"

#include <string.h>

static void place(struct one_pass *pass, struct plan *plan)
{
    size_t wide = pass->most_rows * pass->dimensions, narrow = pass->most_rows * pass->classes;
    pass->images = plan_reals(plan, size_multiply(pass->most_rows, pass->image_reals));
    pass->features = plan_reals(plan, wide);
    pass->dfeatures = plan_reals(plan, wide);
    pass->factors = plan_reals(plan, pass->dropout > 0 ? wide : 0);
    pass->logits = plan_reals(plan, narrow);
    pass->dlogits = plan_reals(plan, narrow);
}

status one_pass_init(struct one_pass *pass, struct model *model, const struct config *config, size_t most_rows,
                     struct error *err)
{
    int size = (int)config->data.image_size, rows = (int)most_rows;
    *pass = (struct one_pass){.context = op_context_of(kernels_best(), threads_get()),
                              .classifier = bind_linear(model, model->fer),
                              .dropout = config->model.dropout,
                              .drop_path = config->model.drop_path,
                              .most_rows = most_rows,
                              .classes = (size_t)model->classes,
                              .dimensions = (size_t)model->architecture.features,
                              .image_reals = (size_t)size * (size_t)size * STEM_INPUT};
    status result = backbone_create(&pass->backbone, model, rows, size, err);
    if (result == STATUS_OK) result = backbone_pass_create(&pass->pass, pass->backbone, PASS_TRAINS, rows, err);
    struct plan plan = {0};
    place(pass, &plan);
    if (result == STATUS_OK) result = arena_init(&pass->arena, plan.used, "the rows of a step", err);
    if (result != STATUS_OK) return result;
    plan = (struct plan){arena_take(&pass->arena, plan.used), 0};
    place(pass, &plan);
    return STATUS_OK;
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
    pass->rows = 0;
}

real *one_pass_extend(struct one_pass *pass, size_t rows)
{
    BUG_UNLESS(pass->rows + rows <= pass->most_rows);
    real *room = pass->images + pass->rows * pass->image_reals;
    pass->rows += rows;
    return room;
}

size_t one_pass_add(struct one_pass *pass, const real *images, size_t rows)
{
    size_t first = pass->rows;
    memcpy(one_pass_extend(pass, rows), images, rows * pass->image_reals * sizeof(real));
    return first;
}

void one_pass_forward(struct one_pass *pass, const struct method_step *step)
{
    struct forward_options options = {step->bn_momentum, pass->drop_path, step->seed, step->draw};
    size_t count = pass->rows * pass->dimensions;
    backbone_forward(pass->pass, &options, pass->images, (int)pass->rows, pass->features);
    if (pass->dropout > 0) {
        struct random_stream stream = random_stream(step->seed, RANDOM_DROPOUT, step->draw, 0);
        dropout_factors(&stream, pass->dropout, count, pass->factors);
        dropout_apply(count, pass->factors, pass->features);
    }
    linear_forward(&pass->context, &pass->classifier, pass->rows, pass->features, pass->logits);
    memset(pass->dlogits, 0, pass->rows * pass->classes * sizeof(real));
}

void one_pass_forward_beside(struct one_pass *pass, const struct method_step *step, size_t number)
{
    struct method_step beside = *step;
    beside.draw |= (uint64_t)number << 48; /* no run has so many batches */
    beside.bn_momentum = 0;
    one_pass_forward(pass, &beside);
}

void one_pass_backward_classifier(struct one_pass *pass)
{
    linear_backward(&pass->context, &pass->classifier, pass->rows, pass->features, pass->dlogits, pass->dfeatures);
}

void one_pass_add_gradient(struct one_pass *pass, size_t first, size_t rows, const real *dfeatures)
{
    real *to = pass->dfeatures + first * pass->dimensions;
    for (size_t i = 0; i < rows * pass->dimensions; i++) to[i] += dfeatures[i];
}

void one_pass_backward_backbone(struct one_pass *pass)
{
    if (pass->dropout > 0) dropout_apply(pass->rows * pass->dimensions, pass->factors, pass->dfeatures);
    backbone_backward(pass->pass, pass->dfeatures);
}

void one_pass_backward(struct one_pass *pass)
{
    one_pass_backward_classifier(pass);
    one_pass_backward_backbone(pass);
}

struct method_bytes one_pass_bytes(const struct one_pass *pass)
{
    return (struct method_bytes){backbone_pass_map_bytes(pass->pass), backbone_bytes(pass->backbone) +
                                                                          backbone_pass_scratch_bytes(pass->pass) +
                                                                          pass->arena.size};
}
