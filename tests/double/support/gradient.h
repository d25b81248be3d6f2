/* Central differences: what a backward pass says a gradient is, against what moving an input does to the loss.
 *
 * For the tests that link the engine in double precision. Losses are sums of outputs times fixed random numbers, so
 * that every output matters and none is like another. */
#ifndef TESTS_DOUBLE_SUPPORT_GRADIENT_H
#define TESTS_DOUBLE_SUPPORT_GRADIENT_H

#include "rmfer/base/memory.h"
#include "rmfer/base/random.h"
#include "rmfer/ops/batchnorm.h"
#include "rmfer/ops/depthwise.h"

#include <stdbool.h>
#include <stddef.h>

/* Room, random numbers and an operation context for one case. */
struct workbench {
    struct arena arena;
    struct random_stream random;
    struct op_context context;
};

void workbench_init(struct workbench *bench);
void workbench_free(struct workbench *bench);

/* Starts case number `index`: gives all room back, reseeds, and draws 1 to 3 threads and the operations' limits. */
void workbench_start(struct workbench *bench, uint64_t index);

/* `check` with each of `count` cases, numbered from `first`. */
void workbench_trials(void (*check)(struct workbench *bench), uint64_t first, uint64_t count);

/* Room for `threads` pieces of scratch. */
void workbench_scratch(struct workbench *bench, size_t reals);

size_t workbench_below(struct workbench *bench, size_t bound);
size_t workbench_pick(struct workbench *bench, const size_t *sizes, size_t count);
#define PICK(bench, ...) \
    workbench_pick(bench, (const size_t[]){__VA_ARGS__}, sizeof(size_t[]){__VA_ARGS__} / sizeof(size_t))

/* Zeros; normal numbers times `scale` plus `centre`; a copy. */
real *workbench_zeros(struct workbench *bench, size_t count);
real *workbench_normal(struct workbench *bench, size_t count, double centre, double scale);
real *workbench_copy(struct workbench *bench, const real *from, size_t count);
size_t *workbench_counts(struct workbench *bench, size_t count);

/* A batch-norm layer with random scale and shift. Its gradients start at random numbers (`before`): what a backward
 * pass adds is the difference. */
struct batchnorm_case {
    struct batchnorm bn;
    real *gamma, *beta, *dgamma_before, *dbeta_before;
};
struct batchnorm_case workbench_batchnorm(struct workbench *bench, size_t channels);

/* Statistics of x [pixels, channels] as one part, into bn. */
void batchnorm_from_map(struct workbench *bench, struct batchnorm *bn, const real *x, size_t pixels);

/* Output sizes and padding, same or symmetric by chance, for a convolution of which kernel, stride and sizes are set.
 */
void workbench_geometry(struct workbench *bench, struct depthwise *conv);

/* y [N,oH,oW,C] by definition: the sum over taps, zeros outside. `a` is the input as the convolution sees it. */
void depthwise_by_definition(const struct depthwise *conv, size_t images, const real *a, real *y);

/* One variable of an operation. `gradient` is what the backward pass gave, from which `before` (NULL: nothing) is
 * taken off; both are times `scale` of the loss's own. */
struct gradient_check {
    const char *operation; /* for the message */
    double (*loss)(void *setup);
    void *setup;
    double scale;     /* 0 counts as 1 */
    double tolerance; /* of the gradient's size; 0 counts as 1e-7 */
    size_t samples;   /* entries to try; 0 counts as 6 */
    double step;      /* 0 counts as 2e-5 */
    bool two_points;  /* two points instead of four, for what takes long */
};

void assert_gradient(struct workbench *bench, const struct gradient_check *check, const char *variable, real *values,
                     const real *gradient, const real *before, size_t count);

/* Both of a batch-norm layer's parameters. */
void assert_batchnorm_gradient(struct workbench *bench, const struct gradient_check *check, const char *variable,
                               struct batchnorm_case *bn);

/* Entries may differ by `tolerance` times 1 + their size. */
void assert_near(const char *what, const real *wanted, const real *got, size_t count, double tolerance);

double weighted_sum(const real *values, const real *weights, size_t count);
double silu(double z);
double silu_slope(double z);

#endif
