/* An EfficientNet read off an ONNX graph. Exporters fold batch-norm into the convolutions and give the results
 * numbers for names, so names are not looked at: the network is a chain, its Conv nodes come in the order of its
 * layers. */
#ifndef RMFER_CKPT_ONNX_GRAPH_H
#define RMFER_CKPT_ONNX_GRAPH_H

#include "ckpt/pool.h"
#include "rmfer/ckpt/onnx_model.h"
#include "rmfer/nn/architecture.h"

struct onnx_facts {
    size_t convolutions, stem, features; /* nodes; channels of the first and of the last one */
    int same_padding;                    /* 1 SAME, 0 symmetric, -1 not known */
    double bn_epsilon;                   /* 0 when there is no batch-norm: it was folded */
    int64_t side;                        /* of the square pictures the graph takes, 0 when it does not say */
    bool prepares;                       /* it computes something of them before the first convolution */
};

status onnx_graph_facts(const struct onnx_model *model, struct onnx_facts *facts, struct error *err) MUST_CHECK;

/* The architecture with these facts in the wanted flavour; false when it is none of B0 to B3. */
bool onnx_graph_architecture(struct architecture *architecture, const struct onnx_facts *facts, bool same_padding);

/* The Conv nodes that a graph of that architecture has. */
size_t onnx_graph_convolutions(const struct architecture *architecture);

enum { ONNX_UNREAD_BYTES = 256 };

/* The graph's weights under our names, sorted; made ones are in the pool, others where they lie in the file. */
struct onnx_weights {
    struct tensor *tensors;
    size_t count;
    bool folded;                    /* batch-norm was folded into the convolutions */
    char unread[ONNX_UNREAD_BYTES]; /* "": there is a classifier, or no head; else what there is instead */
};

/* Where batch-norm was folded, one that only adds the convolution's bias takes its place (mean 0, variance 1, weight
 * sqrt(1 + eps), so that the weight cancels the division). */
status onnx_graph_weights(struct onnx_weights *weights, const struct onnx_model *model,
                          const struct architecture *architecture, struct pool *pool, struct error *err) MUST_CHECK;

#endif
