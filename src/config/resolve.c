/* Paths made absolute, presets of normalisation filled in, and what only shows when two keys are seen together. */
#include "config/resolve.h"

#include "rmfer/config/ini.h"
#include "config/values.h"
#include "rmfer/base/file.h"
#include "rmfer/base/memory.h"
#include "rmfer/base/text.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static int32_t line_of(const struct config *config, const struct config_key *key)
{
    return config->lines[config_key_index(key)];
}

status config_add_place(const struct config *config, const struct config_key *key, struct error *err)
{
    int32_t line = line_of(config, key);
    if (line == LINE_OVERRIDE) return error_add_context(err, "%s", config->options[config_key_index(key)]);
    if (line == LINE_DEFAULT) return error_add_context(err, "%s", config->source);
    return error_add_context(err, "%s:%d", config->source, (int)line);
}

/* "PLACE: section.key = value: message". */
static status refuse(const struct config *config, const char *section, const char *name, const char *message,
                     struct error *err)
{
    const struct config_key *key = config_key_find(section, name);
    struct text value = {0};
    status result = config_key_print(key, config, &value, err);
    if (result == STATUS_OK && value.length > 0)
        result = error_set_usage(err, "%s.%s = %.100s: %s", section, name, text_string(&value), message);
    else if (result == STATUS_OK)
        result = error_set_usage(err, "%s.%s: %s", section, name, message);
    text_free(&value);
    return result == STATUS_USAGE ? config_add_place(config, key, err) : result;
}

/* ---- paths ------------------------------------------------------------------------------------------------------- */

static status resolve_paths(struct config *config, const char *folder, bool variables, struct error *err)
{
    char here[4096];
    if (getcwd(here, sizeof here) == NULL) return error_set_errno(err, "the current folder");
    char *base = strcmp(folder, ".") == 0 ? memory_copy_string(here, err) : path_join(here, folder, err);
    if (base == NULL) return STATUS_FAILED;
    size_t count;
    const struct config_key *keys = config_keys(&count);
    status result = STATUS_OK;
    for (size_t i = 0; i < count && result == STATUS_OK; i++) {
        if (keys[i].kind != KEY_PATH) continue;
        bool typed = config->lines[i] == LINE_OVERRIDE;
        result = value_expand_path(&keys[i], config, typed ? here : base, variables || typed, err);
        if (result == STATUS_USAGE) result = config_add_place(config, &keys[i], err);
    }
    memory_free(base);
    return result;
}

/* ---- normalisation ----------------------------------------------------------------------------------------------- */

/* METHOD's table, in the order of enum config_normalize. */
static const struct {
    double mean[3], std[3];
} NORMALIZATION[] = {
    {{.61120795, .47080194, .40948687}, {.21088221, .1876408, .17565419}},
    {{.59882072, .46099265, .40169688}, {.20795445, .18521879, .17365596}},
    {{.52934384, .39199043, .3694192}, {.20445083, .17351717, .16180859}},
    {{.485, .456, .406}, {.229, .224, .225}},
};

struct normalization {
    const char *section;
    enum config_normalize *choice;
    double *mean, *std;
};

static bool equal_three(const double *a, const double *b)
{
    return a[0] == b[0] && a[1] == b[1] && a[2] == b[2];
}

static bool given(const double *std)
{
    return std[0] > 0;
}

static bool stands(const struct config *config, const char *section, const char *name)
{
    return line_of(config, config_key_find(section, name)) != LINE_DEFAULT;
}

/* Either without the other would go with a mean, or a deviation, of 0 that nobody meant. */
static status need_both(const struct config *config, const char *section, const char *message, struct error *err)
{
    if (!stands(config, section, "std")) return refuse(config, section, "std", message, err);
    return stands(config, section, "mean") ? STATUS_OK : refuse(config, section, "mean", message, err);
}

static bool is_override(const struct config *config, const char *section, const char *name)
{
    return line_of(config, config_key_find(section, name)) == LINE_OVERRIDE;
}

static bool data_normalization_overridden(const struct config *config)
{
    return is_override(config, "data", "normalize") || is_override(config, "data", "mean") ||
           is_override(config, "data", "std");
}

