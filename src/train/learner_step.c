/* An epoch's begin, and one optimizer step: accumulation, SAM's two passes, finite or not. */
#include "learner.h"

#include "rmfer/base/log.h"

#include <math.h>
#include <string.h>

/* What the batches of one step have in common. */
struct group {
    struct learner *learner;
    const struct run_plan *plan;
    struct pictures *pictures;
    uint64_t step;
    size_t batches;
    struct optimizer_rates rates;
    struct learner_failure *failure;
};

static const struct batch *batch_at(const struct group *group, size_t place)
{
    return group->pictures->store.count > 0 ? &group->pictures->store.batches[place] : &group->learner->batch;
}

static status fail_on_loss(const struct group *group, const struct step_outcome *outcome, size_t place,
                           struct error *err)
{
    *group->failure = (struct learner_failure){
        .happened = true, .is_loss = true, .outcome = *outcome, .batches = batch_at(group, place), .count = 1};
    return error_set(err, "the loss is not finite");
}

/* Forward and backward of one batch; `again` in SAM's pass up the slope: the same choices and masks, running
 * statistics left alone. */
static status run_batch(const struct group *group, size_t place, bool again, struct step_outcome *outcome,
                        struct error *err)
{
    const struct run_plan *plan = group->plan;
    const struct batch *batch = batch_at(group, place);
    struct method_step step = {
        .batch = batch,
        .weights = run_plan_phase(plan, group->step)->weights,
        .gradient_scale = 1 / (double)group->batches,
        .progress = run_plan_progress(plan, group->step),
        .phase_begin = run_plan_phase_begin(plan, group->step),
        .bn_momentum = again ? 0 : plan->config->model.bn_momentum,
        .seed = (uint64_t)plan->config->train.seed,
        .draw = batch->epoch * plan->batches_per_epoch + batch->index,
        .place = group->pictures->store.count > 0 ? place : 0,
        .again = again,
        .last = place + 1 == group->batches,
    };
    *outcome = (struct step_outcome){0};
    plan->method->step(group->learner->self, &step, outcome);
    return isfinite(outcome->total) ? STATUS_OK : fail_on_loss(group, outcome, place, err);
}

/* A term that is off is no loss of 0, nor is one that the method left out, nor is what valence and arousal lose where
 * fewer than two rows have them. */
static bool takes_part(const struct group *group, size_t term, const struct step_outcome *outcome)
{
    if (outcome->terms[term] != 0) return true;
    return !outcome->left_out[term] && (int)term != group->plan->affect_term &&
           run_plan_phase(group->plan, group->step)->weights[term] > 0;
}

static void add_to_window(const struct group *group, struct loss_window *window, const struct batch *batch,
                          const struct step_outcome *outcome)
{
    window->batches++;
    window->images += batch->streams[0].rows;
    window->total += outcome->total;
    for (size_t i = 0; i < group->plan->method->term_count; i++) {
        window->terms[i] += outcome->terms[i];
        window->term_batches[i] += takes_part(group, i, outcome);
    }
    for (size_t i = 0; i < MOST_FIGURES; i++) {
        window->figure_sums[i] += outcome->figures[i].sum;
        window->figure_counts[i] += outcome->figures[i].count;
    }
}

/* The pass at the weights as they are: reads the batches and adds up their gradients. */
static status first_pass(struct group *group, struct loss_window *window, struct error *err)
{
    for (size_t i = 0; i < group->batches; i++) {
        struct step_outcome outcome;
        status result = pictures_next(group->pictures, group->plan, i, &group->learner->batch, err);
        if (result == STATUS_OK) result = run_batch(group, i, false, &outcome, err);
        if (result != STATUS_OK) return result;
        add_to_window(group, window, batch_at(group, i), &outcome);
    }
    return STATUS_OK;
}

static status second_pass(struct group *group, struct error *err)
{
    struct step_outcome outcome;
    status result = STATUS_OK;
    for (size_t i = 0; i < group->batches && result == STATUS_OK; i++)
        result = run_batch(group, i, true, &outcome, err);
    return result;
}

/* The gradient's length; an error when it is not finite. */
static status gradient_norm(const struct group *group, double *norm, struct error *err)
{
    *norm = optimizer_gradient_norm(group->learner->optimizer, &group->rates);
    if (isfinite(*norm)) return STATUS_OK;
    *group->failure = (struct learner_failure){.happened = true,
                                               .norm = *norm,
                                               .batches = batch_at(group, 0),
                                               .count = group->pictures->store.count > 0 ? group->batches : 1};
    return error_set(err, "the gradient is not finite");
}

/* Completes the sums over processes. That every process then has the same length is what shows that they have not come
 * apart: one that computes the heads otherwise, on another processor say, would train another network. */
static status sum_gradients(const struct group *group, double *norm, struct error *err)
{
    if (group->learner->sums != NULL && !group->rates.frozen[GROUP_BACKBONE])
        dist_gradients_finish(group->learner->sums);
    status result = gradient_norm(group, norm, err);
    if (!dist_is_many(group->plan->dist)) return result;
    status same = dist_same(group->plan->dist, "the gradients", norm, sizeof *norm, result == STATUS_OK ? err : NULL);
    return result != STATUS_OK ? result : same;
}

/* Without common statistics each process has running ones of its own rows: their mean is kept. */
static void average_statistics(const struct group *group)
{
    struct parameters *all = &group->learner->model.parameters;
    if (!dist_is_many(group->plan->dist) || group->plan->config->train.sync_bn) return;
    real *buffers = parameters_write_buffers(all);
    enum { PIECE = 1024 };
    double piece[PIECE], size = dist_size(group->plan->dist);
    for (size_t at = 0; at < all->buffer_count; at += PIECE) {
        size_t n = all->buffer_count - at < PIECE ? all->buffer_count - at : PIECE;
        for (size_t i = 0; i < n; i++) piece[i] = (double)buffers[at + i];
        dist_sum(group->plan->dist, piece, n);
        for (size_t i = 0; i < n; i++) buffers[at + i] = (real)(piece[i] / size);
    }
}

