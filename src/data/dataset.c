/* Opening a data set: classes, the kind's reader, the split, the check of the files; and telling what is in it. */
#include "rmfer/data/dataset.h"
#include "data/dataset_reader.h"
#include "rmfer/base/file.h"
#include "rmfer/base/log.h"
#include "rmfer/base/memory.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { NAMED_BAD_FILES = 10 };

static const struct {
    const char *name;
    dataset_read read;
    const char *usual; /* what is looked for, for messages */
} kinds[] = {
    [DATA_AFFECTNET] = {"affectnet", affectnet_read, "training.csv and validation.csv, or train_set/ and val_set/"},
    [DATA_RAFDB] = {"rafdb", rafdb_read, "EmoLabel/list_patition_label.txt, or train/ and test/ with folders 1 to 7"},
    [DATA_FERPLUS] = {"ferplus", ferplus_read,
                      "fer2013.csv with fer2013new.csv, or FER2013Train/, FER2013Valid/ and FER2013Test/"},
    [DATA_FOLDER] = {"folder", folder_read, "train/, valid/ and test/ with a folder for each class"},
    [DATA_CSV] = {"csv", csv_list_read, "train.csv, valid.csv and test.csv, or labels.csv with a column split"},
};

static const char *const split_names[] = {
    [SPLIT_TRAIN] = "train",       [SPLIT_VALID] = "valid",           [SPLIT_TEST] = "test",
    [SPLIT_TRAIN_WHOLE] = "train", [SPLIT_UNLABELLED] = "unlabelled", [SPLIT_TRAIN_WHOLE_UNLABELLED] = "unlabelled",
};

status dataset_split_find(const char *name, enum dataset_split *split, struct error *err)
{
    static const struct {
        const char *name;
        enum dataset_split split;
    } known[] = {{"train", SPLIT_TRAIN},
                 {"valid", SPLIT_VALID},
                 {"val", SPLIT_VALID},
                 {"test", SPLIT_TEST},
                 {"validation", SPLIT_VALID},
                 {"training", SPLIT_TRAIN},
                 {"unlabelled", SPLIT_UNLABELLED}};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (strcmp(name, known[i].name) != 0) continue;
        *split = known[i].split;
        return STATUS_OK;
    }
    return error_set_usage(err, "split '%s' is not known (train, valid, test)", name);
}

/* ---- classes ----------------------------------------------------------------------------------------------------- */

/* Takes the names over and tells which output each expression has. The fixed kinds know the eight expressions only.
 */
static status take_classes(struct dataset_reader *reader, struct error *err)
{
    struct dataset *dataset = reader->dataset;
    const struct config_strings *classes = &reader->options->classes;
    bool is_fixed = reader->options->kind != DATA_FOLDER && reader->options->kind != DATA_CSV;
    for (int i = 0; i < EXPRESSION_COUNT; i++) reader->output_of[i] = CLASS_DROPPED;
    if (classes->count < 2) return error_set_usage(err, "data.classes: at least two classes are needed");
    dataset->classes = memory_allocate(classes->count, sizeof *dataset->classes, "class names", err);
    dataset->class_counts = memory_allocate(classes->count, sizeof *dataset->class_counts, "class counts", err);
    if (dataset->classes == NULL || dataset->class_counts == NULL) return STATUS_FAILED;
    for (size_t i = 0; i < classes->count; i++) {
        const char *name = classes->items[i];
        int expression = expression_find(name);
        if (expression < 0 && is_fixed) {
            const char *names[EXPRESSION_COUNT];
            for (int e = 0; e < EXPRESSION_COUNT; e++) names[e] = expression_name((enum expression)e);
            const char *nearest = text_nearest(name, names, EXPRESSION_COUNT);
            return error_set_usage(err, "data.classes: '%s' is no expression of %s%s%s%s", name, dataset->kind,
                                   nearest == NULL ? "" : " (did you mean ", nearest == NULL ? "" : nearest,
                                   nearest == NULL ? "" : "?)");
        }
        bool is_repeated = expression >= 0 && reader->output_of[expression] >= 0;
        for (size_t j = 0; j < i; j++) is_repeated |= text_equal_ignoring_case(classes->items[j], name);
        if (is_repeated) return error_set_usage(err, "data.classes: '%s' is there twice", name);
        if (expression >= 0) reader->output_of[expression] = (int)i;
        dataset->classes[i] = memory_copy_string(name, err);
        if (dataset->classes[i] == NULL) return STATUS_FAILED;
        dataset->class_count = (int)i + 1;
    }
    return STATUS_OK;
}

