/* The heads of RMFER, forward and, with the gradient of each loss, backward, over rows of pooled features. No picture
 * passes here. */
#include "rmfer/method/rmfer_heads.h"

#include "method/bind.h"
#include "rmfer/ops/cosine.h"
#include "rmfer/ops/dropout.h"
#include "rmfer/ops/rows.h"
#include "rmfer/ops/softmax_cross_entropy.h"

#include <math.h>
#include <string.h>

void heads_bind(struct heads *heads, const struct op_context *context, const struct model *model)
{
    heads->context = context;
    heads->features = (size_t)model->architecture.features;
    heads->classes = (size_t)model->classes;
    heads->fer = bind_linear(model, model->fer);
    heads->projection_first = bind_linear(model, model->projection_first);
    heads->projection_second = bind_linear(model, model->projection_second);
    heads->ial = bind_linear(model, model->ial);
    affect_head_bind(&heads->affect, model);
}

void heads_place_projected(struct projected *out, size_t rows, size_t d, struct plan *plan)
{
    out->hidden = plan_reals(plan, rows * d);
    out->z = plan_reals(plan, rows * d);
    out->unit = plan_reals(plan, rows * d);
    out->norm = plan_reals(plan, rows);
}

void heads_place(struct heads *heads, size_t batch, size_t kept, struct plan *plan)
{
    size_t d = heads->features, rows = batch > kept ? batch : kept;
    heads_place_projected(&heads->labelled, batch, d, plan);
    heads_place_projected(&heads->kept, kept, d, plan);
    heads->fer_input = plan_reals(plan, batch * d);
    heads->fer_dropout = plan_reals(plan, batch * d);
    heads->fer_logits = plan_reals(plan, batch * heads->classes);
    heads->ial_logits = plan_reals(plan, batch * heads->classes);
    heads->dlogits = plan_reals(plan, batch * heads->classes);
    heads->attention = plan_reals(plan, batch * batch);
    heads->square_room = plan_reals(plan, batch * batch);
    heads->similarity = plan_reals(plan, batch * batch);
    heads->mixed = plan_reals(plan, batch * d);
    heads->dmixed = plan_reals(plan, batch * d);
    heads->dunit = plan_reals(plan, rows * d);
    heads->dz = plan_reals(plan, rows * d);
    heads->dhidden = plan_reals(plan, rows * d);
    affect_head_place(&heads->affect, batch, plan);
}

void heads_project(const struct heads *heads, size_t n, const real *features, struct projected out)
{
    linear_forward(heads->context, &heads->projection_first, n, features, out.hidden);
    for (size_t i = 0; i < n * heads->features; i++)
        if (out.hidden[i] < 0) out.hidden[i] = 0; /* a NaN stays */
    linear_forward(heads->context, &heads->projection_second, n, out.hidden, out.z);
    unit_rows_forward(n, heads->features, out.z, out.unit, out.norm);
}

void heads_project_backward(const struct heads *heads, size_t n, const real *features, struct projected out,
                            real *dfeatures)
{
    unit_rows_backward(n, heads->features, out.unit, out.norm, heads->dunit, heads->dz);
    linear_backward(&heads->projection_second, n, out.hidden, heads->dz, heads->dhidden);
    for (size_t i = 0; i < n * heads->features; i++)
        if (out.hidden[i] <= 0) heads->dhidden[i] = 0;
    linear_backward(&heads->projection_first, n, features, heads->dhidden, dfeatures);
}

static struct cross_entropy loss_setup(const struct heads *heads, const struct objective *objective, int n)
{
    return (struct cross_entropy){.n = (size_t)n,
                                  .classes = heads->classes,
                                  .label_smoothing = objective->label_smoothing,
                                  .class_weights = objective->class_weights,
                                  .soft_targets = objective->soft_targets};
}

