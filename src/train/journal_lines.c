/* Lines of metrics.jsonl, TensorBoard's curves and the progress line, over a method's terms and figures. */
#include "journal.h"

#include "rmfer/base/json_writer.h"
#include "rmfer/base/log.h"
#include "rmfer/train/intervals.h"

#include <math.h>

static double per(double sum, double count)
{
    return count > 0 ? sum / count : NAN;
}

/* The phase of the last step. */
static const struct phase *last_phase(const struct journal *journal, const struct run_state *state)
{
    return run_plan_phase(journal->plan, (uint64_t)state->position.step - 1);
}

void journal_count_step(struct journal *journal, double seconds, double images, double wait_seconds)
{
    struct stopwatch *watch = &journal->watch;
    watch->training_seconds += seconds;
    watch->window_seconds += seconds;
    watch->images += images;
    watch->window_images += images;
    watch->wait_seconds = wait_seconds;
}

void journal_show_progress(struct journal *journal, const struct run_state *state)
{
    const struct run_plan *plan = journal->plan;
    const struct loss_window *window = &state->window;
    if (window->batches <= 0 || !journal->writes) return;
    struct progress_state shown = {
        .step = (uint64_t)state->position.step,
        .steps = plan->last_step,
        .epoch = run_plan_epochs_done(plan, (uint64_t)state->position.step),
        .epochs = plan->config->train.epochs,
        .loss = window->total / window->batches,
        .images_per_second = per(journal->watch.images, journal->watch.training_seconds),
    };
    const struct phase *phase = last_phase(journal, state);
    for (size_t i = 0; i < plan->method->term_count; i++)
        if (phase->weights[i] > 0 && window->term_batches[i] > 0)
            shown.parts[shown.part_count++] = (struct progress_part){plan->method->terms[i].name,
                                                                     window->terms[i] / window->term_batches[i]};
    progress_show(&journal->progress, &shown);
}

/* The members that every line of metrics begins with; the step must be the first (run_folder.c reads it). */
static void begin_line(struct journal *journal, const struct run_state *state, struct json_writer *json)
{
    journal->line.length = 0;
    json_open(json, '{');
    json_integer_member(json, "step", state->position.step);
    json_real_member(json, "epoch", run_plan_epochs_done(journal->plan, (uint64_t)state->position.step));
    json_integer_member(json, "phase", last_phase(journal, state)->number);
}

static status write_scalar(struct journal *journal, int64_t step, const char *group, const char *prefix,
                           const char *name, double value, struct error *err)
{
    char tag[96];
    if (journal->events == NULL || isnan(value)) return STATUS_OK;
    snprintf(tag, sizeof tag, "%s/%s%s", group, prefix, name);
    return event_writer_scalar(journal->events, tag, step, value, err);
}

/* One number of a window's line, and its point of TensorBoard's curve. */
static void add_number(struct journal *journal, const struct run_state *state, struct json_writer *json,
                       const char *prefix, const char *name, double value, struct error *err)
{
    char member[96];
    snprintf(member, sizeof member, "%s%s", prefix, name);
    json_real_member(json, member, value);
    if (json->result == STATUS_OK)
        json->result = write_scalar(journal, state->position.step, "train", prefix, name, value, err);
}

/* Of the batches in which the term took part; 0 while it is off, NaN where it is on and no batch had rows for it. */
static double loss_of_term(const struct loss_window *window, const struct phase *phase, size_t term)
{
    bool is_off = window->term_batches[term] == 0 && !(phase->weights[term] > 0);
    return is_off ? 0 : per(window->terms[term], window->term_batches[term]);
}

static void add_losses(struct journal *journal, const struct run_state *state, struct json_writer *json,
                       struct error *err)
{
    const struct method *method = journal->plan->method;
    const struct loss_window *w = &state->window;
    const struct phase *phase = last_phase(journal, state);
    add_number(journal, state, json, "", "loss", per(w->total, w->batches), err);
    for (size_t i = 0; i < method->term_count; i++)
        add_number(journal, state, json, "loss_", method->terms[i].name, loss_of_term(w, phase, i), err);
    for (size_t i = 0; i < method->figure_count; i++) {
        const struct method_figure *figure = &method->figures[i];
        if (figure->term >= 0 && phase->weights[figure->term] == 0) continue;
        add_number(journal, state, json, "", figure->name, per(w->figure_sums[i], w->figure_counts[i]), err);
    }
    add_number(journal, state, json, "", "gradient_norm", per(w->gradient_norm, w->steps), err);
}

