/* The layers in order and back. */
#include "method/mlp.h"

#include "rmfer/base/error.h"

#include <stdio.h>
#include <string.h>

static const double EPSILON = 1e-5;

static bool normalises(const struct mlp_shape *shape, size_t layer)
{
    return layer + 1 < shape->layers ? shape->normalises_hidden : shape->normalises_output;
}

/* Where nn.Sequential has a linear layer: each is followed by batch-norm, if any, and ReLU. */
static size_t place_of(const struct mlp_shape *shape, size_t layer)
{
    return layer * (shape->normalises_hidden ? 3 : 2);
}

static size_t add_entry(const struct mlp_shape *shape, size_t at, const char *what, size_t rows, size_t columns,
                        struct parameter *entry)
{
    *entry = (struct parameter){.rank = columns > 0 ? 2 : 1, .shape = {rows, columns}, .decays = columns > 0};
    snprintf(entry->name, sizeof entry->name, "%s.%zu.%s", shape->name, at, what);
    return 1;
}

size_t mlp_entries(const struct mlp_shape *shape, struct parameter *entries)
{
    size_t count = 0;
    for (size_t layer = 0; layer < shape->layers; layer++) {
        size_t at = place_of(shape, layer), input = shape->widths[layer], output = shape->widths[layer + 1];
        count += add_entry(shape, at, "weight", output, input, entries + count);
        if (normalises(shape, layer)) {
            count += add_entry(shape, at + 1, "weight", output, 0, entries + count);
            count += add_entry(shape, at + 1, "bias", output, 0, entries + count);
        } else
            count += add_entry(shape, at, "bias", output, 0, entries + count);
    }
    return count;
}

static const struct parameter *find(const struct mlp_shape *shape, const struct model *model, size_t at,
                                    const char *what)
{
    char name[64];
    snprintf(name, sizeof name, "%s.%zu.%s", shape->name, at, what);
    const struct parameter *found = parameters_find(&model->parameters, name);
    BUG_UNLESS(found != NULL);
    return found;
}

void mlp_bind(struct mlp *mlp, const struct mlp_shape *shape, const struct op_context *context,
              const struct model *model)
{
    const struct parameters *all = &model->parameters;
    *mlp = (struct mlp){.shape = *shape, .context = context};
    for (size_t layer = 0; layer < shape->layers; layer++) {
        size_t at = place_of(shape, layer), output = shape->widths[layer + 1];
        const struct parameter *weight = find(shape, model, at, "weight");
        mlp->linear[layer] = (struct linear){.input = shape->widths[layer],
                                             .output = output,
                                             .weight = parameter_values(all, weight),
                                             .dweight = parameter_gradients(all, weight)};
        bool has_norm = normalises(shape, layer);
        const struct parameter *bias = find(shape, model, has_norm ? at + 1 : at, "bias");
        if (!has_norm) {
            mlp->linear[layer].bias = parameter_values(all, bias);
            mlp->linear[layer].dbias = parameter_gradients(all, bias);
            continue;
        }
        const struct parameter *gamma = find(shape, model, at + 1, "weight");
        mlp->norm[layer] = (struct batchnorm_rows){.d = output,
                                                   .epsilon = EPSILON,
                                                   .gamma = parameter_values(all, gamma),
                                                   .beta = parameter_values(all, bias),
                                                   .dgamma = parameter_gradients(all, gamma),
                                                   .dbeta = parameter_gradients(all, bias)};
    }
}

void mlp_place(struct mlp *mlp, size_t rows, struct plan *plan)
{
    size_t widest = 0;
    for (size_t layer = 0; layer < mlp->shape.layers; layer++) {
        size_t output = mlp->shape.widths[layer + 1];
        widest = output > widest ? output : widest;
        mlp->raw[layer] = plan_reals(plan, rows * output);
        mlp->out[layer] = plan_reals(plan, rows * output);
        if (!normalises(&mlp->shape, layer)) continue;
        mlp->norm[layer].mean = plan_reals(plan, output);
        mlp->norm[layer].rstd = plan_reals(plan, output);
    }
    for (int i = 0; i < 2; i++) mlp->slopes[i] = plan_reals(plan, rows * widest);
}

real *mlp_forward(struct mlp *mlp, size_t rows, const real *x)
{
    for (size_t layer = 0; layer < mlp->shape.layers; layer++) {
        size_t count = rows * mlp->shape.widths[layer + 1];
        real *out = mlp->out[layer];
        linear_forward(mlp->context, &mlp->linear[layer], rows, x, mlp->raw[layer]);
        if (normalises(&mlp->shape, layer))
            batchnorm_rows_forward(&mlp->norm[layer], rows, mlp->raw[layer], out);
        else
            memcpy(out, mlp->raw[layer], count * sizeof *out);
        for (size_t i = 0; i < count && layer + 1 < mlp->shape.layers; i++)
            if (out[i] < 0) out[i] = 0; /* a NaN stays */
        x = out;
    }
    return mlp->out[mlp->shape.layers - 1];
}

void mlp_backward(struct mlp *mlp, size_t rows, const real *x, const real *dy, real *dx)
{
    for (size_t layer = mlp->shape.layers; layer-- > 0;) {
        size_t count = rows * mlp->shape.widths[layer + 1];
        const real *input = layer == 0 ? x : mlp->out[layer - 1];
        real *slopes = mlp->slopes[layer % 2], *below = layer == 0 ? dx : mlp->slopes[(layer + 1) % 2];
        if (dy != slopes) memcpy(slopes, dy, count * sizeof *slopes);
        for (size_t i = 0; i < count && layer + 1 < mlp->shape.layers; i++)
            if (mlp->out[layer][i] <= 0) slopes[i] = 0;
        if (normalises(&mlp->shape, layer))
            batchnorm_rows_backward(&mlp->norm[layer], rows, mlp->raw[layer], slopes, slopes);
        linear_backward(&mlp->linear[layer], rows, input, slopes, below);
        dy = below;
    }
}