/* mean and std written beside a preset: they win as an override over a file's preset, a preset given as an override
 * wins over a file's numbers, and in one place they must agree. */
static status settle(const struct config *config, const struct normalization *this, const double *mean,
                     const double *std, struct error *err)
{
    int32_t numbers = line_of(config, config_key_find(this->section, "std"));
    int32_t numbers_mean = line_of(config, config_key_find(this->section, "mean"));
    int32_t choice = line_of(config, config_key_find(this->section, "normalize"));
    if (numbers == LINE_DEFAULT && numbers_mean == LINE_DEFAULT) return STATUS_OK;
    if (equal_three(this->mean, mean) && equal_three(this->std, std)) return STATUS_OK;
    bool overridden = numbers == LINE_OVERRIDE || numbers_mean == LINE_OVERRIDE;
    if (choice == LINE_OVERRIDE && !overridden) return STATUS_OK;
    if (choice == LINE_DEFAULT || (overridden && choice != LINE_OVERRIDE)) {
        *this->choice = NORMALIZE_CUSTOM;
        return STATUS_OK;
    }
    /* A resolved file says "same" beside numbers that followed a [data] which an override has changed since. */
    if (*this->choice == NORMALIZE_SAME && data_normalization_overridden(config)) return STATUS_OK;
    return refuse(config, this->section, "normalize", "mean and std are given too (set normalize = custom)", err);
}

static status resolve_normalization(struct config *config, const struct normalization *this, struct error *err)
{
    const double *mean = config->data.mean, *std = config->data.std;
    if (*this->choice < NORMALIZE_CUSTOM) {
        mean = NORMALIZATION[*this->choice].mean;
        std = NORMALIZATION[*this->choice].std;
    }
    if (*this->choice != NORMALIZE_CUSTOM) {
        status result = settle(config, this, mean, std, err);
        if (result != STATUS_OK) return result;
    }
    if (*this->choice == NORMALIZE_CUSTOM) return need_both(config, this->section, "custom needs mean and std", err);
    memmove(this->mean, mean, sizeof config->data.mean);
    memmove(this->std, std, sizeof config->data.std);
    return STATUS_OK;
}

enum { LONGEST_STATISTICS = 65536 };

static status take_statistics(struct config *config, const char *path, struct error *err)
{
    uint8_t *bytes;
    size_t size;
    status result = file_read(path, LONGEST_STATISTICS, &bytes, &size, err);
    if (result != STATUS_OK) return result;
    struct ini_reader reader = ini_reader((char *)bytes);
    struct ini_item item = {0};
    bool has_mean = false, has_std = false;
    while ((result = ini_next(&reader, &item, err)) == STATUS_OK && item.kind != INI_END) {
        if (item.kind != INI_VALUE) continue;
        bool is_mean = strcmp(item.name, "mean") == 0, is_std = strcmp(item.name, "std") == 0;
        if (is_mean) has_mean = *item.value != '\0';
        if (is_std) has_std = *item.value != '\0';
        if (is_mean || is_std) result = value_set(config_key_find("rmset", item.name), config, item.value, err);
        if (result != STATUS_OK) break;
    }
    memory_free(bytes);
    if (result != STATUS_OK) return error_add_context(err, "%s:%d", path, item.line);
    return has_mean && has_std ? STATUS_OK : error_set_usage(err, "%s: mean and std are needed", path);
}

/* The numbers that rmset build wrote. Ones given beside `own`, as in a resolved configuration, stay, unless they are of
 * another RMset, or of another choice, than an override has named since. A missing file is asked for when training
 * starts. */
