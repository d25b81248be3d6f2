/* The run folder opened, and the messages before the first step and when numbers go wrong. Lines of metrics are
 * journal_lines.c's. */
#include "journal.h"

#include "rmfer/base/log.h"

#include <math.h>
#include <string.h>

/* ---- the folder ---- */

status journal_init(struct journal *journal, const struct run_plan *plan, struct error *err)
{
    const char *folder = plan->config->output.dir;
    *journal = (struct journal){.plan = plan, .writes = run_plan_writes(plan)};
    if (folder[0] == '\0') return error_set_usage(err, "no run folder: --out DIR or output.dir says where");
    status result = run_folder_init(&journal->run, folder, err);
    if (result == STATUS_OK && journal->writes) result = run_folder_lock(&journal->run, err);
    return result == STATUS_OK ? config_print(plan->config, &journal->config_text, err) : result;
}

status journal_open(struct journal *journal, const struct position *position, struct error *err)
{
    uint64_t step = (uint64_t)position->step;
    if (!journal->writes) return STATUS_OK;
    status result = run_folder_write_config(&journal->run, text_string(&journal->config_text), err);
    if (result == STATUS_OK)
        result = run_folder_open_metrics(&journal->run, step, position->evaluated_step == position->step, err);
    if (result == STATUS_OK) result = run_folder_open_log(&journal->run, err);
    if (result == STATUS_OK && journal->plan->config->output.tensorboard)
        result = event_writer_open(&journal->events, journal->run.folder, err);
    journal->progress = progress_begin(step);
    return result;
}

void journal_free(struct journal *journal)
{
    event_writer_close(journal->events);
    text_free(&journal->config_text);
    text_free(&journal->last_metrics);
    text_free(&journal->line);
    run_folder_free(&journal->run);
    *journal = (struct journal){0};
}

/* ---- before the first step ---- */

/* Of a phase that train.max_steps lets begin; its end, too, is where the run's is at the latest. */
static void report_phase(const struct run_plan *plan, const struct phase *phase)
{
    uint64_t run_end = run_plan_epoch(plan, plan->last_step - 1) + 1;
    const struct method *method = plan->method;
    const struct optimizer_rates *rates = &phase->rates;
    double head_rate = run_plan_head_rate(plan, rates);
    char terms[128] = "", heads[32] = "";
    size_t used = 0;
    if (phase->first_epoch >= run_end) return;
    if (!isnan(head_rate)) snprintf(heads, sizeof heads, ", heads %g", head_rate);
    for (size_t i = 0; i < method->term_count; i++)
        if (phase->weights[i] > 0 && used < sizeof terms)
            used += (size_t)snprintf(terms + used, sizeof terms - used, "%s%s", used > 0 ? ", " : "",
                                     method->terms[i].label);
    log_info("phase %d, epochs %llu to %llu: %s; learning rates %g%s%s", phase->number,
             (unsigned long long)phase->first_epoch + 1,
             (unsigned long long)(phase->end_epoch < run_end ? phase->end_epoch : run_end), terms,
             rates->learning_rate[GROUP_FER], heads, rates->frozen[GROUP_BACKBONE] ? "; backbone frozen" : "");
}

static void warn_of_idle_acl(const struct config *config)
{
    const struct config_train *train = &config->train;
    bool is_asked = strcmp(train->method, "rmfer") == 0 && config->acl.weight > 0 && config->rmset.fraction > 0;
    if (is_asked && train->warmup_epochs >= train->epochs)
        log_warning("acl.weight = %g, but train.warmup_epochs = %lld leaves ACL none of train.epochs = %lld: this run "
                    "learns without it",
                    config->acl.weight, (long long)train->warmup_epochs, (long long)train->epochs);
}

/* What concordance cannot learn from: fewer than two pictures, or the same numbers everywhere. */
static void check_affect(const struct run_plan *plan, const struct dataset *training)
{
    const float *first = NULL;
    size_t known = 0, different = 0;
    if (plan->config->va.weight <= 0 || training->affect == NULL) return;
    for (size_t i = 0; i < training->count; i++) {
        const float *affect = training->affect + 2 * i;
        if (isnan(affect[0])) continue;
        if (known++ == 0) first = affect;
        different += affect[0] != first[0] || affect[1] != first[1];
    }
    if (known < 2)
        log_warning("va.weight = %g: %zu training picture has valence and arousal, and nothing can be learned of one",
                    plan->config->va.weight, known);
    else if (different == 0)
        log_warning("va.weight = %g: all %zu training pictures that have valence and arousal have the same: nothing "
                    "can be learned of them",
                    plan->config->va.weight, known);
}

