#include "trainer_internal.h"

#include "rmfer/base/file.h"
#include "rmfer/base/log.h"
#include "rmfer/base/threads.h"
#include "rmfer/ckpt/import.h"

#include <math.h>
#include <string.h>

/* ---- data --------------------------------------------------------------------------------------------------------
 */

/* With eval.select = test everything but the test split is learned, as published work does. */
static status open_data(struct trainer *t, struct error *err)
{
    const struct config *config = t->config;
    bool by_test = config->eval.select == SELECT_TEST;
    status result = dataset_open(&t->training, &config->data, by_test ? SPLIT_TRAIN_WHOLE : SPLIT_TRAIN, err);
    if (result == STATUS_OK)
        result = dataset_open(&t->selection, &config->data, by_test ? SPLIT_TEST : SPLIT_VALID, err);
    if (result != STATUS_OK) return result;
    if (t->training.count < (size_t)config->train.batch)
        return error_set(err, "%s: the training split has %zu pictures, fewer than train.batch = %lld",
                         config->data.root, t->training.count, (long long)config->train.batch);
    if (t->selection.count == 0)
        return error_set(err,
                         "%s: the %s split, which chooses the best checkpoint, has no pictures (eval.select, "
                         "data.valid_fraction)",
                         config->data.root, t->selection.split);
    return STATUS_OK;
}

static status open_rmset(struct trainer *t, struct error *err)
{
    const struct config *config = t->config;
    if (!config_has_phase2(config)) return STATUS_OK;
    char *csv = path_join(config->rmset.root, config->rmset.index, err);
    if (csv == NULL) return STATUS_FAILED;
    struct rmset_options options = {
        .csv = csv,
        .every = config->rmset.every,
        .fraction = config->rmset.fraction,
        .seed = (uint64_t)config->rmset.seed,
        .near = config->acl.near,
        .far = config->acl.far,
    };
    status result = rmset_index_open(&t->index, &options, err);
    if (result == STATUS_OK && !rmset_index_has_anchors(t->index))
        result = error_set(err,
                           "%s: no face has both a positive (another person within acl.near frames) and a "
                           "negative (the same person more than acl.far frames away)",
                           csv);
    memory_free(csv);
    t->source = (struct rmset_source){.index = t->index,
                                      .seed = (uint64_t)config->train.seed,
                                      .positives = (int)config->acl.n_pos,
                                      .negatives = (int)config->acl.n_neg};
    return result;
}

/* Labelled pictures of a batch. */
static struct loader_stream labelled_stream(struct trainer *t)
{
    const struct config *config = t->config;
    struct loader_stream stream = {
        .source = dataset_picture_source(&t->labelled),
        .rows = (int)config->train.batch,
        .views = 1,
        .kinds = {config->augment.enabled ? VIEW_PLAIN : VIEW_AS_IS},
        .augment = &config->augment,
    };
    memcpy(stream.mean, config->data.mean, sizeof stream.mean);
    memcpy(stream.std, config->data.std, sizeof stream.std);
    return stream;
}

/* Anchors of a batch with their candidates, in phase 2. */
static struct loader_stream contrastive_stream(struct trainer *t)
{
    const struct config *config = t->config;
    struct loader_stream stream = {
        .source = rmset_draws(&t->source),
        .first_epoch = t->phases.phases[t->phases.count - 1].first_epoch,
        .views = 1,
        .kinds = {config->rmset.augment && config->augment.enabled ? VIEW_PLAIN : VIEW_AS_IS},
        .augment = &config->augment,
    };
    stream.rows = (int)config->acl.anchors * stream.source.group;
    memcpy(stream.mean, config->rmset.mean, sizeof stream.mean);
    memcpy(stream.std, config->rmset.std, sizeof stream.std);
    return stream;
}

/* Starts where the run stands. */
static status start_loader(struct trainer *t, struct error *err)
{
    const struct config_data *data = &t->config->data;
    uint64_t step = (uint64_t)t->position.step, seed = (uint64_t)t->config->train.seed;
    enum sampler_order order = data->sampler == SAMPLER_BALANCED ? ORDER_BALANCED : ORDER_SHUFFLE;
    status result = dataset_source_init(&t->labelled, &t->training, order, seed, true, err);
    if (result != STATUS_OK) return result;
    struct loader_options options = {
        .seed = seed,
        .drop_last = true,
        .replace_bad = true,
        .image_size = (int)data->image_size,
        .resize = data->resize,
        .workers = (int)data->workers,
        .prefetch = (int)data->prefetch,
        .cache_bytes = (size_t)data->cache << 20,
        .on_error = data->on_error,
        .max_bad = data->max_bad,
        .start_epoch = trainer_epoch(t, step),
        .start_batch = trainer_first_batch(t, step),
    };
    options.streams[options.stream_count++] = labelled_stream(t);
    if (t->index != NULL) options.streams[options.stream_count++] = contrastive_stream(t);
    result = loader_create(&t->loader, &options, err);
    if (result == STATUS_OK) BUG_UNLESS(loader_batches_per_epoch(t->loader) == t->batches_per_epoch);
    return result;
}

