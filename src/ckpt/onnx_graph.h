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
};

status onnx_graph_facts(const struct onnx_model *model, struct onnx_facts *facts, struct error *err) MUST_CHECK;

/* The architecture with these facts in the wanted flavour; false when it is none of B0 to B3. */
bool onnx_graph_architecture(struct architecture *architecture, const struct onnx_facts *facts, bool same_padding);

/* The Conv nodes that a graph of that architecture has. */
size_t onnx_graph_convolutions(const struct architecture *architecture);

/* The graph's weights under our names, sorted; made ones are in the pool, others where they lie in the file. Where
 * batch-norm was folded, one that only adds the convolution's bias takes its place (mean 0, variance 1, weight
 * sqrt(1 + eps), so that the weight cancels the division), and *folded is set. */
status onnx_graph_tensors(const struct onnx_model *model, const struct architecture *architecture, struct pool *pool,
                          struct tensor **tensors, size_t *count, bool *folded, struct error *err) MUST_CHECK;

#endif
