/* Writing ONNX: nodes and initializers one after the other, then the file. Fields as in onnx.proto, ONNX 1.12.
 *
 * The weights are not copied into the message: their headers and where they lie are kept, and everything goes to the
 * file in one pass. The first error stops what follows; onnx_writer_save reports it. */
#ifndef RMFER_CKPT_ONNX_WRITE_H
#define RMFER_CKPT_ONNX_WRITE_H

#include "rmfer/base/error.h"
#include "rmfer/base/text.h"
#include "rmfer/ckpt/safetensors.h"
#include "rmfer/ckpt/tensor.h"

#include <stdint.h>

enum { ONNX_IR_VERSION = 7, ONNX_OPSET = 13, ONNX_MOST_ATTRIBUTES = 4, ONNX_MOST_INTEGERS = 4 };

/* An attribute of kind INT (count 0) or INTS. */
struct onnx_written_attribute {
    const char *name; /* NULL ends a list of attributes */
    int64_t integer;
    int count;
    int64_t integers[ONNX_MOST_INTEGERS];
};

struct onnx_initializer_part {
    struct text header; /* the field's tag and length and the tensor's fields up to raw_data */
    const uint8_t *data;
    size_t bytes;
};

struct onnx_writer {
    struct text graph; /* fields of GraphProto other than initializers */
    struct onnx_initializer_part *parts;
    size_t part_count, part_capacity;
    status result;
    struct error *err;
};

/* Adds a node with one output; `inputs` and `attributes` end with NULL. */
void onnx_writer_node(struct onnx_writer *writer, const char *op_type, const char *const *inputs, const char *output,
                      const struct onnx_written_attribute *attributes);

/* Adds a float tensor; the data must stay until the file is saved. */
void onnx_writer_initializer(struct onnx_writer *writer, const char *name, int rank, const size_t *shape,
                             const float *data);

/* The graph's input or output; a side of 0 is the free batch size. `type` is F32 or U8. */
enum onnx_end { ONNX_INPUT = 11, ONNX_OUTPUT = 12 };
void onnx_writer_end(struct onnx_writer *writer, enum onnx_end end, const char *name, enum tensor_type type, int rank,
                     const size_t *shape);

/* Writes the model with its properties, atomically. */
status onnx_writer_save(struct onnx_writer *writer, const char *path, const struct safetensors_metadata *properties,
                        size_t property_count, struct error *err) MUST_CHECK;
void onnx_writer_free(struct onnx_writer *writer);

#endif