/* ---- the plan of steps -------------------------------------------------------------------------------------------
 */

static uint64_t steps_of_epochs(const struct trainer *t, double epochs)
{
    double steps = round(epochs * (double)t->steps_per_epoch);
    return steps < 1 ? 1 : (uint64_t)steps;
}

static void plan_steps(struct trainer *t)
{
    const struct config_train *train = &t->config->train;
    uint64_t accumulate = (uint64_t)train->accumulate;
    t->phases = phase_table_of(t->config);
    t->batches_per_epoch = (uint64_t)t->training.count / (uint64_t)train->batch;
    t->steps_per_epoch = (t->batches_per_epoch + accumulate - 1) / accumulate;
    t->schedule = schedule_of(train, t->steps_per_epoch);
    t->last_step = (uint64_t)train->epochs * t->steps_per_epoch;
    if (train->max_steps > 0 && (uint64_t)train->max_steps < t->last_step) t->last_step = (uint64_t)train->max_steps;
    t->evaluation_steps = steps_of_epochs(t, t->config->eval.every);
    t->checkpoint_steps = steps_of_epochs(t, t->config->output.checkpoint_every);
}

/* ---- the model ---------------------------------------------------------------------------------------------------
 */

/* Notes of an import, line by line. */
static void log_notes(const char *path, const struct import_report *report)
{
    log_info("%s: %zu of %zu tensors loaded", path, report->mapped, report->found);
    for (const char *at = text_string(&report->notes); *at != '\0';) {
        size_t length = strcspn(at, "\n");
        if (length > 0) log_info("  %.*s", (int)length, at);
        at += length + (at[length] == '\n');
    }
}

static status import_weights(struct trainer *t, struct error *err)
{
    const struct config_model *model = &t->config->model;
    struct import_report report = {0};
    struct import_options options = {
        .source_classes = (const char *const *)model->init_classes.items,
        .source_class_count = model->init_classes.count,
        .classes = (const char *const *)t->training.classes,
        .class_count = (size_t)t->training.class_count,
        .for_training = true,
    };
    status result = import_into_model(&t->model, model->init, &options, &report, err);
    if (result == STATUS_OK) log_notes(model->init, &report);
    import_report_free(&report);
    return result;
}

static status create_model(struct trainer *t, bool resumes, struct error *err)
{
    struct architecture architecture;
    status result = architecture_find(&architecture, t->config->model.arch, err);
    if (result == STATUS_OK) result = model_create(&t->model, &architecture, t->training.class_count, true, err);
    if (result != STATUS_OK || resumes) return result;
    model_initialise(&t->model, (uint64_t)t->config->train.seed);
    return t->config->model.init[0] == '\0' ? STATUS_OK : import_weights(t, err);
}

/* balanced: all / (classes * of the class), so that the weights of all samples have the mean 1. */
static status find_class_weights(struct trainer *t, struct error *err)
{
    const struct config_train *train = &t->config->train;
    size_t classes = (size_t)t->training.class_count;
    if (train->class_weights == CLASS_WEIGHTS_NONE) return STATUS_OK;
    t->class_weights = memory_allocate(classes, sizeof *t->class_weights, "class weights", err);
    if (t->class_weights == NULL) return STATUS_FAILED;
    for (size_t c = 0; c < classes; c++) {
        double count = (double)t->training.class_counts[c];
        double balanced = count > 0 ? (double)t->training.count / ((double)classes * count) : 0;
        bool listed = train->class_weights == CLASS_WEIGHTS_LIST;
        t->class_weights[c] = (real)(listed ? train->class_weight_values.items[c] : balanced);
    }
    return STATUS_OK;
}

static struct objective objective_of(const struct config *config, const real *class_weights)
{
    struct objective objective = objective_defaults();
    objective.ial_temperature = config->ial.temperature;
    objective.acl_temperature = config->acl.temperature;
    objective.self_mask = self_mask_of(config->ial.self_mask);
    objective.label_smoothing = config->train.label_smoothing;
    objective.class_weights = class_weights;
    objective.dropout = config->model.dropout;
    objective.drop_path = config->model.drop_path;
    objective.bn_momentum = config->model.bn_momentum;
    objective.freeze_backbone = config->train.freeze_backbone;
    return objective;
}

