/* torch.save's zip format: fills `storages` and gives the root of what was pickled. */
#ifndef RMFER_CKPT_TORCH_ZIP_H
#define RMFER_CKPT_TORCH_ZIP_H

#include "ckpt/torch_contents.h"

status torch_zip_load(struct torch_file *file, const uint8_t *bytes, size_t size, struct pickle_value **root,
                      struct error *err) MUST_CHECK;

#endif