/* ---- opening ----------------------------------------------------------------------------------------------------- */

static status read_part(struct dataset_reader *reader, enum dataset_part part, bool *exists, struct error *err)
{
    reader->part = part;
    *exists = false;
    return kinds[reader->options->kind].read(reader, exists, err);
}

static void forget_targets(struct dataset *dataset)
{
    memory_free(dataset->targets);
    memory_free(dataset->affect);
    dataset->targets = dataset->affect = NULL;
}

/* Forgets rows and what they are taught, keeps classes: after looking whether there is a validation split. */
static void forget_rows(struct dataset_reader *reader)
{
    struct dataset *dataset = reader->dataset;
    forget_targets(dataset);
    for (size_t i = 0; i < dataset->note_count; i++) {
        memory_free(dataset->notes[i].reason);
        memory_free(dataset->notes[i].example);
    }
    for (size_t i = 0; i < dataset->list_count; i++) memory_free(dataset->lists[i]);
    dataset->note_count = dataset->list_count = dataset->mappings.length = 0;
    dataset->count = dataset->listed = dataset->names.length = dataset->pixel_count = 0;
    memory_free(reader->seen);
    reader->seen = NULL;
    reader->seen_capacity = 0;
}

static status missing_part(const struct dataset_reader *reader, const char *part, const char *key, struct error *err)
{
    return error_set(err, "%s: no %s split of kind %s: usual are %s; %s can name another", reader->options->root, part,
                     reader->dataset->kind, kinds[reader->options->kind].usual, key);
}

/* Reads the rows of a split, still with those that the split leaves to others. */
static status read_rows(struct dataset_reader *reader, enum dataset_split split, bool *valid_is_share,
                        struct error *err)
{
    const char *root = reader->options->root;
    bool exists, has_valid = false;
    *valid_is_share = false;
    if (root == NULL || root[0] == '\0') return error_set_usage(err, "data.root is not given: the data set's folder");
    if (!folder_exists(root) && !file_exists(root)) return error_set(err, "%s: there is no such folder", root);
    if (split == SPLIT_TEST) {
        status result = read_part(reader, PART_TEST, &exists, err);
        return result == STATUS_OK && !exists ? missing_part(reader, "test", "data.test", err) : result;
    }
    reader->only_asks = split != SPLIT_VALID;
    status result = read_part(reader, PART_VALID, &has_valid, err);
    reader->only_asks = false;
    if (result != STATUS_OK || (has_valid && split == SPLIT_VALID)) return result;
    *valid_is_share = !has_valid;
    forget_rows(reader);
    result = read_part(reader, PART_TRAIN, &exists, err);
    return result == STATUS_OK && !exists ? missing_part(reader, "training", "data.train", err) : result;
}

static status choose_rows(struct dataset *dataset, const struct config_data *options, enum dataset_split split,
                          bool valid_is_share, struct error *err)
{
    bool *keep = memory_allocate(dataset->count, sizeof *keep, "the split", err);
    if (keep == NULL) return STATUS_FAILED;
    status result = split_choose(dataset, options, split, valid_is_share, keep, err);
    if (result == STATUS_OK && split == SPLIT_TRAIN && valid_is_share && options->labelled == 0)
        for (size_t i = 0; i < dataset->count; i++) dataset->validation_share += !keep[i];
    if (result == STATUS_OK) dataset_keep(dataset, keep);
    memory_free(keep);
    if (result != STATUS_OK || (split != SPLIT_UNLABELLED && split != SPLIT_TRAIN_WHOLE_UNLABELLED)) return result;
    for (size_t i = 0; i < dataset->count; i++) dataset->samples[i].label = -1;
    forget_targets(dataset);
    return STATUS_OK;
}

