/* An ONNX model in memory: nodes with their attributes, initializers as tensors, inputs, outputs and metadata. */
#ifndef RMFER_CKPT_ONNX_MODEL_H
#define RMFER_CKPT_ONNX_MODEL_H

#include "rmfer/base/file.h"
#include "rmfer/ckpt/tensor.h"

struct onnx_attribute {
    const char *name;
    int64_t integer;         /* attribute type INT */
    float real;              /* FLOAT */
    const char *string;      /* STRING, "" when it is none */
    const int64_t *integers; /* INTS */
    size_t integer_count;
    const struct tensor *tensor; /* TENSOR (the value of a Constant node), NULL when it is none */
};

struct onnx_node {
    const char *op_type;       /* "Conv" */
    const char *name;          /* "" when it has none */
    const char *domain;        /* "" for ONNX's own operators */
    const char *const *inputs; /* names of values; "" for an optional input left out */
    size_t input_count;
    const char *const *outputs;
    size_t output_count;
    const struct onnx_attribute *attributes;
    size_t attribute_count;
};

/* A graph's input or output. */
struct onnx_value {
    const char *name;
    enum tensor_type type;
    bool has_type;                   /* false when the type is none of ours */
    int rank;                        /* -1 when the file does not say */
    int64_t shape[TENSOR_MOST_RANK]; /* -1 for a dimension without a fixed size */
};

struct onnx_property {
    const char *key, *value;
};

/* A name or a list that is longer belongs to no exporter's file, and is refused: what is searched stays small. */
enum { ONNX_LONGEST_NAME = 4096, ONNX_MOST_ATTRIBUTES = 1024 };

struct onnx_use;

struct onnx_model {
    struct mapped_file file;     /* empty when the bytes are the caller's */
    struct tensor *initializers; /* sorted by name; contiguous */
    size_t initializer_count;
    struct onnx_node *nodes; /* in the file's order, which ONNX wants topologically sorted */
    size_t node_count;
    struct onnx_value *inputs, *outputs; /* inputs may repeat initializers (IR version 3) */
    size_t input_count, output_count;
    struct onnx_property *properties; /* metadata_props */
    size_t property_count;
    struct onnx_use *producers, *consumers; /* values with their nodes, sorted (ckpt/onnx_values.h) */
    size_t producer_count, consumer_count;
    const char *producer;
    void *pool; /* owns every string and array above */
};

/* NULL when there is none of that name. */
const struct tensor *onnx_initializer(const struct onnx_model *model, const char *name);
const struct onnx_attribute *onnx_attribute_find(const struct onnx_node *node, const char *name);
/* The attribute's integer, or `otherwise` when it is not there. */
int64_t onnx_attribute_integer(const struct onnx_node *node, const char *name, int64_t otherwise);
const char *onnx_property_value(const struct onnx_model *model, const char *key);

#endif
