/* The metadata of a checkpoint to text and back: versions, lists of classes, numbers with all their digits. */
#include "ckpt/checkpoint_metadata.h"

#include "rmfer/base/memory.h"
#include "rmfer/config/keys.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_CLASSES = 1 << 14 };

status metadata_append_real(struct text *text, double value, struct error *err)
{
    char digits[32];
    snprintf(digits, sizeof digits, "%.15g", value);
    if (strtod(digits, NULL) != value) snprintf(digits, sizeof digits, "%.17g", value);
    return text_append(text, digits, strlen(digits), err);
}

static status append_triple(struct text *text, const double values[3], struct error *err)
{
    status result = STATUS_OK;
    for (int i = 0; result == STATUS_OK && i < 3; i++) {
        if (i > 0) result = text_append(text, ",", 1, err);
        if (result == STATUS_OK) result = metadata_append_real(text, values[i], err);
    }
    return result;
}

static status append_classes(struct text *text, const struct checkpoint_info *info, struct error *err)
{
    status result = STATUS_OK;
    for (size_t i = 0; result == STATUS_OK && i < info->class_count; i++) {
        const char *name = info->classes[i];
        if (strchr(name, ',') != NULL || name[0] == '\0')
            return error_set(err, "the class name '%s' cannot be stored: empty or with a comma", name);
        result = text_append_format(text, err, "%s%s", i == 0 ? "" : ",", name);
    }
    return result;
}

/* The next item's text; the key is a constant. */
static struct text *next_item(struct metadata_list *list, const char *key)
{
    BUG_UNLESS(list->count < METADATA_MOST);
    list->items[list->count].key = key;
    return &list->text[list->count++];
}

static status add_text(struct metadata_list *list, const char *key, const char *value, struct error *err)
{
    if (value == NULL || value[0] == '\0') return STATUS_OK;
    return text_append(next_item(list, key), value, strlen(value), err);
}

status metadata_from_info(struct metadata_list *list, const char *architecture, const struct checkpoint_info *info,
                          struct error *err)
{
    char number[32];
    snprintf(number, sizeof number, "%d", METADATA_FORMAT_VERSION);
    status result = add_text(list, METADATA_FORMAT, number, err);
    if (result == STATUS_OK) result = add_text(list, METADATA_ARCH, architecture, err);
    if (result == STATUS_OK) result = append_classes(next_item(list, METADATA_CLASSES), info, err);
    snprintf(number, sizeof number, "%d", info->image_size);
    if (result == STATUS_OK) result = add_text(list, METADATA_IMAGE_SIZE, number, err);
    if (result == STATUS_OK) result = append_triple(next_item(list, METADATA_MEAN), info->mean, err);
    if (result == STATUS_OK) result = append_triple(next_item(list, METADATA_STD), info->std, err);
    if (result == STATUS_OK) result = add_text(list, METADATA_RESIZE, info->resize, err);
    if (result == STATUS_OK) result = add_text(list, METADATA_SELECTED_ON, info->selected_on, err);
    if (result == STATUS_OK) result = metadata_append_real(next_item(list, METADATA_EPOCH), info->epoch, err);
    snprintf(number, sizeof number, "%lld", (long long)info->step);
    if (result == STATUS_OK) result = add_text(list, METADATA_STEP, number, err);
    if (result == STATUS_OK) result = add_text(list, METADATA_METHOD, info->method, err);
    if (result == STATUS_OK) result = add_text(list, METADATA_ARITHMETIC, info->arithmetic, err);
    if (result == STATUS_OK) result = add_text(list, METADATA_CONFIG, info->config, err);
    if (result == STATUS_OK) result = add_text(list, METADATA_METRICS, info->metrics, err);
    if (result == STATUS_OK && info->temperature > 0)
        result = metadata_append_real(next_item(list, METADATA_TEMPERATURE), info->temperature, err);
    if (result == STATUS_OK) result = add_text(list, METADATA_CLASSIFIER, info->untrained ? "fresh" : "", err);
    if (result == STATUS_OK) result = add_text(list, METADATA_FOLDED, info->folded ? "true" : "", err);
    for (size_t i = 0; i < list->count; i++) list->items[i].value = text_string(&list->text[i]);
    return result;
}

void metadata_list_free(struct metadata_list *list)
{
    for (size_t i = 0; i < list->count; i++) text_free(&list->text[i]);
    *list = (struct metadata_list){0};
}

static bool parse_triple(const char *text, double least, double most, double values[3])
{
    char copy[128];
    if (strlen(text) >= sizeof copy) return false;
    memcpy(copy, text, strlen(text) + 1);
    char *at = copy;
    for (int i = 0; i < 3; i++) {
        char *comma = strchr(at, ',');
        if ((comma == NULL) != (i == 2)) return false;
        if (comma != NULL) *comma = '\0';
        if (!text_to_real(at, &values[i]) || values[i] < least || values[i] > most) return false;
        if (comma != NULL) at = comma + 1;
    }
    return true;
}