/* Names, counts and removes the bad ones, or stops. */
static status drop_bad_files(struct dataset *dataset, const struct config_data *options, const bool *bad, size_t count,
                             struct error *err)
{
    size_t all = dataset->count, named = 0;
    bool too_many = (double)count > options->max_bad * (double)all;
    bool *keep = memory_allocate(all, sizeof *keep, "the split", err);
    if (keep == NULL) return STATUS_FAILED;
    const char *first = NULL;
    for (size_t i = 0; i < all; i++) {
        keep[i] = !bad[i];
        if (!bad[i]) continue;
        const char *path = dataset_path(dataset, i);
        if (first == NULL) first = path;
        if (named++ < NAMED_BAD_FILES)
            log_warning("%s: missing or empty, left out", path);
        else
            log_verbose("%s: missing or empty, left out", path);
    }
    if (count > NAMED_BAD_FILES)
        log_warning("and %zu more pictures that are missing or empty", count - NAMED_BAD_FILES);
    if (options->on_error == ON_ERROR_FAIL)
        error_set(err, "%s: missing or empty (data.on_error = skip leaves such pictures out)", first);
    else if (too_many)
        error_set(err, "%zu of %zu pictures are missing or empty, more than data.max_bad = %g allows; the first is %s",
                  count, all, options->max_bad, first);
    dataset->unreadable = count;
    bool go_on = options->on_error == ON_ERROR_SKIP && !too_many;
    if (go_on) dataset_keep(dataset, keep);
    memory_free(keep);
    return go_on ? STATUS_OK : STATUS_FAILED;
}

static status check_samples(struct dataset *dataset, const struct config_data *options, struct error *err)
{
    status result = dataset_leave_out_unread(dataset, err);
    if (result != STATUS_OK) return result;
    bool *bad = memory_allocate(dataset->count, sizeof *bad, "the check of the files", err);
    if (bad == NULL) return STATUS_FAILED;
    size_t count = dataset_check_files(dataset, bad);
    if (count > 0) result = drop_bad_files(dataset, options, bad, count, err);
    memory_free(bad);
    return result;
}

static status no_samples(const struct dataset *dataset, const char *root, bool keeps_no_share, struct error *err)
{
    if (keeps_no_share)
        return error_set_usage(err,
                               "%s: the %s split has no samples: this data set has none of its own, and "
                               "data.valid_fraction = 0 keeps no training picture for it",
                               root, dataset->split);
    if (dataset->note_count == 0)
        return error_set(err, "%s: the %s split has no samples (%zu rows were looked at)", root, dataset->split,
                         dataset->listed);
    const struct dataset_note *most = &dataset->notes[0];
    for (size_t i = 1; i < dataset->note_count; i++)
        if (dataset->notes[i].count > most->count) most = &dataset->notes[i];
    return error_set(err, "%s: the %s split has no samples (of %zu rows %zu were left out: %s, as %s)", root,
                     dataset->split, dataset->listed, most->count, most->reason, most->example);
}

status dataset_open(struct dataset *dataset, const struct config_data *options, enum dataset_split split,
                    struct error *err)
{
    *dataset = (struct dataset){0};
    struct dataset_reader reader = {.dataset = dataset, .options = options};
    snprintf(dataset->kind, sizeof dataset->kind, "%s", kinds[options->kind].name);
    snprintf(dataset->split, sizeof dataset->split, "%s", split_names[split]);
    bool valid_is_share = false;
    status result = take_classes(&reader, err);
    if (result == STATUS_OK) result = read_rows(&reader, split, &valid_is_share, err);
    memory_free(reader.seen);
    bool is_from_training = split != SPLIT_TEST && !(split == SPLIT_VALID && !valid_is_share);
    if (result == STATUS_OK && is_from_training) result = choose_rows(dataset, options, split, valid_is_share, err);
    if (result == STATUS_OK) result = check_samples(dataset, options, err);
    dataset_count_classes(dataset);
    bool may_be_empty = split == SPLIT_UNLABELLED || split == SPLIT_TRAIN_WHOLE_UNLABELLED;
    if (result == STATUS_OK && dataset->count == 0 && !may_be_empty)
        result = no_samples(dataset, options->root,
                            split == SPLIT_VALID && valid_is_share && options->valid_fraction == 0, err);
    return result;
}

