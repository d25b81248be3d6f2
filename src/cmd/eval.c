/* rmfer eval: a checkpoint's accuracy on a data set.
 *
 * The checkpoint says what its outputs are and how pictures become its input; the configuration (--config, or the
 * one in the checkpoint, or --dataset and --data) says which pictures. Classes are matched by name. */
#include "rmfer/train/evaluation.h"

#include "rmfer/base/file.h"
#include "rmfer/base/log.h"
#include "rmfer/base/memory.h"
#include "rmfer/ckpt/checkpoint.h"
#include "rmfer/cmd/commands.h"
#include "rmfer/cmd/lookup.h"
#include "rmfer/cmd/options.h"
#include "rmfer/config/keys.h"
#include "rmfer/data/expressions.h"

#include <stdio.h>
#include <string.h>

struct eval_command {
    const char *checkpoint, *config, *dataset, *data, *split, *json;
    struct option_list overrides;
    bool flip, present_only;
};

/* Everything an evaluation stands on. */
struct eval_work {
    const struct eval_command *command;
    struct checkpoint checkpoint;
    struct model model;
    struct config config;
    bool has_ial_settings; /* the configuration knows how the attention branch was trained */
    struct dataset dataset;
    bool *may_predict; /* [classes] */
    struct evaluator *evaluator;
};

/* ---- the configuration -------------------------------------------------------------------------------------------
 */

/* The defaults with --dataset and --data. */
static status config_of_options(struct eval_work *work, struct error *err)
{
    const struct eval_command *command = work->command;
    struct text kind = {0}, root = {0};
    const char **all = memory_allocate(command->overrides.count + 2, sizeof *all, "settings", err);
    if (all == NULL) return STATUS_FAILED;
    status result = text_append_format(&kind, err, "data.kind=%s", command->dataset);
    if (result == STATUS_OK) result = text_append_format(&root, err, "data.root=%s", command->data);
    all[0] = kind.bytes;
    all[1] = root.bytes;
    for (size_t i = 0; i < command->overrides.count; i++) all[i + 2] = command->overrides.items[i];
    if (result == STATUS_OK) result = config_defaults(&work->config, all, command->overrides.count + 2, err);
    text_free(&kind);
    text_free(&root);
    memory_free(all);
    return result;
}

static status read_config(struct eval_work *work, struct error *err)
{
    const struct eval_command *command = work->command;
    const struct option_list *overrides = &command->overrides;
    const char *stored = work->checkpoint.info.config;
    bool by_options = command->dataset != NULL || command->data != NULL;
    if (command->config != NULL && by_options)
        return error_set_usage(err, "--config and --dataset both say what to evaluate on: give one of them");
    if (by_options && (command->dataset == NULL || command->data == NULL))
        return error_set_usage(err, "--dataset KIND and --data DIR belong together");
    if (by_options) return config_of_options(work, err);
    work->has_ial_settings = true;
    if (command->config != NULL)
        return config_load(&work->config, command->config, overrides->items, overrides->count, err);
    if (stored[0] == '\0')
        return error_set_usage(err, "%s knows no data set: --config FILE, or --dataset KIND and --data DIR, says one",
                               command->checkpoint);
    return config_parse(&work->config, stored, command->checkpoint, "", overrides->items, overrides->count, err);
}

/* ---- classes -----------------------------------------------------------------------------------------------------
 */

static bool same_class(const char *a, const char *b)
{
    int expression = expression_find(a);
    return text_equal_ignoring_case(a, b) || (expression >= 0 && expression == expression_find(b));
}

static bool is_among(const char *name, const char *const *names, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (same_class(name, names[i])) return true;
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

/* The classes that the configuration names (--config, the stored one): pictures of others are not counted and other
 * outputs not predicted. */
static void apply_named_classes(struct eval_work *work, const struct config_strings *named)
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
        if (*label >= 0 && !work->may_predict[*label]) *label = -1;
    }
}

