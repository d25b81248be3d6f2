/* The pictures of which a checkpoint was surest, and those that it got most wrong, as thumbnails in a page. */
#ifndef CMD_REPORT_THUMBNAILS_H
#define CMD_REPORT_THUMBNAILS_H

#include "rmfer/data/dataset.h"
#include "rmfer/plot/answers.h"

/* Appends two lists: the largest and the smallest probabilities of the true class. Pictures that cannot be read (any
 * more) are passed over. */
status report_thumbnails(const struct answers *answers, const struct dataset *dataset, struct text *out,
                         struct error *err) MUST_CHECK;

#endif
