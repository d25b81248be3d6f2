#include "trainer_internal.h"

#include "rmfer/base/json_writer.h"

#include "rmfer/base/log.h"

#include <math.h>
#include <string.h>

/* ---- before the first step ---------------------------------------------------------------------------------------
 */

/* A text of several lines as messages. */
static void log_lines(const char *text)
{
    for (const char *at = text; *at != '\0';) {
        size_t length = strcspn(at, "\n");
        log_info("%.*s", (int)length, at);
        at += length + (at[length] == '\n');
    }
}

static void report_phases(const struct trainer *t)
{
    for (size_t i = 0; i < t->phases.count; i++) {
        const struct phase *phase = &t->phases.phases[i];
        const struct optimizer_rates *rates = &phase->rates;
        log_info("phase %d, epochs %llu to %llu: FER%s%s; learning rates %g, heads %g%s", phase->number,
                 (unsigned long long)phase->first_epoch + 1, (unsigned long long)phase->end_epoch,
                 phase->ial_weight > 0 ? ", IAL" : "", phase->acl_weight > 0 ? ", ACL" : "",
                 rates->learning_rate[GROUP_FER], rates->learning_rate[GROUP_PROJECTION],
                 rates->frozen[GROUP_BACKBONE] ? "; backbone frozen" : "");
    }
}

status trainer_report_data(struct trainer *t, struct error *err)
{
    struct text text = {0};
    status result = dataset_describe(&t->training, &text, err);
    if (result == STATUS_OK) result = dataset_describe(&t->selection, &text, err);
    if (result == STATUS_OK) log_lines(text_string(&text));
    text_free(&text);
    if (result != STATUS_OK) return result;
    if (t->index != NULL)
        log_info("RMset: %llu faces of %llu videos (%llu faces of %llu videos in all)",
                 (unsigned long long)rmset_index_chosen_faces(t->index),
                 (unsigned long long)rmset_index_chosen_videos(t->index),
                 (unsigned long long)rmset_index_faces(t->index), (unsigned long long)rmset_index_videos(t->index));
    report_phases(t);
    log_info("%llu steps of %lld x %lld pictures, %llu an epoch; an evaluation every %llu steps",
             (unsigned long long)t->last_step, (long long)t->config->train.accumulate,
             (long long)t->config->train.batch, (unsigned long long)t->steps_per_epoch,
             (unsigned long long)t->evaluation_steps);
    return STATUS_OK;
}

static double mebibytes(size_t bytes)
{
    return (double)bytes / 1048576.0;
}

status trainer_report_memory(struct trainer *t, struct error *err)
{
    (void)err;
    size_t weights = t->model.parameters.arena.size, state = optimizer_bytes(t->optimizer);
    size_t saved = train_step_saved_bytes(t->step), scratch = train_step_scratch_bytes(t->step);
    size_t average = t->has_average ? t->average.arena.size : 0;
    size_t pictures = loader_bytes(t->loader) + t->store.arena.size, evaluation = evaluator_bytes(t->evaluator);
    log_info("memory: %.0f MiB planned: weights and gradients %.0f, optimizer %.0f, average %.0f, saved for backward "
             "%.0f, scratch %.0f, pictures %.0f, evaluation %.0f; a cache of pictures may add %lld",
             mebibytes(weights + state + average + saved + scratch + pictures + evaluation), mebibytes(weights),
             mebibytes(state), mebibytes(average), mebibytes(saved), mebibytes(scratch), mebibytes(pictures),
             mebibytes(evaluation), (long long)t->config->data.cache);
    return STATUS_OK;
}

/* ---- while it runs -----------------------------------------------------------------------------------------------
 */

static double per(double sum, double count)
{
    return count > 0 ? sum / count : NAN;
}

void trainer_show_progress(struct trainer *t)
{
    const struct loss_window *window = &t->window;
    if (window->batches <= 0) return;
    struct progress_state state = {
        .step = (uint64_t)t->position.step,
        .steps = t->last_step,
        .epoch = trainer_epochs_done(t, (uint64_t)t->position.step),
        .epochs = t->config->train.epochs,
        .loss = window->total / window->batches,
        .fer = window->fer / window->batches,
        .ial = window->ial / window->batches,
        .acl = window->acl / window->batches,
        .has_ial = t->config->ial.weight > 0,
        .has_acl = window->acl > 0,
        .images_per_second = per(t->watch.images, t->watch.training_seconds),
    };
    progress_show(&t->progress, &state);
}

