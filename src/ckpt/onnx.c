/* ONNX messages read field by field, as the wire format has them. Unknown fields are passed over; every length is
 * checked against what is left of its message. */
#include "rmfer/ckpt/onnx.h"

#include "ckpt/onnx_values.h"
#include "ckpt/pool.h"
#include "ckpt/wire.h"
#include "rmfer/base/memory.h"

#include <stdlib.h>
#include <string.h>

/* A field of a number and a kind in a switch; fields of another kind than onnx.proto's are passed over as unknown. */
#define FIELD(number, kind)     ((uint64_t)(number) << 3 | (kind))
#define FIELD_OF(field)         FIELD((field).number, (field).kind)
#define FOR_EACH_FIELD(m, f, r) while ((r = wire_next(&(m), &(f))) == WIRE_FIELD)

/* Small next to the weights in any real model; a hostile one is stopped there. */
enum { POOL_TIMES_FILE = 16, POOL_AT_LEAST = 1 << 20 };

struct reader {
    struct pool *pool;
    struct error *err;
};

static status malformed(struct reader *reader, const char *what)
{
    return error_set(reader->err, "%s is cut short or not ONNX", what);
}

static status read_string(struct reader *reader, const char **target, struct wire bytes)
{
    *target = pool_string(reader->pool, bytes.at, (size_t)(bytes.end - bytes.at), reader->err);
    return *target == NULL ? STATUS_FAILED : STATUS_OK;
}

/* What tensors, nodes and values are called. */
static status read_name(struct reader *reader, const char **target, struct wire bytes)
{
    size_t length = (size_t)(bytes.end - bytes.at);
    if (length > ONNX_LONGEST_NAME) return error_set(reader->err, "a name of %zu letters", length);
    return read_string(reader, target, bytes);
}

static size_t count_fields(struct wire message, uint64_t number)
{
    size_t count = 0;
    struct wire_field field;
    enum wire_result result;
    FOR_EACH_FIELD(message, field, result) count += field.number == number && field.kind == WIRE_BYTES;
    return count;
}

/* Walks the numbers of a repeated field, packed or one by one. */
struct numbers {
    struct wire message;
    uint64_t number;
    enum wire_kind kind;
    struct wire packed;
    bool cut_short;
};

static struct numbers numbers_of(struct wire message, uint64_t number, enum wire_kind kind)
{
    return (struct numbers){.message = message, .number = number, .kind = kind};
}

static bool numbers_next(struct numbers *numbers, uint64_t *value)
{
    for (;;) {
        if (numbers->packed.at != numbers->packed.end) {
            if (wire_packed(&numbers->packed, numbers->kind, value)) return true;
            numbers->cut_short = true;
            return false;
        }
        struct wire_field field;
        if (wire_next(&numbers->message, &field) != WIRE_FIELD) return false;
        if (field.number != numbers->number) continue;
        if (field.kind == WIRE_BYTES) numbers->packed = field.bytes;
        if (field.kind != numbers->kind) continue;
        *value = field.value;
        return true;
    }
}

static bool numbers_count(struct wire message, uint64_t number, enum wire_kind kind, size_t *count)
{
    struct numbers numbers = numbers_of(message, number, kind);
    uint64_t value;
    *count = 0;
    while (numbers_next(&numbers, &value)) *count += 1;
    return !numbers.cut_short;
}

/* ---- tensors ---- */

/* TensorProto.DataType, and where its elements stand when they are not in raw_data. */
static const struct element_type {
    int64_t number;
    enum tensor_type type;
    uint64_t field;
    enum wire_kind kind;
} element_types[] = {
    {1, TENSOR_F32, 4, WIRE_FIXED32},   {2, TENSOR_U8, 5, WIRE_VARINT},    {3, TENSOR_I8, 5, WIRE_VARINT},
    {4, TENSOR_U16, 5, WIRE_VARINT},    {5, TENSOR_I16, 5, WIRE_VARINT},   {6, TENSOR_I32, 5, WIRE_VARINT},
    {7, TENSOR_I64, 7, WIRE_VARINT},    {9, TENSOR_BOOL, 5, WIRE_VARINT},  {10, TENSOR_F16, 5, WIRE_VARINT},
    {11, TENSOR_F64, 10, WIRE_FIXED64}, {12, TENSOR_U32, 11, WIRE_VARINT}, {13, TENSOR_U64, 11, WIRE_VARINT},
    {16, TENSOR_BF16, 5, WIRE_VARINT},
};

