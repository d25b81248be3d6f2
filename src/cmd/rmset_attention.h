/* Printing what checkpoints make of an anchor's candidates. */
#ifndef RMFER_CMD_RMSET_ATTENTION_H
#define RMFER_CMD_RMSET_ATTENTION_H

#include "rmfer/rmset/attention.h"

/* A table, or one line of JSON, on standard output. */
status rmset_attention_print(const struct rmset_attention *attention, bool json, struct error *err) MUST_CHECK;

#endif