void dataset_free(struct dataset *dataset)
{
    for (int i = 0; i < dataset->class_count; i++) memory_free(dataset->classes[i]);
    for (size_t i = 0; i < dataset->list_count; i++) memory_free(dataset->lists[i]);
    for (size_t i = 0; i < dataset->note_count; i++) {
        memory_free(dataset->notes[i].reason);
        memory_free(dataset->notes[i].example);
    }
    memory_free(dataset->classes);
    memory_free(dataset->class_counts);
    memory_free(dataset->samples);
    memory_free(dataset->targets);
    memory_free(dataset->affect);
    memory_free(dataset->pixels);
    memory_free(dataset->lists);
    memory_free(dataset->notes);
    text_free(&dataset->names);
    text_free(&dataset->mappings);
    *dataset = (struct dataset){0};
}

/* ---- asking ------------------------------------------------------------------------------------------------------ */

void dataset_target(const struct dataset *dataset, size_t sample, float *target)
{
    size_t classes = (size_t)dataset->class_count;
    if (dataset->targets != NULL) {
        memcpy(target, dataset->targets + sample * classes, classes * sizeof *target);
        return;
    }
    memset(target, 0, classes * sizeof *target);
    if (dataset->samples[sample].label >= 0) target[dataset->samples[sample].label] = 1.0f;
}

size_t dataset_affect_count(const struct dataset *dataset)
{
    size_t known = 0;
    for (size_t i = 0; dataset->affect != NULL && i < dataset->count; i++)
        if (!isnan(dataset->affect[2 * i])) known++;
    return known;
}

/* Whether classes can be counted: nothing to count, or the samples keep their labels. */
static bool is_labelled(const struct dataset *dataset)
{
    return dataset->count == 0 || dataset->samples[0].label >= 0;
}

status dataset_describe(const struct dataset *dataset, struct text *out, struct error *err)
{
    status result = text_append_format(out, err, "%s %s: %zu pictures", dataset->kind, dataset->split, dataset->count);
    for (int i = 0; is_labelled(dataset) && i < dataset->class_count && result == STATUS_OK; i++)
        result = text_append_format(out, err, "%s %s %zu", i == 0 ? ":" : ",", dataset->classes[i],
                                    dataset->class_counts[i]);
    if (result == STATUS_OK) result = text_append(out, "\n", 1, err);
    if (result == STATUS_OK && dataset->mappings.length > 0)
        result = text_append_format(out, err, "  %s: %s\n",
                                    strcmp(dataset->kind, "folder") == 0 ? "class folders" : "numbers",
                                    text_string(&dataset->mappings));
    if (result == STATUS_OK && dataset->affect != NULL)
        result = text_append_format(out, err, "  valence and arousal: of %zu of them\n", dataset_affect_count(dataset));
    if (result == STATUS_OK && dataset->remark != NULL)
        result = text_append_format(out, err, "  %s\n", dataset->remark);
    if (result == STATUS_OK && dataset->validation_share > 0)
        result = text_append_format(out, err,
                                    "  not among them: %zu pictures, the share of training that is kept for "
                                    "validation (data.valid_fraction)\n",
                                    dataset->validation_share);
    for (size_t i = 0; i < dataset->note_count && result == STATUS_OK; i++) {
        const struct dataset_note *note = &dataset->notes[i];
        result = text_append_format(out, err, "  left out: %zu, %s (the first: %s)\n", note->count, note->reason,
                                    note->example);
    }
    if (result == STATUS_OK && dataset->unreadable > 0)
        result = text_append_format(out, err, "  left out: %zu, missing or empty\n", dataset->unreadable);
    return result;
}
