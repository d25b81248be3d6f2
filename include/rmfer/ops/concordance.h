/* Lin's concordance correlation coefficient (L. I-K. Lin, A concordance correlation coefficient to evaluate
 * reproducibility, Biometrics 45, 1989), and 1 minus it as a loss: how well predicted numbers agree with true ones, in
 * scale and in level too, as valence and arousal are judged. It knows nothing of what the numbers mean. */
#ifndef RMFER_OPS_CONCORDANCE_H
#define RMFER_OPS_CONCORDANCE_H

#include "rmfer/base/real.h"

#include <stddef.h>

/* Of column `dimension` of two matrices [n,dimensions], over the rows whose truth there is a number (NaN = none is
 * known):
 *
 *   2 s_xy / (s_x^2 + s_y^2 + (m_x - m_y)^2)       with moments over 1/n, as Lin's estimate has them
 *
 * NaN where fewer than two rows have a truth and where all their truths are equal: nothing can be said then. */
double concordance(size_t n, size_t dimensions, size_t dimension, const real *predicted, const real *truth);

/* 1 - mean of the dimensions' coefficients, those that are no number left out of the mean; 0 where none is one.
 * dpredicted [n,dimensions] = its gradient times `scale` (overwritten; 0 where it does not depend on a number). */
double concordance_loss(size_t n, size_t dimensions, const real *predicted, const real *truth, double scale,
                        real *dpredicted);

#endif
