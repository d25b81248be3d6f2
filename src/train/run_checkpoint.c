/* What last.safetensors holds besides the model: optimizer.SLAB.PARAMETER, optimizer.group_steps [groups], ema.NAME
 * for every parameter and running statistic, method.NAME for what the method remembers, and in trainer.* the
 * position, the best accuracies, how many pictures there were and the sums of the line of metrics that is under way.
 * Random numbers need no state: they are functions of the seed and the position. */
#include "run_checkpoint.h"

#include "rmfer/base/file_write.h"
#include "rmfer/base/log.h"
#include "rmfer/base/threads.h"
#include "rmfer/config/keys.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

/* ---- the extra tensors ---- */

static void add_tensor(struct extra_tensors *extra, enum tensor_type type, int rank, const size_t *shape, void *data,
                       const char *prefix, const char *name)
{
    BUG_UNLESS(extra->count < extra->capacity);
    char *full = extra->names[extra->count];
    snprintf(full, sizeof extra->names[0], "%s%s", prefix, name);
    struct tensor tensor = {.name = full, .type = type, .data = data};
    BUG_UNLESS(tensor_set_shape(&tensor, rank, shape));
    extra->targets[extra->count] = data;
    extra->limits[extra->count] = (struct value_limits){.low = -DBL_MAX, .high = DBL_MAX};
    extra->items[extra->count++] = tensor;
}

static void add_vector(struct extra_tensors *extra, enum tensor_type type, size_t count, void *data, const char *name)
{
    add_tensor(extra, type, 1, &count, data, "", name);
}

static void add_slab(struct extra_tensors *extra, const struct parameters *parameters,
                     const struct optimizer_slab *slab)
{
    char prefix[40];
    snprintf(prefix, sizeof prefix, CHECKPOINT_OPTIMIZER "%s.", slab->name);
    for (size_t i = 0; i < parameters->count; i++) {
        const struct parameter *entry = &parameters->items[i];
        if (!entry->is_buffer)
            add_tensor(extra, TENSOR_F32, entry->rank, entry->shape, slab->values + entry->offset, prefix, entry->name);
    }
}

static void add_average(struct extra_tensors *extra, const struct parameters *parameters,
                        const struct weight_average *average)
{
    for (size_t i = 0; i < parameters->count; i++) {
        const struct parameter *entry = &parameters->items[i];
        double *slab = entry->is_buffer ? average->buffers : average->values;
        add_tensor(extra, TENSOR_F64, entry->rank, entry->shape, slab + entry->offset, CHECKPOINT_AVERAGE, entry->name);
    }
}

static void add_memories(struct extra_tensors *extra, const struct method_memory *memories, size_t count)
{
    static const enum tensor_type types[] = {
        [MEMORY_F32] = TENSOR_F32, [MEMORY_F64] = TENSOR_F64, [MEMORY_U64] = TENSOR_U64};
    for (size_t i = 0; i < count; i++) {
        add_tensor(extra, types[memories[i].type], memories[i].rank, memories[i].shape, memories[i].data,
                   CHECKPOINT_METHOD, memories[i].name);
        if (memories[i].is_limited)
            extra->limits[extra->count - 1] = (struct value_limits){.low = memories[i].low, .high = memories[i].high};
    }
}

static status allocate_extra(struct extra_tensors *extra, size_t capacity, struct error *err)
{
    extra->capacity = capacity;
    extra->items = memory_allocate(capacity, sizeof *extra->items, "the checkpoint's list", err);
    extra->names = memory_allocate(capacity, sizeof *extra->names, "the checkpoint's names", err);
    extra->targets = memory_allocate(capacity, sizeof *extra->targets, "the checkpoint's list", err);
    extra->limits = memory_allocate(capacity, sizeof *extra->limits, "the checkpoint's list", err);
    bool failed = extra->items == NULL || extra->names == NULL || extra->targets == NULL || extra->limits == NULL;
    return failed ? STATUS_FAILED : STATUS_OK;
}

