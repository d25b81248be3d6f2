/* Reading a file of torch.save, in the zip format or in the plain one before it. */
#ifndef RMFER_CKPT_TORCH_FILE_H
#define RMFER_CKPT_TORCH_FILE_H

#include "ckpt/torch_contents.h"

/* Whether the first bytes are those of torch.save's formats. */
bool torch_recognise(const uint8_t *bytes, size_t size);

/* Reads a file in memory, which must stay. On failure *file is NULL; messages say nothing of the file's name. */
status torch_parse(struct torch_file **file, const uint8_t *bytes, size_t size, struct error *err) MUST_CHECK;
/* Accepts NULL. */
void torch_free(struct torch_file *file);

#endif