/* The members that every line of metrics begins with; the step must be the first (run_folder.c reads it). */
static void begin_line(struct trainer *t, struct json_writer *json)
{
    uint64_t step = (uint64_t)t->position.step;
    t->line.length = 0;
    json_open(json, '{');
    json_integer_member(json, "step", t->position.step);
    json_real_member(json, "epoch", trainer_epochs_done(t, step));
    json_integer_member(json, "phase", phase_table_at(&t->phases, trainer_epoch(t, step - 1))->number);
}

static status write_scalar(struct trainer *t, const char *tag, double value, struct error *err)
{
    if (t->events == NULL || isnan(value)) return STATUS_OK;
    return event_writer_scalar(t->events, tag, t->position.step, value, err);
}

/* The rate that the last step had. */
static double learning_rate(const struct trainer *t, enum parameter_group group)
{
    uint64_t step = (uint64_t)t->position.step - 1;
    const struct phase *phase = phase_table_at(&t->phases, trainer_epoch(t, step));
    return phase->rates.learning_rate[group] * schedule_factor(&t->schedule, step);
}

status trainer_report_window(struct trainer *t, struct error *err)
{
    const struct loss_window *w = &t->window;
    double wait = per(loader_wait_seconds(t->loader) - t->watch.window_wait_begin, t->watch.window_seconds);
    bool ial = t->config->ial.weight > 0;
    const struct {
        const char *name, *tag;
        double value;
        bool is_known;
    } values[] = {
        {"loss", "train/loss", per(w->total, w->batches), true},
        {"loss_fer", "train/loss_fer", per(w->fer, w->batches), true},
        {"loss_ial", "train/loss_ial", per(w->ial, w->batches), true},
        {"loss_acl", "train/loss_acl", per(w->acl, w->batches), true},
        {"accuracy", "train/accuracy", per(w->correct_fer, w->images), true},
        {"ial_accuracy", "train/ial_accuracy", per(w->correct_ial, w->images), ial},
        {"same_class_similarity", "train/same_class_similarity", per(w->same_class_similarity, w->batches), ial},
        {"different_class_similarity", "train/different_class_similarity",
         per(w->different_class_similarity, w->batches), ial},
        {"gradient_norm", "train/gradient_norm", per(w->gradient_norm, w->steps), true},
        {"lr", "train/lr", learning_rate(t, GROUP_FER), true},
        {"lr_ial", "train/lr_ial", learning_rate(t, GROUP_IAL), true},
        {"images_per_s", "train/images_per_s", per(t->watch.window_images, t->watch.window_seconds), true},
        {"data_wait_share", "train/data_wait_share", wait, true},
    };
    struct json_writer json = json_writer(&t->line, err);
    begin_line(t, &json);
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        if (!values[i].is_known) continue;
        json_real_member(&json, values[i].name, values[i].value);
        status result = write_scalar(t, values[i].tag, values[i].value, err);
        if (result != STATUS_OK) return result;
    }
    json_close(&json, '}');
    t->window = (struct loss_window){0};
    t->watch.window_seconds = t->watch.window_images = 0;
    t->watch.window_wait_begin = loader_wait_seconds(t->loader);
    return json.result == STATUS_OK ? run_folder_write_metrics(&t->run, t->line.bytes, err) : json.result;
}

static struct evaluation_names names_of(const struct trainer *t)
{
    return (struct evaluation_names){t->selection.kind, t->selection.split, "",
                                     (const char *const *)t->selection.classes};
}

static status write_evaluation_scalars(struct trainer *t, const struct evaluation *evaluation, struct error *err)
{
    const struct confusion *confusion = &evaluation->confusion;
    status result = write_scalar(t, "eval/overall_accuracy", confusion_overall_accuracy(confusion), err);
    if (result == STATUS_OK)
        result = write_scalar(t, "eval/average_accuracy", confusion_average_accuracy(confusion), err);
    if (result == STATUS_OK) result = write_scalar(t, "eval/loss", evaluation->loss, err);
    if (result == STATUS_OK) result = write_scalar(t, "eval/ial_accuracy", evaluation->ial_accuracy, err);
    if (result == STATUS_OK && t->events != NULL) result = event_writer_flush(t->events, err);
    return result;
}

