/* last.safetensors holds, besides the model: optimizer.SLAB.PARAMETER, optimizer.group_steps [groups],
 * ema.NAME for every parameter and running statistic, and in trainer.* the position (struct position), the best
 * accuracies and the sums of the line of metrics that is under way. Random numbers need no state: they are functions
 * of the seed and the position. */
#include "trainer_internal.h"

#include "rmfer/base/log.h"
#include "rmfer/base/threads.h"
#include "rmfer/config/keys.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* ---- the extra tensors -------------------------------------------------------------------------------------------
 */

static void add_tensor(struct extra_tensors *extra, enum tensor_type type, int rank, const size_t *shape, void *data,
                       const char *prefix, const char *name)
{
    BUG_UNLESS(extra->count < extra->capacity);
    char *full = extra->names[extra->count];
    snprintf(full, sizeof extra->names[0], "%s%s", prefix, name);
    struct tensor tensor = {.name = full, .type = type, .data = data};
    BUG_UNLESS(tensor_set_shape(&tensor, rank, shape));
    extra->targets[extra->count] = data;
    extra->items[extra->count++] = tensor;
}

static void add_vector(struct extra_tensors *extra, enum tensor_type type, size_t count, void *data, const char *name)
{
    add_tensor(extra, type, 1, &count, data, "", name);
}

static void add_slab(struct trainer *t, const struct optimizer_slab *slab)
{
    char prefix[40];
    snprintf(prefix, sizeof prefix, "optimizer.%s.", slab->name);
    for (size_t i = 0; i < t->model.parameters.count; i++) {
        const struct parameter *entry = &t->model.parameters.items[i];
        if (!entry->is_buffer)
            add_tensor(&t->extra, TENSOR_F32, entry->rank, entry->shape, slab->values + entry->offset, prefix,
                       entry->name);
    }
}

static void add_average(struct trainer *t)
{
    for (size_t i = 0; i < t->model.parameters.count; i++) {
        const struct parameter *entry = &t->model.parameters.items[i];
        real *slab = entry->is_buffer ? t->average.buffers : t->average.values;
        add_tensor(&t->extra, TENSOR_F32, entry->rank, entry->shape, slab + entry->offset, CHECKPOINT_AVERAGE,
                   entry->name);
    }
}

status trainer_plan_extra(struct trainer *t, struct error *err)
{
    struct optimizer_slab slabs[OPTIMIZER_MOST_SLABS];
    size_t slab_count = optimizer_slabs(t->optimizer, slabs);
    struct extra_tensors *extra = &t->extra;
    extra->capacity = (slab_count + (t->has_average ? 1 : 0)) * t->model.parameters.count + 4;
    extra->items = memory_allocate(extra->capacity, sizeof *extra->items, "the checkpoint's list", err);
    extra->names = memory_allocate(extra->capacity, sizeof *extra->names, "the checkpoint's names", err);
    extra->targets = memory_allocate(extra->capacity, sizeof *extra->targets, "the checkpoint's list", err);
    if (extra->items == NULL || extra->names == NULL || extra->targets == NULL) return STATUS_FAILED;
    for (size_t i = 0; i < slab_count; i++) add_slab(t, &slabs[i]);
    if (t->has_average) add_average(t);
    add_vector(extra, TENSOR_U64, GROUP_COUNT, optimizer_group_steps(t->optimizer), "optimizer.group_steps");
    add_vector(extra, TENSOR_I64, POSITION_INTEGERS, &t->position, "trainer.position");
    add_vector(extra, TENSOR_F64, 2, &t->best, "trainer.best");
    add_vector(extra, TENSOR_F64, LOSS_WINDOW_DOUBLES, &t->window, "trainer.window");
    return STATUS_OK;
}

/* ---- writing -----------------------------------------------------------------------------------------------------
 */

static void describe_position(struct trainer *t)
{
    t->info.step = t->position.step;
    t->info.epoch = trainer_epochs_done(t, (uint64_t)t->position.step);
    t->info.metrics = text_string(&t->last_metrics);
}

status trainer_write_last(struct trainer *t, struct error *err)
{
    describe_position(t);
    t->info.selected_on = "";
    status result = checkpoint_write(t->run.last, &t->model, &t->info, t->extra.items, t->extra.count, err);
    if (result == STATUS_OK) t->checkpoint_step = t->position.step;
    return result;
}

status trainer_write_best(struct trainer *t, const char *path, struct error *err)
{
    struct model view = t->has_average ? weight_average_view(&t->average, &t->model) : t->model;
    describe_position(t);
    t->info.selected_on = t->selection.split;
    return checkpoint_write(path, &view, &t->info, NULL, 0, err);
}

