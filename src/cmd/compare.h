/* Two checkpoints on the same pictures, for rmfer eval --compare. */
#ifndef CMD_COMPARE_H
#define CMD_COMPARE_H

#include "cmd/evaluate.h"

/* Evaluates both as `request` says (its checkpoint is not looked at) and appends what is to be said of them, as a table
 * and as a JSON object. Counted are the pictures that both count, with the same class; others are named by their
 * number. `seed` is the bootstrap's. */
status compare_checkpoints(const struct evaluation_request *request, const char *const paths[2], uint64_t seed,
                           struct text *table, struct text *object, struct error *err) MUST_CHECK;

#endif
