/* safetensors: the file format of our checkpoints. A header of JSON that names tensors, then their bytes.
 *
 * Format (huggingface/safetensors, "Format"): 8 bytes little-endian length N; N bytes of JSON, an object of
 * NAME -> {dtype, shape, data_offsets: [begin, end]} and optionally __metadata__ -> {string: string}; the data, which
 * the tensors must cover without overlap or gap. The reader maps the file and believes nothing in it; the writer
 * writes beside the target and renames. */
#ifndef RMFER_CKPT_SAFETENSORS_H
#define RMFER_CKPT_SAFETENSORS_H

#include "rmfer/base/file.h"
#include "rmfer/ckpt/tensor.h"

/* What a header may hold: the reader's JSON tree takes up to 40 times as much memory. B2 with Adam: 200 KB. */
enum { SAFETENSORS_LARGEST_HEADER = 4 << 20 };

struct safetensors_metadata {
    const char *key, *value;
};

struct safetensors {
    struct mapped_file file; /* empty when the bytes are the caller's */
    struct tensor *tensors;  /* sorted by name; contiguous, data inside the mapping */
    size_t count;
    struct safetensors_metadata *metadata; /* sorted by key */
    size_t metadata_count;
    void *header; /* the parsed JSON, which owns every string above */
};

/* Maps and checks a file. On failure the structure is empty; messages start with the path. */
status safetensors_open(struct safetensors *file, const char *path, struct error *err) MUST_CHECK;
/* The same for bytes in memory, which must stay; `name` stands for the path in messages. */
status safetensors_parse(struct safetensors *file, const uint8_t *bytes, size_t size, const char *name,
                         struct error *err) MUST_CHECK;
/* Releases the mapping: tensors and strings are gone. Accepts a zeroed structure. */
void safetensors_close(struct safetensors *file);

/* NULL when there is none of that name. */
const struct tensor *safetensors_find(const struct safetensors *file, const char *name);
/* The value of a metadata key, NULL when there is none. */
const char *safetensors_metadata_value(const struct safetensors *file, const char *key);

/* Writes tensors and metadata to `path`, atomically. Tensors must be contiguous, names and keys distinct. The data
 * stand in the order given, elements of 8 bytes before those of 4 before those of 1, so that each is aligned to its
 * own size; the header is padded with blanks to a multiple of 8. Two strings of metadata are added, rmfer.checksum and
 * rmfer.checksums, against which reading checks every bit. The same input gives the same bytes. */
status safetensors_write(const char *path, const struct tensor *tensors, size_t count,
                         const struct safetensors_metadata *metadata, size_t metadata_count,
                         struct error *err) MUST_CHECK;

#endif
