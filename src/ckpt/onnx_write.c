/* ONNX messages written: small fields into a buffer, weights where they lie, lengths known before anything is written.
 */
#include "ckpt/onnx_write.h"

#include "rmfer/base/file_write.h"
#include "rmfer/base/memory.h"

#include <stdio.h>
#include <string.h>

enum { VARINT = 0, BYTES = 2 };
enum { ATTRIBUTE_INT = 2, ATTRIBUTE_INTS = 7 }; /* AttributeProto.AttributeType */
enum { ELEMENT_FLOAT = 1, ELEMENT_UINT8 = 2 };  /* TensorProto.DataType */

/* A message being encoded; `result` remembers the first failure. */
struct message {
    struct text text;
    status result;
    struct error *err;
};

static void put_raw(struct message *message, const void *bytes, size_t length)
{
    if (message->result == STATUS_OK) message->result = text_append(&message->text, bytes, length, message->err);
}

static void put_varint(struct message *message, uint64_t value)
{
    uint8_t bytes[10];
    size_t length = 0;
    do {
        bytes[length++] = (uint8_t)((value & 127) | (value > 127 ? 128 : 0));
        value >>= 7;
    } while (value != 0);
    put_raw(message, bytes, length);
}

static void put_integer(struct message *message, unsigned field, int64_t value)
{
    put_varint(message, field << 3 | VARINT);
    put_varint(message, (uint64_t)value);
}

static void put_bytes(struct message *message, unsigned field, const void *bytes, size_t length)
{
    put_varint(message, field << 3 | BYTES);
    put_varint(message, length);
    put_raw(message, bytes, length);
}

static void put_string(struct message *message, unsigned field, const char *string)
{
    put_bytes(message, field, string, strlen(string));
}

/* Puts a finished message into another one, and frees it. */
static void put_message(struct message *message, unsigned field, struct message *inner)
{
    if (message->result == STATUS_OK) message->result = inner->result;
    put_bytes(message, field, text_string(&inner->text), inner->text.length);
    text_free(&inner->text);
}

/* Puts a finished message into the graph. */
static void put_in_graph(struct onnx_writer *writer, unsigned field, struct message *inner)
{
    struct message graph = {writer->graph, writer->result, writer->err};
    put_message(&graph, field, inner);
    writer->graph = graph.text;
    writer->result = graph.result;
}

/* AttributeProto: 1 name, 3 i, 8 ints, 20 type. */
static void put_attribute(struct message *node, const struct onnx_written_attribute *attribute)
{
    struct message message = {.err = node->err};
    put_string(&message, 1, attribute->name);
    if (attribute->count == 0) put_integer(&message, 3, attribute->integer);
    for (int i = 0; i < attribute->count; i++) put_integer(&message, 8, attribute->integers[i]);
    put_integer(&message, 20, attribute->count == 0 ? ATTRIBUTE_INT : ATTRIBUTE_INTS);
    put_message(node, 5, &message);
}

/* NodeProto: 1 input, 2 output, 3 name, 4 op_type, 5 attribute. */
void onnx_writer_node(struct onnx_writer *writer, const char *op_type, const char *const *inputs, const char *output,
                      const struct onnx_written_attribute *attributes)
{
    struct message node = {.err = writer->err};
    for (; *inputs != NULL; inputs++) put_string(&node, 1, *inputs);
    put_string(&node, 2, output);
    put_string(&node, 3, output);
    put_string(&node, 4, op_type);
    for (; attributes != NULL && attributes->name != NULL; attributes++) put_attribute(&node, attributes);
    put_in_graph(writer, 1, &node);
}

static status reserve_part(struct onnx_writer *writer)
{
    if (writer->part_count < writer->part_capacity) return STATUS_OK;
    size_t capacity = 2 * writer->part_capacity + 64;
    void *parts = memory_grow(writer->parts, writer->part_capacity, capacity, sizeof *writer->parts, "a graph",
                              writer->err);
    if (parts == NULL) return STATUS_FAILED;
    writer->parts = parts;
    writer->part_capacity = capacity;
    return STATUS_OK;
}

/* TensorProto: 1 dims, 2 data_type, 8 name, 9 raw_data. The header of raw_data ends what is encoded here. */
void onnx_writer_initializer(struct onnx_writer *writer, const char *name, int rank, const size_t *shape,
                             const float *data)
{
    size_t bytes = sizeof *data;
    if (writer->result == STATUS_OK) writer->result = reserve_part(writer);
    if (writer->result != STATUS_OK) return;
    struct message tensor = {.err = writer->err}, field = {.err = writer->err};
    for (int i = 0; i < rank; i++) {
        put_integer(&tensor, 1, (int64_t)shape[i]);
        bytes *= shape[i];
    }
    put_integer(&tensor, 2, ELEMENT_FLOAT);
    put_string(&tensor, 8, name);
    put_varint(&tensor, 9 << 3 | BYTES);
    put_varint(&tensor, bytes);
    put_varint(&field, 5 << 3 | BYTES); /* GraphProto.initializer */
    put_varint(&field, tensor.text.length + bytes);
    put_raw(&field, text_string(&tensor.text), tensor.text.length);
    writer->result = tensor.result != STATUS_OK ? tensor.result : field.result;
    text_free(&tensor.text);
    writer->parts[writer->part_count++] = (struct onnx_initializer_part){field.text, (const uint8_t *)data, bytes};
}