double heads_fer(const struct heads *heads, const struct objective *objective, const struct labelled_batch *batch,
                 const real *features, uint64_t seed, uint64_t draw, real *dfeatures, double *affect)
{
    size_t n = (size_t)batch->n, count = n * heads->features;
    struct cross_entropy setup = loss_setup(heads, objective, batch->n);
    const real *input = features;
    if (objective->dropout > 0) {
        struct random_stream stream = random_stream(seed, RANDOM_DROPOUT, draw, 0);
        dropout_factors(&stream, objective->dropout, count, heads->fer_dropout);
        memcpy(heads->fer_input, features, count * sizeof(real));
        dropout_apply(count, heads->fer_dropout, heads->fer_input);
        input = heads->fer_input;
    }
    linear_forward(heads->context, &heads->fer, n, input, heads->fer_logits);
    double loss = cross_entropy(&setup, heads->fer_logits, batch->targets, objective->gradient_scale, heads->dlogits);
    linear_backward(&heads->fer, n, input, heads->dlogits, dfeatures);
    *affect = 0;
    if (objective->affect_weight != 0)
        *affect = affect_head_loss(&heads->affect, heads->context, n, input, batch->affect,
                                   objective->gradient_scale * objective->affect_weight, dfeatures);
    if (objective->dropout > 0) dropout_apply(count, heads->fer_dropout, dfeatures);
    return loss;
}

enum attention_mask heads_attention_mask(enum self_mask mask)
{
    switch (mask) {
    case SELF_MASK_EXCLUDE: return ATTENTION_EXCLUDE;
    case SELF_MASK_LITERAL: return ATTENTION_LITERAL;
    case SELF_MASK_NONE: return ATTENTION_PLAIN;
    }
    return ATTENTION_EXCLUDE;
}

double heads_ial(const struct heads *heads, const struct objective *objective, const struct labelled_batch *batch,
                 const real *features, real *dfeatures, real *room)
{
    size_t n = (size_t)batch->n;
    struct cross_entropy setup = loss_setup(heads, objective, batch->n);
    struct attention attention = {n, heads->features, objective->ial_temperature,
                                  heads_attention_mask(objective->self_mask)};
    BUG_UNLESS(n >= 2 || objective->self_mask != SELF_MASK_EXCLUDE);
    heads_project(heads, n, features, heads->labelled);
    attention_forward(&attention, heads->labelled.unit, features, heads->attention, heads->mixed);
    linear_forward(heads->context, &heads->ial, n, heads->mixed, heads->ial_logits);
    double loss = cross_entropy(&setup, heads->ial_logits, batch->targets,
                                objective->gradient_scale * objective->ial_weight, heads->dlogits);
    linear_backward(&heads->ial, n, heads->mixed, heads->dlogits, heads->dmixed);
    memset(dfeatures, 0, n * heads->features * sizeof *dfeatures);
    attention_backward(&attention, heads->labelled.unit, features, heads->attention, heads->dmixed, heads->dunit,
                       dfeatures, heads->square_room);
    heads_project_backward(heads, n, features, heads->labelled, room);
    for (size_t i = 0; i < n * heads->features; i++) dfeatures[i] += room[i];
    return loss;
}

static size_t class_of(const struct heads *heads, const struct labelled_batch *batch, size_t image)
{
    return row_largest(heads->classes, batch->targets + image * heads->classes);
}

void heads_similarities(const struct heads *heads, const struct labelled_batch *batch, struct step_losses *losses)
{
    size_t n = (size_t)batch->n, pairs[2] = {0};
    double sums[2] = {0};
    product_run((struct product){.m = n, .n = n, .k = heads->features, .transpose_b = true}, heads->labelled.unit,
                heads->labelled.unit, heads->similarity);
    for (size_t i = 0; i < n; i++)
        for (size_t j = i + 1; j < n; j++) {
            bool same = class_of(heads, batch, i) == class_of(heads, batch, j);
            sums[same] += (double)heads->similarity[i * n + j];
            pairs[same]++;
        }
    losses->same_class_similarity = pairs[1] > 0 ? sums[1] / (double)pairs[1] : NAN;
    losses->different_class_similarity = pairs[0] > 0 ? sums[0] / (double)pairs[0] : NAN;
}
