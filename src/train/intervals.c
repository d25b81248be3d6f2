/* Wilson's score interval, the interval of a mean of recalls made of Wilson's, and both as JSON. */
#include "rmfer/train/intervals.h"

#include <math.h>

static const double Z = 1.959963984540054; /* the normal distribution's 97.5 % quantile */

struct interval wilson_interval(double successes, double n)
{
    if (!(n > 0)) return (struct interval){NAN, NAN};
    double p = successes / n, shrink = 1 + Z * Z / n;
    double centre = (p + Z * Z / (2 * n)) / shrink;
    double reach = Z * sqrt(p * (1 - p) / n + Z * Z / (4 * n * n)) / shrink;
    /* At 0 and at n the limit is exact; rounding must not carry it past the share itself. */
    return (struct interval){successes > 0 ? centre - reach : 0, successes < n ? centre + reach : 1};
}

struct interval confusion_overall_interval(const struct confusion *confusion)
{
    return wilson_interval((double)confusion_correct(confusion), (double)confusion_total(confusion));
}

struct interval confusion_recall_interval(const struct confusion *confusion, size_t label)
{
    return wilson_interval((double)confusion->counts[label * confusion->classes + label],
                           (double)confusion_class_total(confusion, label));
}

struct interval confusion_average_interval(const struct confusion *confusion)
{
    double below = 0, above = 0, classes = 0, mean = confusion_average_accuracy(confusion);
    for (size_t c = 0; c < confusion->classes; c++) {
        if (confusion_class_total(confusion, c) == 0) continue;
        double recall = confusion_recall(confusion, c);
        struct interval interval = confusion_recall_interval(confusion, c);
        below += (recall - interval.low) * (recall - interval.low);
        above += (interval.high - recall) * (interval.high - recall);
        classes++;
    }
    return (struct interval){mean - sqrt(below) / classes, mean + sqrt(above) / classes};
}

void json_interval_member(struct json_writer *json, const char *name, struct interval interval)
{
    json_name(json, name);
    json_open(json, '[');
    json_real(json, interval.low);
    json_real(json, interval.high);
    json_close(json, ']');
}

void json_accuracy_members(struct json_writer *json, const struct confusion *confusion)
{
    json_real_member(json, "overall_accuracy", confusion_overall_accuracy(confusion));
    json_interval_member(json, "overall_interval", confusion_overall_interval(confusion));
    json_real_member(json, "average_accuracy", confusion_average_accuracy(confusion));
    json_interval_member(json, "average_interval", confusion_average_interval(confusion));
}
