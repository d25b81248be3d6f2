/* Files of torch.save: the zip format (torch_zip.c), the plain one before it (torch_plain.c), and the walk through
 * what was pickled that finds the tensors (torch_flatten.c). */
#ifndef RMFER_CKPT_TORCH_FILE_H
#define RMFER_CKPT_TORCH_FILE_H

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
    bool is_module, has_same_convolutions;
    double bn_epsilon;
};

/* Whether the first bytes are those of torch.save's formats. */
bool torch_recognise(const uint8_t *bytes, size_t size);

/* Reads a file in memory, which must stay. On failure *file is NULL; messages say nothing of the file's name. */
status torch_parse(struct torch_file **file, const uint8_t *bytes, size_t size, struct error *err) MUST_CHECK;
/* Accepts NULL. */
void torch_free(struct torch_file *file);

/* The two formats: fill `storages` and give the root of what was pickled. */
status torch_zip_load(struct torch_file *file, const uint8_t *bytes, size_t size, struct pickle_value **root,
                      struct error *err) MUST_CHECK;
status torch_plain_load(struct torch_file *file, const uint8_t *bytes, size_t size, struct pickle_value **root,
                        struct error *err) MUST_CHECK;
/* The distinct keys of a pickle's storages, sorted, as file->storages without data; *types[i] is the storage as the
 * pickle names it. */
status torch_list_storages(struct torch_file *file, struct pickle_storage *named, struct pickle_storage ***types,
                           struct error *err) MUST_CHECK;

/* Finds the tensors below `root` and what modules tell besides. */
status torch_flatten(struct torch_file *file, const struct pickle_value *root, struct error *err) MUST_CHECK;

#endif
