/* Distances of features, and classical scaling by an eigen-decomposition. */
#include "rmfer/plot/embedding.h"

#include "rmfer/base/memory.h"
#include "rmfer/ops/cosine.h"

#include <cblas.h>
#include <math.h>
#include <stdbool.h>
#include <string.h>

/* LAPACK, which OpenBLAS holds: some selected eigenvalues and eigenvectors of a symmetric matrix. The last three
 * arguments are the lengths of the strings, as Fortran compilers pass them. */
void dsyevr_(const char *vectors, const char *range, const char *triangle, const int *n, double *a, const int *lda,
             const double *low, const double *high, const int *first, const int *last, const double *tolerance,
             int *found, double *values, double *z, const int *ldz, int *support, double *work, const int *work_size,
             int *integers, const int *integer_size, int *info, size_t, size_t, size_t);

/* ---- distances --------------------------------------------------------------------------------------------------- */

static status unit_rows(const real *features, size_t n, size_t dimensions, double *rows, struct error *err)
{
    for (size_t i = 0; i < n; i++) {
        double square = 0;
        for (size_t k = 0; k < dimensions; k++) {
            rows[i * dimensions + k] = (double)features[i * dimensions + k];
            square += rows[i * dimensions + k] * rows[i * dimensions + k];
        }
        if (!isfinite(square)) return error_set(err, "the features of picture %zu are not finite numbers", i);
        double length = fmax(sqrt(square), SMALLEST_NORM);
        for (size_t k = 0; k < dimensions; k++) rows[i * dimensions + k] /= length;
    }
    return STATUS_OK;
}

/* |u - v|^2 = |u|^2 + |v|^2 - 2 u.v; what rounding leaves of a distance from itself is taken away. */
static void distances_of_products(double *distances, const double *squares, size_t n)
{
#pragma omp parallel for schedule(static)
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < n; j++) {
            double square = squares[i] + squares[j] - 2 * distances[i * n + j];
            distances[i * n + j] = i == j || square < 1e-14 ? 0 : sqrt(square);
        }
}

status embedding_distances(const real *features, size_t n, size_t dimensions, double *distances, struct error *err)
{
    BUG_UNLESS(n <= EMBEDDING_MOST_POINTS);
    double *rows = memory_allocate(size_multiply(n, dimensions), sizeof *rows, "features", err);
    double *squares = memory_allocate(n, sizeof *squares, "lengths of features", err);
    status result = rows == NULL || squares == NULL ? STATUS_FAILED : unit_rows(features, n, dimensions, rows, err);
    if (result == STATUS_OK && n > 0) {
        int size = (int)n, d = (int)dimensions;
        memset(distances, 0, n * n * sizeof *distances);
        cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasTrans, size, size, d, 1, rows, d, rows, d, 0, distances, size);
        for (size_t i = 0; i < n; i++) squares[i] = distances[i * n + i];
        distances_of_products(distances, squares, n);
    }
    memory_free(rows);
    memory_free(squares);
    return result;
}

/* ---- classical scaling ------------------------------------------------------------------------------------------- */

/* b = -1/2 J D2 J: each squared distance less the means of its row and column, plus the mean of all. */
static void centre_twice(const double *distances, size_t n, double *means, double *b)
{
    double all = 0;
    for (size_t i = 0; i < n; i++) {
        means[i] = 0;
        for (size_t j = 0; j < n; j++) means[i] += distances[i * n + j] * distances[i * n + j];
        means[i] /= (double)n;
        all += means[i] / (double)n;
    }
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < n; j++)
            b[i * n + j] = -0.5 * (distances[i * n + j] * distances[i * n + j] - means[i] - means[j] + all);
}

/* The two largest eigenvalues of b [n, n] (destroyed), ascending, and their vectors [2, n]; n >= 2. */
static status largest_two(double *b, int n, double *values, double *vectors, struct error *err)
{
    double none = 0, wanted_work;
    int first = n - 1, found = 0, wanted_integers, asking = -1, info = 0, support[4];
    dsyevr_("V", "I", "U", &n, b, &n, &none, &none, &first, &n, &none, &found, values, vectors, &n, support,
            &wanted_work, &asking, &wanted_integers, &asking, &info, 1, 1, 1);
    if (info != 0) return error_set(err, "LAPACK's dsyevr refuses a matrix of %d rows (%d)", n, info);
    int work_size = (int)wanted_work, integer_size = wanted_integers;
    double *work = memory_allocate((size_t)work_size, sizeof *work, "room of an eigen-decomposition", err);
    int *integers = memory_allocate((size_t)integer_size, sizeof *integers, "room of an eigen-decomposition", err);
    if (work != NULL && integers != NULL)
        dsyevr_("V", "I", "U", &n, b, &n, &none, &none, &first, &n, &none, &found, values, vectors, &n, support, work,
                &work_size, integers, &integer_size, &info, 1, 1, 1);
    status result = work == NULL || integers == NULL ? STATUS_FAILED : STATUS_OK;
    if (result == STATUS_OK && (info != 0 || found != 2))
        result = error_set(err, "LAPACK's dsyevr found no eigenvalues (%d)", info);
    memory_free(work);
    memory_free(integers);
    return result;
}

/* Axis `axis` of the positions from an eigenvector, turned so that its largest entry is positive. */
static void take_axis(const double *vector, double value, size_t n, size_t axis, double *positions)
{
    size_t largest = 0;
    for (size_t i = 1; i < n; i++)
        if (fabs(vector[i]) > fabs(vector[largest])) largest = i;
    double scale = value > 0 ? sqrt(value) : 0;
    if (vector[largest] < 0) scale = -scale;
    for (size_t i = 0; i < n; i++) positions[2 * i + axis] = scale * vector[i];
}

status embedding_classical(const double *distances, size_t n, double *positions, double *eigenvalues, struct error *err)
{
    BUG_UNLESS(n <= EMBEDDING_MOST_POINTS);
    memset(positions, 0, 2 * n * sizeof *positions);
    if (eigenvalues != NULL) eigenvalues[0] = eigenvalues[1] = 0;
    if (n < 2) return STATUS_OK;
    double *b = memory_allocate(n * n, sizeof *b, "a matrix of distances", err);
    double *means = memory_allocate(n, sizeof *means, "means of distances", err);
    double *values = memory_allocate(n, sizeof *values, "eigenvalues", err);
    double *vectors = memory_allocate(2 * n, sizeof *vectors, "eigenvectors", err);
    bool ready = b != NULL && means != NULL && values != NULL && vectors != NULL;
    if (ready) centre_twice(distances, n, means, b);
    status result = ready ? largest_two(b, (int)n, values, vectors, err) : STATUS_FAILED;
    for (size_t axis = 0; axis < 2 && result == STATUS_OK; axis++) {
        take_axis(vectors + (1 - axis) * n, values[1 - axis], n, axis, positions);
        if (eigenvalues != NULL) eigenvalues[axis] = values[1 - axis];
    }
    memory_free(b);
    memory_free(means);
    memory_free(values);
    memory_free(vectors);
    return result;
}
