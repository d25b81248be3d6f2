/* What rmfer info prints about files. */
#ifndef RMFER_CMD_INFO_H
#define RMFER_CMD_INFO_H

#include "rmfer/base/error.h"

/* Prints what is inside a checkpoint, a foreign file of weights, or the checkpoints of a run folder. */
status info_checkpoint(const char *path, struct error *err) MUST_CHECK;

#endif
