/* float32 to IEEE 754 half precision, for checkpoints that are stored narrower than they are computed with. */
#ifndef RMFER_CKPT_HALF_H
#define RMFER_CKPT_HALF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The nearest half, ties to even; subnormal halves too. Values beyond 65504 become infinite. */
uint16_t half_from_float(float value);

/* Rounds `count` values; false where one of them is not a number, or too large for a finite half. */
bool half_from_floats(const float *values, size_t count, uint16_t *halves);

#endif
