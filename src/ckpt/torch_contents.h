/* What a file of torch.save holds, once found: the pickle's storages with their bytes, and the tensors. Filled by the
 * readers of the two formats (torch_zip.c, torch_plain.c) and by the walk through the pickle (torch_flatten.c). */
#ifndef RMFER_CKPT_TORCH_CONTENTS_H
#define RMFER_CKPT_TORCH_CONTENTS_H

#include "ckpt/pickle.h"
#include "rmfer/base/file.h"
#include "rmfer/ckpt/tensor.h"

struct torch_storage {
    const char *key;
    const uint8_t *data;
    size_t size; /* bytes */
};

struct torch_file {
    struct mapped_file mapping; /* empty when the bytes are the caller's */
    struct pool pool;           /* values, names, tables */
    struct pool inflated;       /* contents of compressed entries */
    bool is_zip;
    struct torch_storage *storages; /* sorted by key */
    size_t storage_count;
    struct tensor *tensors; /* sorted by name, names distinct */
    size_t count, capacity;
    bool has_same_convolutions;
    double bn_epsilon;
};

/* The distinct keys of a pickle's storages, sorted, as file->storages without data; *types[i] is the storage as the
 * pickle names it. */
status torch_list_storages(struct torch_file *file, struct pickle_storage *named, struct pickle_storage ***types,
                           struct error *err) MUST_CHECK;

/* The storage of that key, NULL when there is none. */
struct torch_storage *torch_find_storage(const struct torch_file *file, const char *key);

#endif
