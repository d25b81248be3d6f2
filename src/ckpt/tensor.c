/* Elements of any type as float: halves, brain floats and integers widened, strides followed, counts checked. */
#include "rmfer/ckpt/tensor.h"

#include "rmfer/base/half.h"
#include "rmfer/base/text.h"

#include <stdio.h>
#include <string.h>

static const struct {
    const char *name;
    size_t size;
} types[TENSOR_TYPE_COUNT] = {
    [TENSOR_F32] = {"F32", 4},   [TENSOR_F16] = {"F16", 2}, [TENSOR_BF16] = {"BF16", 2}, [TENSOR_F64] = {"F64", 8},
    [TENSOR_I64] = {"I64", 8},   [TENSOR_I32] = {"I32", 4}, [TENSOR_I16] = {"I16", 2},   [TENSOR_I8] = {"I8", 1},
    [TENSOR_U64] = {"U64", 8},   [TENSOR_U32] = {"U32", 4}, [TENSOR_U16] = {"U16", 2},   [TENSOR_U8] = {"U8", 1},
    [TENSOR_BOOL] = {"BOOL", 1},
};

size_t tensor_type_size(enum tensor_type type)
{
    return types[type].size;
}

const char *tensor_type_name(enum tensor_type type)
{
    return types[type].name;
}

bool tensor_type_find(enum tensor_type *type, const char *name)
{
    for (size_t i = 0; i < TENSOR_TYPE_COUNT; i++) {
        if (strcmp(types[i].name, name) != 0) continue;
        *type = (enum tensor_type)i;
        return true;
    }
    return false;
}

bool tensor_set_shape(struct tensor *tensor, int rank, const size_t *shape)
{
    if (rank < 0 || rank > TENSOR_MOST_RANK) return false;
    /* Sizes of 0 are left out of the overflow check: strides are products too. */
    size_t bytes = tensor_type_size(tensor->type);
    tensor->rank = rank;
    tensor->count = 1;
    size_t stride = 1;
    for (int i = rank; i-- > 0;) {
        size_t side = shape[i] == 0 ? 1 : shape[i];
        if (__builtin_mul_overflow(bytes, side, &bytes) || bytes > SIZE_MAX / 2) return false;
        tensor->shape[i] = shape[i];
        tensor->strides[i] = stride;
        stride *= side;
        tensor->count *= shape[i];
    }
    return true;
}

size_t tensor_bytes(const struct tensor *tensor)
{
    return tensor->count * tensor_type_size(tensor->type);
}

bool tensor_is_contiguous(const struct tensor *tensor)
{
    size_t stride = 1;
    if (tensor->count == 0) return true;
    for (int i = tensor->rank; i-- > 0;) {
        if (tensor->shape[i] != 1 && tensor->strides[i] != stride) return false;
        stride *= tensor->shape[i];
    }
    return true;
}

bool tensor_has_shape(const struct tensor *tensor, int rank, const size_t *shape)
{
    if (tensor->rank != rank) return false;
    for (int i = 0; i < rank; i++)
        if (tensor->shape[i] != shape[i]) return false;
    return true;
}

/* Reads through memcpy, because nothing in a foreign file is aligned. Numbers are little-endian, as the machine. */
#define READ_AS(ctype)                              \
    do {                                            \
        ctype value_read;                           \
        memcpy(&value_read, at, sizeof value_read); \
        return (double)value_read;                  \
    } while (0)

static double element_at(enum tensor_type type, const uint8_t *at)
{
    uint16_t half;
    switch (type) {
    case TENSOR_F32: READ_AS(float);
    case TENSOR_F64: READ_AS(double);
    case TENSOR_I64: READ_AS(int64_t);
    case TENSOR_I32: READ_AS(int32_t);
    case TENSOR_I16: READ_AS(int16_t);
    case TENSOR_I8: READ_AS(int8_t);
    case TENSOR_U64: READ_AS(uint64_t);
    case TENSOR_U32: READ_AS(uint32_t);
    case TENSOR_U16: READ_AS(uint16_t);
    case TENSOR_U8: READ_AS(uint8_t);
    case TENSOR_BOOL: return *at != 0;
    case TENSOR_F16: memcpy(&half, at, sizeof half); return half_to_float(half);
    case TENSOR_BF16: memcpy(&half, at, sizeof half); return bfloat16_to_float(half);
    case TENSOR_TYPE_COUNT: break;
    }
    BUG_UNLESS(!"a tensor has a type");
    return 0;
}

double tensor_element(const struct tensor *tensor, size_t index)
{
    size_t offset = 0;
    for (int i = tensor->rank; i-- > 0;) {
        offset += index % tensor->shape[i] * tensor->strides[i];
        index /= tensor->shape[i];
    }
    return element_at(tensor->type, tensor->data + offset * tensor_type_size(tensor->type));
}

void tensor_read_floats(const struct tensor *tensor, float *out)
{
    if (tensor->count == 0) return;
    bool contiguous = tensor_is_contiguous(tensor);
    if (contiguous && tensor->type == TENSOR_F32) {
        memcpy(out, tensor->data, tensor->count * sizeof *out);
        return;
    }
    size_t size = tensor_type_size(tensor->type);
    for (size_t i = 0; i < tensor->count; i++)
        out[i] = (float)(contiguous ? element_at(tensor->type, tensor->data + i * size) : tensor_element(tensor, i));
}

const char *tensor_shape_text(char *buffer, size_t size, int rank, const size_t *shape)
{
    size_t at = (size_t)snprintf(buffer, size, "[");
    for (int i = 0; i < rank && at < size; i++)
        at += (size_t)snprintf(buffer + at, size - at, "%s%zu", i == 0 ? "" : ", ", shape[i]);
    if (at < size) snprintf(buffer + at, size - at, "]");
    return buffer;
}

const char *tensor_name_text(char *buffer, size_t size, const char *name)
{
    snprintf(buffer, size, "%s", name);
    text_make_printable(buffer);
    return buffer;
}

int tensor_compare_names(const void *a, const void *b)
{
    return strcmp(((const struct tensor *)a)->name, ((const struct tensor *)b)->name);
}

const struct tensor *tensor_find_sorted(const struct tensor *tensors, size_t count, const char *name)
{
    size_t low = 0, high = count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = strcmp(tensors[middle].name, name);
        if (order == 0) return &tensors[middle];
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}