static const struct element_type *find_element_type(uint64_t number)
{
    for (size_t i = 0; i < sizeof element_types / sizeof element_types[0]; i++)
        if ((uint64_t)element_types[i].number == number) return &element_types[i];
    return NULL;
}

struct tensor_fields {
    uint64_t data_type, location;
    struct wire raw;
    bool has_raw;
};

static status read_tensor_fields(struct reader *reader, struct tensor *tensor, struct tensor_fields *fields,
                                 struct wire message)
{
    struct wire_field field;
    enum wire_result result;
    tensor->name = "";
    FOR_EACH_FIELD(message, field, result)
    {
        switch (FIELD_OF(field)) {
        case FIELD(2, WIRE_VARINT): fields->data_type = field.value; break;
        case FIELD(14, WIRE_VARINT): fields->location = field.value; break;
        case FIELD(9, WIRE_BYTES):
            fields->raw = field.bytes;
            fields->has_raw = true;
            break;
        case FIELD(8, WIRE_BYTES):
            if (read_name(reader, &tensor->name, field.bytes) != STATUS_OK) return STATUS_FAILED;
            break;
        default: break;
        }
    }
    return result == WIRE_END ? STATUS_OK : malformed(reader, "a tensor");
}

static status read_dims(struct reader *reader, struct tensor *tensor, struct wire message)
{
    char name[TENSOR_NAME_TEXT];
    size_t shape[TENSOR_MOST_RANK];
    int rank = 0;
    uint64_t side;
    struct numbers dims = numbers_of(message, 1, WIRE_VARINT);
    while (numbers_next(&dims, &side)) {
        if (rank == TENSOR_MOST_RANK)
            return error_set(reader->err, "tensor '%s': more than %d dimensions",
                             tensor_name_text(name, sizeof name, tensor->name), TENSOR_MOST_RANK);
        shape[rank++] = (size_t)side;
    }
    if (dims.cut_short) return malformed(reader, "a tensor's shape");
    if (tensor_set_shape(tensor, rank, shape)) return STATUS_OK;
    return error_set(reader->err, "tensor '%s': its shape overflows",
                     tensor_name_text(name, sizeof name, tensor->name));
}

/* Elements in the repeated field of their type: copied into one block. */
static status read_typed_data(struct reader *reader, struct tensor *tensor, const struct element_type *element,
                              struct wire message)
{
    char name[TENSOR_NAME_TEXT];
    size_t count, size = tensor_type_size(tensor->type);
    if (!numbers_count(message, element->field, element->kind, &count)) return malformed(reader, "a tensor's data");
    if (count != tensor->count)
        return error_set(reader->err, "tensor '%s': %zu elements do not fit its shape",
                         tensor_name_text(name, sizeof name, tensor->name), count);
    uint8_t *block = pool_take(reader->pool, count, size, reader->err);
    if (block == NULL) return STATUS_FAILED;
    struct numbers numbers = numbers_of(message, element->field, element->kind);
    uint64_t value;
    for (size_t i = 0; numbers_next(&numbers, &value); i++) memcpy(block + i * size, &value, size);
    tensor->data = block;
    return STATUS_OK;
}

/* A TensorProto. *found is false for strings and other types that hold no numbers of ours. */
static status read_tensor(struct reader *reader, struct tensor *tensor, bool *found, struct wire message)
{
    char name[TENSOR_NAME_TEXT];
    struct tensor_fields fields = {0};
    status result = read_tensor_fields(reader, tensor, &fields, message);
    if (result != STATUS_OK) return result;
    const struct element_type *element = find_element_type(fields.data_type);
    *found = element != NULL;
    if (element == NULL) return STATUS_OK;
    tensor->type = element->type;
    tensor_name_text(name, sizeof name, tensor->name);
    if (fields.location != 0)
        return error_set(reader->err, "tensor '%s': its data are in another file; save the model as one file", name);
    result = read_dims(reader, tensor, message);
    if (result != STATUS_OK) return result;
    if (!fields.has_raw) return read_typed_data(reader, tensor, element, message);
    size_t bytes = (size_t)(fields.raw.end - fields.raw.at);
    if (bytes != tensor->count * tensor_type_size(tensor->type))
        return error_set(reader->err, "tensor '%s': %zu bytes do not fit its shape and type", name, bytes);
    tensor->data = fields.raw.at;
    return STATUS_OK;
}

