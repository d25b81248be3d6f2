/* The loop of a run: step, evaluate, write. What a run will do is run_plan's, who learns learner's, what is left for
 * people journal's, what it goes on from run_checkpoint's; none of them knows this file. */
#include "rmfer/train/trainer.h"

#include "rmfer/base/clock.h"
#include "rmfer/base/crc32c.h"
#include "rmfer/base/file.h"
#include "rmfer/base/log.h"
#include "rmfer/base/threads.h"

#include "journal.h"
#include "run_checkpoint.h"

#include <math.h>
#include <string.h>

struct trainer {
    const struct trainer_options *options;
    struct run_plan plan;
    struct pictures pictures;
    struct learner learner;
    struct run_state state;
    struct run_checkpoint checkpoint;
    struct evaluator *evaluator;
    struct journal journal;
    bool stops;        /* over several processes: one of them was told to */
    bool another_ends; /* of several processes: it failed where this one would have gone on */
    bool cannot_read;  /* pictures that were there */
};

/* A signal; of several processes one that all have agreed on. */
static bool must_stop(const struct trainer *t)
{
    if (dist_is_many(t->options->dist)) return t->stops;
    return t->options->stop != NULL && *t->options->stop != 0;
}

/* Between steps all processes learn what one of them knows: that it failed, that it was told to stop. */
static status agree(struct trainer *t, status result, struct error *err)
{
    struct dist *dist = t->options->dist;
    if (!dist_is_many(dist)) return result;
    if (dist_agree(dist, result, err) != STATUS_OK) {
        t->another_ends = result == STATUS_OK;
        return err->code;
    }
    t->stops = dist_any(dist, t->options->stop != NULL && *t->options->stop != 0);
    return STATUS_OK;
}

static bool is_last(const struct run_plan *plan, const struct position *position)
{
    return (uint64_t)position->step >= plan->last_step;
}

/* Every so many steps, and at the end; a step is evaluated once, before or after a restart. */
static bool evaluation_is_due(const struct run_plan *plan, const struct position *position)
{
    if (position->step == 0 || position->evaluated_step == position->step) return false;
    return is_last(plan, position) || (uint64_t)position->step % plan->evaluation_steps == 0;
}

static bool checkpoint_is_due(const struct run_plan *plan, const struct position *position)
{
    if (position->step == 0) return false;
    return is_last(plan, position) || (uint64_t)position->step % plan->checkpoint_steps == 0;
}

static bool has_stalled(const struct run_plan *plan, const struct position *position)
{
    int64_t patience = plan->config->train.early_stopping;
    return patience > 0 && position->evaluations_without_better >= patience;
}

/* Whether the accuracy of `pictures` is better than the best one so far, which it then becomes. Fewer pictures than the
 * best's, as some cannot be read any more, are other pictures: they make none better. */
static bool improves(double accuracy, int64_t pictures, double *best, int64_t *best_pictures, int64_t *best_step,
                     int64_t step)
{
    if (isnan(accuracy) || (!isnan(*best) && (accuracy <= *best || pictures < *best_pictures))) return false;
    *best = accuracy;
    *best_pictures = pictures;
    *best_step = step;
    return true;
}

static double epochs_done(const struct trainer *t)
{
    return run_plan_epochs_done(&t->plan, (uint64_t)t->state.position.step);
}

static status write_best(struct trainer *t, const char *path, struct error *err)
{
    if (!run_plan_writes(&t->plan)) return STATUS_OK;
    return run_checkpoint_write_best(&t->checkpoint, path, &t->learner, epochs_done(t), t->state.position.step,
                                     text_string(&t->journal.last_metrics), t->pictures.selection.split, err);
}

/* What cannot be gone on from never replaces what can. Every process looks, as all hold the same. */
static status write_last(struct trainer *t, struct error *err)
{
    int64_t step = t->state.position.step;
    const char *name = run_checkpoint_not_finite(&t->checkpoint, &t->learner.model.parameters);
    if (name != NULL) return journal_report_damage(&t->journal, &t->state, name, t->checkpoint.step, err);
    status result = STATUS_OK;
    if (run_plan_writes(&t->plan))
        result = run_checkpoint_write_last(&t->checkpoint, &t->journal.run, &t->learner, epochs_done(t), step,
                                           text_string(&t->journal.last_metrics), err);
    if (result != STATUS_OK) return result;
    t->checkpoint.step = step;
    t->checkpoint.is_stale = false;
    return STATUS_OK;
}

