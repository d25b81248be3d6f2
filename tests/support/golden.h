/* Golden files: what PyTorch made of numbers that a formula gives (scripts/golden_format.py says the same in Python).
 * A file is a safetensors container of float32 tensors whose metadata are the settings of the case. */
#ifndef TESTS_SUPPORT_GOLDEN_H
#define TESTS_SUPPORT_GOLDEN_H

#include "rmfer/base/real.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct golden;

/* Reads a golden file whole; NULL after a printed message. Release with golden_close. */
struct golden *golden_open(const char *path);
void golden_close(struct golden *golden);

/* A tensor's numbers and how many, valid while the file is open; NULL (and 0) when the file has none of that name. */
const float *golden_tensor(const struct golden *golden, const char *name, size_t *count);

/* The name of tensor `index`, NULL behind the last. */
const char *golden_tensor_name(const struct golden *golden, size_t index);

/* Whether the file says anything of the setting. */
bool golden_has(const struct golden *golden, const char *key);

/* A setting; asking for one that is not there ends the program: a test and its file that disagree. */
const char *golden_setting(const struct golden *golden, const char *key);
double golden_number(const struct golden *golden, const char *key);
int golden_integer(const struct golden *golden, const char *key);

/* The formula: number `index` of the stream `key` in [-1, 1), exact in float32. */
uint64_t golden_key(const char *name);
double golden_uniform(uint64_t key, size_t index);

/* Pictures [count, side, side, 3] of the stream `name`. */
void golden_pictures(const char *name, size_t count, size_t side, real *pictures);

/* Rows [count, classes] that sum to 1: one-hot, or soft ones of the stream "targets.STEP". */
void golden_targets(bool soft, size_t step, size_t count, size_t classes, real *targets);

/* The generated weights or running statistics of the tensor `name`; `shape` as in the registry of parameters. Running
 * variances are around `running_variance`. */
void golden_parameter(const char *name, const size_t *shape, int rank, size_t count, double running_variance,
                      real *values);

enum { GOLDEN_SKETCH_SUMS = 64 };

/* The signed sums a long tensor is stored as; a tensor of at most 64 numbers is stored as it is. Returns the number
 * of sums written. */
size_t golden_sketch(const char *name, const real *values, size_t count, double *sums);

/* |got - expected| / |expected| (Euclidean); 0 where both are 0, and NaN counts as infinitely wrong. */
double golden_relative_error(const float *expected, const double *got, size_t count);

/* Compares a tensor of the file with `got`, as a sketch where the file holds one. Prints the name and the error and
 * returns false when the relative error is above `bound` or the sizes differ. `worst`, where it is not NULL, keeps
 * the largest error seen. */
bool golden_matches(const struct golden *golden, const char *name, const real *got, size_t count, double bound,
                    double *worst);

#endif