static status resolve_own_statistics(struct config *config, struct error *err)
{
    struct config_rmset *rmset = &config->rmset;
    if (rmset->normalize != NORMALIZE_OWN) return STATUS_OK;
    if (stands(config, "rmset", "mean") || stands(config, "rmset", "std")) {
        status result = need_both(config, "rmset", "mean and std are given together or not at all", err);
        if (result != STATUS_OK) return result;
    }
    bool is_typed = is_override(config, "rmset", "mean") && is_override(config, "rmset", "std");
    if ((is_override(config, "rmset", "root") || is_override(config, "rmset", "normalize")) && !is_typed) {
        memset(rmset->mean, 0, sizeof rmset->mean);
        memset(rmset->std, 0, sizeof rmset->std);
    }
    if (given(rmset->std) || rmset->root[0] == '\0') return STATUS_OK;
    char *path = path_join(rmset->root, "statistics.ini", err);
    if (path == NULL) return STATUS_FAILED;
    status result = file_exists(path) ? take_statistics(config, path, err) : STATUS_OK;
    memory_free(path);
    return result;
}

static status resolve_normalizations(struct config *config, struct error *err)
{
    struct normalization all[] = {
        {"data", &config->data.normalize, config->data.mean, config->data.std},
        {"rmset", &config->rmset.normalize, config->rmset.mean, config->rmset.std},
        {"eval", &config->eval.normalize, config->eval.mean, config->eval.std},
    };
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        if (*all[i].choice == NORMALIZE_OWN) continue;
        status result = resolve_normalization(config, &all[i], err);
        if (result != STATUS_OK) return result;
    }
    return resolve_own_statistics(config, err);
}

/* ---- checks across keys ------------------------------------------------------------------------------------------ */

static status check_classes(const struct config *config, struct error *err)
{
    const struct config_strings *classes = &config->data.classes;
    if (classes->count < 2) return refuse(config, "data", "classes", "at least two are needed", err);
    for (size_t i = 0; i < classes->count; i++)
        for (size_t j = 0; j < i; j++)
            if (text_equal_ignoring_case(classes->items[i], classes->items[j]))
                return refuse(config, "data", "classes", "a name stands there twice", err);
    /* A preset's stay where model.init is emptied for a run from random weights. */
    bool is_emptied = line_of(config, config_key_find("model", "init")) != LINE_DEFAULT;
    if (config->model.init_classes.count > 0 && config->model.init[0] == '\0' && !is_emptied)
        return refuse(config, "model", "init_classes", "says something about model.init, which is not given", err);
    return STATUS_OK;
}

static status check_labelled(const struct config *config, struct error *err)
{
    const struct config_reals *each = &config->data.labelled_per_class;
    if (each->count == 0) return STATUS_OK;
    char message[160];
    double sum = 0;
    for (size_t i = 0; i < each->count; i++) {
        if (each->items[i] != (double)(int64_t)each->items[i])
            return refuse(config, "data", "labelled_per_class", "counts are whole numbers", err);
        sum += each->items[i];
    }
    if (each->count != config->data.classes.count) {
        snprintf(message, sizeof message, "%zu counts for %zu classes", each->count, config->data.classes.count);
        return refuse(config, "data", "labelled_per_class", message, err);
    }
    if (sum == (double)config->data.labelled) return STATUS_OK;
    snprintf(message, sizeof message, "they sum to %.0f, data.labelled is %" PRId64, sum, config->data.labelled);
    return refuse(config, "data", "labelled_per_class", message, err);
}

static status check_class_weights(const struct config *config, struct error *err)
{
    const struct config_reals *values = &config->train.class_weight_values;
    bool list = config->train.class_weights == CLASS_WEIGHTS_LIST;
    char message[160];
    if (!list && values->count > 0)
        return refuse(config, "train", "class_weight_values", "are used only with train.class_weights = list", err);
    if (!list || values->count == config->data.classes.count) return STATUS_OK;
    snprintf(message, sizeof message, "train.class_weight_values has %zu numbers for %zu classes", values->count,
             config->data.classes.count);
    return refuse(config, "train", "class_weights", message, err);
}

static status check_training_keys(const struct config *config, struct error *err)
{
    const struct config_train *train = &config->train;
    bool is_rmfer = strcmp(train->method, "rmfer") == 0;
    if (is_rmfer && train->batch < 2 && config->ial.weight > 0 && config->ial.self_mask == CONFIG_SELF_MASK_EXCLUDE)
        return refuse(config, "train", "batch", "must be at least 2 with ial.self_mask = exclude (or ial.weight = 0)",
                      err);
    bool sgd = train->optimizer == OPTIMIZER_SGD ||
               (train->optimizer == OPTIMIZER_SAM && train->sam_base == OPTIMIZER_SGD);
    if (train->nesterov && sgd && train->momentum <= 0)
        return refuse(config, "train", "nesterov", "needs train.momentum above 0", err);
    return STATUS_OK;
}