bool checkpoint_parse_mean(const char *text, double mean[3])
{
    return parse_triple(text, -NORMALIZATION_MEAN_MOST, NORMALIZATION_MEAN_MOST, mean);
}

bool checkpoint_parse_std(const char *text, double std[3])
{
    return parse_triple(text, NORMALIZATION_STD_LEAST, NORMALIZATION_STD_MOST, std);
}

bool checkpoint_parse_temperature(const char *text, double *temperature)
{
    return text_to_real(text, temperature) && *temperature >= 1e-3 && *temperature <= 1e3;
}

status checkpoint_split_classes(char *text, const char ***names, size_t *count, struct error *err)
{
    size_t most = 1;
    for (const char *at = text; *at != '\0'; at++) most += *at == ',';
    if (most > MOST_CLASSES) return error_set(err, "%zu class names are more than %d", most, MOST_CLASSES);
    const char **list = memory_allocate(most, sizeof *list, "the class names", err);
    if (list == NULL) return STATUS_FAILED;
    text_make_printable(text); /* they are printed by every command, in tables, rows and headings */
    *names = list;
    *count = 0;
    for (char *at = text; at != NULL;) {
        char *comma = strchr(at, ',');
        if (comma != NULL) *comma = '\0';
        const char *name = text_trim(at);
        if (name[0] == '\0') return error_set(err, "class %zu has no name", *count);
        for (size_t i = 0; i < *count; i++)
            if (strcmp(list[i], name) == 0) return error_set(err, "the class '%s' is there twice", name);
        list[(*count)++] = name;
        at = comma == NULL ? NULL : comma + 1;
    }
    return STATUS_OK;
}

static const char *value_of(const struct safetensors *file, const char *key)
{
    const char *value = safetensors_metadata_value(file, key);
    return value == NULL ? "" : value;
}

static status read_normalisation(struct checkpoint_info *info, const struct safetensors *file, struct error *err)
{
    if (!checkpoint_parse_mean(value_of(file, METADATA_MEAN), info->mean))
        return error_set(err, "metadata " METADATA_MEAN " is not three numbers from %g to %g", -NORMALIZATION_MEAN_MOST,
                         NORMALIZATION_MEAN_MOST);
    if (!checkpoint_parse_std(value_of(file, METADATA_STD), info->std))
        return error_set(err, "metadata " METADATA_STD " is not three numbers from %g to %g", NORMALIZATION_STD_LEAST,
                         NORMALIZATION_STD_MOST);
    return STATUS_OK;
}

status metadata_read_info(struct checkpoint_info *info, const struct safetensors *file, struct error *err)
{
    int64_t version, image_size, step = 0;
    double epoch = 0, temperature = 0;
    if (!text_to_integer(value_of(file, METADATA_FORMAT), &version))
        return error_set(err, "no checkpoint of rmfer: metadata " METADATA_FORMAT
                              " is missing ('rmfer import' reads others)");
    if (version != METADATA_FORMAT_VERSION)
        return error_set(err, "format %lld, this program reads format %d", (long long)version, METADATA_FORMAT_VERSION);
    info->arch = value_of(file, METADATA_ARCH);
    if (!text_to_integer(value_of(file, METADATA_IMAGE_SIZE), &image_size) || image_size < SMALLEST_IMAGE ||
        image_size > LARGEST_IMAGE)
        return error_set(err, "metadata " METADATA_IMAGE_SIZE " is not a number from %d to %d", SMALLEST_IMAGE,
                         LARGEST_IMAGE);
    info->image_size = (int)image_size;
    status result = read_normalisation(info, file, err);
    if (result != STATUS_OK) return result;
    const char *epoch_text = value_of(file, METADATA_EPOCH), *step_text = value_of(file, METADATA_STEP);
    if (epoch_text[0] != '\0' && (!text_to_real(epoch_text, &epoch) || epoch < 0))
        return error_set(err, "metadata " METADATA_EPOCH " is not a number");
    if (step_text[0] != '\0' && (!text_to_integer(step_text, &step) || step < 0))
        return error_set(err, "metadata " METADATA_STEP " is not a whole number");
    const char *temperature_text = value_of(file, METADATA_TEMPERATURE);
    if (temperature_text[0] != '\0' && !checkpoint_parse_temperature(temperature_text, &temperature))
        return error_set(err, "metadata " METADATA_TEMPERATURE " is not a number from 0.001 to 1000");
    info->temperature = temperature;
    info->untrained = strcmp(value_of(file, METADATA_CLASSIFIER), "fresh") == 0;
    info->epoch = epoch;
    info->step = step;
    info->resize = value_of(file, METADATA_RESIZE);
    info->selected_on = value_of(file, METADATA_SELECTED_ON);
    info->method = value_of(file, METADATA_METHOD);
    info->arithmetic = value_of(file, METADATA_ARITHMETIC);
    info->config = value_of(file, METADATA_CONFIG);
    info->metrics = value_of(file, METADATA_METRICS);
    info->folded = strcmp(value_of(file, METADATA_FOLDED), "true") == 0;
    return STATUS_OK;
}