/* Where the loss is not finite, answers are those of a network that is broken: never the best. */
static struct bests accuracies_of(const struct evaluation *evaluation)
{
    if (!isfinite(evaluation->loss)) return (struct bests){NAN, NAN};
    return (struct bests){confusion_overall_accuracy(&evaluation->confusion),
                          confusion_average_accuracy(&evaluation->confusion)};
}

/* Remembers that this step was evaluated; writes the files of what became better. last.safetensors, which names their
 * steps, comes first: a run that is killed never goes on from before a best that is in the folder already. */
static status keep_best(struct trainer *t, const struct evaluation *evaluation, struct error *err)
{
    struct position *position = &t->state.position;
    struct bests *best = &t->state.best;
    struct bests now = accuracies_of(evaluation);
    struct best_pictures *of = &t->state.best_pictures;
    int64_t pictures = (int64_t)evaluation->n;
    bool overall = improves(now.overall, pictures, &best->overall, &of->overall, &position->best_overall_step,
                            position->step);
    bool average = improves(now.average, pictures, &best->average, &of->average, &position->best_average_step,
                            position->step);
    position->evaluated_step = position->step;
    t->checkpoint.info.temperature = isnan(evaluation->temperature) ? 0 : evaluation->temperature;
    t->checkpoint.is_stale = t->checkpoint.step == position->step;
    position->evaluations_without_better = overall || average ? 0 : position->evaluations_without_better + 1;
    status result = journal_report_evaluation(&t->journal, &t->state, &t->pictures.selection, evaluation, err);
    if (result == STATUS_OK && (overall || average)) result = write_last(t, err);
    if (result == STATUS_OK && overall) result = write_best(t, t->journal.run.best_overall, err);
    if (result == STATUS_OK && average) result = write_best(t, t->journal.run.best_average, err);
    return result;
}

static status evaluate(struct trainer *t, struct error *err)
{
    const struct evaluation *evaluation;
    status result = evaluator_run(t->evaluator, learner_model(&t->learner), &evaluation, err);
    t->cannot_read = result != STATUS_OK;
    if (result != STATUS_OK || evaluation->interrupted) return result;
    return keep_best(t, evaluation, err);
}

/* Whether last.safetensors holds all that the run knows now. */
static bool last_is_written(const struct trainer *t)
{
    return t->checkpoint.step == t->state.position.step && !t->checkpoint.is_stale;
}

/* What follows a step: its line, its evaluation, its checkpoint. What a signal cuts short is done after resuming. */
static status follow_up(struct trainer *t, struct error *err)
{
    const struct position *position = &t->state.position;
    status result = STATUS_OK;
    if (evaluation_is_due(&t->plan, position) && !must_stop(t)) result = evaluate(t, err);
    if (result == STATUS_OK && checkpoint_is_due(&t->plan, position) && !last_is_written(t))
        result = write_last(t, err);
    return result;
}

/* Pictures vanish, with a disk or a server, and of several processes one may fail where the others would have gone on:
 * what was learned so far is kept. Not where numbers went wrong: the error names what to go on from. */
static void keep_what_was_learned(struct trainer *t)
{
    int64_t step = t->state.position.step;
    struct error later = {0};
    if ((!t->cannot_read && !t->another_ends) || step == 0 || last_is_written(t)) return;
    if (write_last(t, &later) != STATUS_OK)
        log_warning("%s", later.message);
    else if (run_plan_writes(&t->plan))
        log_info("%s is of step %lld", t->journal.run.last, (long long)step);
}

