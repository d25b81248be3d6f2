/* Where a run is: what its checkpoint remembers besides tensors of the model, the optimizer and the method. Plain
 * numbers, kept as they stand. */
#ifndef RMFER_TRAIN_RUN_STATE_H
#define RMFER_TRAIN_RUN_STATE_H

#include "rmfer/method/method.h"

#include <stddef.h>

/* Sums over the batches since the last line of metrics. Doubles only. */
struct loss_window {
    double batches, images, steps;
    double total, gradient_norm;
    double terms[MOST_TERMS];
    double figure_sums[MOST_FIGURES], figure_counts[MOST_FIGURES];
    double
        term_batches[MOST_TERMS]; /* that a term took part in; in checkpoints a tensor of its own, as it came later */
};
enum { LOSS_WINDOW_DOUBLES = offsetof(struct loss_window, term_batches) / sizeof(double) };

struct position {
    int64_t step;           /* optimizer steps done */
    int64_t evaluated_step; /* of the last evaluation, 0 = none */
    int64_t evaluations_without_better;
    int64_t best_overall_step, best_average_step;
    int64_t threads; /* that the run was made with */
};
enum { POSITION_INTEGERS = sizeof(struct position) / sizeof(int64_t) };

/* The best accuracies so far; NaN = none. */
struct bests {
    double overall, average;
};
enum { BESTS_DOUBLES = sizeof(struct bests) / sizeof(double) };

/* How many pictures they are accuracies of; 0 = not known. */
struct best_pictures {
    int64_t overall, average;
};
enum { BEST_PICTURES_INTEGERS = sizeof(struct best_pictures) / sizeof(int64_t) };

struct run_state {
    struct position position;
    struct bests best;
    struct best_pictures best_pictures;
    struct loss_window window;
};

#endif
