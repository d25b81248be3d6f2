/* Confidence against accuracy, and the temperature by Newton's method on a convex function of one number. */
#include "rmfer/train/calibration.h"

#include <math.h>

enum { MOST_ROUNDS = 200 };

static bool is_used(const struct scored_rows *rows, size_t i)
{
    return rows->labels[i] >= 0 && (size_t)rows->labels[i] < rows->classes;
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

/* How far a row's true class lies below its largest logit. */
static double truth_below(const struct scored_rows *rows, size_t i, size_t best)
{
    const real *z = rows->logits + i * rows->classes;
    return (double)z[rows->labels[i]] - (double)z[best];
}

struct calibration calibration_measure(const struct scored_rows *rows, double temperature)
{
    double likelihood = 0, n = 0, error = 0;
    double confidence[CALIBRATION_BINS] = {0}, right[CALIBRATION_BINS] = {0};
    for (size_t i = 0; i < rows->n; i++) {
        if (!is_used(rows, i)) continue;
        struct answer answer = answer_of(rows, i, 1 / temperature);
        double p = exp(-answer.log_sum);
        if (!(p >= 0 && p <= 1)) return (struct calibration){NAN, NAN};
        likelihood += answer.log_sum - truth_below(rows, i, answer.best) / temperature;
        int bin = (int)ceil(p * CALIBRATION_BINS) - 1;
        if (bin < 0) bin = 0;
        confidence[bin] += p;
        right[bin] += answer.best == (size_t)rows->labels[i];
        n++;
    }
    for (int b = 0; b < CALIBRATION_BINS; b++) error += fabs(confidence[b] - right[b]);
    return n > 0 ? (struct calibration){likelihood / n, error / n} : (struct calibration){NAN, NAN};
}

/* ---- the temperature ---------------------------------------------------------------------------------------------
 *
 * With b = 1 / temperature a row's negative log likelihood is log sum_c exp(b z_c) - b z_y. Its first derivative in b
 * is E[z] - z_y, its second Var[z] >= 0, expectation and variance under the probabilities at b: the mean over the rows
 * is convex and its slope rises from end to end. */

struct slope {
    double first, second;
};

static struct slope slope_at(const struct scored_rows *rows, double inverse)
{
    struct slope slope = {0, 0};
    for (size_t i = 0; i < rows->n; i++) {
        if (!is_used(rows, i)) continue;
        struct answer answer = answer_of(rows, i, inverse);
        slope.first += answer.mean - truth_below(rows, i, answer.best);
        slope.second += answer.mean_of_square - answer.mean * answer.mean;
    }
    return slope;
}

double calibration_fit_temperature(const struct scored_rows *rows)
{
    double low = 1.0 / CALIBRATION_HOTTEST, high = CALIBRATION_HOTTEST, inverse = 1;
    bool is_between = slope_at(rows, low).first < 0 && slope_at(rows, high).first > 0;
    if (!is_between) return NAN;
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
