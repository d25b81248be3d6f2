/* Rows of a classifier by the names of its classes. Numbers alone are never trusted: two data sets order them
 * differently. */
#include "ckpt/import_classes.h"

#include "rmfer/data/expressions.h"

static const char *const alphabetical[] = {"Anger",     "Contempt", "Disgust", "Fear",
                                           "Happiness", "Neutral",  "Sadness", "Surprise"};
static const char *const alphabetical_without_contempt[] = {"Anger",   "Disgust", "Fear",    "Happiness",
                                                            "Neutral", "Sadness", "Surprise"};

const char *const *classes_of_hsemotion(size_t outputs)
{
    if (outputs == 8) return alphabetical;
    return outputs == 7 ? alphabetical_without_contempt : NULL;
}

const char *classes_find_twice(const char *const *names, size_t count)
{
    for (size_t i = 0; i < count; i++)
        for (size_t j = 0; j < i; j++)
            if (classes_are_same(names[i], names[j])) return names[i];
    return NULL;
}

const char *classes_match(size_t *rows, const char *const *wanted, size_t wanted_count, const char *const *source,
                          size_t source_count)
{
    for (size_t i = 0; i < wanted_count; i++) {
        size_t row = 0;
        while (row < source_count && !classes_are_same(wanted[i], source[row])) row++;
        if (row == source_count) return wanted[i];
        rows[i] = row;
    }
    return NULL;
}
