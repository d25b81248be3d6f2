/* What rounds the numbers of a run: the kernels and OpenBLAS's products. */
#ifndef RMFER_OPS_ARITHMETIC_H
#define RMFER_OPS_ARITHMETIC_H

enum { ARITHMETIC_TEXT = 96 };

/* "avx512 kernels, OpenBLAS 0.3.21 for SkylakeX". Two processes of one build of rmfer that say the same, with as many
 * threads each, compute the same bits, whoever made their processors. Returns `text`. */
const char *arithmetic_describe(char text[ARITHMETIC_TEXT]);

#endif
