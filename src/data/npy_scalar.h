/* A single number out of NumPy's .npy format, stored as a number or as text. */
#ifndef DATA_NPY_SCALAR_H
#define DATA_NPY_SCALAR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* False when the bytes are not an .npy array of one whole number: integers, floats, byte and Unicode strings. */
bool npy_scalar(const uint8_t *bytes, size_t size, int64_t *value);

#endif
