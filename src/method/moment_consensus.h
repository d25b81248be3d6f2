/* What the persons of a moment say together of each of them: from a teacher's probabilities of every face, the labels
 * that training then learns. Numbers only: where pictures, teachers and moments come from is consensus.c's.
 *
 * The model. A moment has an expression, drawn by shares that are estimated. A face shows it with the probability rho,
 * and otherwise an expression drawn by pi, the class shares of the faces. As the teacher's p_j(c) / pi(c) is how much
 * more probable face j looks under c than it looks at all, a moment's expression given its faces but i is
 *
 *   g_{m\i}(c) ~ pi_m(c) prod_{j in m, j != i} ( rho p_j(c) / pi(c) + 1 - rho )
 *
 * and, with the face's own look, its label   q_i(c) ~ p_i(c) ( rho g_{m\i}(c) / pi(c) + 1 - rho ).
 *
 * pi is the mean of the teacher's probabilities over these very faces, not the labels' class shares: how much more
 * probable a look is under a class than at all has the mean 1 over all faces, and only this pi makes it so. A teacher
 * that gives a rare class three times its share would otherwise speak for it, among eight persons, with 3^8: strangers
 * would seem to agree, and labels be worse than the teacher's own. What is wanted of the labels' shares alignment
 * brings back. */
#ifndef RMFER_METHOD_MOMENT_CONSENSUS_H
#define RMFER_METHOD_MOMENT_CONSENSUS_H

#include "rmfer/base/real.h"

#include <stddef.h>

enum { CONSENSUS_CLASSES = 256, CONSENSUS_PERSONS = 64 };

/* Faces numbered from 0 and who else reacts to the moment of each. */
struct consensus_faces {
    size_t count, classes;
    const real *p;        /* [count,classes], the teacher's, rows that sum to 1 */
    const double *shares; /* [classes], pi: consensus_mean of p */
    const void *context;
    /* Writes at most CONSENSUS_PERSONS numbers of the others; returns how many. */
    size_t (*others)(const void *context, size_t face, size_t *numbers);
};

struct consensus {
    double rho;                        /* a face shows its moment's expression */
    double moments[CONSENSUS_CLASSES]; /* pi_m: shares of the moments' expressions */
};

/* The moments' shares by `scans` rounds of expectation and maximisation over all faces that are not alone, from rho =
 * .5 and the shares of the faces; then the rho in 0 .. .99 by which the others of each face foretell it best. (The
 * rounds alone do not find rho: towards 0, where moments say nothing, their steps shrink with its cube.) Without
 * moments rho = 0. Of an RMset of more than 262,144 faces, every n-th is gone through, with all the others of its
 * moment. */
struct consensus consensus_estimate(const struct consensus_faces *faces, int scans);

/* q [count,classes]. *changed is the share of faces whose most probable class is another than the teacher's. */
void consensus_labels(const struct consensus_faces *faces, const struct consensus *consensus, real *q, double *changed);

/* mean [classes] of the rows of p [n,classes], each class at least 1e-6 and their sum 1; rows of 0 count nothing. */
void consensus_mean(size_t n, size_t classes, const real *p, double *mean);

/* Distribution alignment (Berthelot et al. 2020): q(c) times (shares(c) / mean of q(c))^strength, normalised; strength
 * 0 changes nothing. */
void consensus_align(size_t n, size_t classes, const double *shares, double strength, real *q);

/* How much a label counts: 1 - entropy / log classes, 0 where its largest q is below `threshold`. */
double consensus_certainty(size_t classes, const real *q, double threshold);

#endif
