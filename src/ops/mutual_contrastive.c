/* The loss anchor by anchor over the matrix of similarities, and back through it.
 *
 * Per anchor, with E_p = e^{(s_ip - 1)/tau} (the common factor e^{1/tau} leaves the fraction and keeps every power
 * below 1):
 *
 *   loss_i = sum_p w_p (log(E_p + G) - log E_p)              dloss/ds_p = w_p (E_p/(E_p + G) - 1) / tau + through G
 *   dloss/dG = sum_p w_p / (E_p + G), and unless G is at its floor, with the mean of the negatives by their hardness,
 *   M = sum_n h_n E_n, h_n = E_n^beta / sum_n E_n^beta:
 *   G = (N M - tau+ N mean_p E_p) / (1 - tau+)
 *   dG/ds_n = N h_n ((1 + beta) E_n - beta M) / (tau (1 - tau+))
 *   dG/ds_p = -tau+ N E_p / (P tau (1 - tau+))
 *
 * E_n^beta is less than any double where beta or 1/tau is large and every negative is far away; h_n does not change
 * when all of them are divided by the largest, which leaves a sum of at least 1.
 *
 * The factor tau before the sum takes the 1/tau of the slopes off again. S = U U^T, so dU = (dS + dS^T) U. */
#include "rmfer/ops/mutual_contrastive.h"

#include "rmfer/ops/linear.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

static const double LEAST_WEIGHT = 0.05; /* a positive that looks otherwise still counts a little */

struct anchor {
    const struct mutual_contrastive *setup;
    size_t row, first, end;     /* its moment is rows first .. end-1 */
    const real *similarity;     /* [n], to everybody */
    const unsigned char *apart; /* [n] or NULL */
    size_t negatives;
    double nearest;      /* the largest similarity of a negative */
    double hardness_sum; /* of the negatives' E^beta over that of the nearest: at least 1 */
    double mean;         /* M */
    double gathered;     /* G */
    bool at_floor;
};

static bool is_positive(const struct anchor *a, size_t j)
{
    return j >= a->first && j < a->end && j != a->row;
}

static bool is_negative(const struct anchor *a, size_t j)
{
    return (j < a->first || j >= a->end) && (a->apart == NULL || a->apart[j] != 0);
}

/* E_j. */
static double likeness(const struct anchor *a, size_t j)
{
    return exp(((double)a->similarity[j] - 1) / a->setup->temperature);
}

/* E_j^beta of a negative over that of the nearest one. */
static double hardness(const struct anchor *a, size_t j)
{
    return exp(a->setup->hardness * ((double)a->similarity[j] - a->nearest) / a->setup->temperature);
}

static struct anchor anchor_of(const struct mutual_contrastive *setup, size_t row, const real *similarity,
                               const unsigned char *apart)
{
    size_t first = row - row % setup->persons;
    struct anchor a = {.setup = setup,
                       .row = row,
                       .first = first,
                       .end = first + setup->persons,
                       .similarity = similarity + row * setup->n,
                       .apart = apart == NULL ? NULL : apart + row * setup->n,
                       .nearest = -INFINITY};
    for (size_t j = 0; j < setup->n; j++) {
        if (!is_negative(&a, j)) continue;
        a.negatives++;
        if ((double)a.similarity[j] > a.nearest) a.nearest = (double)a.similarity[j];
    }
    return a;
}

static void gather_negatives(struct anchor *a)
{
    const struct mutual_contrastive *setup = a->setup;
    double positives = 0, count = (double)a->negatives;
    for (size_t j = 0; j < setup->n; j++) {
        if (is_positive(a, j)) positives += likeness(a, j);
        if (!is_negative(a, j)) continue;
        a->hardness_sum += hardness(a, j);
        a->mean += hardness(a, j) * likeness(a, j);
    }
    a->mean /= a->hardness_sum;
    positives /= (double)(setup->persons - 1);
    double floor = count * exp(-2 / setup->temperature);
    a->gathered = count * (a->mean - setup->chance * positives) / (1 - setup->chance);
    a->at_floor = !(a->gathered > floor);
    if (a->at_floor) a->gathered = floor;
}

