/* A checkpoint evaluated, its answers ready to be drawn: for plot, report and eval --plots. */
#ifndef CMD_ANSWERS_H
#define CMD_ANSWERS_H

#include "cmd/evaluate.h"

#include "rmfer/plot/answers.h"

/* Copies an evaluation's rows, with features of `most` of them by `seed`, and its measurements. `name` is for headings.
 * The caller frees even after a failure. */
status answers_take(struct answers *answers, const struct evaluation_work *work, const struct evaluation *evaluation,
                    const char *name, size_t most, uint64_t seed, struct error *err) MUST_CHECK;

/* Opens, evaluates and copies; what is in the data set is told in the log when `tells`. */
status answers_of_checkpoint(struct answers *answers, const struct evaluation_request *request, const char *name,
                             size_t most, uint64_t seed, bool tells, struct error *err) MUST_CHECK;

#endif
