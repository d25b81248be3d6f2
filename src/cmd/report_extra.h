/* What a report shows of a run that is not in its folder's lines: its best checkpoint evaluated again on its own data.
 */
#ifndef CMD_REPORT_EXTRA_H
#define CMD_REPORT_EXTRA_H

#include "rmfer/base/text.h"
#include "rmfer/plot/run.h"

#include <stdint.h>

struct report_extra_options {
    bool pictures; /* thumbnails of the best and worst classified */
    size_t sample; /* pictures of figures of features */
    uint64_t seed; /* of that sample */
};

/* Appends markup: calibration, features, attention, pictures, the RMset's counts. What cannot be shown (no checkpoint
 * yet, data that is elsewhere) is said in a sentence, and *is_whole is false; only a lack of memory is an error. */
status report_extra_append(const struct run *run, const struct report_extra_options *options, struct text *out,
                           bool *is_whole, struct error *err) MUST_CHECK;

#endif