status config_resolve(struct config *config, const char *folder, bool variables, struct error *err)
{
    status result = resolve_paths(config, folder, variables, err);
    if (result == STATUS_OK) result = resolve_normalizations(config, err);
    if (result == STATUS_OK) result = check_classes(config, err);
    if (result == STATUS_OK) result = check_labelled(config, err);
    if (result == STATUS_OK) result = check_class_weights(config, err);
    if (result == STATUS_OK) result = check_training_keys(config, err);
    config->data.reads_affect = config->va.weight > 0;
    return result;
}

bool config_has_acl(const struct config *config)
{
    bool is_rmfer = strcmp(config->train.method, "rmfer") == 0;
    return is_rmfer && config->acl.weight > 0 && config->rmset.fraction > 0 &&
           config->train.warmup_epochs < config->train.epochs;
}

/* A file or folder that training needs and that is named but not there, for one message. */
static status note_absent(struct text *list, size_t *count, bool there, const char *key, const char *path,
                          const char *otherwise, struct error *err)
{
    if (there || path[0] == '\0') return STATUS_OK;
    return text_append_format(list, err, "%s%s = %s is not there%s", (*count)++ == 0 ? "" : "; ", key, path, otherwise);
}

static bool has_rmset_list(const struct config *config)
{
    char *index = path_join(config->rmset.root, config->rmset.index, NULL);
    bool there = index != NULL && file_exists(index);
    memory_free(index);
    return there;
}

/* What would do without the RMset: acl.weight = 0 where it is ACL alone that asks. */
static const char *way_without_rmset(const struct config *config)
{
    return config_has_acl(config) ? " (acl.weight = 0 trains without)" : "";
}

static status refuse_rmset(const struct config *config, const char *why, struct error *err)
{
    char message[160];
    snprintf(message, sizeof message, "%s%s", why, way_without_rmset(config));
    return refuse(config, "rmset", "root", message, err);
}

/* A preset's places are somebody else's: who has several of them to change shall hear of all at once. */
static status check_places(const struct config *config, bool needs_rmset, struct error *err)
{
    struct text list = {0};
    size_t count = 0;
    char without[80];
    const char *root = config->data.root, *init = config->model.init;
    bool no_rmset = needs_rmset && !has_rmset_list(config);
    snprintf(without, sizeof without, " or has no list%s", way_without_rmset(config));
    status result = note_absent(&list, &count, folder_exists(root) || file_exists(root), "data.root", root, "", err);
    if (result == STATUS_OK)
        result = note_absent(&list, &count, file_exists(init), "model.init", init, " (empty: random weights)", err);
    if (result == STATUS_OK)
        result = note_absent(&list, &count, !no_rmset, "rmset.root", config->rmset.root, without, err);
    /* What is missing alone has a message of its own, where it is opened. */
    if (result == STATUS_OK && count > 1) result = error_set_usage(err, "%s", text_string(&list));
    text_free(&list);
    return result;
}

status config_check_training(const struct config *config, bool needs_rmset, struct error *err)
{
    if (config->data.root[0] == '\0')
        return refuse(config, "data", "root", "training needs the data set's folder", err);
    status result = check_places(config, needs_rmset, err);
    if (result != STATUS_OK || !needs_rmset) return result;
    if (config->rmset.root[0] == '\0')
        return refuse_rmset(config, config_has_acl(config) ? "phase 2 needs an RMset" : "this method needs an RMset",
                            err);
    if (!has_rmset_list(config)) return refuse_rmset(config, "the RMset's list is not there", err);
    if (config->rmset.normalize == NORMALIZE_OWN && !given(config->rmset.std))
        return refuse(config, "rmset", "normalize", "needs statistics.ini in rmset.root, as rmfer rmset build makes it",
                      err);
    return STATUS_OK;
}
