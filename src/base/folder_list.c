/* The names of a folder stand one behind the other in one piece of memory, and pointers into it are sorted. */
#include "rmfer/base/folder_list.h"
#include "rmfer/base/memory.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int compare_names(const void *a, const void *b)
{
    return text_compare_natural(*(const char *const *)a, *(const char *const *)b);
}

static status sort_names(struct folder_list *list, struct error *err)
{
    if (list->count == 0) return STATUS_OK;
    list->names = memory_allocate(list->count, sizeof *list->names, "a folder's names", err);
    if (list->names == NULL) return STATUS_FAILED;
    const char *name = list->listed.bytes;
    for (size_t i = 0; i < list->count; i++, name += strlen(name) + 1) list->names[i] = name;
    qsort(list->names, list->count, sizeof *list->names, compare_names);
    return STATUS_OK;
}

/* readdir tells an end from a failure by errno alone. */
static status read_names(struct folder_list *list, DIR *stream, const char *path, struct error *err)
{
    status result = STATUS_OK;
    errno = 0;
    for (struct dirent *entry; result == STATUS_OK && (entry = readdir(stream)) != NULL; errno = 0) {
        if (entry->d_name[0] == '.') continue;
        result = text_append(&list->listed, entry->d_name, strlen(entry->d_name) + 1, err);
        list->count++;
    }
    return result == STATUS_OK && errno != 0 ? error_set_errno(err, "%s", path) : result;
}

status folder_list_read(struct folder_list *list, const char *path, struct error *err)
{
    *list = (struct folder_list){0};
    DIR *stream = opendir(path);
    if (stream == NULL) return error_set_errno(err, "%s", path);
    status result = read_names(list, stream, path, err);
    closedir(stream);
    if (result == STATUS_OK) result = sort_names(list, err);
    if (result != STATUS_OK) folder_list_free(list);
    return result;
}

void folder_list_free(struct folder_list *list)
{
    text_free(&list->listed);
    memory_free(list->names);
    *list = (struct folder_list){0};
}
