/* Runs of one name, from the command line's words. */
#include "rmfer/plot/run.h"

#include "rmfer/base/file.h"
#include "rmfer/base/memory.h"

#include <stdbool.h>
#include <string.h>

/* Cuts "-seed7" off at the end, in place; whether it was there. */
static bool cut_seed(char *name)
{
    char *digits = name + strlen(name);
    while (digits > name && digits[-1] >= '0' && digits[-1] <= '9') digits--;
    bool found = *digits != '\0' && digits - name > 5 && strncmp(digits - 5, "-seed", 5) == 0;
    if (found) digits[-5] = '\0';
    return found;
}

static char *last_part(char *path)
{
    for (size_t n = strlen(path); n > 1 && path[n - 1] == '/'; n--) path[n - 1] = '\0';
    return (char *)(uintptr_t)path_name(path);
}

/* In place: slashes, ".json" and "-seed7" go. */
static char *name_of_folder(char *folder)
{
    char *name = last_part(folder);
    bool is_file = text_ends_with_ignoring_case(name, ".json") && strlen(name) > 5;
    if (is_file) name[strlen(name) - 5] = '\0';
    if (cut_seed(name) || !is_file || name == folder) return name;
    name[-1] = '\0'; /* the slash */
    char *above = last_part(folder);
    if (cut_seed(above)) return above;
    return name;
}

static struct run_group *group_of(struct run_group **groups, size_t *count, const char *name, struct error *err)
{
    for (size_t g = 0; g < *count; g++)
        if (strcmp((*groups)[g].name, name) == 0) return &(*groups)[g];
    struct run_group *grown = memory_grow(*groups, *count, *count + 1, sizeof *grown, "runs", err);
    if (grown == NULL) return NULL;
    *groups = grown;
    grown[*count].name = memory_copy_string(name, err);
    return grown[*count].name == NULL ? NULL : &grown[(*count)++];
}

/* A run that is there twice would count as two seeds. */
static status add_run(struct run_group *group, const char *folder, struct error *err)
{
    for (size_t i = 0; i < group->count; i++)
        if (path_is_same(group->runs[i].folder, folder))
            return error_set_usage(err, "%s and %s are one run: it counts once in %s", group->runs[i].folder, folder,
                                   group->name);
    struct run *grown = memory_grow(group->runs, group->count, group->count + 1, sizeof *grown, "runs", err);
    if (grown == NULL) return STATUS_FAILED;
    group->runs = grown;
    return run_read(&grown[group->count++], folder, err);
}

/* `name` NULL: that of the folder. */
static status add_word(struct run_group **groups, size_t *count, const char *name, const char *folder,
                       struct error *err)
{
    char *copy = memory_copy_string(folder, err);
    if (copy == NULL) return STATUS_FAILED;
    struct run_group *group = group_of(groups, count, name != NULL ? name : name_of_folder(copy), err);
    status result = group == NULL ? STATUS_FAILED : add_run(group, folder, err);
    memory_free(copy);
    return result;
}

static bool is_run(const char *word)
{
    return file_exists(word) || folder_exists(word);
}

/* What is there under the whole name is one run, whatever signs the name has. */
static status read_argument(struct run_group **groups, size_t *count, char *argument, struct error *err)
{
    if (is_run(argument)) return add_word(groups, count, NULL, argument, err);
    char *equals = strchr(argument, '='), *next = equals == NULL ? argument : equals + 1, *saved = NULL;
    if (next[strspn(next, ",")] == '\0') return error_set_usage(err, "'%s' names no run", argument);
    const char *name = equals != NULL ? argument : NULL;
    if (equals != NULL) *equals = '\0';
    if (is_run(next)) return add_word(groups, count, name, next, err);
    status result = STATUS_OK;
    for (char *folder = strtok_r(next, ",", &saved); folder != NULL && result == STATUS_OK;
         folder = strtok_r(NULL, ",", &saved))
        result = add_word(groups, count, name, folder, err);
    return result;
}

status run_groups_read(struct run_group **groups, size_t *count, const char *const *arguments, size_t argument_count,
                       struct error *err)
{
    *groups = NULL;
    *count = 0;
    for (size_t i = 0; i < argument_count; i++) {
        char *copy = memory_copy_string(arguments[i], err);
        status result = copy == NULL ? STATUS_FAILED : read_argument(groups, count, copy, err);
        memory_free(copy);
        if (result != STATUS_OK) return result;
    }
    return STATUS_OK;
}

void run_groups_free(struct run_group *groups, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        for (size_t k = 0; k < groups[i].count; k++) run_free(&groups[i].runs[k]);
        memory_free(groups[i].runs);
        memory_free(groups[i].name);
    }
    memory_free(groups);
}

size_t run_groups_size(const struct run_group *groups, size_t count)
{
    size_t runs = 0;
    for (size_t g = 0; g < count; g++) runs += groups[g].count;
    return runs;
}

/* ---- outputs ----------------------------------------------------------------------------------------------------- */

static status check_output(const struct run *run, const char *output, struct error *err)
{
    static const char *const files[] = {
        "metrics.jsonl",    "config.ini",          "log.txt", "best_overall.safetensors", "best_average.safetensors",
        "last.safetensors", "previous.safetensors"};
    status result = file_check_output(output, run->folder, err);
    for (size_t i = 0; i < sizeof files / sizeof files[0] && result == STATUS_OK; i++) {
        char *path = path_join(run->folder, files[i], err);
        result = path == NULL ? STATUS_FAILED : file_check_output(output, path, err);
        memory_free(path);
    }
    return result;
}

status run_groups_check_output(const struct run_group *groups, size_t count, const char *output, struct error *err)
{
    status result = STATUS_OK;
    for (size_t g = 0; g < count; g++)
        for (size_t i = 0; i < groups[g].count && result == STATUS_OK; i++)
            result = check_output(&groups[g].runs[i], output, err);
    return result;
}