/* None where a signal comes while the method looks at pictures before an epoch. */
static status make_step(struct trainer *t, struct error *err)
{
    struct learner_failure failure;
    bool interrupted;
    status result = learner_begin_epoch(&t->learner, &t->plan, &t->pictures, &t->state, t->options->stop, &interrupted,
                                        err);
    t->cannot_read = result != STATUS_OK;
    if (result != STATUS_OK || interrupted) return result;
    double begin = clock_seconds(), images = t->state.window.images;
    result = learner_step(&t->learner, &t->plan, &t->pictures, &t->state, &failure, err);
    if (result != STATUS_OK && failure.happened)
        return journal_report_not_finite(&t->journal, &t->state, &failure, &t->pictures, t->checkpoint.step, err);
    t->cannot_read = result != STATUS_OK;
    if (result != STATUS_OK) return result;
    journal_count_step(&t->journal, clock_seconds() - begin, t->state.window.images - images,
                       loader_wait_seconds(t->pictures.loader));
    journal_show_progress(&t->journal, &t->state);
    bool line_is_due = t->state.position.step % t->plan.config->output.log_every == 0 ||
                       is_last(&t->plan, &t->state.position);
    return line_is_due ? journal_report_window(&t->journal, &t->state, err) : STATUS_OK;
}

static status run(struct trainer *t, struct error *err)
{
    const struct position *position = &t->state.position;
    status result = agree(t, follow_up(t, err), err);
    while (result == STATUS_OK && !must_stop(t) && !has_stalled(&t->plan, position) && !is_last(&t->plan, position)) {
        result = make_step(t, err);
        result = agree(t, result, err);
        if (result == STATUS_OK) result = agree(t, follow_up(t, err), err);
    }
    /* Here, as only the loop's end knows why it ends: a signal may come at any place, also where it cuts an
     * evaluation short. */
    if (result == STATUS_OK && !last_is_written(t)) result = agree(t, write_last(t, err), err);
    if (result != STATUS_OK) keep_what_was_learned(t);
    progress_hide(&t->journal.progress);
    return result;
}

/* ---- beginning and end ---- */

/* Behind the message on a checkpoint that cannot be read: the one before it, if that can. */
static status offer_previous(const struct run_folder *run, struct error *err)
{
    struct checkpoint previous;
    if (checkpoint_open(&previous, run->previous, NULL) != STATUS_OK) return err->code;
    struct error reason = *err;
    error_clear(err);
    error_set(err, "%s; %s, of step %lld, is whole: rename it to last.safetensors to go on from there", reason.message,
              run->previous, (long long)previous.info.step);
    checkpoint_close(&previous);
    return err->code;
}

/* Whether there is a checkpoint to go on from; without `resume` a run in the folder is left alone. With it, one that
 * was killed before its first checkpoint begins anew, but weights that were chosen once are never replaced so. */
static status look_for_run(const struct trainer *t, bool *exists, struct error *err)
{
    const struct run_folder *run = &t->journal.run;
    struct run_files there = run_folder_look(run);
    *exists = there.checkpoint;
    if (!t->options->resume && (there.checkpoint || there.best || there.lines))
        return error_set_usage(err, "%s: there is a run already (--resume goes on with it, --out takes another folder)",
                               run->folder);
    if (!there.checkpoint && there.best)
        return error_set_usage(err,
                               "%s is missing, without which the run in its folder, which has chosen its best weights, "
                               "cannot go on (--out takes another folder)",
                               run->last);
    if (!there.checkpoint && t->options->resume)
        log_info("%s: nothing to go on with, training starts from the beginning", run->folder);
    return STATUS_OK;
}

/* Looks whether there is something to go on with, and whether it is this run's. */
static status find_checkpoint(const struct trainer *t, struct checkpoint *checkpoint, bool *resumes, struct error *err)
{
    const struct run_folder *run = &t->journal.run;
    *resumes = false;
    bool exists;
    status result = look_for_run(t, &exists, err);
    if (result == STATUS_OK && !t->options->resume)
        result = file_check_output(run->config, t->options->config_file, err);
    if (result != STATUS_OK || !exists) return result;
    result = checkpoint_open(checkpoint, run->last, err);
    if (result != STATUS_OK) return offer_previous(run, err);
    result = run_checkpoint_check(&t->plan, checkpoint, run->folder, err);
    *resumes = result == STATUS_OK;
    return result;
}

/* A run may have ended between last.safetensors and the file of a best of the same step, which is then written from the
 * same numbers; a best of an earlier step has its file. */
static status complete_best(struct trainer *t, const char *path, int64_t best_step, struct error *err)
{
    struct checkpoint there;
    int64_t step = t->state.position.step;
    if (step == 0 || best_step != step || !run_plan_writes(&t->plan)) return STATUS_OK;
    bool is_written = checkpoint_open(&there, path, NULL) == STATUS_OK && there.info.step == step;
    checkpoint_close(&there);
    return is_written ? STATUS_OK : write_best(t, path, err);
}

