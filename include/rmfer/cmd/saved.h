/* --saved TYPE of the commands that plan or time a training step without a configuration: train.saved by its names. */
#ifndef RMFER_CMD_SAVED_H
#define RMFER_CMD_SAVED_H

#include "rmfer/base/error.h"
#include "rmfer/kern/kernels.h"

/* "float32", "bfloat16" or "float16". */
const char *saved_name(enum storage storage);

/* The storage of that name; a usage error that names all three for any other. */
status saved_find(const char *name, enum storage *storage, struct error *err) MUST_CHECK;

#endif