static status plan_extra(struct run_checkpoint *checkpoint, struct learner *learner, struct run_state *state,
                         struct error *err)
{
    struct extra_tensors *extra = &checkpoint->extra;
    struct optimizer_slab slabs[OPTIMIZER_MOST_SLABS];
    struct method_memory memories[MOST_MEMORIES] = {0};
    const struct parameters *parameters = &learner->model.parameters;
    size_t slab_count = optimizer_slabs(learner->optimizer, slabs), memory_count = 0;
    if (learner->method->memories != NULL) memory_count = learner->method->memories(learner->self, memories);
    size_t capacity = (slab_count + (learner->has_average ? 1 : 0)) * parameters->count + memory_count + 7;
    status result = allocate_extra(extra, capacity, err);
    if (result != STATUS_OK) return result;
    for (size_t i = 0; i < slab_count; i++) add_slab(extra, parameters, &slabs[i]);
    if (learner->has_average) add_average(extra, parameters, &learner->average);
    add_memories(extra, memories, memory_count);
    add_vector(extra, TENSOR_U64, GROUP_COUNT, optimizer_group_steps(learner->optimizer),
               CHECKPOINT_OPTIMIZER "group_steps");
    add_vector(extra, TENSOR_I64, POSITION_INTEGERS, &state->position, CHECKPOINT_TRAINER "position");
    add_vector(extra, TENSOR_I64, DATA_COUNTS, checkpoint->data_counts, CHECKPOINT_TRAINER "data_counts");
    extra->limits[extra->count - 1].may_be_missing = true;
    add_vector(extra, TENSOR_F64, BESTS_DOUBLES, &state->best, CHECKPOINT_TRAINER "best");
    extra->limits[extra->count - 1].is_any = true; /* NaN before there are any */
    add_vector(extra, TENSOR_I64, BEST_PICTURES_INTEGERS, &state->best_pictures, CHECKPOINT_TRAINER "best_pictures");
    extra->limits[extra->count - 1].may_be_missing = true;
    add_vector(extra, TENSOR_F64, LOSS_WINDOW_DOUBLES, &state->window, CHECKPOINT_TRAINER "window");
    extra->limits[extra->count - 1].is_any = true; /* for people only */
    add_vector(extra, TENSOR_F64, MOST_TERMS, state->window.term_batches, CHECKPOINT_TRAINER "window_terms");
    extra->limits[extra->count - 1] = (struct value_limits){.is_any = true, .may_be_missing = true};
    return STATUS_OK;
}

static void count_data(int64_t *counts, const struct pictures *pictures)
{
    counts[TRAINING_PICTURES] = (int64_t)pictures->training.count;
    counts[SELECTION_PICTURES] = (int64_t)pictures->selection.count;
    counts[UNLABELLED_PICTURES] = (int64_t)pictures->unlabelled.count;
    counts[RMSET_FACES] = pictures->index == NULL ? 0 : (int64_t)rmset_index_chosen_faces(pictures->index);
}

status run_checkpoint_init(struct run_checkpoint *checkpoint, const struct run_plan *plan,
                           const struct pictures *pictures, struct learner *learner, struct run_state *state,
                           const char *config_text, struct error *err)
{
    const struct config *config = plan->config;
    struct checkpoint_info *info = &checkpoint->info;
    *checkpoint = (struct run_checkpoint){.step = -1};
    *info = checkpoint_info_defaults(&learner->model.architecture);
    info->classes = (const char *const *)pictures->training.classes;
    info->class_count = (size_t)pictures->training.class_count;
    info->image_size = (int)config->data.image_size;
    memcpy(info->mean, config->eval.mean, sizeof info->mean);
    memcpy(info->std, config->eval.std, sizeof info->std);
    info->resize = config->data.resize == RESIZE_BICUBIC ? "bicubic" : "bilinear";
    info->method = plan->method->name;
    info->arithmetic = arithmetic_describe(checkpoint->arithmetic);
    info->config = config_text;
    count_data(checkpoint->data_counts, pictures);
    return plan_extra(checkpoint, learner, state, err);
}

void run_checkpoint_free(struct run_checkpoint *checkpoint)
{
    memory_free(checkpoint->extra.items);
    memory_free(checkpoint->extra.names);
    memory_free(checkpoint->extra.targets);
    memory_free(checkpoint->extra.limits);
    *checkpoint = (struct run_checkpoint){0};
}

/* ---- writing ---- */

static bool is_finite(const struct tensor *tensor)
{
    for (size_t i = 0; i < tensor->count; i++)
        if (!isfinite(tensor_element(tensor, i))) return false;
    return true;
}

const char *run_checkpoint_not_finite(const struct run_checkpoint *checkpoint, const struct parameters *parameters)
{
    const struct extra_tensors *extra = &checkpoint->extra;
    const char *why;
    const struct parameter *entry = parameters_find_unusable(parameters, &why);
    if (entry != NULL) return entry->name;
    for (size_t i = 0; i < extra->count; i++)
        if (!extra->limits[i].is_any && !is_finite(&extra->items[i])) return extra->items[i].name;
    return NULL;
}

