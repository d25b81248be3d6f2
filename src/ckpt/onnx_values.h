/* Which node computes a value and which takes it, found by the value's name: sorted lists made once, because a graph
 * is asked about every value of it. */
#ifndef RMFER_CKPT_ONNX_VALUES_H
#define RMFER_CKPT_ONNX_VALUES_H

#include "ckpt/pool.h"
#include "rmfer/ckpt/onnx_model.h"

/* A value's name, and the node it belongs to. */
struct onnx_use {
    const char *value;
    const struct onnx_node *node;
};

/* Fills the model's lists from its nodes. */
status onnx_list_values(struct onnx_model *model, struct pool *pool, struct error *err) MUST_CHECK;

/* Whether the node is one of ONNX's own operators, of that type. */
bool onnx_is_operator(const struct onnx_node *node, const char *op_type);

/* The first node that has `value` among its outputs, NULL when none has. */
const struct onnx_node *onnx_producer(const struct onnx_model *model, const char *value);

/* The first node of that type (one of ONNX's own) whose first input is `value`, of an Add either input; NULL when there
 * is none. */
const struct onnx_node *onnx_consumer(const struct onnx_model *model, const char *op_type, const char *value);

#endif
