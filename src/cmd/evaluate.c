/* Opens a checkpoint on a data set and runs it: what eval, and the figures that need features, stand on. */
#include "cmd/evaluate.h"

#include "rmfer/base/file.h"
#include "rmfer/base/file_write.h"
#include "rmfer/base/log.h"
#include "rmfer/base/memory.h"
#include "rmfer/config/keys.h"
#include "rmfer/data/expressions.h"
#include "rmfer/data/picture_file.h"

#include <stdio.h>
#include <string.h>

/* ---- the configuration ------------------------------------------------------------------------------------------- */

/* The defaults with --dataset and --data. */
static status config_of_options(struct evaluation_work *work, struct error *err)
{
    const struct evaluation_request *request = work->request;
    struct text kind = {0}, root = {0};
    const char **all = memory_allocate(request->overrides.count + 2, sizeof *all, "settings", err);
    if (all == NULL) return STATUS_FAILED;
    status result = text_append_format(&kind, err, "--dataset:data.kind=%s", request->dataset);
    if (result == STATUS_OK) result = text_append_format(&root, err, "--data:data.root=%s", request->data);
    all[0] = kind.bytes;
    all[1] = root.bytes;
    for (size_t i = 0; i < request->overrides.count; i++) all[i + 2] = request->overrides.items[i];
    if (result == STATUS_OK) result = config_defaults(&work->config, all, request->overrides.count + 2, err);
    text_free(&kind);
    text_free(&root);
    memory_free(all);
    return result;
}

static status read_config(struct evaluation_work *work, struct error *err)
{
    const struct evaluation_request *request = work->request;
    const struct option_list *overrides = &request->overrides;
    const char *stored = work->checkpoint.info.config;
    bool by_options = request->dataset != NULL || request->data != NULL;
    if (request->config != NULL && by_options)
        return error_set_usage(err, "--config and --dataset both say what to evaluate on: give one of them");
    if (by_options && (request->dataset == NULL || request->data == NULL))
        return error_set_usage(err, "--dataset KIND and --data DIR belong together");
    if (by_options) return config_of_options(work, err);
    work->has_ial_settings = true;
    if (request->config != NULL)
        return config_load(&work->config, request->config, overrides->items, overrides->count, err);
    if (stored[0] == '\0')
        return error_set_usage(err, "%s knows no data set: --config FILE, or --dataset KIND and --data DIR, says one",
                               request->checkpoint);
    return config_parse_foreign(&work->config, stored, request->checkpoint, overrides->items, overrides->count, err);
}

/* ---- classes ----------------------------------------------------------------------------------------------------- */

static bool is_among(const char *name, const char *const *names, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (classes_are_same(name, names[i])) return true;
    return false;
}

/* Names of `names` that are not among `others`, as a message; nothing when there is none. */
static void warn_missing(const char *const *names, size_t count, const char *const *others, size_t other_count,
                         const char *message)
{
    char list[256] = "";
    size_t used = 0;
    for (size_t i = 0; i < count; i++) {
        if (is_among(names[i], others, other_count)) continue;
        used += (size_t)snprintf(list + used, sizeof list - used, "%s%s", used == 0 ? "" : ", ", names[i]);
        if (used >= sizeof list) break;
    }
    if (list[0] != '\0') log_warning("%s: %s", message, list);
}

/* The classes that are named (data.classes with --set, --config's, the stored configuration's): pictures of others are
 * not counted and other outputs not predicted. */
static void apply_named_classes(struct evaluation_work *work, const struct config_strings *named)
{
    const char *const *names = (const char *const *)named->items;
    const struct checkpoint_info *info = &work->checkpoint.info;
    warn_missing(names, named->count, info->classes, info->class_count,
                 "classes that the checkpoint does not know, left out");
    warn_missing(info->classes, info->class_count, names, named->count,
                 "outputs that data.classes does not name, neither predicted nor counted");
    for (size_t c = 0; c < info->class_count; c++)
        work->may_predict[c] = is_among(info->classes[c], names, named->count);
    for (size_t i = 0; i < work->dataset.count; i++) {
        int32_t *label = &work->dataset.samples[i].label;
        if (*label < 0 || work->may_predict[*label]) continue;
        *label = -1;
        work->unnamed++;
    }
}