static void describe(struct checkpoint_info *info, double epochs, int64_t step, const char *metrics, const char *split)
{
    info->step = step;
    info->epoch = epochs;
    info->metrics = metrics;
    info->selected_on = split;
}

status run_checkpoint_write_last(struct run_checkpoint *checkpoint, const struct run_folder *folder,
                                 const struct learner *learner, double epochs, int64_t step, const char *metrics,
                                 struct error *err)
{
    struct kept_file before;
    status result = run_folder_sync_lines(folder, err);
    if (result != STATUS_OK) return result;
    describe(&checkpoint->info, epochs, step, metrics, "");
    kept_file_hold(&before, folder->last, folder->previous);
    result = checkpoint_write(folder->last, &learner->model, &checkpoint->info, checkpoint->extra.items,
                              checkpoint->extra.count, err);
    kept_file_release(&before, result == STATUS_OK);
    return result;
}

status run_checkpoint_write_best(struct run_checkpoint *checkpoint, const char *path, const struct learner *learner,
                                 double epochs, int64_t step, const char *metrics, const char *split, struct error *err)
{
    describe(&checkpoint->info, epochs, step, metrics, split);
    return checkpoint_write(path, learner_model(learner), &checkpoint->info, NULL, 0, err);
}

/* ---- resuming ---- */

/* Keys that may be different when a run goes on: where things are, how fast, and how long. */
static bool may_change(const struct config_key *key)
{
    static const char *const names[] = {
        "data.root",     "data.images",     "data.workers",         "data.prefetch", "data.cache",
        "data.on_error", "data.max_bad",    "model.init",           "rmset.root",    "rmset.allow_outside",
        "train.epochs",  "train.max_steps", "train.early_stopping", "eval.every",
    };
    char full[96];
    snprintf(full, sizeof full, "%s.%s", key->section, key->name);
    if (strcmp(key->section, "output") == 0) return true;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (strcmp(names[i], full) == 0) return true;
    return false;
}

static status compare_key(const struct config *config, const struct config_key *key, const struct config *before,
                          const char *folder, struct error *err)
{
    struct text now = {0}, then = {0};
    status result = config_key_print(key, config, &now, err);
    if (result == STATUS_OK) result = config_key_print(key, before, &then, err);
    if (result == STATUS_OK && strcmp(text_string(&now), text_string(&then)) != 0)
        result = error_set_usage(err,
                                 "%s.%s = %.200s, but the run in %s was begun with %.200s: --resume goes on with "
                                 "the same settings (another --out begins a new run)",
                                 key->section, key->name, text_string(&now), folder, text_string(&then));
    text_free(&now);
    text_free(&then);
    return result;
}

/* Whether there is the mutual loss's head is decided when a run begins, by whether an epoch is left for that loss, and
 * so is what cached scoring remembers, which may be left behind. */
static status check_acl(const struct config *now, const struct config *before, const char *folder, struct error *err)
{
    bool has = config_has_acl(now), mutual = now->acl.loss == ACL_LOSS_MUTUAL;
    bool parts = mutual || (has && now->acl.scoring == SCORING_CACHED);
    if (!parts || has == config_has_acl(before)) return STATUS_OK;
    return error_set_usage(
        err,
        "train.epochs = %lld: %s epoch behind train.warmup_epochs = %lld for %s, but the run in %s "
        "was begun with train.epochs = %lld, %s %s (another --out begins a new run, model.init takes "
        "over its weights)",
        (long long)now->train.epochs, has ? "there is an" : "there is no", (long long)now->train.warmup_epochs,
        mutual ? "acl.loss = mutual" : "acl.scoring = cached", folder, (long long)before->train.epochs,
        has ? "without" : "with", mutual ? "the head of that loss" : "the features that are remembered for it");
}

status run_checkpoint_check(const struct run_plan *plan, const struct checkpoint *checkpoint, const char *folder,
                            struct error *err)
{
    /* Before there was a choice there was one method. */
    const char *method = checkpoint->info.method[0] == '\0' ? "rmfer" : checkpoint->info.method;
    if (strcmp(method, plan->method->name) != 0)
        return error_set_usage(err,
                               "%s was trained with train.method = %.40s, not %s: --resume goes on with the same "
                               "method (model.init takes over its weights into a new run)",
                               checkpoint->path, method, plan->method->name);
    struct config before;
    size_t count;
    const struct config_key *keys = config_keys(&count);
    status result = config_parse_foreign(&before, checkpoint->info.config, checkpoint->path, NULL, 0, err);
    for (size_t i = 0; i < count && result == STATUS_OK; i++)
        if (!may_change(&keys[i])) result = compare_key(plan->config, &keys[i], &before, folder, err);
    if (result == STATUS_OK) result = check_acl(plan->config, &before, folder, err);
    config_free(&before);
    return result;
}