/* ---- nodes ---- */

static status read_integers(struct reader *reader, struct onnx_attribute *attribute, struct wire message)
{
    size_t count;
    if (!numbers_count(message, 8, WIRE_VARINT, &count)) return malformed(reader, "an attribute");
    int64_t *values = pool_take(reader->pool, count, sizeof *values, reader->err);
    if (values == NULL) return STATUS_FAILED;
    struct numbers numbers = numbers_of(message, 8, WIRE_VARINT);
    uint64_t value;
    for (size_t i = 0; numbers_next(&numbers, &value); i++) values[i] = (int64_t)value;
    attribute->integers = values;
    attribute->integer_count = count;
    return STATUS_OK;
}

static float float_of_bits(uint64_t bits)
{
    uint32_t low = (uint32_t)bits;
    float value;
    memcpy(&value, &low, sizeof value);
    return value;
}

static status read_attribute_tensor(struct reader *reader, struct onnx_attribute *attribute, struct wire message)
{
    bool found;
    struct tensor *tensor = pool_take(reader->pool, 1, sizeof *tensor, reader->err);
    if (tensor == NULL) return STATUS_FAILED;
    status result = read_tensor(reader, tensor, &found, message);
    if (result == STATUS_OK && found) attribute->tensor = tensor;
    return result;
}

static status read_attribute(struct reader *reader, struct onnx_attribute *attribute, struct wire message)
{
    struct wire whole = message;
    struct wire_field field;
    enum wire_result more;
    status result = STATUS_OK;
    attribute->name = attribute->string = "";
    FOR_EACH_FIELD(message, field, more)
    {
        switch (FIELD_OF(field)) {
        case FIELD(1, WIRE_BYTES): result = read_name(reader, &attribute->name, field.bytes); break;
        case FIELD(2, WIRE_FIXED32): attribute->real = float_of_bits(field.value); break;
        case FIELD(3, WIRE_VARINT): attribute->integer = (int64_t)field.value; break;
        case FIELD(4, WIRE_BYTES): result = read_string(reader, &attribute->string, field.bytes); break;
        case FIELD(5, WIRE_BYTES): result = read_attribute_tensor(reader, attribute, field.bytes); break;
        default: break;
        }
        if (result != STATUS_OK) return result;
    }
    if (more == WIRE_MALFORMED) return malformed(reader, "an attribute");
    return read_integers(reader, attribute, whole);
}

static status read_node(struct reader *reader, struct onnx_node *node, struct wire message)
{
    const char **inputs = pool_take(reader->pool, count_fields(message, 1), sizeof *inputs, reader->err);
    const char **outputs = pool_take(reader->pool, count_fields(message, 2), sizeof *outputs, reader->err);
    size_t attribute_count = count_fields(message, 5);
    if (attribute_count > ONNX_MOST_ATTRIBUTES)
        return error_set(reader->err, "a node with %zu attributes", attribute_count);
    struct onnx_attribute *attributes = pool_take(reader->pool, attribute_count, sizeof *attributes, reader->err);
    if (inputs == NULL || outputs == NULL || attributes == NULL) return STATUS_FAILED;
    *node = (struct onnx_node){"", "", "", inputs, 0, outputs, 0, attributes, 0};
    struct wire_field field;
    enum wire_result more;
    FOR_EACH_FIELD(message, field, more)
    {
        status result = STATUS_OK;
        switch (FIELD_OF(field)) {
        case FIELD(1, WIRE_BYTES): result = read_name(reader, &inputs[node->input_count++], field.bytes); break;
        case FIELD(2, WIRE_BYTES): result = read_name(reader, &outputs[node->output_count++], field.bytes); break;
        case FIELD(3, WIRE_BYTES): result = read_name(reader, &node->name, field.bytes); break;
        case FIELD(4, WIRE_BYTES): result = read_name(reader, &node->op_type, field.bytes); break;
        case FIELD(5, WIRE_BYTES):
            result = read_attribute(reader, &attributes[node->attribute_count++], field.bytes);
            break;
        case FIELD(7, WIRE_BYTES): result = read_name(reader, &node->domain, field.bytes); break;
        default: break;
        }
        if (result != STATUS_OK) return result;
    }
    return more == WIRE_END ? STATUS_OK : malformed(reader, "a node");
}

