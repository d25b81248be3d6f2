/* How far an accuracy can be trusted, given how many pictures it was counted on: 95 % confidence intervals. They speak
 * of other pictures of the same kind, not of other seeds of the same training. */
#ifndef RMFER_TRAIN_INTERVALS_H
#define RMFER_TRAIN_INTERVALS_H

#include "rmfer/base/json_writer.h"
#include "rmfer/train/metrics.h"

struct interval {
    double low, high; /* shares; NaN without samples */
};

/* Of a share of `successes` among `n`, by Wilson's score (E. B. Wilson, Probable inference, the law of succession, and
 * statistical inference, JASA 22, 1927): with z = 1.96, (p + z^2/2n -+ z sqrt(p(1-p)/n + z^2/4n^2)) / (1 + z^2/n).
 * Unlike p -+ z sqrt(p(1-p)/n) it stays inside 0..1 and holds for rare classes. */
struct interval wilson_interval(double successes, double n);

/* Wilson's, of the overall accuracy and of one class's recall. */
struct interval confusion_overall_interval(const struct confusion *confusion);
struct interval confusion_recall_interval(const struct confusion *confusion, size_t label);

/* Of the mean of the recalls of the K classes that have samples. The classes are counted on different pictures, so that
 * the distances of each recall r from its Wilson limits l, u add up like standard errors (G. Y. Zou, A. Donner,
 * Construction of confidence limits about effect measures, Statistics in Medicine 27, 2008): mean -
 * sqrt(sum (r - l)^2) / K to mean + sqrt(sum (u - r)^2) / K. */
struct interval confusion_average_interval(const struct confusion *confusion);

/* name: [low, high], and the four members overall_accuracy, overall_interval, average_accuracy, average_interval. */
void json_interval_member(struct json_writer *json, const char *name, struct interval interval);
void json_accuracy_members(struct json_writer *json, const struct confusion *confusion);

#endif
