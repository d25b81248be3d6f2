/* Python's pickle as data: a small machine that builds what torch.save wrote and never runs anything.
 *
 * A pickle is a program for a stack machine whose REDUCE, NEWOBJ and BUILD opcodes call what the file names. Here
 * they call nothing: tensors, parameters, ordered dictionaries and sizes are recognised by their names and built from
 * data; everything else becomes an inert object that remembers its class and its state. Protocols 2 to 5 as Python
 * and PyTorch write them (opcodes: Python's Lib/pickletools.py); text opcodes of protocols 0 and 1, extension codes
 * and out-of-band buffers are refused. Nothing recurses, memory comes from a limited pool. */
#ifndef RMFER_CKPT_PICKLE_H
#define RMFER_CKPT_PICKLE_H

#include "ckpt/pool.h"
#include "rmfer/ckpt/tensor.h"

#include <stdbool.h>
#include <stdint.h>

enum pickle_kind {
    PICKLE_NONE,
    PICKLE_BOOL,
    PICKLE_INTEGER, /* of 64 bits; larger ones are PICKLE_NONE */
    PICKLE_REAL,
    PICKLE_STRING, /* text and bytes alike */
    PICKLE_TUPLE,
    PICKLE_LIST,   /* and sets */
    PICKLE_DICT,   /* items: key, value, key, value ... */
    PICKLE_GLOBAL, /* a name of a class or function */
    PICKLE_OBJECT, /* an instance of something we do not know; nothing of it was run */
    PICKLE_STORAGE,
    PICKLE_TENSOR,
};

struct pickle_value;

struct pickle_items {
    struct pickle_value **items;
    uint32_t count, capacity;
};

struct pickle_object {
    const char *class_name;      /* "torch.nn.modules.linear.Linear"; "" when it was no plain class */
    struct pickle_value *state;  /* what BUILD gave, NULL without */
    struct pickle_items entries; /* key, value ... of a class that is a dictionary */
};

/* Memory that tensors share, by the key under which the file keeps it. */
struct pickle_storage {
    const char *key;
    const char *type_name; /* as the file has it */
    enum tensor_type type;
    bool has_type;        /* false for an untyped storage: its tensors say the type */
    uint64_t count;       /* elements, as the pickle says */
    uint64_t view_offset; /* of a view into another storage (plain format), in elements */
    struct pickle_storage *next;
};

struct pickle_tensor {
    const struct pickle_storage *storage;
    enum tensor_type type;
    uint64_t offset; /* in elements */
    int rank;
    uint64_t shape[TENSOR_MOST_RANK], strides[TENSOR_MOST_RANK];
};

struct pickle_value {
    enum pickle_kind kind;
    union {
        bool boolean;
        int64_t integer;
        double real;
        struct {
            const char *bytes; /* NUL-terminated */
            size_t length;
        } string;
        struct pickle_items list;
        const char *global; /* "collections.OrderedDict" */
        struct pickle_object *object;
        struct pickle_storage *storage;
        struct pickle_tensor *tensor;
    };
};

struct pickle {
    struct pickle_value *value;
    struct pickle_storage *storages; /* every storage named in it, newest first; a key may be there more than once */
    size_t length;                   /* bytes, the STOP opcode included */
};

/* Interprets one pickle at the start of `bytes`. Values live in the pool and do not refer to `bytes`. Values may be
 * shared and lists may contain themselves: walk with a limit. */
status pickle_load(struct pickle *pickle, const uint8_t *bytes, size_t size, struct pool *pool,
                   struct error *err) MUST_CHECK;

#endif
