/* A single number out of NumPy's .npy format, stored as a number or as text. */
#ifndef DATA_NPY_SCALAR_H
#define DATA_NPY_SCALAR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* False when the bytes are not an .npy array of one finite number: integers, floats, byte and Unicode strings. */
bool npy_number(const uint8_t *bytes, size_t size, double *value);

/* The same of a whole number, at most 1e9 in size. */
bool npy_whole_number(const uint8_t *bytes, size_t size, int64_t *value);

#endif
