/* The list of a file's storages, and finding one by its key. */
#include "ckpt/torch_contents.h"

#include <stdlib.h>
#include <string.h>

static int compare_named(const void *a, const void *b)
{
    return strcmp((*(struct pickle_storage *const *)a)->key, (*(struct pickle_storage *const *)b)->key);
}

status torch_list_storages(struct torch_file *file, struct pickle_storage *named, struct pickle_storage ***types,
                           struct error *err)
{
    size_t count = 0, distinct = 0;
    for (const struct pickle_storage *at = named; at != NULL; at = at->next) count++;
    struct pickle_storage **list = pool_take(&file->pool, count, sizeof *list, err);
    file->storages = pool_take(&file->pool, count, sizeof *file->storages, err);
    if (list == NULL || file->storages == NULL) return STATUS_FAILED;
    count = 0;
    for (struct pickle_storage *at = named; at != NULL; at = at->next) list[count++] = at;
    if (count > 0) qsort(list, count, sizeof *list, compare_named);
    for (size_t i = 0; i < count; i++)
        if (i == 0 || compare_named(&list[distinct - 1], &list[i]) != 0) list[distinct++] = list[i];
    for (size_t i = 0; i < distinct; i++) file->storages[i].key = list[i]->key;
    file->storage_count = distinct;
    *types = list;
    return STATUS_OK;
}

static int compare_keys(const void *a, const void *b)
{
    return strcmp(((const struct torch_storage *)a)->key, ((const struct torch_storage *)b)->key);
}

struct torch_storage *torch_find_storage(const struct torch_file *file, const char *key)
{
    struct torch_storage wanted = {.key = key};
    if (file->storage_count == 0) return NULL;
    return bsearch(&wanted, file->storages, file->storage_count, sizeof wanted, compare_keys);
}
