/* float32 to 16 bits and back: IEEE 754 half precision and bfloat16, for what is stored narrower than it is computed
 * with. One number at a time, on its bits; whole maps are the kernels' affair (rmfer/kern/kernels.h). */
#ifndef RMFER_BASE_HALF_H
#define RMFER_BASE_HALF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The nearest half, ties to even; subnormal halves too. Values beyond 65504 become infinite. */
uint16_t half_from_float(float value);
float half_to_float(uint16_t half);

/* The nearest bfloat16 (the upper half of a float), ties to even; NaN stays NaN. */
uint16_t bfloat16_from_float(float value);
float bfloat16_to_float(uint16_t upper);

/* Rounds `count` values; false where one of them is not a number, or too large for a finite half. */
bool half_from_floats(const float *values, size_t count, uint16_t *halves);

#endif