/* What a method remembers leads it (a place in a queue, a probability), so that it is looked at before it is used. */
static status check_values(const struct checkpoint *checkpoint, const struct tensor *found,
                           const struct value_limits *limits, struct error *err)
{
    struct tensor row = *found; /* the file's tensors have no gaps */
    BUG_UNLESS(tensor_set_shape(&row, 1, &found->count));
    for (size_t i = 0; i < found->count && !limits->is_any; i++) {
        double value = tensor_element(&row, i);
        if (value >= limits->low && value <= limits->high) continue;
        return error_set(err, "%s: %s holds %g, which no run writes there: this run cannot go on from it",
                         checkpoint->path, found->name, value);
    }
    return STATUS_OK;
}

/* Back to where it came from; what may be missing is left alone then. */
static status restore_tensor(const struct checkpoint *checkpoint, const struct tensor *wanted,
                             const struct value_limits *limits, void *target, struct error *err)
{
    const struct tensor *found = checkpoint_tensor(checkpoint, wanted->name);
    if (found == NULL && limits->may_be_missing) return STATUS_OK;
    if (found == NULL || found->type != wanted->type || !tensor_has_shape(found, wanted->rank, wanted->shape))
        return error_set(err, "%s: %s is missing or of another type or shape: this run cannot go on from it",
                         checkpoint->path, wanted->name);
    if (check_values(checkpoint, found, limits, err) != STATUS_OK) return STATUS_FAILED;
    memcpy(target, found->data, found->count * tensor_type_size(found->type));
    return STATUS_OK;
}

/* A step count that came from a file. */
static bool is_count(int64_t number)
{
    return number >= 0 && number <= INT64_C(1) << 53;
}

/* Another rounding is no error: the run goes on as well, but not to the same bits. */
static void warn_of_other_bits(const struct run_checkpoint *checkpoint, const struct checkpoint *from, int64_t threads)
{
    const char *then = from->info.arithmetic, *now = checkpoint->arithmetic;
    if (threads != threads_get())
        log_warning("%s was made with %lld threads: with %d the bits will not be those of an uninterrupted run",
                    from->path, (long long)threads, threads_get());
    if (then[0] != '\0' && strcmp(then, now) != 0)
        log_warning("%s was made by %.95s: by %s the bits will not be those of an uninterrupted run (RMFER_ISA and "
                    "OPENBLAS_CORETYPE choose)",
                    from->path, then, now);
}

static status check_position(const struct position *p, const struct checkpoint *checkpoint, uint64_t last_step,
                             struct error *err)
{
    if (!is_count(p->step) || !is_count(p->evaluated_step) || !is_count(p->evaluations_without_better) ||
        !is_count(p->best_overall_step) || !is_count(p->best_average_step) || p->step != checkpoint->info.step)
        return error_set(err, "%s: trainer.position is damaged", checkpoint->path);
    if ((uint64_t)p->step > last_step)
        return error_set_usage(err,
                               "%s stands at step %lld, after the run's end at step %llu (train.epochs, "
                               "train.max_steps)",
                               checkpoint->path, (long long)p->step, (unsigned long long)last_step);
    return STATUS_OK;
}

/* Phases, rates and what comes when are counted in epochs, and they in steps of the training pictures: with another
 * number of them the run would jump. Checkpoints always knew their epoch. */
static status check_epoch(const struct run_plan *plan, const struct checkpoint *from, const int64_t *counts,
                          struct error *err)
{
    double then = from->info.epoch, now = run_plan_epochs_done(plan, (uint64_t)from->info.step);
    if (then <= 0 || fabs(then - now) <= 1e-9 * now) return STATUS_OK;
    return error_set_usage(
        err,
        "%s stands at step %lld, which was epoch %.2f of its training pictures and is epoch %.2f of the %lld "
        "there are now: --resume goes on with the same data (another --out begins a new run, model.init takes "
        "over its weights)",
        from->path, (long long)from->info.step, then, now, (long long)counts[TRAINING_PICTURES]);
}

