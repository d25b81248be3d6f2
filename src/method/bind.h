/* A model's linear layers as operations on its weights and gradients. */
#ifndef RMFER_METHOD_BIND_H
#define RMFER_METHOD_BIND_H

#include "rmfer/nn/model.h"
#include "rmfer/ops/linear.h"

/* Points at the slabs: valid while the model lives. */
struct linear bind_linear(const struct model *model, struct linear_indices at);

#endif
