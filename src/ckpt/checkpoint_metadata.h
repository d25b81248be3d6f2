/* The metadata `rmfer.*` of a checkpoint as text, in both directions. Used by checkpoints and by ONNX export. */
#ifndef RMFER_CKPT_CHECKPOINT_METADATA_H
#define RMFER_CKPT_CHECKPOINT_METADATA_H

#include "rmfer/base/text.h"
#include "rmfer/ckpt/checkpoint.h"

enum { METADATA_MOST = 24, METADATA_FORMAT_VERSION = 1 };

#define METADATA_TEMPERATURE "rmfer.temperature"

/* Appends the shortest of 15 or 17 digits that reads back as the same double. */
status metadata_append_real(struct text *text, double value, struct error *err) MUST_CHECK;

/* Keys and values to be written; the values live in `text`, which the caller frees. */
struct metadata_list {
    struct safetensors_metadata items[METADATA_MOST];
    size_t count;
    struct text text[METADATA_MOST];
};

/* Fills a zeroed list; class names with commas are an error. */
status metadata_from_info(struct metadata_list *list, const char *architecture, const struct checkpoint_info *info,
                          struct error *err) MUST_CHECK;
void metadata_list_free(struct metadata_list *list);

/* Reads everything but the classes and checks ranges; strings point into the file's metadata. */
status metadata_read_info(struct checkpoint_info *info, const struct safetensors *file, struct error *err) MUST_CHECK;

#endif