/* ---- inputs and outputs ---- */

/* TensorShapeProto.Dimension: 1 dim_value. */
static int64_t dimension_of(struct wire message)
{
    struct wire_field field;
    int64_t size = -1;
    while (wire_next(&message, &field) == WIRE_FIELD)
        if (FIELD_OF(field) == FIELD(1, WIRE_VARINT)) size = (int64_t)field.value;
    return size < 0 ? -1 : size;
}

/* TypeProto: 1 tensor_type { 1 elem_type, 2 shape { 1 dim } }. What is malformed leaves the shape unknown. */
static void read_value_type(struct onnx_value *value, struct wire message)
{
    struct wire_field tensor_type, field, dimension;
    while (wire_next(&message, &tensor_type) == WIRE_FIELD) {
        if (FIELD_OF(tensor_type) != FIELD(1, WIRE_BYTES)) continue;
        while (wire_next(&tensor_type.bytes, &field) == WIRE_FIELD) {
            if (FIELD_OF(field) == FIELD(1, WIRE_VARINT)) {
                const struct element_type *element = find_element_type(field.value);
                value->has_type = element != NULL;
                if (element != NULL) value->type = element->type;
            }
            if (FIELD_OF(field) != FIELD(2, WIRE_BYTES)) continue;
            value->rank = 0;
            while (wire_next(&field.bytes, &dimension) == WIRE_FIELD)
                if (FIELD_OF(dimension) == FIELD(1, WIRE_BYTES) && value->rank < TENSOR_MOST_RANK)
                    value->shape[value->rank++] = dimension_of(dimension.bytes);
        }
    }
}

static status read_value(struct reader *reader, struct onnx_value *value, struct wire message)
{
    struct wire_field field;
    enum wire_result more;
    *value = (struct onnx_value){.name = "", .rank = -1};
    FOR_EACH_FIELD(message, field, more)
    {
        if (FIELD_OF(field) == FIELD(2, WIRE_BYTES)) read_value_type(value, field.bytes);
        if (FIELD_OF(field) == FIELD(1, WIRE_BYTES) && read_name(reader, &value->name, field.bytes) != STATUS_OK)
            return STATUS_FAILED;
    }
    return more == WIRE_END ? STATUS_OK : malformed(reader, "an input");
}

/* ---- the graph and the model ---- */

static status reserve_graph(struct reader *reader, struct onnx_model *model, struct wire message)
{
    struct pool *pool = reader->pool;
    struct error *err = reader->err;
    model->nodes = pool_take(pool, count_fields(message, 1), sizeof *model->nodes, err);
    model->initializers = pool_take(pool, count_fields(message, 5), sizeof *model->initializers, err);
    model->inputs = pool_take(pool, count_fields(message, 11), sizeof *model->inputs, err);
    model->outputs = pool_take(pool, count_fields(message, 12), sizeof *model->outputs, err);
    bool whole = model->nodes != NULL && model->initializers != NULL && model->inputs != NULL;
    return whole && model->outputs != NULL ? STATUS_OK : STATUS_FAILED;
}

static status sort_initializers(struct reader *reader, struct onnx_model *model)
{
    char name[TENSOR_NAME_TEXT];
    if (model->initializer_count == 0) return STATUS_OK;
    qsort(model->initializers, model->initializer_count, sizeof *model->initializers, tensor_compare_names);
    for (size_t i = 1; i < model->initializer_count; i++)
        if (tensor_compare_names(&model->initializers[i - 1], &model->initializers[i]) == 0)
            return error_set(reader->err, "the initializer '%s' is there twice",
                             tensor_name_text(name, sizeof name, model->initializers[i].name));
    return STATUS_OK;
}

