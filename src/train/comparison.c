/* The paired bootstrap, and McNemar's test in its two forms. */
#include "rmfer/train/comparison.h"

#include "rmfer/base/memory.h"
#include "rmfer/base/random.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- McNemar ----------------------------------------------------------------------------------------------------- */

/* min(1, 2 P(X <= fewer)) for X binomial of `draws` at 1/2. */
static double exact_p(uint64_t fewer, uint64_t draws)
{
    double term = pow(0.5, (double)draws), sum = 0; /* draws < MCNEMAR_EXACT_BELOW: every term is a normal number */
    for (uint64_t k = 0; k <= fewer; k++) {
        sum += term;
        term *= (double)(draws - k) / (double)(k + 1);
    }
    return fmin(1, 2 * sum);
}

static void test_mcnemar(struct comparison *out)
{
    uint64_t b = out->only_first_right, c = out->only_second_right, fewer = b < c ? b : c, draws = b + c;
    out->is_exact = draws < MCNEMAR_EXACT_BELOW;
    out->statistic = NAN;
    if (out->is_exact) {
        out->p = exact_p(fewer, draws);
        return;
    }
    double apart = fabs((double)b - (double)c) - 1;
    out->statistic = apart > 0 ? apart * apart / (double)draws : 0;
    out->p = erfc(sqrt(out->statistic / 2)); /* chi-square of one degree of freedom is a squared normal variable */
}

/* ---- the bootstrap ----------------------------------------------------------------------------------------------- */

/* By class: the pictures of a draw, and how many more of them the second has right. */
struct tally {
    size_t classes;
    int64_t *counts, *gains; /* [classes] */
};

static void clear(struct tally *tally)
{
    memset(tally->counts, 0, tally->classes * sizeof *tally->counts);
    memset(tally->gains, 0, tally->classes * sizeof *tally->gains);
}

static void count(struct tally *tally, const struct paired_rows *rows, size_t i)
{
    int32_t label = rows->labels[i];
    tally->counts[label]++;
    tally->gains[label] += (int64_t)rows->second_right[i] - (int64_t)rows->first_right[i];
}

static void differences(const struct tally *tally, double *overall, double *average)
{
    double pictures = 0, gain = 0, present = 0, shares = 0;
    for (size_t c = 0; c < tally->classes; c++) {
        if (tally->counts[c] == 0) continue;
        pictures += (double)tally->counts[c];
        gain += (double)tally->gains[c];
        shares += (double)tally->gains[c] / (double)tally->counts[c];
        present++;
    }
    *overall = gain / pictures;
    *average = shares / present;
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Of sorted values, between the neighbours in proportion. */
static double quantile(const double *sorted, size_t n, double share)
{
    double at = share * (double)(n - 1);
    size_t below = (size_t)at;
    size_t above = below + 1 < n ? below + 1 : below;
    return sorted[below] + (at - (double)below) * (sorted[above] - sorted[below]);
}

static struct interval interval_of(double *values)
{
    qsort(values, BOOTSTRAP_RESAMPLES, sizeof *values, ascending);
    return (struct interval){quantile(values, BOOTSTRAP_RESAMPLES, 0.025),
                             quantile(values, BOOTSTRAP_RESAMPLES, 0.975)};
}

static void resample(struct comparison *out, const struct paired_rows *rows, uint64_t seed, struct tally *tally,
                     double *overall, double *average)
{
    for (uint64_t r = 0; r < BOOTSTRAP_RESAMPLES; r++) {
        struct random_stream stream = random_stream(seed, RANDOM_BOOTSTRAP, r, 0);
        clear(tally);
        for (size_t i = 0; i < rows->n; i++) count(tally, rows, (size_t)random_below(&stream, rows->n));
        differences(tally, &overall[r], &average[r]);
    }
    out->overall_interval = interval_of(overall);
    out->average_interval = interval_of(average);
}

static void count_pairs(struct comparison *out, const struct paired_rows *rows, struct tally *tally)
{
    clear(tally);
    for (size_t i = 0; i < rows->n; i++) {
        bool first = rows->first_right[i], second = rows->second_right[i];
        out->both_right += first && second;
        out->only_first_right += first && !second;
        out->only_second_right += second && !first;
        out->neither_right += !first && !second;
        count(tally, rows, i);
    }
}

status comparison_run(struct comparison *comparison, const struct paired_rows *rows, uint64_t seed, struct error *err)
{
    *comparison = (struct comparison){.overall_difference = NAN,
                                      .average_difference = NAN,
                                      .overall_interval = {NAN, NAN},
                                      .average_interval = {NAN, NAN},
                                      .statistic = NAN,
                                      .p = NAN};
    if (rows->n == 0) return STATUS_OK;
    struct tally tally = {.classes = rows->classes};
    tally.counts = memory_allocate(rows->classes, sizeof *tally.counts, "a comparison", err);
    tally.gains = memory_allocate(rows->classes, sizeof *tally.gains, "a comparison", err);
    double *values = memory_allocate((size_t)2 * BOOTSTRAP_RESAMPLES, sizeof *values, "a comparison", err);
    bool ready = tally.counts != NULL && tally.gains != NULL && values != NULL;
    if (ready) {
        count_pairs(comparison, rows, &tally);
        differences(&tally, &comparison->overall_difference, &comparison->average_difference);
        resample(comparison, rows, seed, &tally, values, values + BOOTSTRAP_RESAMPLES);
        test_mcnemar(comparison);
    }
    memory_free(values);
    memory_free(tally.gains);
    memory_free(tally.counts);
    return ready ? STATUS_OK : STATUS_FAILED;
}
