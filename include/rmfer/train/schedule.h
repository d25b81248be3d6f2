/* Learning-rate schedules: a factor by optimizer step that multiplies every group's rate. */
#ifndef RMFER_TRAIN_SCHEDULE_H
#define RMFER_TRAIN_SCHEDULE_H

#include "rmfer/config/config.h"

#include <stdint.h>

struct schedule {
    enum config_schedule kind;
    double warmup_steps; /* linear, before anything else */
    double total_steps;  /* cosine: where it ends */
    double least;        /* cosine: the factor at the end */
    double every_steps;  /* step: between two reductions */
    double gamma;        /* step: each reduction */
};

/* What [train] asks for, with epochs of `steps_per_epoch` optimizer steps. */
struct schedule schedule_of(const struct config_train *train, uint64_t steps_per_epoch);

/* The factor of the step numbered `step` (from 0). With warm-up W: (s + 1) / (W + 1) for s < W; then
 * constant: 1; cosine: least + (1 - least) (1 + cos(pi (s - W) / (total - W))) / 2; step: gamma^floor(s / every). */
double schedule_factor(const struct schedule *schedule, uint64_t step);

#endif
