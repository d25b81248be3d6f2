/* ONNX models as data: initializers, nodes with their attributes, inputs and outputs.
 *
 * An ONNX file is a protocol buffer. The wire format has four kinds of field and a dozen of ONNX's fields matter
 * here, so a reader of our own is smaller than the code that protoc generates from onnx.proto (more than 10,000
 * lines, and a build dependency), and it hands out the weights where they lie in the mapped file. Field numbers:
 * onnx.proto, ONNX 1.12. Subgraphs, sparse tensors, quantisation annotations and data in other files are not read. */
#ifndef RMFER_CKPT_ONNX_H
#define RMFER_CKPT_ONNX_H

#include "rmfer/ckpt/onnx_model.h"

/* Maps and checks a file. On failure the structure is empty; messages start with the path. */
status onnx_open(struct onnx_model *model, const char *path, struct error *err) MUST_CHECK;
/* The same for bytes in memory, which must stay; `name` stands for the path in messages. */
status onnx_parse(struct onnx_model *model, const uint8_t *bytes, size_t size, const char *name,
                  struct error *err) MUST_CHECK;
/* Accepts a zeroed structure. */
void onnx_close(struct onnx_model *model);

#endif
