/* Models for other programs: ONNX for runtimes, safetensors for Python. */
#ifndef RMFER_CKPT_EXPORT_H
#define RMFER_CKPT_EXPORT_H

#include "rmfer/ckpt/checkpoint.h"

/* What an exported graph's outputs are called. */
#define ONNX_LOGITS          "logits"
#define ONNX_VALENCE_AROUSAL "valence_arousal"

struct export_options {
    /* false: input `input` [N,3,H,W] float, RGB normalised with the checkpoint's mean and std;
     * true: input `input` [N,H,W,3] uint8 RGB, normalised inside. */
    bool with_preprocess;
};

/* Backbone and f_FER as ONNX, opset 13, weights inside: batch-norm folded into the convolutions, SiLU as Sigmoid and
 * Mul, explicit pads for info->image_size (H = W), N free; output `logits` [N,E], and where the model has the head for
 * affect `valence_arousal` [N,2]. metadata_props: the checkpoint's
 * `rmfer.*` (classes, mean, std, image size, ...) without the configuration. */
status export_onnx(const char *path, const struct model *model, const struct checkpoint_info *info,
                   const struct export_options *options, struct error *err) MUST_CHECK;

/* Backbone, f_FER and the head for affect as safetensors with timm's names and our metadata, without the heads of
 * training and optimizer; `narrow` stores
 * the weights as float16 (checkpoint_write_narrow). */
status export_safetensors(const char *path, const struct model *model, const struct checkpoint_info *info, bool narrow,
                          struct error *err) MUST_CHECK;

#endif