/* A few pictures more or fewer do not keep a run from going on. */
static void warn_of_other_data(const struct checkpoint *from, const int64_t *then, const int64_t *now)
{
    static const char *const names[DATA_COUNTS] = {[TRAINING_PICTURES] = "training pictures",
                                                   [SELECTION_PICTURES] = "pictures that choose the best checkpoint",
                                                   [UNLABELLED_PICTURES] = "unlabelled pictures",
                                                   [RMSET_FACES] = "faces of an RMset"};
    for (int i = 0; i < DATA_COUNTS; i++)
        if (then[i] != now[i])
            log_warning(
                "%s was made with %lld %s, of which there are %lld now: the run will not be the one that it was",
                from->path, (long long)then[i], names[i], (long long)now[i]);
}

static void warn_of_other_rates(const struct run_plan *then, const struct run_plan *now, uint64_t step)
{
    double rate = run_plan_rates(now, step).learning_rate[GROUP_FER];
    double rate_then = run_plan_rates(then, step < then->last_step ? step : then->last_step - 1)
                           .learning_rate[GROUP_FER];
    if (fabs(rate - rate_then) <= 1e-9 * rate_then) return;
    log_warning("the run ends at step %llu now, no longer at %llu (train.epochs, train.max_steps): its learning rate "
                "goes on at %.3g; as the run began it would be %.3g",
                (unsigned long long)now->last_step, (unsigned long long)then->last_step, rate, rate_then);
}

/* The rates of most schedules are those of a share of the run, and so is what methods let rise. */
static void warn_of_another_end(const struct run_plan *plan, const struct checkpoint *from, uint64_t samples)
{
    struct config before;
    struct run_plan then;
    uint64_t step = (uint64_t)from->info.step;
    status result = config_parse_foreign(&before, from->info.config, from->path, NULL, 0, NULL);
    if (result == STATUS_OK) result = run_plan_init(&then, &before, plan->dist, NULL);
    if (result == STATUS_OK) run_plan_count(&then, samples);
    if (result == STATUS_OK && then.last_step != plan->last_step && step < plan->last_step) {
        const struct method *method = plan->method;
        const char *key = method->moves_with_progress == NULL ? NULL : method->moves_with_progress(plan->config);
        warn_of_other_rates(&then, plan, step);
        if (key != NULL)
            log_warning("the run ends at step %llu now, no longer at %llu (train.epochs, train.max_steps): %s goes by "
                        "shares of the run, and goes on as in one of %llu steps",
                        (unsigned long long)plan->last_step, (unsigned long long)then.last_step, key,
                        (unsigned long long)plan->last_step);
    }
    config_free(&before);
}

status run_checkpoint_restore(struct run_checkpoint *checkpoint, const struct run_plan *plan,
                              const struct checkpoint *from, struct learner *learner, struct run_state *state,
                              struct error *err)
{
    const struct extra_tensors *extra = &checkpoint->extra;
    int64_t now[DATA_COUNTS], then[DATA_COUNTS];
    memcpy(now, checkpoint->data_counts, sizeof now);
    state->window.term_batches[0] = -1;
    status result = checkpoint_load_model(from, &learner->model, err);
    for (size_t i = 0; i < extra->count && result == STATUS_OK; i++)
        result = restore_tensor(from, &extra->items[i], &extra->limits[i], extra->targets[i], err);
    if (state->window.term_batches[0] < 0) /* an earlier program counted each term in every batch */
        for (size_t i = 0; i < MOST_TERMS; i++) state->window.term_batches[i] = state->window.batches;
    memcpy(then, checkpoint->data_counts, sizeof then);
    memcpy(checkpoint->data_counts, now, sizeof now);
    if (result == STATUS_OK) result = check_position(&state->position, from, plan->last_step, err);
    if (result == STATUS_OK) result = check_epoch(plan, from, now, err);
    if (result != STATUS_OK) return result;
    warn_of_other_data(from, then, now);
    warn_of_another_end(plan, from, (uint64_t)now[TRAINING_PICTURES]);
    if (learner->has_average) weight_average_round(&learner->average, &learner->model.parameters);
    warn_of_other_bits(checkpoint, from, state->position.threads);
    state->position.threads = threads_get();
    checkpoint->step = state->position.step;
    checkpoint->info.temperature = from->info.temperature;
    log_info("%s: going on after step %lld, epoch %.2f", from->path, (long long)state->position.step,
             run_plan_epochs_done(plan, (uint64_t)state->position.step));
    return STATUS_OK;
}