/* ---- resuming ----------------------------------------------------------------------------------------------------
 */

/* Keys that may be different when a run goes on: where things are, how fast, and how long. */
static bool may_change(const struct config_key *key)
{
    static const char *const names[] = {
        "data.root",       "data.images",          "data.workers", "data.prefetch", "data.cache",
        "data.on_error",   "data.max_bad",         "model.init",   "rmset.root",    "train.epochs",
        "train.max_steps", "train.early_stopping", "eval.every",
    };
    char full[96];
    snprintf(full, sizeof full, "%s.%s", key->section, key->name);
    if (strcmp(key->section, "output") == 0) return true;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (strcmp(names[i], full) == 0) return true;
    return false;
}

static status compare_key(const struct trainer *t, const struct config_key *key, const struct config *before,
                          struct error *err)
{
    struct text now = {0}, then = {0};
    status result = config_key_print(key, t->config, &now, err);
    if (result == STATUS_OK) result = config_key_print(key, before, &then, err);
    if (result == STATUS_OK && strcmp(text_string(&now), text_string(&then)) != 0)
        result = error_set_usage(err,
                                 "%s.%s = %.200s, but the run in %s was begun with %.200s: --resume goes on with "
                                 "the same settings (another --out begins a new run)",
                                 key->section, key->name, text_string(&now), t->run.folder, text_string(&then));
    text_free(&now);
    text_free(&then);
    return result;
}

status trainer_check_settings(const struct trainer *t, const struct checkpoint *checkpoint, struct error *err)
{
    struct config before;
    size_t count;
    const struct config_key *keys = config_keys(&count);
    status result = config_parse(&before, checkpoint->info.config, checkpoint->path, "", NULL, 0, err);
    for (size_t i = 0; i < count && result == STATUS_OK; i++)
        if (!may_change(&keys[i])) result = compare_key(t, &keys[i], &before, err);
    config_free(&before);
    return result;
}

static status restore_tensor(const struct checkpoint *checkpoint, const struct tensor *wanted, void *target,
                             struct error *err)
{
    const struct tensor *found = checkpoint_tensor(checkpoint, wanted->name);
    if (found == NULL || found->type != wanted->type || !tensor_has_shape(found, wanted->rank, wanted->shape))
        return error_set(err, "%s: %s is missing or of another type or shape: this run cannot go on from it",
                         checkpoint->path, wanted->name);
    memcpy(target, found->data, found->count * tensor_type_size(found->type));
    return STATUS_OK;
}

/* A step count that came from a file. */
static bool is_count(int64_t number)
{
    return number >= 0 && number <= INT64_C(1) << 53;
}

static status check_position(const struct trainer *t, const struct checkpoint *checkpoint, struct error *err)
{
    const struct position *p = &t->position;
    if (!is_count(p->step) || !is_count(p->evaluated_step) || !is_count(p->evaluations_without_better) ||
        !is_count(p->best_overall_step) || !is_count(p->best_average_step) || p->step != checkpoint->info.step)
        return error_set(err, "%s: trainer.position is damaged", checkpoint->path);
    if ((uint64_t)p->step > t->last_step)
        return error_set_usage(err,
                               "%s stands at step %lld, after the run's end at step %llu (train.epochs, "
                               "train.max_steps)",
                               checkpoint->path, (long long)p->step, (unsigned long long)t->last_step);
    if (p->threads != threads_get())
        log_warning("%s was made with %lld threads: with %d the bits will not be those of an uninterrupted run",
                    checkpoint->path, (long long)p->threads, threads_get());
    return STATUS_OK;
}

status trainer_restore(struct trainer *t, const struct checkpoint *checkpoint, struct error *err)
{
    status result = checkpoint_load_model(checkpoint, &t->model, err);
    for (size_t i = 0; i < t->extra.count && result == STATUS_OK; i++)
        result = restore_tensor(checkpoint, &t->extra.items[i], t->extra.targets[i], err);
    if (result == STATUS_OK) result = check_position(t, checkpoint, err);
    if (result == STATUS_OK) result = text_append_format(&t->last_metrics, err, "%s", checkpoint->info.metrics);
    if (result != STATUS_OK) return result;
    t->position.threads = threads_get();
    t->checkpoint_step = t->position.step;
    log_info("%s: going on after step %lld, epoch %.2f", checkpoint->path, (long long)t->position.step,
             trainer_epochs_done(t, (uint64_t)t->position.step));
    return STATUS_OK;
}
