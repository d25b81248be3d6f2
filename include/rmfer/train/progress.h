/* How far a run is: a bar where standard error is a terminal, a plain line now and then elsewhere. */
#ifndef RMFER_TRAIN_PROGRESS_H
#define RMFER_TRAIN_PROGRESS_H

#include "rmfer/base/status_line.h"
#include "rmfer/method/phases.h"

#include <stdbool.h>
#include <stdint.h>

struct progress {
    struct status_line status;
    double begin; /* when this session began */
    uint64_t begin_step;
};

/* A term of the loss. */
struct progress_part {
    const char *name;
    double value;
};

struct progress_state {
    uint64_t step, steps; /* done, of all */
    double epoch;
    int64_t epochs;
    double loss;
    struct progress_part parts[MOST_TERMS]; /* shown where there are several */
    size_t part_count;
    double images_per_second;
};

struct progress progress_begin(uint64_t step);

/* Shows the state unless something was shown a moment ago. */
void progress_show(struct progress *progress, const struct progress_state *state);

/* Takes the bar away, before another message. */
void progress_hide(struct progress *progress);

#endif