static status complete_bests(struct trainer *t, struct error *err)
{
    const struct position *position = &t->state.position;
    status result = complete_best(t, t->journal.run.best_overall, position->best_overall_step, err);
    if (result != STATUS_OK) return result;
    return complete_best(t, t->journal.run.best_average, position->best_average_step, err);
}

static status create_evaluator(struct trainer *t, struct error *err)
{
    struct evaluation_setup setup = evaluation_setup_from(t->plan.config);
    setup.dataset = &t->pictures.selection;
    setup.prefetch = 1;
    setup.stop = t->options->stop;
    setup.dist = t->options->dist;
    /* The temperature is a parameter too: it is not fitted to the test split. */
    setup.fit_temperature = t->plan.config->eval.select != SELECT_TEST;
    setup.with_attention = setup.with_attention && t->plan.method->has_attention_heads;
    return evaluator_create(&t->evaluator, &t->learner.model, &setup, err);
}

static status commit_memory(struct trainer *t, struct error *err)
{
    size_t to_come = size_add(pictures_bytes_to_come(&t->pictures), evaluator_bytes_to_come(t->evaluator));
    journal_report_memory(&t->learner, &t->pictures, t->evaluator, t->plan.config->train.saved, to_come);
    return memory_commit(to_come, "this run (train.batch, data.image_size and data.cache say how much)", err);
}

/* Everything a run needs; nothing in the run folder changes. Every process comes here. */
static status build(struct trainer *t, const struct checkpoint *from, bool resumes, struct error *err)
{
    status result = pictures_open(&t->pictures, &t->plan, err);
    if (result != STATUS_OK) return result;
    run_plan_count(&t->plan, t->pictures.training.count);
    result = journal_report_data(&t->journal, &t->pictures, err);
    if (result == STATUS_OK) result = learner_create(&t->learner, &t->plan, &t->pictures, resumes, err);
    if (result == STATUS_OK)
        result = run_checkpoint_init(&t->checkpoint, &t->plan, &t->pictures, &t->learner, &t->state,
                                     text_string(&t->journal.config_text), err);
    if (result == STATUS_OK && resumes) {
        result = run_checkpoint_restore(&t->checkpoint, &t->plan, from, &t->learner, &t->state, err);
        if (result == STATUS_OK) result = text_append_format(&t->journal.last_metrics, err, "%s", from->info.metrics);
    }
    result = pictures_share_cache(&t->pictures, &t->plan, result, err);
    if (result == STATUS_OK) result = pictures_start(&t->pictures, &t->plan, (uint64_t)t->state.position.step, err);
    if (result == STATUS_OK) result = create_evaluator(t, err);
    return result == STATUS_OK ? commit_memory(t, err) : result;
}

/* Every process computes the heads and chooses for itself, so that all must begin and compute alike. */
static status check_alike(struct trainer *t, struct error *err)
{
    struct dist *dist = t->options->dist;
    const struct parameters *all = &t->learner.model.parameters;
    const char *arithmetic = t->checkpoint.arithmetic;
    const struct {
        const char *what;
        const void *bytes;
        size_t size;
    } alike[] = {{"the settings", text_string(&t->journal.config_text), t->journal.config_text.length},
                 {"the arithmetic (RMFER_ISA and OPENBLAS_CORETYPE choose)", arithmetic, strlen(arithmetic)},
                 {"the training pictures", &t->pictures.training.count, sizeof t->pictures.training.count},
                 {"the weights to begin with", all->values, all->value_count * sizeof(real)}};
    status result = STATUS_OK;
    for (size_t i = 0; i < sizeof alike / sizeof alike[0] && result == STATUS_OK && dist_is_many(dist); i++) {
        uint32_t sum = crc32c(alike[i].bytes, alike[i].size);
        result = dist_same(dist, alike[i].what, &sum, sizeof sum, err);
    }
    return result;
}