static status create_step(struct trainer *t, struct error *err)
{
    const struct config *config = t->config;
    struct train_step_shape shape = {.image_size = (int)config->data.image_size, .batch = (int)config->train.batch};
    if (t->index != NULL) {
        shape.anchors = (int)config->acl.anchors;
        shape.positives = (int)config->acl.n_pos;
        shape.negatives = (int)config->acl.n_neg;
        shape.kept_share = config->acl.gamma;
        shape.scoring_with_batch_statistics = config->acl.scoring_bn == SCORING_BN_TRAIN;
        shape.joint_forward = config->acl.forward == ACL_FORWARD_JOINT;
    }
    t->objective = objective_of(config, t->class_weights);
    return train_step_create(&t->step, &t->model, &shape, err);
}

static status create_optimizer(struct trainer *t, struct error *err)
{
    struct optimizer_options options = optimizer_options_of(&t->config->train);
    status result = optimizer_create(&t->optimizer, &t->model.parameters, &options, err);
    t->has_average = t->config->train.ema_decay > 0;
    if (result == STATUS_OK && t->has_average) result = weight_average_init(&t->average, &t->model.parameters, err);
    return result;
}

/* ---- SAM's copies of accumulated batches -------------------------------------------------------------------------
 */

/* Pieces of the store, or, without an arena, their bytes. */
static size_t lay_out_batch(struct trainer *t, size_t place, struct arena *arena)
{
    const struct config *config = t->config;
    struct batch_store *store = &t->store;
    size_t side = (size_t)config->data.image_size, image = side * side * 3, batch = (size_t)config->train.batch;
    size_t drawn = 0;
    if (t->index != NULL) drawn = (size_t)(config->acl.anchors * (1 + config->acl.n_pos + config->acl.n_neg));
    const struct {
        void *pointer;
        size_t bytes;
    } pieces[] = {
        {&store->images[place], size_multiply(batch * image, sizeof(real))},
        {&store->targets[place], batch * (size_t)t->training.class_count * sizeof(real)},
        {&store->ids[place], batch * sizeof(int64_t)},
        {&store->contrastive_images[place], size_multiply(drawn * image, sizeof(real))},
        {&store->contrastive_ids[place], drawn * sizeof(int64_t)},
    };
    size_t sum = 0;
    for (size_t i = 0; i < sizeof pieces / sizeof pieces[0]; i++) {
        sum = size_add(sum, arena_rounded(pieces[i].bytes));
        if (arena == NULL) continue;
        void *piece = arena_take(arena, pieces[i].bytes);
        memcpy(pieces[i].pointer, &piece, sizeof piece);
    }
    return sum;
}

static status create_store(struct trainer *t, struct error *err)
{
    struct batch_store *store = &t->store;
    size_t count = (size_t)t->config->train.accumulate;
    t->group = memory_allocate(count, sizeof *t->group, "the batches of a step", err);
    if (t->group == NULL) return STATUS_FAILED;
    if (count < 2 || t->config->train.optimizer != OPTIMIZER_SAM) return STATUS_OK;
    store->images = memory_allocate(count, sizeof *store->images, "kept batches", err);
    store->targets = memory_allocate(count, sizeof *store->targets, "kept batches", err);
    store->contrastive_images = memory_allocate(count, sizeof *store->contrastive_images, "kept batches", err);
    store->ids = memory_allocate(count, sizeof *store->ids, "kept batches", err);
    store->contrastive_ids = memory_allocate(count, sizeof *store->contrastive_ids, "kept batches", err);
    if (store->images == NULL || store->targets == NULL || store->contrastive_images == NULL || store->ids == NULL ||
        store->contrastive_ids == NULL)
        return STATUS_FAILED;
    size_t bytes = size_multiply(lay_out_batch(t, 0, NULL), count);
    status result = arena_init(&store->arena, bytes, "the batches that SAM meets twice", err);
    if (result != STATUS_OK) return result;
    for (size_t i = 0; i < count; i++) (void)lay_out_batch(t, i, &store->arena);
    store->count = count;
    return STATUS_OK;
}

/* ---- evaluation and files ----------------------------------------------------------------------------------------
 */

static status create_evaluator(struct trainer *t, struct error *err)
{
    struct evaluation_setup setup = evaluation_setup_from(t->config);
    setup.dataset = &t->selection;
    setup.prefetch = 1;
    setup.stop = t->options->stop;
    return evaluator_create(&t->evaluator, &t->model, &setup, err);
}

static void describe_checkpoints(struct trainer *t)
{
    const struct config *config = t->config;
    t->info = checkpoint_info_defaults(&t->model.architecture);
    t->info.classes = (const char *const *)t->training.classes;
    t->info.class_count = (size_t)t->training.class_count;
    t->info.image_size = (int)config->data.image_size;
    memcpy(t->info.mean, config->eval.mean, sizeof t->info.mean);
    memcpy(t->info.std, config->eval.std, sizeof t->info.std);
    t->info.resize = config->data.resize == RESIZE_BICUBIC ? "bicubic" : "bilinear";
    t->info.config = text_string(&t->config_text);
}

