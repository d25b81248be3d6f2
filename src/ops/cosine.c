/* z / |z| and its gradient: what is left of dz after its part along z is taken away, divided by the length. */
#include "rmfer/ops/cosine.h"

#include <math.h>

void unit_rows_forward(size_t n, size_t d, const real *z, real *unit, real *norm)
{
    for (size_t i = 0; i < n; i++) {
        const real *row = z + i * d;
        double squares = 0;
        for (size_t j = 0; j < d; j++) squares += (double)row[j] * (double)row[j];
        double length = sqrt(squares);
        norm[i] = (real)(length > SMALLEST_NORM ? length : SMALLEST_NORM);
        real inverse = 1 / norm[i];
        for (size_t j = 0; j < d; j++) unit[i * d + j] = row[j] * inverse;
    }
}

void unit_rows_backward(size_t n, size_t d, const real *unit, const real *norm, const real *dunit, real *dz)
{
    for (size_t i = 0; i < n; i++) {
        const real *u = unit + i * d, *du = dunit + i * d;
        double along = 0;
        for (size_t j = 0; j < d; j++) along += (double)u[j] * (double)du[j];
        /* A row shorter than the guard is divided by a constant: nothing to project out. */
        if ((double)norm[i] <= SMALLEST_NORM) along = 0;
        real inverse = 1 / norm[i];
        for (size_t j = 0; j < d; j++) dz[i * d + j] = (du[j] - u[j] * (real)along) * inverse;
    }
}
