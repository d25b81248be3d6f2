/* Positions in a plane: stress, SMACOF's rounds, and clouds brought onto each other. */
#include "rmfer/plot/embedding.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

static double distance_of(const double *a, const double *b)
{
    double x = a[0] - b[0], y = a[1] - b[1];
    return sqrt(x * x + y * y);
}

struct sums {
    double stress, whole;
};

static void add_row(const double *distances, size_t n, const double *positions, size_t i, struct sums *sums)
{
    const double *delta = distances + i * n;
    for (size_t j = i + 1; j < n; j++) {
        double off = distance_of(positions + 2 * i, positions + 2 * j) - delta[j];
        sums->stress += off * off;
        sums->whole += delta[j] * delta[j];
    }
}

enum { PARTS = 64 }; /* sums are taken in parts, so that they do not depend on the number of threads */

double embedding_stress(const double *distances, size_t n, const double *positions)
{
    struct sums parts[PARTS] = {{0, 0}}, all = {0, 0};
#pragma omp parallel for schedule(dynamic)
    for (size_t p = 0; p < PARTS; p++)
        for (size_t i = p; i < n; i += PARTS) add_row(distances, n, positions, i, &parts[p]);
    for (size_t p = 0; p < PARTS; p++) {
        all.stress += parts[p].stress;
        all.whole += parts[p].whole;
    }
    return all.whole > 0 ? sqrt(all.stress / all.whole) : 0;
}

/* Row i of the Guttman transform; a pair that coincides in the plane pulls nowhere (de Leeuw). */
static void transform_row(const double *distances, size_t n, const double *old, size_t i, double *out)
{
    double x = 0, y = 0, xi = old[2 * i], yi = old[2 * i + 1];
    const double *delta = distances + i * n;
    for (size_t j = 0; j < n; j++) {
        double dx = xi - old[2 * j], dy = yi - old[2 * j + 1], square = dx * dx + dy * dy;
        double ratio = square > 0 ? delta[j] / sqrt(square) : 0;
        x += ratio * dx;
        y += ratio * dy;
    }
    out[0] = x / (double)n;
    out[1] = y / (double)n;
}

/* One round: `positions` are read, `next` is written. */
static void transform(const double *distances, size_t n, const double *positions, double *next)
{
#pragma omp parallel for schedule(static)
    for (size_t i = 0; i < n; i++) transform_row(distances, n, positions, i, next + 2 * i);
}

size_t embedding_refine(const double *distances, size_t n, double *positions, double *room, double *history)
{
    double stress = embedding_stress(distances, n, positions);
    size_t round = 0;
    if (history != NULL) history[0] = stress;
    while (round < EMBEDDING_ROUNDS && stress > 0) {
        transform(distances, n, positions, room);
        double next = embedding_stress(distances, n, room);
        if (!(next <= stress)) break; /* no more than rounding is left */
        memcpy(positions, room, 2 * n * sizeof *positions);
        round++;
        if (history != NULL) history[round] = next;
        bool done = stress * stress - next * next < 1e-6 * stress * stress;
        stress = next;
        if (done) break;
    }
    return round;
}

void embedding_normalise(double *positions, size_t n)
{
    double mean[2] = {0, 0}, square = 0;
    for (size_t i = 0; i < 2 * n; i++) mean[i % 2] += positions[i] / (double)n;
    for (size_t i = 0; i < 2 * n; i++) {
        positions[i] -= mean[i % 2];
        square += positions[i] * positions[i] / (double)n;
    }
    for (size_t i = 0; i < 2 * n && square > 0; i++) positions[i] /= sqrt(square);
}

/* The best turn without and the best with a mirror: with M = sum x_i r_i', a rotation by atan2(M01 - M10, M00 + M11),
 * or the mirror image of y and then one by the same of M with its second row negated. The larger trace wins. */
void embedding_align(const double *reference, double *positions, size_t n)
{
    double m[2][2] = {{0, 0}, {0, 0}};
    for (size_t i = 0; i < n; i++)
        for (int a = 0; a < 2; a++)
            for (int b = 0; b < 2; b++) m[a][b] += positions[2 * i + (size_t)a] * reference[2 * i + (size_t)b];
    double turned = hypot(m[0][0] + m[1][1], m[0][1] - m[1][0]), mirrored = hypot(m[0][0] - m[1][1], m[0][1] + m[1][0]);
    double flip = mirrored > turned ? -1 : 1;
    double angle = atan2(m[0][1] - flip * m[1][0], m[0][0] + flip * m[1][1]), c = cos(angle), s = sin(angle);
    for (size_t i = 0; i < n; i++) {
        double x = positions[2 * i], y = flip * positions[2 * i + 1];
        positions[2 * i] = c * x - s * y;
        positions[2 * i + 1] = s * x + c * y;
    }
}

double embedding_centres(const double *positions, const int32_t *labels, size_t n, size_t classes, double *centres)
{
    double sum = 0, count = 0;
    for (size_t c = 0; c < classes; c++) {
        double x = 0, y = 0, members = 0;
        for (size_t i = 0; i < n; i++) {
            if (labels[i] != (int32_t)c) continue;
            x += positions[2 * i];
            y += positions[2 * i + 1];
            members++;
        }
        double *centre = centres + 2 * c;
        centre[0] = members > 0 ? x / members : NAN;
        centre[1] = members > 0 ? y / members : NAN;
        for (size_t i = 0; i < n; i++)
            if (labels[i] == (int32_t)c) sum += distance_of(positions + 2 * i, centre);
        count += members;
    }
    return count > 0 ? sum / count : NAN;
}