static status read_graph(struct reader *reader, struct onnx_model *model, struct wire message)
{
    struct wire_field field;
    enum wire_result more;
    if (model->nodes != NULL) return error_set(reader->err, "more than one graph");
    status result = reserve_graph(reader, model, message);
    while (result == STATUS_OK && (more = wire_next(&message, &field)) != WIRE_END) {
        bool found = false;
        if (more == WIRE_MALFORMED) return malformed(reader, "the graph");
        switch (FIELD_OF(field)) {
        case FIELD(1, WIRE_BYTES): result = read_node(reader, &model->nodes[model->node_count++], field.bytes); break;
        case FIELD(5, WIRE_BYTES):
            result = read_tensor(reader, &model->initializers[model->initializer_count], &found, field.bytes);
            model->initializer_count += found;
            break;
        case FIELD(11, WIRE_BYTES):
            result = read_value(reader, &model->inputs[model->input_count++], field.bytes);
            break;
        case FIELD(12, WIRE_BYTES):
            result = read_value(reader, &model->outputs[model->output_count++], field.bytes);
            break;
        default: break;
        }
    }
    if (result == STATUS_OK) result = sort_initializers(reader, model);
    return result == STATUS_OK ? onnx_list_values(model, reader->pool, reader->err) : result;
}

/* StringStringEntryProto: 1 key, 2 value. */
static status read_property(struct reader *reader, struct onnx_property *property, struct wire message)
{
    struct wire_field field;
    enum wire_result more;
    *property = (struct onnx_property){"", ""};
    FOR_EACH_FIELD(message, field, more)
    {
        if (field.kind != WIRE_BYTES || field.number > 2) continue;
        const char **target = field.number == 1 ? &property->key : &property->value;
        if (read_string(reader, target, field.bytes) != STATUS_OK) return STATUS_FAILED;
    }
    return more == WIRE_END ? STATUS_OK : malformed(reader, "a property");
}

static status read_model(struct reader *reader, struct onnx_model *model, struct wire message)
{
    struct wire_field field;
    enum wire_result more;
    model->producer = "";
    model->properties = pool_take(reader->pool, count_fields(message, 14), sizeof *model->properties, reader->err);
    if (model->properties == NULL) return STATUS_FAILED;
    FOR_EACH_FIELD(message, field, more)
    {
        status result = STATUS_OK;
        switch (FIELD_OF(field)) {
        case FIELD(2, WIRE_BYTES): result = read_string(reader, &model->producer, field.bytes); break;
        case FIELD(7, WIRE_BYTES): result = read_graph(reader, model, field.bytes); break;
        case FIELD(14, WIRE_BYTES):
            result = read_property(reader, &model->properties[model->property_count++], field.bytes);
            break;
        default: break;
        }
        if (result != STATUS_OK) return result;
    }
    if (more == WIRE_MALFORMED) return malformed(reader, "the model");
    return model->nodes != NULL ? STATUS_OK : error_set(reader->err, "no graph in it: not an ONNX model");
}

status onnx_parse(struct onnx_model *model, const uint8_t *bytes, size_t size, const char *name, struct error *err)
{
    *model = (struct onnx_model){0};
    struct pool *pool = memory_allocate(1, sizeof *pool, "an ONNX model", err);
    if (pool == NULL) return STATUS_FAILED;
    *pool = pool_with_limits(size_add(POOL_AT_LEAST, size_multiply(size, POOL_TIMES_FILE)), 0);
    model->pool = pool;
    struct reader reader = {pool, err};
    status result = size == 0 ? malformed(&reader, "the model")
                              : read_model(&reader, model, (struct wire){bytes, bytes + size});
    if (result == STATUS_OK) return STATUS_OK;
    onnx_close(model);
    return error_add_context(err, "%s", name);
}

status onnx_open(struct onnx_model *model, const char *path, struct error *err)
{
    struct mapped_file mapping;
    *model = (struct onnx_model){0};
    status result = file_load(&mapping, path, err);
    if (result != STATUS_OK) return result;
    result = onnx_parse(model, mapping.bytes, mapping.size, path, err);
    if (result == STATUS_OK)
        model->file = mapping;
    else
        file_unmap(&mapping);
    return result;
}

void onnx_close(struct onnx_model *model)
{
    if (model->pool != NULL) pool_free(model->pool);
    memory_free(model->pool);
    file_unmap(&model->file);
    *model = (struct onnx_model){0};
}
