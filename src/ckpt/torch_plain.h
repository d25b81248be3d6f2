/* torch.save's format before the zip one: fills `storages` and gives the root of what was pickled. */
#ifndef RMFER_CKPT_TORCH_PLAIN_H
#define RMFER_CKPT_TORCH_PLAIN_H

#include "ckpt/torch_contents.h"

status torch_plain_load(struct torch_file *file, const uint8_t *bytes, size_t size, struct pickle_value **root,
                        struct error *err) MUST_CHECK;

#endif
