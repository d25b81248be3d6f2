/* Reading a run folder's metrics.jsonl and class names. */
#include "rmfer/plot/run.h"

#include "rmfer/base/file.h"
#include "rmfer/base/json_reader.h"
#include "rmfer/base/memory.h"
#include "rmfer/config/ini.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { MOST_SERIES = 256, MOST_CLASSES = 1000 };
static const double LARGEST_SEED = 9007199254740992.0; /* as options and configurations have it */
static const size_t LARGEST_METRICS = (size_t)1 << 30, LARGEST_CONFIG = 1 << 20;

/* ---- series ------------------------------------------------------------------------------------------------------ */

const struct series *run_series(const struct run *run, const char *name, bool is_evaluation)
{
    for (size_t i = 0; i < run->series_count; i++)
        if (run->series[i].is_evaluation == is_evaluation && strcmp(run->series[i].name, name) == 0)
            return &run->series[i];
    return NULL;
}

static struct series *series_of(struct run *run, const char *name, bool is_evaluation, struct error *err)
{
    struct series *found = (struct series *)(uintptr_t)run_series(run, name, is_evaluation);
    if (found != NULL) return found;
    if (run->series_count == MOST_SERIES) {
        error_set(err, "more than %d different numbers a line", MOST_SERIES);
        return NULL;
    }
    struct series *grown = memory_grow(run->series, run->series_count, run->series_count + 1, sizeof *grown, "series",
                                       err);
    if (grown == NULL) return NULL;
    run->series = grown;
    char *copy = memory_copy_string(name, err);
    if (copy == NULL) return NULL;
    grown[run->series_count] = (struct series){.name = copy, .is_evaluation = is_evaluation};
    return &grown[run->series_count++];
}

static status series_add(struct series *series, double epoch, double value, struct error *err)
{
    if (series->count == series->capacity) {
        size_t capacity = series->capacity == 0 ? 64 : 2 * series->capacity;
        double *epochs = memory_grow(series->epochs, series->count, capacity, sizeof *epochs, "a series", err);
        if (epochs == NULL) return STATUS_FAILED;
        series->epochs = epochs;
        double *values = memory_grow(series->values, series->count, capacity, sizeof *values, "a series", err);
        if (values == NULL) return STATUS_FAILED;
        series->values = values;
        series->capacity = capacity;
    }
    series->epochs[series->count] = epoch;
    series->values[series->count++] = value;
    return STATUS_OK;
}

/* ---- evaluations ------------------------------------------------------------------------------------------------- */

static status read_confusion(struct run_confusion *confusion, const cJSON *rows, struct error *err)
{
    int classes = cJSON_IsArray(rows) ? cJSON_GetArraySize(rows) : 0;
    if (classes == 0) return STATUS_OK;
    if (classes > MOST_CLASSES) return error_set(err, "a confusion of %d classes", classes);
    confusion->counts = memory_allocate((size_t)classes * (size_t)classes, sizeof(double), "a confusion", err);
    if (confusion->counts == NULL) return STATUS_FAILED;
    confusion->classes = (size_t)classes;
    size_t at = 0;
    for (const cJSON *row = rows->child; row != NULL; row = row->next) {
        if (!cJSON_IsArray(row) || cJSON_GetArraySize(row) != classes)
            return error_set(err, "the confusion is not square");
        for (const cJSON *cell = row->child; cell != NULL; cell = cell->next) {
            if (!cJSON_IsNumber(cell) || !(cell->valuedouble >= 0) || !isfinite(cell->valuedouble))
                return error_set(err, "the confusion holds something else than counts");
            confusion->counts[at++] = cell->valuedouble;
        }
    }
    return STATUS_OK;
}

static void read_limits(double limits[2], const cJSON *line, const char *name)
{
    const cJSON *pair = cJSON_GetObjectItemCaseSensitive(line, name);
    for (int i = 0; i < 2; i++) {
        const cJSON *limit = cJSON_IsArray(pair) ? cJSON_GetArrayItem(pair, i) : NULL;
        limits[i] = cJSON_IsNumber(limit) ? limit->valuedouble : NAN;
    }
}

static void evaluation_free(struct run_evaluation *evaluation)
{
    memory_free(evaluation->confusion.counts);
    *evaluation = (struct run_evaluation){0};
}

static status read_evaluation(struct run_evaluation *evaluation, const cJSON *line, struct error *err)
{
    evaluation_free(evaluation);
    evaluation->epoch = json_number(line, "epoch");
    evaluation->overall = json_number(line, "overall_accuracy");
    evaluation->average = json_number(line, "average_accuracy");
    evaluation->same_class_similarity = json_number(line, "same_class_similarity");
    evaluation->different_class_similarity = json_number(line, "different_class_similarity");
    evaluation->centre_distance = json_number(line, "centre_distance");
    read_limits(evaluation->overall_limits, line, "overall_interval");
    read_limits(evaluation->average_limits, line, "average_interval");
    return read_confusion(&evaluation->confusion, cJSON_GetObjectItemCaseSensitive(line, "confusion"), err);
}

