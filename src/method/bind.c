/* Parameters of the registry as layers. */
#include "method/bind.h"

struct linear bind_linear(const struct model *model, struct linear_indices at)
{
    const struct parameters *all = &model->parameters;
    const struct parameter *weight = &all->items[at.weight], *bias = &all->items[at.bias];
    return (struct linear){.input = weight->shape[1],
                           .output = weight->shape[0],
                           .weight = parameter_values(all, weight),
                           .bias = parameter_values(all, bias),
                           .dweight = parameter_gradients(all, weight),
                           .dbias = parameter_gradients(all, bias)};
}
