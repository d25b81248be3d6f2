/* Column by column, sums in double. With h = (x - mean) r and Q rows (Ioffe and Szegedy 2015):
 *
 *   dbeta = sum dy,  dgamma = sum dy h,  dx = gamma r (dy - dbeta / Q - h dgamma / Q)
 */
#include "rmfer/ops/batchnorm_rows.h"

#include <math.h>

void batchnorm_rows_forward(struct batchnorm_rows *bn, size_t n, const real *x, real *y)
{
    for (size_t c = 0; c < bn->d; c++) {
        double sum = 0, squares = 0;
        for (size_t i = 0; i < n; i++) sum += (double)x[i * bn->d + c];
        double mean = sum / (double)n;
        for (size_t i = 0; i < n; i++) squares += pow((double)x[i * bn->d + c] - mean, 2);
        double rstd = 1 / sqrt(squares / (double)n + bn->epsilon);
        bn->mean[c] = (real)mean;
        bn->rstd[c] = (real)rstd;
        for (size_t i = 0; i < n; i++) {
            double h = ((double)x[i * bn->d + c] - mean) * rstd;
            y[i * bn->d + c] = (real)(h * (double)bn->gamma[c] + (double)bn->beta[c]);
        }
    }
}

void batchnorm_rows_backward(const struct batchnorm_rows *bn, size_t n, const real *x, const real *dy, real *dx)
{
    for (size_t c = 0; c < bn->d; c++) {
        double mean = (double)bn->mean[c], rstd = (double)bn->rstd[c], sum = 0, along = 0;
        for (size_t i = 0; i < n; i++) {
            double slope = (double)dy[i * bn->d + c];
            sum += slope;
            along += slope * ((double)x[i * bn->d + c] - mean) * rstd;
        }
        bn->dbeta[c] += (real)sum;
        bn->dgamma[c] += (real)along;
        for (size_t i = 0; i < n; i++) {
            double h = ((double)x[i * bn->d + c] - mean) * rstd;
            double slope = (double)dy[i * bn->d + c] - sum / (double)n - h * along / (double)n;
            dx[i * bn->d + c] = (real)((double)bn->gamma[c] * rstd * slope);
        }
    }
}
