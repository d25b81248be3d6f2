/* Sums and their derivatives. With u = c / |c|, d cos(c_j, c_k) / d c_j = (u_k - u_j cos) / |c_j|, and each pair stands
 * in the sum twice. */
#include "rmfer/ops/center_loss.h"

#include "rmfer/ops/cosine.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

double center_loss(const struct center_rows *rows, double scale, real *dfeatures, real *dattention)
{
    size_t d = rows->d, count = 0;
    double loss = 0;
    for (size_t i = 0; i < rows->n; i++) count += rows->labels[i] >= 0;
    for (size_t i = 0; i < rows->n; i++) {
        bool counts = rows->labels[i] >= 0;
        const double *center = rows->centers + (counts ? (size_t)rows->labels[i] * d : 0);
        for (size_t k = 0; k < d; k++) {
            size_t at = i * d + k;
            double away = counts ? (double)rows->features[at] - center[k] : 0;
            double attention = rows->attention == NULL ? 1 : (double)rows->attention[at];
            loss += attention * away * away / 2;
            dfeatures[at] = counts ? (real)(scale / (double)count * attention * away) : 0;
            if (dattention != NULL) dattention[at] = counts ? (real)(scale / (double)count * away * away / 2) : 0;
        }
    }
    return count > 0 ? loss / (double)count : 0;
}

static double dot(size_t d, const double *a, const double *b)
{
    double sum = 0;
    for (size_t k = 0; k < d; k++) sum += a[k] * b[k];
    return sum;
}

double island_loss(size_t classes, size_t d, const double *centers, double *dcenters)
{
    double loss = 0;
    memset(dcenters, 0, classes * d * sizeof *dcenters);
    for (size_t j = 0; j < classes; j++) {
        const double *own = centers + j * d;
        double length = sqrt(dot(d, own, own));
        for (size_t k = 0; k < classes && length > SMALLEST_NORM; k++) {
            const double *other = centers + k * d;
            double other_length = sqrt(dot(d, other, other));
            if (k == j || other_length <= SMALLEST_NORM) continue;
            double cosine = dot(d, own, other) / (length * other_length);
            loss += cosine + 1;
            for (size_t i = 0; i < d; i++)
                dcenters[j * d + i] += 2 * (other[i] / other_length - own[i] / length * cosine) / length;
        }
    }
    return loss;
}
