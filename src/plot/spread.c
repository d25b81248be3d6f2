/* Means and deviations over runs, and pairs of runs with one seed. */
#include "spread.h"

#include <math.h>
#include <string.h>

enum { MOST_PAIRS = 256 };

/* In percent; NaN where the evaluation has no such class, or no picture of it. */
static double recall_of(const struct run *run, const struct run_confusion *confusion, const char *class_name)
{
    for (size_t c = 0; c < confusion->classes && c < run->class_count; c++) {
        if (strcmp(run->classes[c], class_name) != 0) continue;
        const double *row = confusion->counts + c * confusion->classes;
        double all = 0;
        for (size_t k = 0; k < confusion->classes; k++) all += row[k];
        return all > 0 ? 100 * row[c] / all : NAN;
    }
    return NAN;
}

double run_value(const struct run *run, bool last, const struct run_measure *measure)
{
    const struct run_evaluation *evaluation = last ? &run->last : &run->best;
    if (run->evaluation_count == 0) return NAN;
    switch (measure->value) {
    case VALUE_OVERALL: return 100 * evaluation->overall;
    case VALUE_AVERAGE: return 100 * evaluation->average;
    case VALUE_SAME_CLASS: return evaluation->same_class_similarity;
    case VALUE_DIFFERENT_CLASS: return evaluation->different_class_similarity;
    case VALUE_CLASS_DIFFERENCE: return evaluation->same_class_similarity - evaluation->different_class_similarity;
    case VALUE_CENTRE_DISTANCE: return evaluation->centre_distance;
    case VALUE_RECALL: return recall_of(run, &evaluation->confusion, measure->class_name);
    }
    return NAN;
}

static const double *limits_of(const struct run *run, bool last, const struct run_measure *measure)
{
    static const double none[2] = {NAN, NAN};
    const struct run_evaluation *evaluation = last ? &run->last : &run->best;
    if (measure->value == VALUE_OVERALL) return evaluation->overall_limits;
    return measure->value == VALUE_AVERAGE ? evaluation->average_limits : none;
}

struct spread spread_of(const struct run_group *group, bool last, const struct run_measure *measure)
{
    struct spread spread = {0, NAN, NAN, {0, 0}};
    double sum = 0, squares = 0;
    for (size_t i = 0; i < group->count; i++) {
        double one = run_value(&group->runs[i], last, measure);
        if (isnan(one)) continue;
        sum += one;
        for (int k = 0; k < 2; k++) spread.limits[k] += 100 * limits_of(&group->runs[i], last, measure)[k];
        spread.n++;
    }
    for (int k = 0; k < 2; k++) spread.limits[k] = spread.n > 0 ? spread.limits[k] / (double)spread.n : NAN;
    if (spread.n == 0) return spread;
    spread.mean = sum / (double)spread.n;
    for (size_t i = 0; i < group->count; i++) {
        double one = run_value(&group->runs[i], last, measure);
        if (!isnan(one)) squares += (one - spread.mean) * (one - spread.mean);
    }
    if (spread.n > 1) spread.deviation = sqrt(squares / (double)(spread.n - 1));
    return spread;
}

/* The value of the group's run with that seed, the first of several. */
static double value_with_seed(const struct run_group *group, int64_t seed, bool last, const struct run_measure *measure)
{
    for (size_t i = 0; i < group->count; i++)
        if (group->runs[i].seed == seed) return run_value(&group->runs[i], last, measure);
    return NAN;
}

static bool seed_came_before(const struct run_group *group, size_t i)
{
    for (size_t k = 0; k < i; k++)
        if (group->runs[k].seed == group->runs[i].seed) return true;
    return false;
}

struct gain gain_of(const struct run_group *reference, const struct run_group *group, bool last,
                    const struct run_measure *measure)
{
    double first[MOST_PAIRS] = {0}, second[MOST_PAIRS] = {0}, squares = 0;
    size_t pairs = 0;
    for (size_t i = 0; i < group->count && pairs < MOST_PAIRS; i++) {
        if (group->runs[i].seed < 0 || seed_came_before(group, i)) continue;
        first[pairs] = value_with_seed(reference, group->runs[i].seed, last, measure);
        second[pairs] = run_value(&group->runs[i], last, measure);
        if (!isnan(first[pairs]) && !isnan(second[pairs])) pairs++;
    }
    struct gain gain = {paired_t_test(first, second, pairs), NAN};
    if (pairs == 0) gain.test.mean = NAN;
    for (size_t i = 0; i < pairs; i++) squares += pow(second[i] - first[i] - gain.test.mean, 2);
    if (pairs > 1) gain.deviation = sqrt(squares / (double)(pairs - 1));
    return gain;
}

const char *significance_mark(double p)
{
    if (p < 0.001) return "***";
    return p < 0.01 ? "**" : p < 0.05 ? "*" : "";
}
