/* Confidence against accuracy, and the temperature by Newton's method on a convex function of one number. */
#include "rmfer/method/calibration.h"

#include "rmfer/base/error.h"

#include <math.h>
#include <string.h>

enum { MOST_ROUNDS = 200 };

static bool is_used(const struct scored_rows *rows, size_t i)
{
    return rows->targets != NULL || (rows->labels[i] >= 0 && (size_t)rows->labels[i] < rows->classes);
}

/* How much a row counts. */
static double weight_of(const struct scored_rows *rows, size_t i)
{
    double weight = 0;
    if (rows->targets == NULL) return 1;
    for (size_t c = 0; c < rows->classes; c++) weight += (double)rows->targets[i * rows->classes + c];
    return weight;
}

static bool may_answer(const struct scored_rows *rows, size_t c)
{
    return rows->may_predict == NULL || rows->may_predict[c];
}

/* A row's softmax(inverse * z) as far as it is needed. */
struct answer {
    size_t best;                 /* the first of the largest logits */
    double log_sum;              /* log of the sum of exp(inverse * (z - largest z)) */
    double mean, mean_of_square; /* of z - largest z under the probabilities */
};

static struct answer answer_of(const struct scored_rows *rows, size_t i, double inverse)
{
    const real *z = rows->logits + i * rows->classes;
    struct answer answer = {.best = rows->classes};
    double sum = 0;
    for (size_t c = 0; c < rows->classes; c++)
        if (may_answer(rows, c) && (answer.best == rows->classes || z[c] > z[answer.best])) answer.best = c;
    if (answer.best == rows->classes) return (struct answer){0, NAN, NAN, NAN};
    for (size_t c = 0; c < rows->classes; c++) {
        if (!may_answer(rows, c)) continue;
        double below = (double)z[c] - (double)z[answer.best], e = exp(inverse * below);
        sum += e;
        answer.mean += e * below;
        answer.mean_of_square += e * below * below;
    }
    answer.log_sum = log(sum);
    answer.mean /= sum;
    answer.mean_of_square /= sum;
    return answer;
}

/* How far a row's true class lies below its largest logit; the sum over its shares where it has several. */
static double truth_below(const struct scored_rows *rows, size_t i, size_t best)
{
    const real *z = rows->logits + i * rows->classes;
    if (rows->targets == NULL) return (double)z[rows->labels[i]] - (double)z[best];
    double below = 0;
    for (size_t c = 0; c < rows->classes; c++)
        below += (double)rows->targets[i * rows->classes + c] * ((double)z[c] - (double)z[best]);
    return below;
}

bool calibration_bins(const struct scored_rows *rows, double temperature, struct calibration_bin bins[CALIBRATION_BINS])
{
    memset(bins, 0, CALIBRATION_BINS * sizeof *bins);
    for (size_t i = 0; i < rows->n; i++) {
        if (!is_used(rows, i)) continue;
        struct answer answer = answer_of(rows, i, 1 / temperature);
        double p = exp(-answer.log_sum);
        if (!(p >= 0 && p <= 1)) return false;
        int bin = (int)ceil(p * CALIBRATION_BINS) - 1;
        if (bin < 0) bin = 0;
        bins[bin].n++;
        bins[bin].confidence += p;
        bins[bin].right += answer.best == (size_t)rows->labels[i];
    }
    return true;
}

static double mean_negative_log_likelihood(const struct scored_rows *rows, double temperature)
{
    double sum = 0, n = 0;
    for (size_t i = 0; i < rows->n; i++) {
        if (!is_used(rows, i)) continue;
        struct answer answer = answer_of(rows, i, 1 / temperature);
        sum += answer.log_sum - truth_below(rows, i, answer.best) / temperature;
        n++;
    }
    return sum / n;
}

struct calibration calibration_measure(const struct scored_rows *rows, double temperature)
{
    BUG_UNLESS(rows->targets == NULL);
    struct calibration_bin bins[CALIBRATION_BINS];
    double n = 0, error = 0;
    if (!calibration_bins(rows, temperature, bins)) return (struct calibration){NAN, NAN};
    for (int b = 0; b < CALIBRATION_BINS; b++) {
        n += bins[b].n;
        error += fabs(bins[b].confidence - bins[b].right);
    }
    if (!(n > 0)) return (struct calibration){NAN, NAN};
    return (struct calibration){mean_negative_log_likelihood(rows, temperature), error / n};
}

/* ---- the temperature ---------------------------------------------------------------------------------------------
 *
 * With b = 1 / temperature a row's negative log likelihood is log sum_c exp(b z_c) - b z_y. Its first derivative in b
 * is E[z] - z_y, its second Var[z] >= 0, expectation and variance under the probabilities at b: the mean over the
 * rows is convex and its slope rises from end to end. */

struct slope {
    double first, second;
};

static struct slope slope_at(const struct scored_rows *rows, double inverse)
{
    struct slope slope = {0, 0};
    for (size_t i = 0; i < rows->n; i++) {
        if (!is_used(rows, i)) continue;
        struct answer answer = answer_of(rows, i, inverse);
        double weight = weight_of(rows, i);
        slope.first += weight * answer.mean - truth_below(rows, i, answer.best);
        slope.second += weight * (answer.mean_of_square - answer.mean * answer.mean);
    }
    return slope;
}

/* By Newton's method between two inverses that hold the minimum between them. */
static double minimum_between(const struct scored_rows *rows, double low, double high)
{
    double inverse = 1;
    for (int round = 0; round < MOST_ROUNDS; round++) {
        struct slope slope = slope_at(rows, inverse);
        *(slope.first < 0 ? &low : &high) = inverse;
        double next = inverse - slope.first / slope.second;
        if (!(next > low && next < high)) next = (low + high) / 2; /* Newton left what is known to hold the minimum */
        if (fabs(next - inverse) <= 1e-12 * inverse) return 1 / next;
        inverse = next;
    }
    return 1 / inverse;
}

static const double LOWEST = 1.0 / CALIBRATION_HOTTEST, HIGHEST = CALIBRATION_HOTTEST; /* of 1 / temperature */

double calibration_fit_temperature(const struct scored_rows *rows)
{
    bool is_between = slope_at(rows, LOWEST).first < 0 && slope_at(rows, HIGHEST).first > 0;
    return is_between ? minimum_between(rows, LOWEST, HIGHEST) : NAN;
}

double calibration_nearest_temperature(const struct scored_rows *rows)
{
    double hottest = slope_at(rows, LOWEST).first, coldest = slope_at(rows, HIGHEST).first;
    if (isnan(hottest) || isnan(coldest) || (hottest == 0 && coldest == 0)) return NAN;
    if (hottest >= 0) return 1 / LOWEST;
    if (coldest <= 0) return 1 / HIGHEST;
    return minimum_between(rows, LOWEST, HIGHEST);
}
