/* Many dimensions in a plane: classical scaling, refined to metric stress by SMACOF (the paper's Figure 5).
 *
 * Sizes: n points; distances [n, n], symmetric with a zero diagonal; positions [n, 2]. Memory is the caller's. */
#ifndef RMFER_PLOT_EMBEDDING_H
#define RMFER_PLOT_EMBEDDING_H

#include "rmfer/base/error.h"
#include "rmfer/base/real.h"

#include <stddef.h>
#include <stdint.h>

enum { EMBEDDING_MOST_POINTS = 10000, EMBEDDING_ROUNDS = 300 };

/* Distances of features [n, dimensions] whose rows are scaled to length one: |u - v| = sqrt(2 - 2 cos(u, v)), so that
 * what is near in the plane has a high cosine similarity. A row of zeros stays at the origin. A number that is not
 * finite is an error that names its row. */
status embedding_distances(const real *features, size_t n, size_t dimensions, double *distances,
                           struct error *err) MUST_CHECK;

/* Classical scaling (W. S. Torgerson, Multidimensional scaling: I, Psychometrika 17, 1952): B = -1/2 J D2 J of the
 * squared distances D2 with J = I - 1 1'/n; the positions are the eigenvectors of its two largest eigenvalues times
 * their roots (0 where one is negative), each turned so that its largest entry is positive. Largest eigenvalue first;
 * `eigenvalues` [2] may be NULL. By LAPACK's dsyevr; takes room for one more n x n matrix. */
status embedding_classical(const double *distances, size_t n, double *positions, double *eigenvalues,
                           struct error *err) MUST_CHECK;

/* sqrt(sum (d - delta)^2 / sum delta^2) over pairs, d the distances in the plane: the root of the raw stress as a share
 * of what there is to be kept. 0 where all distances are 0. */
double embedding_stress(const double *distances, size_t n, const double *positions);

/* SMACOF (J. de Leeuw, Applications of convex analysis to multidimensional scaling, 1977) with equal weights: each
 * round is the Guttman transform x_i <- 1/n sum_j delta_ij / d_ij (x_i - x_j), after which the raw stress is never
 * higher. Ends when a round takes away less than 1e-6 of the stress, or after EMBEDDING_ROUNDS. `history`
 * [EMBEDDING_ROUNDS + 1], may be NULL, is the stress before the first round and after each. `room` is [n, 2]. Returns
 * the rounds. */
size_t embedding_refine(const double *distances, size_t n, double *positions, double *room, double *history);

/* Moves the cloud to its mean and scales it to a mean squared distance of 1 from there, as `rmfer eval` does before it
 * measures the distance from the class centre. Nothing is scaled where all points are equal. */
void embedding_normalise(double *positions, size_t n);

/* Turns and mirrors `positions` about the origin onto `reference`, the same points in another plane (orthogonal
 * Procrustes: P. H. Schoenemann, Psychometrika 31, 1966). Both are centred. */
void embedding_align(const double *reference, double *positions, size_t n);

/* Centres [classes, 2] of the labelled points, NaN for a class without any; returns the mean distance of a point from
 * its class's centre, NaN without labelled points. */
double embedding_centres(const double *positions, const int32_t *labels, size_t n, size_t classes, double *centres);

#endif