static status keep_evaluation(struct run *run, const cJSON *line, struct error *err)
{
    double overall = json_number(line, "overall_accuracy");
    bool is_best = run->evaluation_count == 0 || overall > run->best.overall ||
                   (isnan(run->best.overall) && !isnan(overall));
    const char *split = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(line, "split"));
    snprintf(run->split, sizeof run->split, "%s", split == NULL ? "" : split);
    run->evaluation_count++;
    status result = read_evaluation(&run->last, line, err);
    if (result == STATUS_OK && is_best) result = read_evaluation(&run->best, line, err);
    return result;
}

/* ---- lines ------------------------------------------------------------------------------------------------------- */

static void note_phase(struct run *run, double epoch, double phase)
{
    if (isnan(phase)) return;
    if (run->last_phase > 0 && phase > run->last_phase && isnan(run->phase_switch)) run->phase_switch = run->last_epoch;
    run->last_phase = phase;
    run->last_epoch = epoch;
}

static bool is_place(const char *name)
{
    return strcmp(name, "step") == 0 || strcmp(name, "epoch") == 0 || strcmp(name, "phase") == 0;
}

static status take_line(struct run *run, const cJSON *line, struct error *err)
{
    double epoch = json_number(line, "epoch");
    bool is_evaluation = cJSON_HasObjectItem(line, "split");
    if (!isfinite(epoch)) return error_set(err, "no epoch");
    note_phase(run, epoch, json_number(line, "phase"));
    for (const cJSON *item = line->child; item != NULL; item = item->next) {
        if (!cJSON_IsNumber(item) || !isfinite(item->valuedouble) || is_place(item->string)) continue;
        struct series *series = series_of(run, item->string, is_evaluation, err);
        if (series == NULL || series_add(series, epoch, item->valuedouble, err) != STATUS_OK) return STATUS_FAILED;
    }
    return is_evaluation ? keep_evaluation(run, line, err) : STATUS_OK;
}

static status take_lines(struct run *run, const char *bytes, size_t size, const char *path, struct error *err)
{
    size_t number = 1;
    for (const char *at = bytes, *end = bytes + size; at < end; number++) {
        const char *stop = memchr(at, '\n', (size_t)(end - at));
        if (stop == NULL) return STATUS_OK; /* a line that is being written */
        if (stop > at) {
            cJSON *line = json_read_object(at, (size_t)(stop - at));
            status result = line == NULL ? error_set(err, "no JSON object") : take_line(run, line, err);
            cJSON_Delete(line);
            if (result != STATUS_OK) return error_add_context(err, "%s:%zu", path, number);
        }
        at = stop + 1;
    }
    return STATUS_OK;
}

/* ---- the folder -------------------------------------------------------------------------------------------------- */

/* One class more; those beyond MOST_CLASSES are passed over. */
static status add_class(struct run *run, const char *name, struct error *err)
{
    if (run->class_count == MOST_CLASSES) return STATUS_OK;
    char **grown = memory_grow(run->classes, run->class_count, run->class_count + 1, sizeof *grown, "classes", err);
    if (grown == NULL) return STATUS_FAILED;
    run->classes = grown;
    grown[run->class_count] = memory_copy_string(name, err);
    return grown[run->class_count] == NULL ? STATUS_FAILED : (run->class_count++, STATUS_OK);
}

/* "Neutral, Happiness, ..." */
static status take_classes(struct run *run, char *list, struct error *err)
{
    char *saved = NULL;
    status result = STATUS_OK;
    for (char *name = strtok_r(list, ",", &saved); name != NULL && result == STATUS_OK;
         name = strtok_r(NULL, ",", &saved))
        result = add_class(run, text_trim(name), err);
    return result;
}

/* N of ".../NAME-seedN/...", the last such; -1 without. */
static int64_t seed_of_name(const char *path)
{
    int64_t seed = -1;
    for (const char *at = strstr(path, "-seed"); at != NULL; at = strstr(at + 1, "-seed")) {
        char digits[20];
        int64_t found;
        snprintf(digits, sizeof digits, "%.*s", (int)strspn(at + 5, "0123456789"), at + 5);
        if (text_to_integer(digits, &found)) seed = found;
    }
    return seed;
}