/* With --present-only an output whose class has no picture here is never the answer. */
static status apply_present_classes(struct eval_work *work, struct error *err)
{
    size_t classes = (size_t)work->dataset.class_count, left = 0;
    size_t *counts = memory_allocate(classes, sizeof *counts, "counts of classes", err);
    if (counts == NULL) return STATUS_FAILED;
    for (size_t i = 0; i < work->dataset.count; i++)
        if (work->dataset.samples[i].label >= 0) counts[work->dataset.samples[i].label]++;
    for (size_t c = 0; c < classes; c++) {
        left += counts[c];
        if (work->command->present_only && counts[c] == 0) work->may_predict[c] = false;
    }
    memory_free(counts);
    if (left == 0)
        return error_set(err, "%s: the %s split has no picture of a class that the checkpoint knows",
                         work->config.data.root, work->dataset.split);
    return STATUS_OK;
}

/* Opens the split with the checkpoint's classes as outputs. */
static status open_dataset(struct eval_work *work, struct error *err)
{
    enum dataset_split split;
    const char *name = work->command->split != NULL ? work->command->split : "test";
    const struct checkpoint_info *info = &work->checkpoint.info;
    if (work->config.data.root[0] == '\0')
        return error_set_usage(err, "data.root: no folder of the data set is given (--set data.root=DIR)");
    status result = dataset_split_find(name, &split, err);
    if (result != STATUS_OK) return result;
    if (split == SPLIT_UNLABELLED)
        return error_set_usage(err, "--split unlabelled: there is nothing to compare with");
    work->may_predict = memory_allocate(info->class_count, sizeof *work->may_predict, "classes", err);
    if (work->may_predict == NULL) return STATUS_FAILED;
    memset(work->may_predict, true, info->class_count);
    struct config_data data = work->config.data;
    data.classes = (struct config_strings){(char **)(uintptr_t)info->classes, info->class_count};
    data.labelled_per_class = (struct config_reals){0}; /* counts in another order; the training split is whole */
    data.labelled = 0;
    result = dataset_open(&work->dataset, &data, split, err);
    if (result != STATUS_OK) return result;
    if (work->has_ial_settings) apply_named_classes(work, &work->config.data.classes);
    return apply_present_classes(work, err);
}

/* ---- running -----------------------------------------------------------------------------------------------------
 */

static bool is_given(const struct config *config, const char *name)
{
    size_t count;
    return config->lines[config_key_find("eval", name) - config_keys(&count)] != 0;
}

static status create_evaluator(struct eval_work *work, struct error *err)
{
    const struct config *config = &work->config;
    const struct checkpoint_info *info = &work->checkpoint.info;
    bool own_normalisation = work->command->config != NULL && is_given(config, "normalize");
    struct evaluation_setup setup = evaluation_setup_from(config);
    setup.dataset = &work->dataset;
    setup.image_size = info->image_size;
    setup.resize = strcmp(info->resize, "bicubic") == 0 ? RESIZE_BICUBIC : RESIZE_BILINEAR;
    setup.flip = config->eval.flip || work->command->flip;
    setup.with_attention = work->has_ial_settings && config->ial.weight > 0;
    setup.keep_features = true;
    setup.may_predict = work->may_predict;
    memcpy(setup.mean, own_normalisation ? config->eval.mean : info->mean, sizeof setup.mean);
    memcpy(setup.std, own_normalisation ? config->eval.std : info->std, sizeof setup.std);
    return evaluator_create(&work->evaluator, &work->model, &setup, err);
}

static status prepare(struct eval_work *work, struct error *err)
{
    status result = checkpoint_open(&work->checkpoint, work->command->checkpoint, err);
    if (result == STATUS_OK) result = read_config(work, err);
    if (result == STATUS_OK) result = open_dataset(work, err);
    if (result == STATUS_OK)
        result =
            checkpoint_create_model(&work->checkpoint, checkpoint_has_heads(&work->checkpoint), &work->model, err);
    if (result == STATUS_OK) result = create_evaluator(work, err);
    return result;
}

static void release(struct eval_work *work)
{
    evaluator_free(work->evaluator);
    model_free(&work->model);
    dataset_free(&work->dataset);
    memory_free(work->may_predict);
    config_free(&work->config);
    checkpoint_close(&work->checkpoint);
}

/* ---- results -----------------------------------------------------------------------------------------------------
 */

static status write_file(const char *path, const char *text, struct error *err)
{
    struct atomic_file file;
    status result = atomic_file_open(&file, path, err);
    if (result != STATUS_OK) return result;
    if (fprintf(file.stream, "%s\n", text) < 0) {
        result = error_set_errno(err, "%s: cannot be written", path);
        atomic_file_abandon(&file);
        return result;
    }
    return atomic_file_commit(&file, err);
}

