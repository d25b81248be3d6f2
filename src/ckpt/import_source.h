/* One or more foreign files as one list of tensors, with what they say of their network. */
#ifndef RMFER_CKPT_IMPORT_SOURCE_H
#define RMFER_CKPT_IMPORT_SOURCE_H

#include "ckpt/names.h"
#include "ckpt/onnx_graph.h"
#include "ckpt/pool.h"
#include "rmfer/ckpt/import.h"
#include "rmfer/ckpt/weights.h"

enum { MOST_SOURCES = 4 };

struct import_source {
    struct weight_set sets[MOST_SOURCES];
    const char *paths[MOST_SOURCES];
    bool has_backbone[MOST_SOURCES];
    size_t set_count;
    size_t backbone; /* the file whose backbone it is */
    struct pool pool;
    struct tensor
        *tensors; /* of all files, sorted by name; of equal names one: a file's without a backbone, else the first's */
    size_t count;
    size_t *files; /* [count] which file each tensor is of; not for ONNX */
    size_t found;  /* tensors in the files: `count`, those of equal names, and what else an ONNX file has */
    const struct onnx_model *onnx; /* the file when it is ONNX (alone), else NULL */
    struct onnx_facts onnx_facts;
    char unread_head[ONNX_UNREAD_BYTES]; /* of an ONNX graph, see onnx_weights */
    bool folded;
    struct naming_match match;
    size_t candidates;
    char prefixes[FOREIGN_NAME_BYTES]; /* of all backbones, for messages */
};

/* Opens the files and finds the backbone in them (`prefix`: see import_options). Safe to free after a failure. */
status import_source_open(struct import_source *source, const char *const *paths, size_t path_count, const char *prefix,
                          struct error *err) MUST_CHECK;
void import_source_free(struct import_source *source);

/* The file that a tensor of the source is of. */
size_t import_source_file(const struct import_source *source, const struct tensor *tensor);

/* Metadata of a file by key ("rmfer.classes"), NULL when it has none. What they say of a classifier is true of that
 * file's own only. */
const char *import_source_metadata(const struct import_source *source, size_t file, const char *key);

/* Whether the network pads as TensorFlow does: 1 yes, 0 no, -1 when nothing tells; *reason says why. */
int import_source_padding(const struct import_source *source, const char **reason);

/* The architecture that the files hold; `reason` (never NULL) says why that flavour. */
status import_source_architecture(const struct import_source *source, struct architecture *architecture,
                                  const char **reason, struct error *err) MUST_CHECK;

/* Whether the backbone has that architecture's number of blocks and widths; the error says what it has. */
status import_source_check_size(const struct import_source *source, const struct architecture *architecture,
                                struct error *err) MUST_CHECK;

/* For ONNX: reads the graph's tensors for that architecture into source->tensors. Nothing for other files. */
status import_source_read_graph(struct import_source *source, const struct architecture *architecture,
                                struct error *err) MUST_CHECK;

/* A tensor of the backbone by our name, NULL when there is none. */
const struct tensor *import_source_backbone(const struct import_source *source, const struct layers *layers,
                                            const char *ours);

/* A tensor with the backbone's prefix and that name. */
const struct tensor *import_source_find(const struct import_source *source, const char *name);

#endif