static double weight_of(const struct mutual_contrastive *setup, const real *guesses, size_t i, size_t p)
{
    double alike = 0;
    for (size_t c = 0; c < setup->classes; c++)
        alike += (double)guesses[i * setup->classes + c] * (double)guesses[p * setup->classes + c];
    return fmax(LEAST_WEIGHT, alike);
}

/* Adds to the slopes what comes through G, whose own slope is `through`. */
static void slopes_through_negatives(const struct anchor *a, double through, double factor, real *slopes)
{
    const struct mutual_contrastive *setup = a->setup;
    double beta = setup->hardness, count = (double)a->negatives, share = through * count / (1 - setup->chance);
    if (a->at_floor) return;
    for (size_t j = 0; j < setup->n; j++) {
        if (is_positive(a, j))
            slopes[j] -= (real)(factor * share * setup->chance * likeness(a, j) / (double)(setup->persons - 1));
        if (!is_negative(a, j)) continue;
        double own = (1 + beta) * likeness(a, j), others = beta * a->mean;
        slopes[j] += (real)(factor * share * hardness(a, j) / a->hardness_sum * (own - others));
    }
}

/* loss_i; slopes [n] = factor times its derivatives by s_ij, times tau. */
static double anchor_loss(const struct anchor *a, const real *guesses, double factor, real *slopes)
{
    const struct mutual_contrastive *setup = a->setup;
    double sum = 0, loss = 0, through = 0;
    for (size_t p = a->first; p < a->end; p++)
        if (p != a->row) sum += weight_of(setup, guesses, a->row, p);
    for (size_t p = a->first; p < a->end; p++) {
        if (p == a->row) continue;
        double weight = weight_of(setup, guesses, a->row, p) / sum, positive = likeness(a, p),
               all = positive + a->gathered;
        loss += weight * (log(all) - ((double)a->similarity[p] - 1) / setup->temperature);
        through += weight / all;
        slopes[p] = (real)(factor * weight * (positive / all - 1));
    }
    slopes_through_negatives(a, through, factor, slopes);
    return loss;
}

static struct mutual_similarities means_of(const struct mutual_contrastive *setup, const real *similarity,
                                           const unsigned char *apart)
{
    double sums[2] = {0}, counts[2] = {0};
    for (size_t i = 0; i < setup->n; i++) {
        struct anchor a = anchor_of(setup, i, similarity, apart);
        for (size_t j = 0; j < setup->n; j++) {
            if (!is_positive(&a, j) && !is_negative(&a, j)) continue;
            sums[is_positive(&a, j)] += (double)a.similarity[j];
            counts[is_positive(&a, j)]++;
        }
    }
    return (struct mutual_similarities){counts[1] > 0 ? sums[1] / counts[1] : 0,
                                        counts[0] > 0 ? sums[0] / counts[0] : 0};
}

double mutual_contrastive_loss(const struct mutual_contrastive *setup, const real *unit, const real *guesses,
                               const unsigned char *apart, double scale, real *dunit, struct mutual_room room,
                               struct mutual_similarities *similarities)
{
    size_t n = setup->n, d = setup->d, anchors = 0;
    double loss = 0;
    product_run((struct product){.m = n, .n = n, .k = d, .transpose_b = true}, unit, unit, room.similarity);
    memset(room.slopes, 0, n * n * sizeof(real));
    for (size_t i = 0; i < n; i++) anchors += anchor_of(setup, i, room.similarity, apart).negatives > 0;
    for (size_t i = 0; i < n; i++) {
        struct anchor a = anchor_of(setup, i, room.similarity, apart);
        if (a.negatives == 0) continue;
        gather_negatives(&a);
        loss += anchor_loss(&a, guesses, scale / (double)anchors, room.slopes + i * n);
    }
    product_run((struct product){.m = n, .n = d, .k = n}, room.slopes, unit, dunit);
    product_run((struct product){.m = n, .n = d, .k = n, .transpose_a = true, .accumulate = true}, room.slopes, unit,
                dunit);
    *similarities = means_of(setup, room.similarity, apart);
    return anchors == 0 ? 0 : setup->temperature * loss / (double)anchors;
}
