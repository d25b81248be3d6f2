/* Both sides of a face: the mirror image of network input, and the mean of what a network says to both. Faces are about
 * as alike as their mirror images, a network's mistakes are not. */
#ifndef RMFER_NN_MIRROR_H
#define RMFER_NN_MIRROR_H

#include "rmfer/base/real.h"

#include <stddef.h>

/* images and mirrored [n,side,side,3], not the same memory: left becomes right. */
void mirror_images(size_t n, size_t side, const real *images, real *mirrored);

/* values [count] become the means of themselves and of the mirror images'. */
void mirror_average(size_t count, real *values, const real *mirrored);

#endif