/* Looks whether there is something to go on with; without `resume` a run in the folder is left alone. */
static status find_checkpoint(struct trainer *t, struct checkpoint *checkpoint, bool *resumes, struct error *err)
{
    *resumes = false;
    bool exists = file_exists(t->run.last);
    if (exists && !t->options->resume)
        return error_set_usage(
            err, "%s: there is a run already (--resume goes on with it, --out takes another folder)", t->run.folder);
    if (!exists) return STATUS_OK;
    status result = checkpoint_open(checkpoint, t->run.last, err);
    if (result == STATUS_OK) result = trainer_check_settings(t, checkpoint, err);
    *resumes = result == STATUS_OK;
    return result;
}

/* Metrics of steps after `step` are forgotten: they will be written again. */
static status open_files(struct trainer *t, int64_t step, struct error *err)
{
    status result = run_folder_write_config(&t->run, text_string(&t->config_text), err);
    if (result == STATUS_OK) result = run_folder_open_metrics(&t->run, step < 0 ? 0 : (uint64_t)step, err);
    if (result == STATUS_OK && t->config->output.tensorboard)
        result = event_writer_open(&t->events, t->run.folder, err);
    return result;
}

static status build(struct trainer *t, const struct checkpoint *checkpoint, bool resumes, struct error *err)
{
    status result = open_data(t, err);
    if (result == STATUS_OK) result = open_rmset(t, err);
    if (result != STATUS_OK) return result;
    plan_steps(t);
    result = trainer_report_data(t, err);
    if (result == STATUS_OK) result = create_model(t, resumes, err);
    if (result == STATUS_OK) result = find_class_weights(t, err);
    if (result == STATUS_OK) result = create_step(t, err);
    if (result == STATUS_OK) result = create_optimizer(t, err);
    if (result == STATUS_OK) result = create_store(t, err);
    if (result == STATUS_OK) result = trainer_plan_extra(t, err);
    if (result == STATUS_OK && resumes) result = trainer_restore(t, checkpoint, err);
    if (result != STATUS_OK) return result;
    describe_checkpoints(t);
    result = start_loader(t, err);
    if (result == STATUS_OK) result = create_evaluator(t, err);
    return result;
}

status trainer_prepare(struct trainer *t, struct error *err)
{
    struct checkpoint checkpoint = {0};
    bool resumes = false;
    t->best = (struct bests){NAN, NAN};
    t->checkpoint_step = -1;
    status result = config_check_training(t->config, err);
    if (result == STATUS_OK && t->config->output.dir[0] == '\0')
        result = error_set_usage(err, "no run folder: --out DIR or output.dir says where");
    if (result == STATUS_OK) result = run_folder_init(&t->run, t->config->output.dir, err);
    if (result == STATUS_OK) result = run_folder_open_log(&t->run, err);
    if (result == STATUS_OK) result = config_print(t->config, &t->config_text, err);
    if (result == STATUS_OK) result = find_checkpoint(t, &checkpoint, &resumes, err);
    if (result == STATUS_OK) result = open_files(t, resumes ? checkpoint.info.step : 0, err);
    if (result == STATUS_OK && t->options->resume && !resumes)
        log_info("%s: nothing to go on with, training starts from the beginning", t->run.folder);
    t->position.threads = threads_get();
    if (result == STATUS_OK) result = build(t, &checkpoint, resumes, err);
    if (result == STATUS_OK) result = trainer_report_memory(t, err);
    checkpoint_close(&checkpoint);
    return result;
}

void trainer_release(struct trainer *t)
{
    loader_free(t->loader);
    dataset_source_free(&t->labelled);
    evaluator_free(t->evaluator);
    event_writer_close(t->events);
    train_step_free(t->step);
    optimizer_free(t->optimizer);
    weight_average_free(&t->average);
    model_free(&t->model);
    rmset_index_close(t->index);
    dataset_free(&t->training);
    dataset_free(&t->selection);
    arena_free(&t->store.arena);
    memory_free(t->store.images);
    memory_free(t->store.targets);
    memory_free(t->store.contrastive_images);
    memory_free(t->store.ids);
    memory_free(t->store.contrastive_ids);
    memory_free(t->group);
    memory_free(t->class_weights);
    memory_free(t->extra.items);
    memory_free(t->extra.names);
    memory_free(t->extra.targets);
    text_free(&t->config_text);
    text_free(&t->last_metrics);
    text_free(&t->line);
    run_folder_free(&t->run);
}
