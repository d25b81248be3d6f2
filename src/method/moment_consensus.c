/* Expectation, maximisation, the search for rho, and labels. Each face is seen with the others of its own window of
 * time, so that moments need not be cut apart; where they are, everybody of a moment sees the same company and the
 * estimate is the usual one. */
#include "method/moment_consensus.h"

#include "method/guesses.h"
#include "rmfer/base/error.h"
#include "rmfer/ops/rows.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

static const double HIGHEST_RHO = 0.99, RHO_TOLERANCE = 1e-5;

/* Faces that the estimate is made from, evenly spread, each heard with all of its moment. rho of so many is known to a
 * thousandth, and an RMset of millions need not be gone through for every step of the search. */
enum { MOST_HEARD = 1 << 18 };

static size_t stride_of(const struct consensus_faces *faces)
{
    return faces->count / MOST_HEARD + 1;
}

/* rho p(c) / pi(c) + 1 - rho. */
static double likelihood(const struct consensus_faces *faces, double rho, size_t face, size_t c)
{
    return rho * (double)faces->p[face * faces->classes + c] / faces->shares[c] + 1 - rho;
}

/* Divides by the sum. */
static void normalise(size_t classes, double *values)
{
    double sum = 0;
    for (size_t c = 0; c < classes; c++) sum += values[c];
    for (size_t c = 0; c < classes; c++) values[c] /= sum;
}

/* g of the others of a face; returns how many there are. Factors are normalised as they come: many persons underflow.
 */
static size_t hear_others(const struct consensus_faces *faces, const struct consensus *consensus, size_t face,
                          double *g)
{
    size_t numbers[CONSENSUS_PERSONS], count = faces->others(faces->context, face, numbers);
    memcpy(g, consensus->moments, faces->classes * sizeof *g);
    for (size_t j = 0; j < count; j++) {
        for (size_t c = 0; c < faces->classes; c++) g[c] *= likelihood(faces, consensus->rho, numbers[j], c);
        normalise(faces->classes, g);
    }
    return count;
}

/* ---- rho and the moments' shares ---- */

/* What a scan adds up. */
struct expectation {
    double faces, showing; /* faces that are not alone; how many of them show their moment's expression */
    double moments[CONSENSUS_CLASSES];
};

static void expect(const struct consensus_faces *faces, const struct consensus *consensus, size_t face,
                   struct expectation *sums)
{
    double g[CONSENSUS_CLASSES], showing = 0, all = 0;
    if (hear_others(faces, consensus, face, g) == 0) return;
    for (size_t c = 0; c < faces->classes; c++) {
        double prior = g[c];
        g[c] = prior * likelihood(faces, consensus->rho, face, c);
        showing += prior * (likelihood(faces, consensus->rho, face, c) - (1 - consensus->rho));
        all += g[c];
    }
    sums->faces++;
    sums->showing += showing / all;
    for (size_t c = 0; c < faces->classes; c++) sums->moments[c] += g[c] / all;
}

/* Expectation and maximisation; false when every face is alone. */
static bool climb(const struct consensus_faces *faces, int scans, struct consensus *consensus)
{
    for (int scan = 0; scan < scans; scan++) {
        struct expectation sums = {0};
        for (size_t i = 0; i < faces->count; i += stride_of(faces)) expect(faces, consensus, i, &sums);
        if (sums.faces == 0) return false;
        /* Neither certain: what a moment says may be wrong, and may be right. */
        consensus->rho = fmin(HIGHEST_RHO, fmax(0.01, sums.showing / sums.faces));
        for (size_t c = 0; c < faces->classes; c++) consensus->moments[c] = fmax(1e-6, sums.moments[c] / sums.faces);
        normalise(faces->classes, consensus->moments);
    }
    return true;
}

/* How well the others of each face foretell it: the sum over faces of log sum_c g_i(c) (rho p_i(c) / pi(c) + 1 - rho).
 */