static status print_results(const struct eval_work *work, const struct evaluation *evaluation, struct error *err)
{
    const char *json = work->command->json;
    struct evaluation_names names = {work->dataset.kind, work->dataset.split, work->command->checkpoint,
                                     work->checkpoint.info.classes};
    struct text table = {0}, object = {0};
    bool only_json = json != NULL && strcmp(json, "-") == 0;
    status result = STATUS_OK;
    if (json != NULL) result = evaluation_print_json(evaluation, &names, &object, err);
    if (result == STATUS_OK && json != NULL && !only_json) result = write_file(json, text_string(&object), err);
    if (result == STATUS_OK && only_json) printf("%s\n", text_string(&object));
    if (result == STATUS_OK && !only_json) result = evaluation_print_table(evaluation, &names, &table, err);
    if (result == STATUS_OK && !only_json) fputs(text_string(&table), stdout);
    text_free(&table);
    text_free(&object);
    return result;
}

static status run(struct eval_command *command, struct error *err)
{
    struct eval_work work = {.command = command};
    const struct evaluation *evaluation;
    struct text description = {0}, found = {0};
    status result = lookup_checkpoint("rmfer eval", &command->checkpoint, &found, err);
    if (result == STATUS_OK) result = prepare(&work, err);
    if (result == STATUS_OK) result = dataset_describe(&work.dataset, &description, err);
    if (result == STATUS_OK) {
        log_verbose("%s", text_string(&description));
        result = evaluator_run(work.evaluator, &work.model, &evaluation, err);
    }
    if (result == STATUS_OK) result = print_results(&work, evaluation, err);
    text_free(&description);
    release(&work);
    text_free(&found);
    return result;
}

int command_eval(int argc, char **argv)
{
    struct eval_command command = {0};
    const struct option options[] = {
        {"checkpoint", OPTION_STRING, &command.checkpoint, "FILE",
         "the weights, a run's best_overall.safetensors, say (default: the model in the box, or $RMFER_MODEL)", 0, 0,
         0},
        {"config", OPTION_STRING, &command.config, "FILE",
         "the data set (default: the configuration in the checkpoint)", 0, 0, 'c'},
        {"dataset", OPTION_STRING, &command.dataset, "KIND",
         "the data set's kind: affectnet, rafdb, ferplus, folder, csv", 0, 0, 0},
        {"data", OPTION_STRING, &command.data, "DIR", "its folder", 0, 0, 0},
        {"split", OPTION_STRING, &command.split, "NAME", "train, valid or test (default)", 0, 0, 0},
        {"set", OPTION_REPEATED, &command.overrides, "SECTION.KEY=VALUE", "change a key of the configuration", 0, 0,
         0},
        {"json", OPTION_STRING, &command.json, "FILE",
         "write the results as JSON too (-: instead, to standard output)", 0, 0, 0},
        {"flip", OPTION_FLAG, &command.flip, NULL, "mean of the picture's and its mirror image's outputs", 0, 0, 0},
        {"present-only", OPTION_FLAG, &command.present_only, NULL,
         "never predict a class that has no picture in the split", 0, 0, 0},
    };
    struct command_line line = {
        .usage =
            "rmfer eval [--checkpoint FILE] [--config FILE | --dataset KIND --data DIR] [--split NAME] [--json FILE]",
        .description =
            "Prints the accuracy of a checkpoint on a data set. Image size, normalisation, resize filter and the\n"
            "order of classes are the checkpoint's (but for eval.normalize where --config gives it);\n"
            "classes are matched by name, those without pictures are named and left out of the average.",
        .options = options,
        .option_count = sizeof options / sizeof options[0],
    };
    struct error err = {0};
    status result = options_parse(&line, argc, argv, &err);
    if (result == STATUS_OK && !line.help_shown && line.positional.count > 0)
        result = error_set_usage(&err, "rmfer eval takes options only: '%s' is none", line.positional.items[0]);
    if (result == STATUS_OK && !line.help_shown) result = run(&command, &err);
    options_free(&line);
    return command_finish(result, &err);
}
