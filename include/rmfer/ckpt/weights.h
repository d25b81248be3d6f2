/* Weights of any file that people have, as a list of named tensors. The first bytes decide what the file is:
 *
 *  - safetensors;
 *  - PyTorch's zip format and the plain one before it (torch.save): a state dict, a training checkpoint with one
 *    inside, or a whole pickled module. The pickle is interpreted, never run (src/ckpt/pickle.h);
 *  - ONNX.
 *
 * Names are the file's own, nested containers joined by dots ("state_dict.module.conv_stem.weight"). Data stay in the
 * mapped file until they are read. Everything here is hostile until checked. */
#ifndef RMFER_CKPT_WEIGHTS_H
#define RMFER_CKPT_WEIGHTS_H

#include "rmfer/base/text.h"
#include "rmfer/ckpt/onnx.h"
#include "rmfer/ckpt/safetensors.h"
#include "rmfer/ckpt/tensor.h"

enum weight_format { WEIGHTS_SAFETENSORS, WEIGHTS_TORCH_ZIP, WEIGHTS_TORCH_PLAIN, WEIGHTS_ONNX };

struct torch_file;

struct weight_set {
    enum weight_format format;
    struct tensor *tensors; /* sorted by name */
    size_t count;
    /* What a pickled module tells besides its tensors. */
    bool has_same_convolutions; /* one of them is timm's Conv2dSame */
    double bn_epsilon;          /* of its batch-norms, 0 when not known */
    /* The file behind it: one of these. */
    struct safetensors safetensors;
    struct torch_file *torch;
    struct onnx_model onnx;
};

/* Maps and reads a file. On failure the structure is empty; messages start with the path. */
status weights_read(struct weight_set *set, const char *path, struct error *err) MUST_CHECK;
/* Accepts a zeroed structure. */
void weights_free(struct weight_set *set);

/* Whether a file begins as one of these formats that is not safetensors, or as something else that people mistake for
 * weights; then *trouble says what it is, and is NULL otherwise. */
bool weights_are_foreign(const struct mapped_file *file, const char **trouble);

/* "PyTorch (zip)" ... */
const char *weights_format_name(enum weight_format format);

/* A text about a foreign file for `rmfer info`: its kind and its tensors. */
status weights_describe(const struct weight_set *set, struct text *out, struct error *err) MUST_CHECK;

#endif