static double foretold(const struct consensus_faces *faces, const struct consensus *consensus)
{
    double sum = 0;
    for (size_t i = 0; i < faces->count; i += stride_of(faces)) {
        double g[CONSENSUS_CLASSES], all = 0;
        if (hear_others(faces, consensus, i, g) == 0) continue;
        for (size_t c = 0; c < faces->classes; c++) all += g[c] * likelihood(faces, consensus->rho, i, c);
        sum += log(all);
    }
    return sum;
}

/* The rho in 0 .. HIGHEST_RHO that foretells best, by golden sections. */
static double search_rho(const struct consensus_faces *faces, struct consensus consensus)
{
    const double section = (sqrt(5) - 1) / 2;
    double low = 0, high = HIGHEST_RHO;
    struct consensus at = consensus;
    while (high - low > RHO_TOLERANCE) {
        double left = high - section * (high - low), right = low + section * (high - low);
        at.rho = left;
        double below = foretold(faces, &at);
        at.rho = right;
        double above = foretold(faces, &at);
        *(below > above ? &high : &low) = below > above ? right : left;
    }
    return (low + high) / 2;
}

struct consensus consensus_estimate(const struct consensus_faces *faces, int scans)
{
    struct consensus consensus = {.rho = 0.5};
    BUG_UNLESS(faces->classes <= CONSENSUS_CLASSES);
    memcpy(consensus.moments, faces->shares, faces->classes * sizeof *faces->shares);
    consensus.rho = climb(faces, scans, &consensus) ? search_rho(faces, consensus) : 0;
    return consensus;
}

/* ---- labels ---- */

void consensus_labels(const struct consensus_faces *faces, const struct consensus *consensus, real *q, double *changed)
{
    size_t classes = faces->classes, different = 0;
    for (size_t i = 0; i < faces->count; i++) {
        double g[CONSENSUS_CLASSES];
        bool alone = hear_others(faces, consensus, i, g) == 0;
        for (size_t c = 0; c < classes; c++) {
            double own = (double)faces->p[i * classes + c];
            g[c] = alone ? own : own * (consensus->rho * g[c] / faces->shares[c] + 1 - consensus->rho);
        }
        normalise(classes, g);
        for (size_t c = 0; c < classes; c++) q[i * classes + c] = (real)g[c];
        different += row_largest(classes, q + i * classes) != row_largest(classes, faces->p + i * classes);
    }
    *changed = faces->count > 0 ? (double)different / (double)faces->count : 0;
}

void consensus_mean(size_t n, size_t classes, const real *p, double *mean)
{
    memset(mean, 0, classes * sizeof *mean);
    for (size_t i = 0; i < n; i++)
        for (size_t c = 0; c < classes; c++) mean[c] += (double)p[i * classes + c];
    for (size_t c = 0; c < classes; c++) mean[c] = fmax(1e-6, mean[c] / (double)n);
    normalise(classes, mean);
}

void consensus_align(size_t n, size_t classes, const double *shares, double strength, real *q)
{
    double factors[CONSENSUS_CLASSES] = {0};
    if (strength == 0 || n == 0) return;
    for (size_t i = 0; i < n; i++)
        for (size_t c = 0; c < classes; c++) factors[c] += (double)q[i * classes + c];
    for (size_t c = 0; c < classes; c++) factors[c] = pow(shares[c] / fmax(1e-6, factors[c] / (double)n), strength);
    for (size_t i = 0; i < n; i++) {
        double aligned[CONSENSUS_CLASSES];
        for (size_t c = 0; c < classes; c++) aligned[c] = (double)q[i * classes + c] * factors[c];
        normalise(classes, aligned);
        for (size_t c = 0; c < classes; c++) q[i * classes + c] = (real)aligned[c];
    }
}

double consensus_certainty(size_t classes, const real *q, double threshold)
{
    double entropy = 0;
    if ((double)q[row_largest(classes, q)] < threshold) return 0;
    for (size_t c = 0; c < classes; c++)
        if (q[c] > 0) entropy -= (double)q[c] * log((double)q[c]);
    return fmax(0, 1 - entropy / log((double)classes));
}
