/* torch.save's zip format: NAME/data.pkl is the pickle, NAME/data/KEY each storage's bytes, uncompressed. */
#include "ckpt/torch_zip.h"

#include "ckpt/zip_directory.h"
#include "rmfer/base/memory.h"
#include "rmfer/base/text.h"

#include <string.h>

enum { LARGEST_PICKLE = 64 << 20 };
/* A pickle is rarely compressed, and then to a tenth; a bomb of opcodes is, to a thousandth. */
enum { PICKLE_TIMES_FILE = 32, PICKLE_AT_LEAST = 4 << 20 };
static const size_t LARGEST_STORAGE = (size_t)4 << 30;

struct archive {
    struct zip_directory directory;
    const uint8_t *bytes;
    size_t size;
    const char *folder; /* "NAME/" */
};

/* The entry whose name ends in "data.pkl"; the part before it is the archive's folder. */
static const struct zip_entry *find_pickle(const struct archive *archive, size_t *folder_length)
{
    static const char wanted[] = "data.pkl";
    const struct zip_entry *found = NULL;
    for (size_t i = 0; i < archive->directory.count; i++) {
        const struct zip_entry *entry = &archive->directory.entries[i];
        size_t length = strlen(entry->name), tail = sizeof wanted - 1;
        if (length < tail || strcmp(entry->name + length - tail, wanted) != 0) continue;
        if (length > tail && entry->name[length - tail - 1] != '/') continue;
        if (found != NULL && length - tail > *folder_length) continue; /* the outermost one */
        found = entry;
        *folder_length = length - tail;
    }
    return found;
}

static status check_byte_order(const struct archive *archive, struct error *err)
{
    struct text name = {0};
    status result = text_append_format(&name, err, "%sbyteorder", archive->folder);
    if (result == STATUS_OK) {
        const struct zip_entry *entry = zip_directory_find(&archive->directory, text_string(&name));
        if (entry != NULL && entry->is_stored && entry->size == 3 && memcmp(entry->data, "big", 3) == 0)
            result = error_set(err, "written on a big-endian machine; load and save it again on this one");
    }
    text_free(&name);
    return result;
}

static size_t largest_pickle(size_t file_size)
{
    size_t limit = size_add(PICKLE_AT_LEAST, size_multiply(file_size, PICKLE_TIMES_FILE));
    return limit < LARGEST_PICKLE ? limit : LARGEST_PICKLE;
}

static status find_storage(struct torch_file *file, const struct archive *archive, struct torch_storage *storage,
                           struct error *err)
{
    struct text name = {0};
    status result = text_append_format(&name, err, "%sdata/%s", archive->folder, storage->key);
    const struct zip_entry *entry = result == STATUS_OK ? zip_directory_find(&archive->directory, text_string(&name))
                                                        : NULL;
    text_free(&name);
    if (result != STATUS_OK) return result;
    if (entry == NULL) {
        char key[TENSOR_NAME_TEXT];
        return error_set(err, "the storage '%s' is missing", tensor_name_text(key, sizeof key, storage->key));
    }
    storage->size = (size_t)entry->size;
    return zip_entry_contents(entry, archive->bytes, archive->size, LARGEST_STORAGE, &file->inflated, &storage->data,
                              err);
}

status torch_zip_load(struct torch_file *file, const uint8_t *bytes, size_t size, struct pickle_value **root,
                      struct error *err)
{
    struct archive archive = {.bytes = bytes, .size = size};
    status result = zip_directory_read(&archive.directory, bytes, size, &file->pool, err);
    if (result != STATUS_OK) return result;
    size_t folder_length = 0;
    const struct zip_entry *entry = find_pickle(&archive, &folder_length);
    if (entry == NULL) return error_set(err, "a zip archive without data.pkl: not a file of torch.save");
    if (entry->size > LARGEST_PICKLE) return error_set(err, "data.pkl is larger than %d bytes", LARGEST_PICKLE);
    archive.folder = pool_string(&file->pool, entry->name, folder_length, err);
    if (archive.folder == NULL) return STATUS_FAILED;
    const uint8_t *text;
    struct pickle pickle;
    struct pickle_storage **types;
    result = check_byte_order(&archive, err);
    if (result == STATUS_OK)
        result = zip_entry_contents(entry, bytes, size, largest_pickle(size), &file->inflated, &text, err);
    if (result == STATUS_OK) result = pickle_load(&pickle, text, (size_t)entry->size, &file->pool, err);
    if (result == STATUS_OK) result = torch_list_storages(file, pickle.storages, &types, err);
    for (size_t i = 0; result == STATUS_OK && i < file->storage_count; i++)
        result = find_storage(file, &archive, &file->storages[i], err);
    if (result == STATUS_OK) *root = pickle.value;
    return result;
}
