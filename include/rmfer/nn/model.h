/* The RMFER model: an EfficientNet backbone f_Feat, the expression classifier f_FER, and optionally the projection
 * head H and the attention classifier f_IAL. It holds parameters and no activations (see backbone.h, inference.h). */
#ifndef RMFER_NN_MODEL_H
#define RMFER_NN_MODEL_H

#include "rmfer/nn/architecture.h"
#include "rmfer/nn/parameters.h"

struct linear_indices {
    size_t weight, bias; /* indices into the registry */
};

struct model {
    struct architecture architecture;
    int classes;   /* outputs of f_FER (and f_IAL) */
    bool has_heads; /* H and f_IAL are there (training); false for a bare classifier */
    struct parameters parameters;
    struct linear_indices fer, projection_first, projection_second, ial;
};

/* Builds the registry and allocates the slabs (zeroed). `with_heads` adds ial.projection.{0,2} and ial.classifier. */
status model_create(struct model *model, const struct architecture *architecture, int classes, bool with_heads,
                    struct error *err) MUST_CHECK;
void model_free(struct model *model);

/* The same with `added` entries behind them (name, shape, rank, is_buffer, decays), in GROUP_METHOD. A rank-2 entry and
 * a ".bias" behind one start as a linear layer's; of the others a ".weight" and a ".running_var" start at 1, the rest
 * at 0. */
status model_create_with(struct model *model, const struct architecture *architecture, int classes, bool with_heads,
                         const struct parameter *added, size_t added_count, struct error *err) MUST_CHECK;

/* Random weights: convolutions normal(0, sqrt(2 / fan_out)) as timm does for EfficientNet, linear layers as PyTorch's
 * default (uniform within 1/sqrt(fan_in)), batch-norm scale 1, shift 0, running mean 0 and variance 1. f_IAL starts as
 * a copy of f_FER. */
void model_initialise(struct model *model, uint64_t seed);

/* f_IAL := f_FER. */
void model_copy_classifier_to_ial(struct model *model);

#endif
