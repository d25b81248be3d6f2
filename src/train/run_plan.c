/* The plan of a run out of its configuration and the number of its samples. */
#include "run_plan.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* The term of the head for valence and arousal, -1 where it is not among what the method trains. */
static int affect_term(const struct method *method)
{
    for (size_t i = 0; i < method->term_count; i++)
        if (strcmp(method->terms[i].name, "va") == 0) return (int)i;
    return -1;
}

static status refuse_affect(const struct config *config, const char *method, struct error *err)
{
    char learners[256] = "";
    size_t count, used = 0;
    const struct method *const *methods = method_table(&count);
    for (size_t i = 0; i < count && used < sizeof learners; i++)
        if (affect_term(methods[i]) >= 0)
            used += (size_t)snprintf(learners + used, sizeof learners - used, "%s%s", used > 0 ? ", " : "",
                                     methods[i]->name);
    return error_set_usage(err, "va.weight = %g: train.method = %s does not learn valence and arousal (these do: %s)",
                           config->va.weight, method, learners);
}

/* How many there are does not depend on the number of features. */
static bool adds_heads(const struct method *method, const struct config *config)
{
    struct parameter entries[MOST_HEAD_ENTRIES] = {0};
    return method->heads != NULL && method->heads(config, 1, entries) > 0;
}

status run_plan_init(struct run_plan *plan, const struct config *config, struct dist *dist, struct error *err)
{
    *plan = (struct run_plan){.config = config, .method = method_find(config->train.method), .dist = dist};
    if (plan->method == NULL) return error_set_usage(err, "train.method = %s: no such method", config->train.method);
    plan->sharpness_aware = config->train.optimizer == OPTIMIZER_SAM;
    if (dist_is_many(dist) && config->train.batch < dist_size(dist))
        return error_set_usage(err, "train.batch = %lld is shared out over %d processes: each needs a picture",
                               (long long)config->train.batch, dist_size(dist));
    if (plan->method->check != NULL) {
        status result = plan->method->check(config, err);
        if (result != STATUS_OK) return result;
    }
    plan->affect_term = affect_term(plan->method);
    if (config->va.weight > 0 && plan->affect_term < 0) return refuse_affect(config, plan->method->name, err);
    plan->adds_heads = adds_heads(plan->method, config);
    plan->method->phases(config, &plan->phases);
    plan->stream_count = plan->method->streams(config, plan->streams);
    BUG_UNLESS(plan->stream_count >= 1 && plan->streams[0].source == STREAM_LABELLED);
    return STATUS_OK;
}

bool run_plan_writes(const struct run_plan *plan)
{
    return !dist_is_many(plan->dist) || dist_rank(plan->dist) == 0;
}

bool stream_is_rmset(enum stream_source source)
{
    return source == STREAM_RMSET_DRAWS || source == STREAM_RMSET_FACES || source == STREAM_RMSET_MOMENTS;
}

bool run_plan_needs_rmset(const struct run_plan *plan)
{
    for (size_t i = 0; i < plan->stream_count; i++)
        if (stream_is_rmset(plan->streams[i].source)) return true;
    return false;
}

/* Whether a stream, any or one of the RMset, shows plain views. */
static bool has_plain_view(const struct run_plan *plan, bool of_rmset)
{
    for (size_t i = 0; i < plan->stream_count; i++) {
        const struct stream_request *request = &plan->streams[i];
        if (of_rmset && !stream_is_rmset(request->source)) continue;
        for (int v = 0; v < request->view_count; v++)
            if (request->views[v] == VIEW_PLAIN) return true;
    }
    return false;
}

static status refuse_idle_key(const struct run_plan *plan, const char *key, const char *of_what, struct error *err)
{
    return error_set_usage(
        err,
        "%s = false: %s looks at no plain view%s, which alone this leaves as it is; its views are set in "
        "[augment.weak], [augment.strong] and [augment.pair] (%s = true)",
        key, plan->method->name, of_what, key);
}

/* Weak, strong and pair views are what a method compares: the keys leave them alone. */
status run_plan_check_augmentation(const struct run_plan *plan, struct error *err)
{
    const struct config *config = plan->config;
    if (!config->augment.enabled && !has_plain_view(plan, false))
        return refuse_idle_key(plan, "augment.enabled", "", err);
    if (!config->rmset.augment && run_plan_needs_rmset(plan) && !has_plain_view(plan, true))
        return refuse_idle_key(plan, "rmset.augment", " of the RMset", err);
    return STATUS_OK;
}

static uint64_t steps_of_epochs(const struct run_plan *plan, double epochs)
{
    double steps = round(epochs * (double)plan->steps_per_epoch);
    return steps < 1 ? 1 : (uint64_t)steps;
}

void run_plan_count(struct run_plan *plan, uint64_t samples)
{
    const struct config_train *train = &plan->config->train;
    uint64_t accumulate = (uint64_t)train->accumulate;
    plan->batches_per_epoch = samples / (uint64_t)train->batch;
    plan->steps_per_epoch = (plan->batches_per_epoch + accumulate - 1) / accumulate;
    plan->schedule = schedule_of(train, plan->steps_per_epoch);
    plan->last_step = (uint64_t)train->epochs * plan->steps_per_epoch;
    if (train->max_steps > 0 && (uint64_t)train->max_steps < plan->last_step)
        plan->last_step = (uint64_t)train->max_steps;
    plan->evaluation_steps = steps_of_epochs(plan, plan->config->eval.every);
    plan->checkpoint_steps = steps_of_epochs(plan, plan->config->output.checkpoint_every);
}

uint64_t run_plan_epoch(const struct run_plan *plan, uint64_t step)
{
    return step / plan->steps_per_epoch;
}

double run_plan_epochs_done(const struct run_plan *plan, uint64_t steps)
{
    return (double)steps / (double)plan->steps_per_epoch;
}

double run_plan_progress(const struct run_plan *plan, uint64_t steps)
{
    return (double)steps / (double)plan->last_step;
}

double run_plan_phase_begin(const struct run_plan *plan, uint64_t step)
{
    return run_plan_progress(plan, run_plan_phase(plan, step)->first_epoch * plan->steps_per_epoch);
}

uint64_t run_plan_first_batch(const struct run_plan *plan, uint64_t step)
{
    return step % plan->steps_per_epoch * (uint64_t)plan->config->train.accumulate;
}

size_t run_plan_batches(const struct run_plan *plan, uint64_t step)
{
    uint64_t left = plan->batches_per_epoch - run_plan_first_batch(plan, step);
    uint64_t most = (uint64_t)plan->config->train.accumulate;
    return (size_t)(left < most ? left : most);
}

size_t run_plan_most_batches(const struct run_plan *plan)
{
    return run_plan_batches(plan, 0);
}

const struct phase *run_plan_phase(const struct run_plan *plan, uint64_t step)
{
    return phase_table_at(&plan->phases, run_plan_epoch(plan, step));
}

struct optimizer_rates run_plan_rates(const struct run_plan *plan, uint64_t step)
{
    struct optimizer_rates rates = run_plan_phase(plan, step)->rates;
    double factor = schedule_factor(&plan->schedule, step);
    for (int i = 0; i < GROUP_COUNT; i++) rates.learning_rate[i] *= factor;
    return rates;
}

double run_plan_head_rate(const struct run_plan *plan, const struct optimizer_rates *rates)
{
    if (plan->method->has_attention_heads && !rates->frozen[GROUP_PROJECTION])
        return rates->learning_rate[GROUP_PROJECTION];
    return plan->adds_heads && !rates->frozen[GROUP_METHOD] ? rates->learning_rate[GROUP_METHOD] : NAN;
}
