/* Checkpoints whose classifier nothing has trained, as import leaves them where it finds no usable one: fit to start a
 * training from, but what they predict is noise. */
#ifndef RMFER_CMD_UNTRAINED_H
#define RMFER_CMD_UNTRAINED_H

#include "rmfer/ckpt/checkpoint.h"

/* A usage error when the checkpoint's classifier is untrained and that is not `allowed`. */
status untrained_refuse(const struct checkpoint *checkpoint, bool allowed, struct error *err) MUST_CHECK;

#endif
