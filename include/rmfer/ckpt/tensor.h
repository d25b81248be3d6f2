/* A named tensor in somebody's memory: type, shape, strides, and reading it as float.
 *
 * Every reader of this room hands out its tensors in this form. Nothing is converted before it is asked for, so a
 * file of any size costs its header only. It does not own its name nor its data. */
#ifndef RMFER_CKPT_TENSOR_H
#define RMFER_CKPT_TENSOR_H

#include "rmfer/base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum tensor_type {
    TENSOR_F32,
    TENSOR_F16,
    TENSOR_BF16,
    TENSOR_F64,
    TENSOR_I64,
    TENSOR_I32,
    TENSOR_I16,
    TENSOR_I8,
    TENSOR_U64,
    TENSOR_U32,
    TENSOR_U16,
    TENSOR_U8,
    TENSOR_BOOL,
    TENSOR_TYPE_COUNT
};

enum { TENSOR_MOST_RANK = 8 };

struct tensor {
    const char *name;
    enum tensor_type type;
    int rank; /* 0 for a scalar */
    size_t shape[TENSOR_MOST_RANK];
    size_t strides[TENSOR_MOST_RANK]; /* in elements */
    size_t count;                     /* product of the shape, 1 for a scalar */
    const uint8_t *data;              /* the first element, little-endian, any alignment */
    bool in_module;                   /* pickled as part of a torch.nn.Module, not of a plain dictionary */
};

/* Bytes of one element. */
size_t tensor_type_size(enum tensor_type type);
/* safetensors' name of the type ("F32"). */
const char *tensor_type_name(enum tensor_type type);
/* The type of that name; false when there is none. */
bool tensor_type_find(enum tensor_type *type, const char *name);

/* Sets rank, shape, row-major strides and count; false when rank is above TENSOR_MOST_RANK or the size in bytes
 * overflows. The type must be set beforehand. */
bool tensor_set_shape(struct tensor *tensor, int rank, const size_t *shape);

/* Bytes of all elements. */
size_t tensor_bytes(const struct tensor *tensor);

/* Row-major and without gaps: the data are `count` elements one after the other. */
bool tensor_is_contiguous(const struct tensor *tensor);

bool tensor_has_shape(const struct tensor *tensor, int rank, const size_t *shape);

/* The elements in row-major order as float (integers and booleans become numbers); `out` has room for `count`. */
void tensor_read_floats(const struct tensor *tensor, float *out);
/* One element by its row-major index. */
double tensor_element(const struct tensor *tensor, size_t index);

/* "[1408, 8]" for messages, cut when `size` is short. Returns `buffer`. */
const char *tensor_shape_text(char *buffer, size_t size, int rank, const size_t *shape);

/* A foreign name fit for a message: printable, cut to `size`. Returns `buffer`. */
const char *tensor_name_text(char *buffer, size_t size, const char *name);
enum { TENSOR_NAME_TEXT = 96, TENSOR_SHAPE_TEXT = 96 }; /* good sizes for the two buffers */

/* The tensor of that name among `count` tensors sorted by name (strcmp), NULL when there is none. */
const struct tensor *tensor_find_sorted(const struct tensor *tensors, size_t count, const char *name);
/* qsort's comparison of two `struct tensor` by name. */
int tensor_compare_names(const void *a, const void *b);

#endif
