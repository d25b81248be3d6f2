/* The confusion out of a checkpoint's metrics, and what follows from it. */
#include "cmd/stored_accuracy.h"

#include "rmfer/base/json_reader.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { MOST_CLASSES = 1000 };

/* A count of pictures, NaN where the cell is none. */
static double count_of(const cJSON *cell)
{
    double number = cJSON_IsNumber(cell) ? cell->valuedouble : -1;
    return number >= 0 && number <= 1e12 && number == floor(number) ? number : NAN;
}

/* Fills a square of counts; false where the rows are something else. */
static bool fill(struct confusion *confusion, const cJSON *rows)
{
    size_t at = 0;
    for (const cJSON *row = rows->child; row != NULL; row = row->next) {
        if (!cJSON_IsArray(row) || (size_t)cJSON_GetArraySize(row) != confusion->classes) return false;
        for (const cJSON *cell = row->child; cell != NULL; cell = cell->next) {
            double count = count_of(cell);
            if (isnan(count)) return false;
            confusion->counts[at++] = (uint64_t)count;
        }
    }
    return true;
}

static status take(struct stored_accuracy *accuracy, const cJSON *evaluation, struct error *err)
{
    const cJSON *rows = cJSON_GetObjectItemCaseSensitive(evaluation, "confusion");
    const char *split = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(evaluation, "split"));
    int classes = cJSON_IsArray(rows) ? cJSON_GetArraySize(rows) : 0;
    struct confusion confusion;
    if (classes < 1 || classes > MOST_CLASSES) return STATUS_OK;
    status result = confusion_init(&confusion, (size_t)classes, err);
    if (result == STATUS_OK && fill(&confusion, rows)) {
        accuracy->overall = confusion_overall_accuracy(&confusion);
        accuracy->average = confusion_average_accuracy(&confusion);
        accuracy->overall_interval = confusion_overall_interval(&confusion);
        accuracy->average_interval = confusion_average_interval(&confusion);
        accuracy->pictures = confusion_total(&confusion);
        snprintf(accuracy->split, sizeof accuracy->split, "%s", split == NULL ? "" : split);
        text_make_printable(accuracy->split);
    }
    confusion_free(&confusion);
    return result;
}

status stored_accuracy(const struct checkpoint_info *info, struct stored_accuracy *accuracy, struct error *err)
{
    *accuracy = (struct stored_accuracy){
        .overall = NAN, .average = NAN, .overall_interval = {NAN, NAN}, .average_interval = {NAN, NAN}};
    cJSON *evaluation = json_read_object(info->metrics, strlen(info->metrics));
    status result = STATUS_OK;
    if (evaluation != NULL)
        result = take(accuracy, evaluation, err);
    else if (info->metrics[0] != '\0')
        result = error_set(err, "rmfer.metrics cannot be read: no JSON, or not enough memory");
    cJSON_Delete(evaluation);
    return result;
}
