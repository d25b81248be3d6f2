/* Whether a classifier is as often right as it says: negative log likelihood, expected calibration error, and the one
 * number, a temperature, that mends most of it afterwards without changing an answer (C. Guo, G. Pleiss, Y. Sun, K. Q.
 * Weinberger, On Calibration of Modern Neural Networks, ICML 2017). Nothing is read or trained here. */
#ifndef RMFER_METHOD_CALIBRATION_H
#define RMFER_METHOD_CALIBRATION_H

#include "rmfer/base/real.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { CALIBRATION_BINS = 15 }; /* of equal width, (k/15, (k+1)/15] */

/* What was answered, and what is true. Borrowed. */
struct scored_rows {
    const real *logits;    /* [n, classes] */
    const int32_t *labels; /* [n]; rows with a label outside 0 .. classes-1 are passed over */
    size_t n, classes;
    const bool *may_predict; /* [classes], NULL = every output; probabilities are over these outputs */
    const real *targets; /* [n, classes], shares of each class instead of labels, for fitting alone; NULL = labels. A
                            row of zeros counts nothing */
};

/* With p = softmax(logits / temperature): NaN without rows, and where a logit is not finite. */
struct calibration {
    double negative_log_likelihood;    /* mean of -log p[label] */
    double expected_calibration_error; /* sum over bins of (rows in it / n) |mean confidence - accuracy| */
};
struct calibration calibration_measure(const struct scored_rows *rows, double temperature);

/* The rows whose confidence (the largest probability) is in a bin: sums over them. */
struct calibration_bin {
    double n, confidence, right;
};
/* False, and nothing to be used, where a logit is not finite. */
bool calibration_bins(const struct scored_rows *rows, double temperature,
                      struct calibration_bin bins[CALIBRATION_BINS]);

enum { CALIBRATION_HOTTEST = 20 }; /* temperatures are sought from 1/20 to 20 */

/* The temperature with the smallest negative log likelihood, to about 12 digits. It is convex in 1 / temperature, so
 * there is one; NaN when it lies outside the sought range: where every answer is right no temperature is cold enough,
 * where the logits say nothing none is hot enough. */
double calibration_fit_temperature(const struct scored_rows *rows);

/* The same, and where it lies outside, the end of the range that is nearest; NaN where no row says anything: no rows,
 * logits that are all alike, or one that is not finite. */
double calibration_nearest_temperature(const struct scored_rows *rows);

#endif