status journal_report_window(struct journal *journal, struct run_state *state, struct error *err)
{
    struct stopwatch *watch = &journal->watch;
    struct optimizer_rates rates = run_plan_rates(journal->plan, (uint64_t)state->position.step - 1);
    double head_rate = run_plan_head_rate(journal->plan, &rates);
    double wait = per(watch->wait_seconds - watch->window_wait_begin, watch->window_seconds);
    if (!journal->writes) {
        state->window = (struct loss_window){0};
        return STATUS_OK;
    }
    struct json_writer json = json_writer(&journal->line, err);
    begin_line(journal, state, &json);
    add_losses(journal, state, &json, err);
    add_number(journal, state, &json, "", "lr", rates.learning_rate[GROUP_FER], err);
    /* Whichever heads it is the rate of: readers of these lines know it by the name of the first that there were. Heads
     * that are not there, or stand still, have none. */
    add_number(journal, state, &json, "", "lr_ial", isnan(head_rate) ? 0 : head_rate, err);
    add_number(journal, state, &json, "", "images_per_s", per(watch->window_images, watch->window_seconds), err);
    add_number(journal, state, &json, "", "data_wait_share", wait, err);
    json_close(&json, '}');
    state->window = (struct loss_window){0};
    watch->window_seconds = watch->window_images = 0;
    watch->window_wait_begin = watch->wait_seconds;
    return json.result == STATUS_OK ? run_folder_write_metrics(&journal->run, journal->line.bytes, err) : json.result;
}

static status write_evaluation_scalars(struct journal *journal, int64_t step, const struct evaluation *evaluation,
                                       struct error *err)
{
    const struct affect_agreement *affect = &evaluation->affect;
    const struct {
        const char *name;
        double value;
    } scalars[] = {
        {"overall_accuracy", confusion_overall_accuracy(&evaluation->confusion)},
        {"average_accuracy", confusion_average_accuracy(&evaluation->confusion)},
        {"loss", evaluation->loss},
        {"ial_accuracy", evaluation->ial_accuracy},
        {"valence_ccc", affect->n > 0 ? affect->concordance[AFFECT_VALENCE] : NAN},
        {"arousal_ccc", affect->n > 0 ? affect->concordance[AFFECT_AROUSAL] : NAN},
    };
    status result = STATUS_OK;
    for (size_t i = 0; i < sizeof scalars / sizeof scalars[0] && result == STATUS_OK; i++)
        result = write_scalar(journal, step, "eval", "", scalars[i].name, scalars[i].value, err);
    if (result == STATUS_OK && journal->events != NULL) result = event_writer_flush(journal->events, err);
    return result;
}

status journal_report_evaluation(struct journal *journal, const struct run_state *state,
                                 const struct dataset *selection, const struct evaluation *evaluation,
                                 struct error *err)
{
    const struct confusion *confusion = &evaluation->confusion;
    struct text *line = &journal->line;
    struct evaluation_names names = {
        selection->kind, selection->split, "", (const char *const *)selection->classes, NULL, 0, -1};
    if (!journal->writes) return STATUS_OK;
    struct json_writer json = json_writer(line, err);
    begin_line(journal, state, &json);
    status result = json.result;
    if (result == STATUS_OK) result = text_append(line, ", ", 2, err);
    if (result == STATUS_OK) result = evaluation_print_members(evaluation, &names, line, err);
    if (result == STATUS_OK) result = text_append(line, "}", 1, err);
    if (result == STATUS_OK) result = run_folder_write_metrics(&journal->run, line->bytes, err);
    journal->last_metrics.length = 0;
    if (result == STATUS_OK) result = text_append(&journal->last_metrics, line->bytes, line->length, err);
    if (result == STATUS_OK) result = write_evaluation_scalars(journal, state->position.step, evaluation, err);
    if (result != STATUS_OK) return result;
    progress_hide(&journal->progress);
    struct interval overall = confusion_overall_interval(confusion), average = confusion_average_interval(confusion);
    char fewer[64] = "";
    if (evaluation->n < selection->count)
        snprintf(fewer, sizeof fewer, " (of %zu of %zu pictures)", (size_t)evaluation->n, selection->count);
    log_info(
        "epoch %.2f step %lld: %s%s overall accuracy %.2f%% [%.2f%%, %.2f%%] (best %.2f%%), average %.2f%% [%.2f%%, "
        "%.2f%%] (best %.2f%%), loss %.4f",
        run_plan_epochs_done(journal->plan, (uint64_t)state->position.step), (long long)state->position.step,
        selection->split, fewer, 100 * confusion_overall_accuracy(confusion), 100 * overall.low, 100 * overall.high,
        100 * state->best.overall, 100 * confusion_average_accuracy(confusion), 100 * average.low, 100 * average.high,
        100 * state->best.average, evaluation->loss);
    const struct affect_agreement *affect = &evaluation->affect;
    if (affect->n > 0)
        log_info("  concordance (CCC) of valence %.4f, of arousal %.4f; RMSE %.4f and %.4f (%zu pictures)",
                 affect->concordance[AFFECT_VALENCE], affect->concordance[AFFECT_AROUSAL], affect->rmse[AFFECT_VALENCE],
                 affect->rmse[AFFECT_AROUSAL], affect->n);
    return STATUS_OK;
}
