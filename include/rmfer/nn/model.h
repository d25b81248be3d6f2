/* The RMFER model: an EfficientNet backbone f_Feat, the expression classifier f_FER, and optionally the projection
 * head H and the attention classifier f_IAL, and a head for affect (valence and arousal). It holds parameters and no
 * activations (see backbone.h, inference.h). */
#ifndef RMFER_NN_MODEL_H
#define RMFER_NN_MODEL_H

#include "rmfer/nn/architecture.h"
#include "rmfer/nn/parameters.h"

struct linear_indices {
    size_t weight, bias; /* indices into the registry */
};

struct model {
    struct architecture architecture;
    int classes;     /* outputs of f_FER (and f_IAL) */
    bool has_heads;  /* H and f_IAL are there (training); false for a bare classifier */
    bool has_affect; /* the head for valence and arousal is there */
    struct parameters parameters;
    struct linear_indices fer, projection_first, projection_second, ial, affect;
};

/* What the head for affect gives of a face, in this order: numbers that its training held against labels from -1 to 1.
 * It is linear in the pooled features, as those of published multi-task models are, so nothing keeps it within these.
 */
enum { AFFECT_VALENCE, AFFECT_AROUSAL, AFFECT_DIMENSIONS };

/* What a model has besides the backbone and f_FER. */
struct model_heads {
    bool attention;                /* ial.projection.{0,2} and ial.classifier */
    bool affect;                   /* va: learns with f_FER, in GROUP_FER */
    const struct parameter *added; /* [added_count], in GROUP_METHOD: name, shape, rank, is_buffer, decays */
    size_t added_count;
    bool without_gradients; /* the model only answers: no memory is planned for what it never learns from */
};

/* Builds the registry and allocates the slabs (zeroed). `with_heads` adds ial.projection.{0,2} and ial.classifier. */
status model_create(struct model *model, const struct architecture *architecture, int classes, bool with_heads,
                    struct error *err) MUST_CHECK;
void model_free(struct model *model);

/* The same with any heads. Of the added entries a rank-2 one and a ".bias" behind one start as a linear layer's; of the
 * others a ".weight" and a ".running_var" start at 1, the rest at 0. The head for affect stands last, so that the
 * random start of everything else is the same with and without it. */
status model_create_with(struct model *model, const struct architecture *architecture, int classes,
                         const struct model_heads *heads, struct error *err) MUST_CHECK;

/* Random weights: convolutions normal(0, sqrt(2 / fan_out)) as timm does for EfficientNet, linear layers as PyTorch's
 * default (uniform within 1/sqrt(fan_in)), batch-norm scale 1, shift 0, running mean 0 and variance 1. f_IAL starts as
 * a copy of f_FER. */
void model_initialise(struct model *model, uint64_t seed);

/* f_IAL := f_FER. */
void model_copy_classifier_to_ial(struct model *model);

#endif
