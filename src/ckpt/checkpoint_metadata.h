/* The metadata `rmfer.*` of a checkpoint as text, in both directions. Used by checkpoints and by ONNX export. */
#ifndef RMFER_CKPT_CHECKPOINT_METADATA_H
#define RMFER_CKPT_CHECKPOINT_METADATA_H

#include "rmfer/base/text.h"
#include "rmfer/ckpt/checkpoint.h"

enum { METADATA_MOST = 24, METADATA_FORMAT_VERSION = 1 };

/* The keys after METADATA_FORMAT, in the order in which they are written; docs/rmfer.1 names them. */
#define METADATA_ARCH        "rmfer.arch"
#define METADATA_CLASSES     "rmfer.classes"
#define METADATA_IMAGE_SIZE  "rmfer.image_size"
#define METADATA_MEAN        "rmfer.mean"
#define METADATA_STD         "rmfer.std"
#define METADATA_RESIZE      "rmfer.resize"
#define METADATA_SELECTED_ON "rmfer.selected_on"
#define METADATA_EPOCH       "rmfer.epoch"
#define METADATA_STEP        "rmfer.step"
#define METADATA_METHOD      "rmfer.method"
#define METADATA_ARITHMETIC  "rmfer.arithmetic"
#define METADATA_CONFIG      "rmfer.config"
#define METADATA_METRICS     "rmfer.metrics"
#define METADATA_TEMPERATURE "rmfer.temperature"
#define METADATA_CLASSIFIER  "rmfer.classifier" /* "fresh": not trained yet */
#define METADATA_FOLDED      "rmfer.folded"     /* "true": batch normalisation is in the convolutions */

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
