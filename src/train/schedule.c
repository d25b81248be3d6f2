/* Constant, step, cosine; and the warm-up before them. */
#include "rmfer/train/schedule.h"

#include <math.h>

static const double PI = 3.14159265358979323846;

struct schedule schedule_of(const struct config_train *train, uint64_t steps_per_epoch)
{
    double epoch = (double)steps_per_epoch;
    double total = (double)train->epochs * epoch;
    if (train->max_steps > 0 && (double)train->max_steps < total) total = (double)train->max_steps;
    return (struct schedule){
        .kind = train->schedule,
        .warmup_steps = train->lr_warmup_epochs * epoch,
        .total_steps = total,
        .least = train->lr_min,
        .every_steps = train->step_epochs * epoch,
        .gamma = train->step_gamma,
    };
}

static double cosine_factor(const struct schedule *schedule, double step)
{
    double length = schedule->total_steps - schedule->warmup_steps;
    double share = length > 0 ? (step - schedule->warmup_steps) / length : 1;
    if (share > 1) share = 1;
    return schedule->least + (1 - schedule->least) * (1 + cos(PI * share)) / 2;
}

double schedule_factor(const struct schedule *schedule, uint64_t step)
{
    double at = (double)step;
    if (at < schedule->warmup_steps) return (at + 1) / (schedule->warmup_steps + 1);
    switch (schedule->kind) {
    case SCHEDULE_CONSTANT: return 1;
    case SCHEDULE_COSINE: return cosine_factor(schedule, at);
    case SCHEDULE_STEP: return pow(schedule->gamma, floor(at / schedule->every_steps));
    }
    return 1;
}