/* Average accuracy and the classifier's rows tell nothing of a class that is never shown; with a single one there is
 * nothing to tell apart. */
static status check_classes(const struct dataset *training, struct error *err)
{
    size_t missing = 0, classes = (size_t)training->class_count;
    struct text names = {0};
    status result = STATUS_OK;
    for (size_t c = 0; c < classes && result == STATUS_OK; c++)
        if (training->class_counts[c] == 0)
            result = text_append_format(&names, err, "%s%s", missing++ > 0 ? ", " : "", training->classes[c]);
    if (result == STATUS_OK && classes > 1 && missing + 1 == classes)
        result = error_set(err, "the training split shows a single class; no sample of %.300s: nothing to tell apart",
                           text_string(&names));
    else if (result == STATUS_OK && missing > 0)
        log_warning("no training sample of %s: %s cannot be learned", text_string(&names),
                    missing == 1 ? "this class" : "these classes");
    text_free(&names);
    return result;
}

status journal_report_data(const struct journal *journal, const struct pictures *pictures, struct error *err)
{
    const struct run_plan *plan = journal->plan;
    struct text text = {0};
    status result = dataset_describe(&pictures->training, &text, err);
    if (result == STATUS_OK && pictures->unlabelled.count > 0)
        result = dataset_describe(&pictures->unlabelled, &text, err);
    if (result == STATUS_OK) result = dataset_describe(&pictures->selection, &text, err);
    if (result == STATUS_OK) log_info_lines("", text_string(&text));
    text_free(&text);
    if (result == STATUS_OK) result = check_classes(&pictures->training, err);
    if (result != STATUS_OK) return result;
    check_affect(plan, &pictures->training);
    warn_of_idle_acl(plan->config);
    const struct rmset_index *index = pictures->index;
    if (index != NULL)
        log_info("RMset: %llu faces of %llu videos (%llu faces of %llu videos in all)",
                 (unsigned long long)rmset_index_chosen_faces(index),
                 (unsigned long long)rmset_index_chosen_videos(index), (unsigned long long)rmset_index_faces(index),
                 (unsigned long long)rmset_index_videos(index));
    for (size_t i = 0; i < plan->phases.count; i++) report_phase(plan, &plan->phases.phases[i]);
    log_info("%llu steps of %zu x %lld pictures, %llu an epoch; an evaluation every %llu steps",
             (unsigned long long)plan->last_step, run_plan_most_batches(plan), (long long)plan->config->train.batch,
             (unsigned long long)plan->steps_per_epoch, (unsigned long long)plan->evaluation_steps);
    return STATUS_OK;
}

static double mebibytes(size_t bytes)
{
    return (double)bytes / 1048576.0;
}

static const char *saved_as(enum config_saved saved)
{
    switch (saved) {
    case SAVED_FLOAT32: break;
    case SAVED_BFLOAT16: return " (maps as bfloat16)";
    case SAVED_FLOAT16: return " (maps as float16)";
    }
    return "";
}

void journal_report_memory(const struct learner *learner, const struct pictures *pictures,
                           const struct evaluator *evaluator, enum config_saved saved, size_t to_come)
{
    struct method_bytes method = learner->method->bytes(learner->self);
    size_t weights = learner->model.parameters.arena.size, state = optimizer_bytes(learner->optimizer);
    size_t average = learner->average.arena.size, kept = pictures_bytes(pictures);
    size_t evaluation = evaluator_bytes(evaluator), sums = dist_gradients_bytes(learner->sums);
    char labels[64] = "", processes[64] = "";
    if (sums > 0) (void)snprintf(processes, sizeof processes, ", sums over processes %.0f", mebibytes(sums));
    if (method.labels > 0)
        (void)snprintf(labels, sizeof labels, ", labels of the RMset %.1f", mebibytes(method.labels));
    log_info("memory: %.0f MiB planned: weights and gradients %.0f, optimizer %.0f, average %.0f, saved for backward "
             "%.0f%s, scratch %.0f%s%s, pictures %.0f, evaluation %.0f; a cache and decoding of pictures may add %.0f",
             mebibytes(weights + state + average + method.saved + method.scratch + method.labels + sums + kept +
                       evaluation),
             mebibytes(weights), mebibytes(state), mebibytes(average), mebibytes(method.saved), saved_as(saved),
             mebibytes(method.scratch), labels, processes, mebibytes(kept), mebibytes(evaluation), mebibytes(to_come));
}