status trainer_report_evaluation(struct trainer *t, const struct evaluation *evaluation, struct error *err)
{
    const struct confusion *confusion = &evaluation->confusion;
    struct evaluation_names names = names_of(t);
    struct json_writer json = json_writer(&t->line, err);
    begin_line(t, &json);
    status result = json.result;
    if (result == STATUS_OK) result = text_append(&t->line, ", ", 2, err);
    if (result == STATUS_OK) result = evaluation_print_members(evaluation, &names, &t->line, err);
    if (result == STATUS_OK) result = text_append(&t->line, "}", 1, err);
    if (result == STATUS_OK) result = run_folder_write_metrics(&t->run, t->line.bytes, err);
    t->last_metrics.length = 0;
    if (result == STATUS_OK) result = text_append(&t->last_metrics, t->line.bytes, t->line.length, err);
    if (result == STATUS_OK) result = write_evaluation_scalars(t, evaluation, err);
    if (result != STATUS_OK) return result;
    progress_hide(&t->progress);
    log_info(
        "epoch %.2f step %lld: %s overall accuracy %.2f%% (best %.2f%%), average %.2f%% (best %.2f%%), loss %.4f",
        trainer_epochs_done(t, (uint64_t)t->position.step), (long long)t->position.step, t->selection.split,
        100 * confusion_overall_accuracy(confusion), 100 * t->best.overall,
        100 * confusion_average_accuracy(confusion), 100 * t->best.average, evaluation->loss);
    return STATUS_OK;
}

/* ---- when numbers go wrong ---------------------------------------------------------------------------------------
 */

enum { NAMED_PICTURES = 3 };

/* Every picture of a batch into the log; the first few also into `first`. */
static status name_pictures(const struct trainer *t, const struct step_batch *batch, struct text *first,
                            struct error *err)
{
    struct text name = {0};
    status result = STATUS_OK;
    for (int i = 0; i < batch->n && result == STATUS_OK; i++) {
        const char *path = dataset_path(&t->training, (size_t)batch->ids[i]);
        log_verbose("not finite: labelled picture %s", path);
        if (i < NAMED_PICTURES) result = text_append_format(first, err, "%s%s", i == 0 ? "" : ", ", path);
    }
    size_t drawn = (size_t)batch->anchors * (size_t)(1 + t->config->acl.n_pos + t->config->acl.n_neg);
    for (size_t i = 0; i < drawn && result == STATUS_OK; i++) {
        int64_t offset;
        name.length = 0;
        result = rmset_index_path(t->index, (uint64_t)batch->contrastive_ids[i], &name, &offset, err);
        if (result == STATUS_OK) log_verbose("not finite: RMset face %s", text_string(&name));
    }
    text_free(&name);
    return result;
}

static void describe_cause(const struct step_losses *losses, double norm, char *text, size_t size)
{
    if (losses == NULL)
        snprintf(text, size, "the gradient is not finite (length %g)", norm);
    else
        snprintf(text, size, "the loss is not finite (FER %g, IAL %g, ACL %g)", losses->fer, losses->ial,
                 losses->acl);
}

status trainer_report_not_finite(struct trainer *t, const struct step_losses *losses, double norm,
                                 const struct step_batch *batches, size_t count, struct error *err)
{
    struct text first = {0};
    char cause[128], last[64] = "none was written yet";
    status result = STATUS_OK;
    progress_hide(&t->progress);
    for (size_t i = 0; i < count && result == STATUS_OK; i++) result = name_pictures(t, &batches[i], &first, err);
    describe_cause(losses, norm, cause, sizeof cause);
    if (t->checkpoint_step >= 0) snprintf(last, sizeof last, "of step %lld", (long long)t->checkpoint_step);
    if (result == STATUS_OK)
        result = error_set(err,
                           "step %lld (epoch %.2f): %s on %.300s, ... (all are named in %s); last good checkpoint: "
                           "%s, %s; a smaller train.lr or train.clip_norm may help",
                           (long long)t->position.step + 1, trainer_epochs_done(t, (uint64_t)t->position.step), cause,
                           text_string(&first), t->run.log, t->run.last, last);
    text_free(&first);
    return result;
}