/* The gradients that the optimizer steps along, and their length: at w, or with SAM up the slope from there. */
static status find_gradients(struct group *group, struct loss_window *window, double *norm, struct error *err)
{
    struct learner *learner = group->learner;
    parameters_zero_gradients(&learner->model.parameters);
    status result = first_pass(group, window, err);
    if (result == STATUS_OK) result = sum_gradients(group, norm, err);
    if (result != STATUS_OK || !group->plan->sharpness_aware) return result;
    optimizer_sharpen(learner->optimizer, &group->rates, *norm);
    result = second_pass(group, err);
    if (result == STATUS_OK) result = sum_gradients(group, norm, err);
    if (result != STATUS_OK) optimizer_restore(learner->optimizer, &group->rates);
    return result;
}

/* The step is made all the same: what the optimizer remembers may move the weights, and the next gradient is another.
 */
static void note_zero_gradient(const struct group *group)
{
    if (group->learner->zero_gradient_steps++ > 0) return;
    log_warning("step %llu: every gradient is zero, so that nothing is learned from it (the losses' weights, "
                "train.freeze_backbone and class weights say what learns); said once",
                (unsigned long long)group->step + 1);
}

/* Moves the weights, and what follows them. */
static void update(struct group *group, double norm)
{
    struct learner *learner = group->learner;
    const struct config_train *train = &group->plan->config->train;
    optimizer_step(learner->optimizer, &group->rates, optimizer_clip_factor(norm, train->clip_norm));
    if (learner->has_average)
        weight_average_update(&learner->average, &learner->model.parameters,
                              weight_average_decay(train->ema_decay, group->step + 1));
    if (learner->method->after_update != NULL)
        learner->method->after_update(learner->self, run_plan_progress(group->plan, group->step + 1));
}

/* The walks that the method asks for, and what it does with them. */
static status walk_and_begin(struct learner *learner, const struct run_plan *plan, const struct pictures *pictures,
                             uint64_t number, const volatile sig_atomic_t *stop, bool *interrupted, struct error *err)
{
    const struct method *method = learner->method;
    const bool asked[] = {[PICTURES_OF_TRAINING] = method->walks_labelled,
                          [PICTURES_OF_SELECTION] = method->walks_validation,
                          [PICTURES_OF_RMSET] = method->walks_faces && pictures->index != NULL};
    enum { KINDS = sizeof asked / sizeof asked[0] };
    struct pictures_walk walks[KINDS] = {0};
    struct picture_walk given[KINDS];
    status result = STATUS_OK;
    for (int i = 0; i < KINDS; i++) {
        given[i] = (struct picture_walk){&walks[i], pictures_walk_next};
        if (result == STATUS_OK && asked[i])
            result = pictures_walk_begin(&walks[i], pictures, plan, (enum pictures_of)i, number, stop, err);
    }
    struct method_epoch epoch = {
        .epoch = number,
        .walk = asked[PICTURES_OF_TRAINING] ? &given[PICTURES_OF_TRAINING] : NULL,
        .validation = asked[PICTURES_OF_SELECTION] ? &given[PICTURES_OF_SELECTION] : NULL,
        .faces = asked[PICTURES_OF_RMSET] ? &given[PICTURES_OF_RMSET] : NULL,
    };
    if (result == STATUS_OK) result = method->begin_epoch(learner->self, &epoch, err);
    for (int i = 0; i < KINDS; i++) {
        *interrupted = *interrupted || walks[i].is_interrupted;
        pictures_walk_end(&walks[i]);
    }
    return result;
}

status learner_begin_epoch(struct learner *learner, const struct run_plan *plan, const struct pictures *pictures,
                           const struct run_state *state, const volatile sig_atomic_t *stop, bool *interrupted,
                           struct error *err)
{
    uint64_t step = (uint64_t)state->position.step;
    *interrupted = false;
    if (learner->method->begin_epoch == NULL || run_plan_first_batch(plan, step) != 0) return STATUS_OK;
    status result = walk_and_begin(learner, plan, pictures, run_plan_epoch(plan, step), stop, interrupted, err);
    if (!*interrupted) return result;
    error_clear(err);
    return STATUS_OK;
}

status learner_step(struct learner *learner, const struct run_plan *plan, struct pictures *pictures,
                    struct run_state *state, struct learner_failure *failure, struct error *err)
{
    uint64_t step = (uint64_t)state->position.step;
    struct parameters *parameters = &learner->model.parameters;
    size_t buffer_bytes = parameters->buffer_count * sizeof(real);
    struct group group = {.learner = learner,
                          .plan = plan,
                          .pictures = pictures,
                          .step = step,
                          .batches = run_plan_batches(plan, step),
                          .rates = run_plan_rates(plan, step),
                          .failure = failure};
    struct loss_window window = state->window;
    double norm = 0;
    *failure = (struct learner_failure){0};
    memcpy(learner->buffers_before, parameters->buffers, buffer_bytes);
    status result = find_gradients(&group, &window, &norm, err);
    if (result != STATUS_OK) {
        dist_gradients_give_up(learner->sums);
        memcpy(parameters_write_buffers(parameters), learner->buffers_before, buffer_bytes);
        return result;
    }
    if (norm == 0) note_zero_gradient(&group);
    average_statistics(&group);
    update(&group, norm);
    window.steps++;
    window.gradient_norm += norm;
    state->window = window;
    state->position.step++;
    return STATUS_OK;
}