/* ValueInfoProto: 1 name, 2 type { 1 tensor_type { 1 elem_type, 2 shape { 1 dim { 1 dim_value | 2 dim_param } } } }.
 */
void onnx_writer_end(struct onnx_writer *writer, enum onnx_end end, const char *name, enum tensor_type type, int rank,
                     const size_t *shape)
{
    struct message value = {.err = writer->err}, type_message = value, tensor_type = value, shape_message = value;
    for (int i = 0; i < rank; i++) {
        struct message dimension = {.err = writer->err};
        if (shape[i] == 0)
            put_string(&dimension, 2, "N");
        else
            put_integer(&dimension, 1, (int64_t)shape[i]);
        put_message(&shape_message, 1, &dimension);
    }
    put_integer(&tensor_type, 1, type == TENSOR_U8 ? ELEMENT_UINT8 : ELEMENT_FLOAT);
    put_message(&tensor_type, 2, &shape_message);
    put_message(&type_message, 1, &tensor_type);
    put_string(&value, 1, name);
    put_message(&value, 2, &type_message);
    put_in_graph(writer, (unsigned)end, &value);
}

/* ---- the file ---- */

/* ModelProto: 1 ir_version, 2 producer_name, 3 producer_version, 7 graph, 8 opset_import { 1 domain, 2 version },
 * 14 metadata_props { 1 key, 2 value }. The graph comes last, so that its length and parts can follow. */
static void put_model(struct message *model, const struct safetensors_metadata *properties, size_t property_count)
{
    struct message opset = {.err = model->err};
    put_integer(model, 1, ONNX_IR_VERSION);
    put_string(model, 2, "rmfer");
    put_string(model, 3, RMFER_VERSION);
    put_string(&opset, 1, "");
    put_integer(&opset, 2, ONNX_OPSET);
    put_message(model, 8, &opset);
    for (size_t i = 0; i < property_count; i++) {
        struct message property = {.err = model->err};
        put_string(&property, 1, properties[i].key);
        put_string(&property, 2, properties[i].value);
        put_message(model, 14, &property);
    }
}

static void write_text(FILE *stream, const struct text *text)
{
    if (text->length > 0) (void)fwrite(text->bytes, 1, text->length, stream);
}

/* A failing write is noticed by atomic_file_commit through ferror. */
static status write_file(const struct onnx_writer *writer, const struct message *model, const char *path,
                         struct error *err)
{
    struct atomic_file file;
    atomic_file_remove_stale(path);
    status result = atomic_file_open(&file, path, err);
    if (result != STATUS_OK) return result;
    write_text(file.stream, &model->text);
    write_text(file.stream, &writer->graph);
    for (size_t i = 0; i < writer->part_count; i++) {
        write_text(file.stream, &writer->parts[i].header);
        (void)fwrite(writer->parts[i].data, 1, writer->parts[i].bytes, file.stream);
    }
    return atomic_file_commit(&file, err);
}

status onnx_writer_save(struct onnx_writer *writer, const char *path, const struct safetensors_metadata *properties,
                        size_t property_count, struct error *err)
{
    struct message name = {writer->graph, writer->result, err}, model = {.err = err};
    put_string(&name, 2, "rmfer"); /* GraphProto.name, which the checker wants */
    writer->graph = name.text;
    size_t length = writer->graph.length;
    for (size_t i = 0; i < writer->part_count; i++) length += writer->parts[i].header.length + writer->parts[i].bytes;
    put_model(&model, properties, property_count);
    put_varint(&model, 7 << 3 | BYTES);
    put_varint(&model, length);
    status result = name.result != STATUS_OK ? name.result : model.result;
    /* Protocol buffers end at 2 GiB; no EfficientNet comes near. */
    if (result == STATUS_OK && length + model.text.length > INT32_MAX)
        result = error_set(err, "%s: %zu bytes are too many for one ONNX file", path, length);
    if (result == STATUS_OK) result = write_file(writer, &model, path, err);
    text_free(&model.text);
    return result;
}

void onnx_writer_free(struct onnx_writer *writer)
{
    for (size_t i = 0; i < writer->part_count; i++) text_free(&writer->parts[i].header);
    memory_free(writer->parts);
    text_free(&writer->graph);
    *writer = (struct onnx_writer){0};
}