/* With --present-only an output whose class has no picture here is never the answer. */
static status apply_present_classes(struct evaluation_work *work, struct error *err)
{
    size_t classes = (size_t)work->dataset.class_count, left = 0;
    size_t *counts = memory_allocate(classes, sizeof *counts, "counts of classes", err);
    if (counts == NULL) return STATUS_FAILED;
    for (size_t i = 0; i < work->dataset.count; i++)
        if (work->dataset.samples[i].label >= 0) counts[work->dataset.samples[i].label]++;
    for (size_t c = 0; c < classes; c++) {
        left += counts[c];
        if (work->request->present_only && counts[c] == 0) work->may_predict[c] = false;
    }
    memory_free(counts);
    if (left == 0)
        return error_set(err, "%s: the %s split has no picture of a class that the checkpoint knows",
                         work->config.data.root, work->dataset.split);
    return STATUS_OK;
}

static bool is_given(const struct config *config, const char *section, const char *name)
{
    size_t count;
    return config->lines[config_key_find(section, name) - config_keys(&count)] != 0;
}

/* The keys of the data set with the checkpoint's classes as outputs. Numbers for classes count in the order of the
 * classes that are named; where none are, in that of the outputs. */
static struct config_data data_of_checkpoint(const struct evaluation_work *work)
{
    const struct checkpoint_info *info = &work->checkpoint.info;
    struct config_data data = work->config.data;
    if (work->names_classes) data.places = data.classes;
    data.classes = (struct config_strings){(char **)(uintptr_t)info->classes, info->class_count};
    data.labelled_per_class = (struct config_reals){0}; /* counts in another order; the training split is whole */
    data.labelled = 0;
    data.reads_affect = checkpoint_has_affect(&work->checkpoint);
    return data;
}

static status open_dataset(struct evaluation_work *work, struct error *err)
{
    enum dataset_split split;
    const char *name = work->request->split != NULL ? work->request->split : "test";
    const struct checkpoint_info *info = &work->checkpoint.info;
    if (work->config.data.root[0] == '\0')
        return error_set_usage(err, "data.root: no folder of the data set is given (--set data.root=DIR)");
    status result = dataset_split_find(name, &split, err);
    if (result != STATUS_OK) return result;
    if (split == SPLIT_TEST && work->request->calibrated != NULL)
        return error_set_usage(err, "--fit-temperature fits a number to the split, which the test split is not for: "
                                    "--split valid");
    if (split == SPLIT_UNLABELLED) return error_set_usage(err, "--split unlabelled: there is nothing to compare with");
    work->may_predict = memory_allocate(info->class_count, sizeof *work->may_predict, "classes", err);
    if (work->may_predict == NULL) return STATUS_FAILED;
    memset(work->may_predict, true, info->class_count);
    struct config_data data = data_of_checkpoint(work);
    result = dataset_open(&work->dataset, &data, split, err);
    if (result != STATUS_OK) return result;
    if (work->names_classes) apply_named_classes(work, &work->config.data.classes);
    return apply_present_classes(work, err);
}

/* ---- what is read ------------------------------------------------------------------------------------------------ */

/* No output goes over a picture; where there is none yet, the pictures need no look. */
static status check_pictures(const struct evaluation_work *work, struct error *err)
{
    const char *const *outputs = work->request->outputs;
    bool is_any_there = false;
    for (size_t i = 0; i < EVALUATION_OUTPUTS; i++) is_any_there |= outputs[i] != NULL && file_exists(outputs[i]);
    status result = STATUS_OK;
    for (size_t i = 0; is_any_there && i < work->dataset.count && result == STATUS_OK; i++)
        for (size_t j = 0; j < EVALUATION_OUTPUTS && result == STATUS_OK; j++)
            result = picture_file_check_output(outputs[j], dataset_path(&work->dataset, i), err);
    return result;
}