static status prepare(struct trainer *t, struct error *err)
{
    const struct config *config = t->options->config;
    struct checkpoint from = {0};
    bool resumes = false;
    t->state = (struct run_state){.position = {.threads = threads_get()}, .best = {NAN, NAN}};
    status result = run_plan_init(&t->plan, config, t->options->dist, err);
    if (result == STATUS_OK) result = config_check_training(config, run_plan_needs_rmset(&t->plan), err);
    if (result == STATUS_OK) result = journal_init(&t->journal, &t->plan, err);
    char arithmetic[ARITHMETIC_TEXT];
    /* rmfer report reads this line. */
    if (result == STATUS_OK && t->options->command != NULL)
        log_verbose("rmfer " RMFER_VERSION ", %d threads, %s, command: %s", threads_get(),
                    arithmetic_describe(arithmetic), t->options->command);
    if (result == STATUS_OK) result = find_checkpoint(t, &from, &resumes, err);
    if (result == STATUS_OK && !resumes) result = run_plan_check_augmentation(&t->plan, err);
    result = dist_agree(t->options->dist, result, err);
    if (result == STATUS_OK) result = build(t, &from, resumes, err);
    if (result == STATUS_OK) result = journal_open(&t->journal, &t->state.position, err);
    if (result == STATUS_OK && resumes) result = complete_bests(t, err);
    checkpoint_close(&from);
    result = dist_is_many(t->options->dist) ? dist_agree(t->options->dist, result, err) : result;
    return result == STATUS_OK ? check_alike(t, err) : result;
}

static void release(struct trainer *t)
{
    evaluator_free(t->evaluator);
    run_checkpoint_free(&t->checkpoint);
    learner_free(&t->learner);
    pictures_free(&t->pictures);
    journal_free(&t->journal);
}

static struct training_summary summarise(const struct trainer *t)
{
    const struct stopwatch *watch = &t->journal.watch;
    const struct position *position = &t->state.position;
    bool timed = watch->training_seconds > 0;
    bool complete = is_last(&t->plan, position) && position->evaluated_step == position->step;
    return (struct training_summary){
        .end = complete                          ? TRAINING_COMPLETE
               : has_stalled(&t->plan, position) ? TRAINING_STOPPED_EARLY
                                                 : TRAINING_INTERRUPTED,
        .steps = position->step,
        .epochs = epochs_done(t),
        .selected_on = t->plan.config->eval.select == SELECT_TEST ? "test" : "valid",
        .overall = {t->state.best.overall, position->best_overall_step},
        .average = {t->state.best.average, position->best_average_step},
        .images_per_second = timed ? watch->images / watch->training_seconds : 0,
        .data_wait_share = timed ? loader_wait_seconds(t->pictures.loader) / watch->training_seconds : 0,
    };
}

/* How much of the way of the gradients was hidden behind the backward pass. */
static void tell_sums(const struct trainer *t)
{
    struct dist_gradients_times times = dist_gradients_times(t->learner.sums);
    if (times.sums == 0) return;
    log_info(
        "gradients: %zu sums over %d processes, %.1f MiB sent by each a sum; %.2f s under way, of which %.2f s were "
        "waited for",
        times.sums, dist_size(t->options->dist), (double)times.bytes / (double)times.sums / 1048576.0, times.under_way,
        times.waited);
}

status trainer_run(const struct trainer_options *options, struct training_summary *summary, struct error *err)
{
    *summary = (struct training_summary){.overall = {NAN, 0}, .average = {NAN, 0}};
    struct trainer *t = memory_allocate(1, sizeof *t, "the trainer", err);
    if (t == NULL) return STATUS_FAILED;
    t->options = options;
    status result = prepare(t, err);
    if (result == STATUS_OK) result = run(t, err);
    if (result == STATUS_OK) {
        *summary = summarise(t);
        if (t->journal.watch.training_seconds == 0 && summary->end != TRAINING_INTERRUPTED)
            log_info("%s: the run is complete, after %lld steps", t->journal.run.folder, (long long)summary->steps);
        else
            log_info(
                "%lld steps, %.1f images/s, %.1f%% of the training time spent waiting for pictures, peak memory %.0f MiB",
                (long long)summary->steps, summary->images_per_second, 100 * summary->data_wait_share,
                (double)memory_peak_resident() / 1048576.0);
        tell_sums(t);
    } else {
        log_verbose("training ended: %s", err->message); /* for log.txt, which is closed before the error is shown */
    }
    release(t);
    memory_free(t);
    return result;
}
