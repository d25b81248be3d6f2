/* What both formats of torch.save share: storages looked up by key, and the choice between zip and plain. */
#include "ckpt/torch_file.h"

#include "rmfer/base/memory.h"

#include <stdlib.h>
#include <string.h>

/* A value takes at most 64 times the bytes of the opcodes that make it; weights are no values. */
enum { POOL_TIMES_FILE = 64, POOL_AT_LEAST = 1 << 20, POOL_AT_MOST = 512 << 20 };
/* Weights hardly compress. */
enum { INFLATED_TIMES_FILE = 8, INFLATED_AT_LEAST = 64 << 20 };

static const uint8_t zip_magic[4] = {'P', 'K', 3, 4};
/* PROTO 2, then LONG1 of 10 bytes: 0x1950a86a20f9469cfc6c. */
static const uint8_t plain_magic[14] = {0x80, 2,    0x8a, 10,   0x6c, 0xfc, 0x9c,
                                        0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19};

static bool starts_with(const uint8_t *bytes, size_t size, const uint8_t *magic, size_t length)
{
    return size >= length && memcmp(bytes, magic, length) == 0;
}

bool torch_recognise(const uint8_t *bytes, size_t size)
{
    return starts_with(bytes, size, zip_magic, sizeof zip_magic) ||
           starts_with(bytes, size, plain_magic, sizeof plain_magic);
}

status torch_parse(struct torch_file **out, const uint8_t *bytes, size_t size, struct error *err)
{
    *out = NULL;
    struct torch_file *file = memory_allocate(1, sizeof *file, "a PyTorch file", err);
    if (file == NULL) return STATUS_FAILED;
    size_t limit = size_add(POOL_AT_LEAST, size_multiply(size, POOL_TIMES_FILE));
    file->pool = pool_with_limit(limit < POOL_AT_MOST ? limit : POOL_AT_MOST);
    file->inflated = pool_with_limit(size_add(INFLATED_AT_LEAST, size_multiply(size, INFLATED_TIMES_FILE)));
    file->is_zip = starts_with(bytes, size, zip_magic, sizeof zip_magic);
    struct pickle_value *root = NULL;
    status result = file->is_zip ? torch_zip_load(file, bytes, size, &root, err)
                                 : torch_plain_load(file, bytes, size, &root, err);
    if (result == STATUS_OK) result = torch_flatten(file, root, err);
    if (result == STATUS_OK)
        *out = file;
    else
        torch_free(file);
    return result;
}

void torch_free(struct torch_file *file)
{
    if (file == NULL) return;
    pool_free(&file->pool);
    pool_free(&file->inflated);
    file_unmap(&file->mapping);
    memory_free(file);
}

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