/* ---- when numbers go wrong ---- */

enum { NAMED_PICTURES = 3 };

/* Every picture of a stream into the log; the first few of the labelled ones also into `first`. */
static status name_stream(const struct pictures *pictures, enum stream_source source, const struct batch_stream *stream,
                          struct text *first, struct error *err)
{
    struct text name = {0};
    status result = STATUS_OK;
    bool labelled = source == STREAM_LABELLED;
    for (int i = 0; i < stream->rows && result == STATUS_OK; i++) {
        name.length = 0;
        result = pictures_name(pictures, source, stream->ids[i], &name, err);
        if (result != STATUS_OK) break;
        log_verbose("not finite: %s %s",
                    labelled                      ? "labelled picture"
                    : source == STREAM_UNLABELLED ? "unlabelled picture"
                                                  : "RMset face",
                    text_string(&name));
        if (labelled && i < NAMED_PICTURES)
            result = text_append_format(first, err, "%s%s", i == 0 ? "" : ", ", text_string(&name));
    }
    text_free(&name);
    return result;
}

static void describe_cause(const struct method *method, const struct learner_failure *failure, char *text, size_t size)
{
    if (!failure->is_loss) {
        snprintf(text, size, "the gradient is not finite (length %g)", fabs(failure->norm));
        return;
    }
    size_t used = (size_t)snprintf(text, size, "the loss is not finite (");
    for (size_t i = 0; i < method->term_count && used < size; i++) {
        double term = failure->outcome.terms[i];
        used += (size_t)snprintf(text + used, size - used, "%s%s %g", i > 0 ? ", " : "", method->terms[i].label,
                                 isnan(term) ? NAN : term); /* without its sign, which says nothing */
    }
    if (used < size) snprintf(text + used, size - used, ")");
}

/* What to go on from, and what may help: a run that goes on has the same settings, and meets the same numbers again. */
static void describe_way_on(const struct journal *journal, int64_t checkpoint_step, char *text, size_t size)
{
    char last[ERROR_MESSAGE_BYTES / 2] = "no checkpoint was written yet; ";
    if (checkpoint_step >= 0)
        snprintf(last, sizeof last,
                 "last good checkpoint: %.300s, of step %lld; --resume would come here again, a new run (--out) with "
                 "model.init = that file and ",
                 journal->run.last, (long long)checkpoint_step);
    snprintf(text, size, "%sa smaller train.lr or train.clip_norm may help%s", last,
             journal->plan->config->train.saved == SAVED_FLOAT16
                 ? ", or train.saved = bfloat16, which holds numbers beyond 65504"
                 : "");
}

status journal_report_not_finite(struct journal *journal, const struct run_state *state,
                                 const struct learner_failure *failure, const struct pictures *pictures,
                                 int64_t checkpoint_step, struct error *err)
{
    const struct run_plan *plan = journal->plan;
    struct text first = {0};
    char cause[256], way_on[ERROR_MESSAGE_BYTES];
    status result = STATUS_OK;
    progress_hide(&journal->progress);
    error_clear(err);
    for (size_t b = 0; b < failure->count; b++)
        for (size_t s = 0; s < plan->stream_count && result == STATUS_OK; s++)
            result = name_stream(pictures, plan->streams[s].source, &failure->batches[b].streams[s], &first, err);
    describe_cause(plan->method, failure, cause, sizeof cause);
    describe_way_on(journal, checkpoint_step, way_on, sizeof way_on);
    if (result == STATUS_OK)
        result = error_set(err, "step %lld (epoch %.2f): %s on %.300s, ... (all are named in %s); %s",
                           (long long)state->position.step + 1,
                           run_plan_epochs_done(plan, (uint64_t)state->position.step), cause, text_string(&first),
                           journal->run.log, way_on);
    text_free(&first);
    return result;
}

status journal_report_damage(struct journal *journal, const struct run_state *state, const char *name,
                             int64_t checkpoint_step, struct error *err)
{
    char way_on[ERROR_MESSAGE_BYTES];
    progress_hide(&journal->progress);
    describe_way_on(journal, checkpoint_step, way_on, sizeof way_on);
    return error_set(err, "step %lld (epoch %.2f): %s is not finite any more, so that nothing can go on from here; %s",
                     (long long)state->position.step,
                     run_plan_epochs_done(journal->plan, (uint64_t)state->position.step), name, way_on);
}