/* No output goes over what the data set is read from. */
static status check_outputs(const struct evaluation_work *work, struct error *err)
{
    const char *const *lists = (const char *const *)work->dataset.lists;
    status result = file_check_outputs(work->request->outputs, EVALUATION_OUTPUTS, lists, work->dataset.list_count,
                                       err);
    return result == STATUS_OK ? check_pictures(work, err) : result;
}

/* ---- running ----------------------------------------------------------------------------------------------------- */

static status create_evaluator(struct evaluation_work *work, struct error *err)
{
    const struct config *config = &work->config;
    const struct checkpoint_info *info = &work->checkpoint.info;
    bool own_normalisation = work->request->config != NULL && is_given(config, "eval", "normalize");
    struct evaluation_setup setup = evaluation_setup_from(config);
    setup.dataset = &work->dataset;
    setup.image_size = info->image_size;
    setup.resize = strcmp(info->resize, "bicubic") == 0 ? RESIZE_BICUBIC : RESIZE_BILINEAR;
    setup.flip = config->eval.flip || work->request->flip;
    setup.with_attention = work->has_ial_settings && config->ial.weight > 0;
    setup.keep_features = true; /* the distance from the class centres needs them */
    setup.may_predict = work->may_predict;
    setup.fit_temperature = work->request->calibrated != NULL;
    setup.temperature = info->temperature;
    setup.dist = work->request->dist;
    memcpy(setup.mean, own_normalisation ? config->eval.mean : info->mean, sizeof setup.mean);
    memcpy(setup.std, own_normalisation ? config->eval.std : info->std, sizeof setup.std);
    status result = evaluator_create(&work->evaluator, &work->model, &setup, err);
    if (result != STATUS_OK) return result;
    return memory_commit(evaluator_bytes_to_come(work->evaluator),
                         "this evaluation (eval.batch and data.cache say how much)", err);
}

status evaluation_work_open(struct evaluation_work *work, const struct evaluation_request *request, struct error *err)
{
    *work = (struct evaluation_work){.request = request};
    status result = checkpoint_open(&work->checkpoint, work->request->checkpoint, err);
    if (result == STATUS_OK) result = read_config(work, err);
    work->names_classes = work->has_ial_settings || (result == STATUS_OK && is_given(&work->config, "data", "classes"));
    if (result == STATUS_OK) result = open_dataset(work, err);
    if (result == STATUS_OK) result = check_outputs(work, err);
    if (result == STATUS_OK)
        result = checkpoint_create_model(&work->checkpoint, checkpoint_has_heads(&work->checkpoint), &work->model, err);
    if (result == STATUS_OK) result = create_evaluator(work, err);
    return result;
}

status evaluation_seed(const struct evaluation_work *work, int64_t *seed, struct error *err)
{
    const struct checkpoint *checkpoint = &work->checkpoint;
    struct config config = {0};
    struct error why = {0};
    *seed = -1;
    if (checkpoint->info.config[0] == '\0') return STATUS_OK;
    status result = config_parse_foreign(&config, checkpoint->info.config, checkpoint->path, NULL, 0, &why);
    if (result == STATUS_OK) *seed = config.train.seed;
    config_free(&config);
    return result == STATUS_FAILED ? error_set(err, "%s", why.message) : STATUS_OK;
}

void evaluation_work_close(struct evaluation_work *work)
{
    evaluator_free(work->evaluator);
    model_free(&work->model);
    dataset_free(&work->dataset);
    memory_free(work->may_predict);
    config_free(&work->config);
    checkpoint_close(&work->checkpoint);
}
