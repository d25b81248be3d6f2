/* Splits and data sets of runs, compared. */
#include "evaluated_on.h"

#include <stdio.h>
#include <string.h>

static bool may_be_same(const char *a, const char *b)
{
    return a[0] == '\0' || b[0] == '\0' || strcmp(a, b) == 0;
}

bool evaluated_on_same(const struct evaluated_on *a, const struct evaluated_on *b)
{
    return may_be_same(a->split, b->split) && may_be_same(a->dataset, b->dataset);
}

static struct evaluated_on source_of(const char *split, const char *dataset)
{
    struct evaluated_on on = {split, dataset, ""};
    bool has_split = split[0] != '\0', has_dataset = dataset[0] != '\0';
    snprintf(on.text, sizeof on.text, "%s%s%s%s", split, has_split ? " split" : "",
             has_split && has_dataset ? " of " : "", dataset);
    return on;
}

status evaluated_on_of(const struct run_group *group, struct evaluated_on *on, struct error *err)
{
    *on = source_of("", "");
    for (size_t i = 0; i < group->count; i++) {
        const struct run *run = &group->runs[i];
        if (run->evaluation_count == 0) continue;
        const struct evaluated_on own = source_of(run->split, run->dataset);
        if (!evaluated_on_same(on, &own))
            return error_set_usage(err, "%s: runs on the %s and on the %s (%s) have no mean: name them apart, NAME=RUN",
                                   group->name, on->text, own.text, run->folder);
        *on = source_of(on->split[0] != '\0' ? on->split : own.split,
                        on->dataset[0] != '\0' ? on->dataset : own.dataset);
    }
    return STATUS_OK;
}
