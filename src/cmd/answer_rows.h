/* Every counted picture's label and answer, for eval --csv. */
#ifndef CMD_ANSWER_ROWS_H
#define CMD_ANSWER_ROWS_H

#include "cmd/answers.h"

/* Appends CSV in the data set's order: file, row (of its list: one picture may have several faces), label, predicted,
 * confidence, and the probability of every class at the checkpoint's temperature. */
status answer_rows_append(const struct answers *answers, const struct dataset *dataset, struct text *out,
                          struct error *err) MUST_CHECK;

#endif