static status take_setting(struct run *run, const char *section, const struct ini_item *item, struct error *err)
{
    int64_t seed;
    bool is_data = strcmp(section, "data") == 0, is_training = strcmp(section, "train") == 0;
    if (is_training && strcmp(item->name, "seed") == 0 && text_to_integer(item->value, &seed) && seed >= 0)
        run->seed = seed;
    if (is_data && strcmp(item->name, "kind") == 0) snprintf(run->dataset, sizeof run->dataset, "%s", item->value);
    return is_data && strcmp(item->name, "classes") == 0 ? take_classes(run, item->value, err) : STATUS_OK;
}

/* The classes, the kind and the seed alone, and lines that are none passed over, so that the configuration of any
 * version of the program serves. */
static status read_settings(struct run *run, const char *path, struct error *err)
{
    uint8_t *bytes;
    size_t size;
    const char *section = "";
    struct ini_item item = {.kind = INI_SECTION};
    if (!file_exists(path)) return STATUS_OK;
    status result = file_read(path, LARGEST_CONFIG, &bytes, &size, err);
    if (result != STATUS_OK) return result;
    struct ini_reader reader = ini_reader((char *)bytes);
    while (result == STATUS_OK) {
        struct error passing = {0};
        if (ini_next(&reader, &item, &passing) != STATUS_OK) continue;
        if (item.kind == INI_END) break;
        if (item.kind == INI_SECTION)
            section = item.name;
        else
            result = take_setting(run, section, &item, err);
    }
    memory_free(bytes);
    return result;
}

/* The object of `rmfer eval --json`. It knows no epoch: it makes no curve. */
static status take_object(struct run *run, const cJSON *object, struct error *err)
{
    const cJSON *classes = cJSON_GetObjectItemCaseSensitive(object, "classes"), *name = NULL;
    const char *dataset = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, "dataset"));
    double seed = json_number(object, "seed");
    if (!cJSON_HasObjectItem(object, "confusion")) return error_set(err, "no result of rmfer eval --json");
    if (seed >= 0 && seed <= LARGEST_SEED) run->seed = (int64_t)seed;
    snprintf(run->dataset, sizeof run->dataset, "%s", dataset == NULL ? "" : dataset);
    cJSON_ArrayForEach(name, classes)
    {
        status result = cJSON_IsString(name) ? add_class(run, name->valuestring, err) : STATUS_OK;
        if (result != STATUS_OK) return result;
    }
    return keep_evaluation(run, object, err);
}

static status read_object(struct run *run, const char *path, struct error *err)
{
    uint8_t *bytes;
    size_t size;
    status result = file_read(path, LARGEST_CONFIG * 16, &bytes, &size, err);
    if (result != STATUS_OK) return result;
    while (size > 0 && (bytes[size - 1] == '\n' || bytes[size - 1] == ' ')) size--;
    cJSON *object = json_read_object((const char *)bytes, size);
    result = object == NULL ? error_set(err, "no JSON object") : take_object(run, object, err);
    cJSON_Delete(object);
    memory_free(bytes);
    return result == STATUS_OK ? STATUS_OK : error_add_context(err, "%s", path);
}

static status read_metrics(struct run *run, const char *path, struct error *err)
{
    uint8_t *bytes;
    size_t size;
    status result = file_read(path, LARGEST_METRICS, &bytes, &size, err);
    if (result != STATUS_OK) return result;
    result = take_lines(run, (const char *)bytes, size, path, err);
    memory_free(bytes);
    return result;
}

status run_read(struct run *run, const char *folder, struct error *err)
{
    *run = (struct run){.phase_switch = NAN, .seed = -1};
    run->folder = memory_copy_string(folder, err);
    if (run->folder == NULL) return STATUS_FAILED;
    run->seed = seed_of_name(folder);
    if (text_ends_with_ignoring_case(folder, ".json")) return read_object(run, folder, err);
    char *metrics = path_join(folder, "metrics.jsonl", err), *config = path_join(folder, "config.ini", err);
    status result = metrics == NULL || config == NULL ? STATUS_FAILED : STATUS_OK;
    if (result == STATUS_OK) result = read_metrics(run, metrics, err);
    if (result == STATUS_OK) result = read_settings(run, config, err);
    memory_free(metrics);
    memory_free(config);
    return result;
}

void run_free(struct run *run)
{
    for (size_t i = 0; i < run->series_count; i++) {
        memory_free(run->series[i].name);
        memory_free(run->series[i].epochs);
        memory_free(run->series[i].values);
    }
    for (size_t i = 0; i < run->class_count; i++) memory_free(run->classes[i]);
    memory_free(run->series);
    memory_free(run->classes);
    memory_free(run->folder);
    evaluation_free(&run->best);
    evaluation_free(&run->last);
    *run = (struct run){0};
}
