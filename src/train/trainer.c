#include "trainer_internal.h"

#include "rmfer/base/log.h"

#include <math.h>

static bool must_stop(const struct trainer *t)
{
    return t->options->stop != NULL && *t->options->stop != 0;
}

static bool is_last(const struct trainer *t)
{
    return (uint64_t)t->position.step >= t->last_step;
}

/* Every so many steps, and at the end; a step is evaluated once, before or after a restart. */
static bool evaluation_is_due(const struct trainer *t)
{
    const struct position *position = &t->position;
    if (position->step == 0 || position->evaluated_step == position->step) return false;
    return is_last(t) || (uint64_t)position->step % t->evaluation_steps == 0;
}

static bool checkpoint_is_due(const struct trainer *t)
{
    if (t->position.step == 0 || t->checkpoint_step == t->position.step) return false;
    return is_last(t) || (uint64_t)t->position.step % t->checkpoint_steps == 0;
}

static bool has_stalled(const struct trainer *t)
{
    int64_t patience = t->config->train.early_stopping;
    return patience > 0 && t->position.evaluations_without_better >= patience;
}

/* Whether the accuracy is better than the best one so far, which it then becomes. */
static bool improves(double accuracy, double *best, int64_t *best_step, int64_t step)
{
    if (isnan(accuracy) || (!isnan(*best) && accuracy <= *best)) return false;
    *best = accuracy;
    *best_step = step;
    return true;
}

/* Remembers that this step was evaluated; writes the files of what became better. */
static status keep_best(struct trainer *t, const struct evaluation *evaluation, struct error *err)
{
    struct position *position = &t->position;
    bool overall = improves(confusion_overall_accuracy(&evaluation->confusion), &t->best.overall,
                            &position->best_overall_step, position->step);
    bool average = improves(confusion_average_accuracy(&evaluation->confusion), &t->best.average,
                            &position->best_average_step, position->step);
    position->evaluated_step = position->step;
    if (t->checkpoint_step == position->step) t->checkpoint_step = -1; /* it does not know this evaluation */
    position->evaluations_without_better = overall || average ? 0 : position->evaluations_without_better + 1;
    status result = trainer_report_evaluation(t, evaluation, err);
    if (result == STATUS_OK && overall) result = trainer_write_best(t, t->run.best_overall, err);
    if (result == STATUS_OK && average) result = trainer_write_best(t, t->run.best_average, err);
    return result;
}

static status evaluate(struct trainer *t, struct error *err)
{
    const struct evaluation *evaluation;
    struct model view = t->has_average ? weight_average_view(&t->average, &t->model) : t->model;
    status result = evaluator_run(t->evaluator, &view, &evaluation, err);
    if (result != STATUS_OK || evaluation->interrupted) return result;
    return keep_best(t, evaluation, err);
}

/* What follows a step: its line, its evaluation, its checkpoint. What a signal cuts short is done after resuming. */
static status follow_up(struct trainer *t, struct error *err)
{
    status result = STATUS_OK;
    if (evaluation_is_due(t) && !must_stop(t)) result = evaluate(t, err);
    bool ends = must_stop(t) || has_stalled(t);
    if (result == STATUS_OK && (checkpoint_is_due(t) || (ends && t->checkpoint_step != t->position.step)))
        result = trainer_write_last(t, err);
    return result;
}

static status make_step(struct trainer *t, struct error *err)
{
    status result = trainer_step(t, err);
    if (result != STATUS_OK) return result;
    trainer_show_progress(t);
    bool line_is_due = t->position.step % t->config->output.log_every == 0 || is_last(t);
    return line_is_due ? trainer_report_window(t, err) : STATUS_OK;
}

static status run(struct trainer *t, struct error *err)
{
    t->progress = progress_begin((uint64_t)t->position.step);
    status result = follow_up(t, err);
    while (result == STATUS_OK && !must_stop(t) && !has_stalled(t) && !is_last(t)) {
        result = make_step(t, err);
        if (result == STATUS_OK) result = follow_up(t, err);
    }
    progress_hide(&t->progress);
    return result;
}

static void summarise(const struct trainer *t, struct training_summary *summary)
{
    const struct stopwatch *watch = &t->watch;
    bool timed = watch->training_seconds > 0;
    bool complete = is_last(t) && t->position.evaluated_step == t->position.step;
    *summary = (struct training_summary){
        .end = complete         ? TRAINING_COMPLETE
               : has_stalled(t) ? TRAINING_STOPPED_EARLY
                                : TRAINING_INTERRUPTED,
        .steps = t->position.step,
        .epochs = trainer_epochs_done(t, (uint64_t)t->position.step),
        .selected_on = t->config->eval.select == SELECT_TEST ? "test" : "valid",
        .overall = {t->best.overall, t->position.best_overall_step},
        .average = {t->best.average, t->position.best_average_step},
        .images_per_second = timed ? watch->images / watch->training_seconds : 0,
        .data_wait_share = timed ? loader_wait_seconds(t->loader) / watch->training_seconds : 0,
    };
}

status trainer_run(const struct trainer_options *options, struct training_summary *summary, struct error *err)
{
    *summary = (struct training_summary){.overall = {NAN, 0}, .average = {NAN, 0}};
    struct trainer *t = memory_allocate(1, sizeof *t, "the trainer", err);
    if (t == NULL) return STATUS_FAILED;
    t->options = options;
    t->config = options->config;
    status result = trainer_prepare(t, err);
    if (result == STATUS_OK) result = run(t, err);
    if (result == STATUS_OK) {
        summarise(t, summary);
        log_info(
            "%lld steps, %.1f images/s, %.1f%% of the training time spent waiting for pictures, peak memory %.0f MiB",
            (long long)summary->steps, summary->images_per_second, 100 * summary->data_wait_share,
            (double)memory_peak_resident() / 1048576.0);
    } else {
        log_verbose("training ended: %s", err->message); /* for log.txt, which is closed before the error is shown */
    }
    trainer_release(t);
    memory_free(t);
    return result;
}
