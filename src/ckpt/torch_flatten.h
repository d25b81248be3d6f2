/* Finds the tensors below the root of what was pickled, and what modules tell besides. */
#ifndef RMFER_CKPT_TORCH_FLATTEN_H
#define RMFER_CKPT_TORCH_FLATTEN_H

#include "ckpt/torch_contents.h"

/* Shared values are looked at again on each way that leads to them: the pool's steps are spent on it. */
status torch_flatten(struct torch_file *file, const struct pickle_value *root, struct error *err) MUST_CHECK;

#endif
