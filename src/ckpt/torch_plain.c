/* torch.save's format before the zip one: five pickles (a magic number, the format's version, facts about the
 * machine, the object, the storages' keys), then each storage in the order of its key: 8 bytes of length in elements,
 * its bytes. */
#include "ckpt/torch_plain.h"

#include "ckpt/pickle_values.h"

#include <string.h>

enum { PICKLES = 5, PROTOCOL_VERSION = 1001 };
enum { PICKLE_MAGIC, PICKLE_VERSION, PICKLE_MACHINE, PICKLE_ROOT, PICKLE_KEYS };

static status check_pickles(const struct pickle *pickles, struct error *err)
{
    const struct pickle_value *version = pickles[PICKLE_VERSION].value;
    if (version->kind != PICKLE_INTEGER || version->integer != PROTOCOL_VERSION)
        return error_set(err, "a version of torch.save's format that is not known");
    const struct pickle_value *little = pickle_dict_find(pickles[PICKLE_MACHINE].value, "little_endian");
    if (little != NULL && little->kind == PICKLE_BOOL && !little->boolean)
        return error_set(err, "written on a big-endian machine; load and save it again on this one");
    return pickles[PICKLE_KEYS].value->kind == PICKLE_LIST ? STATUS_OK
                                                           : error_set(err, "the storages' keys are missing");
}

struct cursor {
    const uint8_t *at, *end;
};

/* The storage at the cursor, which moves behind it. Only its type, known from the object's pickle, tells its size. */
static status read_storage(struct torch_file *file, struct pickle_storage *const *types, const struct pickle_value *key,
                           struct cursor *cursor, struct error *err)
{
    if (key->kind != PICKLE_STRING) return error_set(err, "a storage's key is no text");
    char name[TENSOR_NAME_TEXT];
    tensor_name_text(name, sizeof name, key->string.bytes);
    struct torch_storage *storage = torch_find_storage(file, key->string.bytes);
    const struct pickle_storage *type = storage == NULL ? NULL : types[storage - file->storages];
    if (type == NULL) return error_set(err, "the storage '%s' has no type", name);
    if (!type->has_type) {
        char type_name[TENSOR_NAME_TEXT];
        return error_set(err, "the storage '%s' is a %s, which is not read here; save the state dict without it", name,
                         tensor_name_text(type_name, sizeof type_name, type->type_name));
    }
    uint64_t count;
    if ((size_t)(cursor->end - cursor->at) < sizeof count) return error_set(err, "cut short at the storage '%s'", name);
    memcpy(&count, cursor->at, sizeof count);
    cursor->at += sizeof count;
    if (count > (size_t)(cursor->end - cursor->at) / tensor_type_size(type->type))
        return error_set(err, "cut short: the storage '%s' would have %llu elements", name, (unsigned long long)count);
    storage->data = cursor->at;
    storage->size = (size_t)count * tensor_type_size(type->type);
    cursor->at += storage->size;
    return STATUS_OK;
}

status torch_plain_load(struct torch_file *file, const uint8_t *bytes, size_t size, struct pickle_value **root,
                        struct error *err)
{
    struct pickle pickles[PICKLES];
    struct cursor cursor = {bytes, bytes + size};
    for (int i = 0; i < PICKLES; i++) {
        size_t left = (size_t)(cursor.end - cursor.at);
        status result = pickle_load(&pickles[i], cursor.at, left, &file->pool, err);
        if (result != STATUS_OK) return result;
        cursor.at += pickles[i].length;
    }
    struct pickle_storage **types;
    status result = check_pickles(pickles, err);
    if (result == STATUS_OK) result = torch_list_storages(file, pickles[PICKLE_ROOT].storages, &types, err);
    if (result != STATUS_OK) return result;
    const struct pickle_items *keys = &pickles[PICKLE_KEYS].value->list;
    for (uint32_t i = 0; result == STATUS_OK && i < keys->count; i++)
        result = read_storage(file, types, keys->items[i], &cursor, err);
    *root = pickles[PICKLE_ROOT].value;
    return result;
}
