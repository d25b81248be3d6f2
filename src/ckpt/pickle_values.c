/* Values of pickles: made, collected, and found in dictionaries. */
#include "ckpt/pickle_values.h"

#include <string.h>

struct pickle_value *pickle_new(struct pool *pool, enum pickle_kind kind, struct error *err)
{
    struct pickle_value *value = pool_take(pool, 1, sizeof *value, err);
    if (value != NULL) value->kind = kind;
    return value;
}

status pickle_items_add(struct pool *pool, struct pickle_items *list, struct pickle_value *item, struct error *err)
{
    if (list->count == list->capacity) {
        uint32_t capacity = list->capacity == 0 ? 4 : 2 * list->capacity;
        if (capacity <= list->capacity) return error_set(err, "a list is too long");
        struct pickle_value **items = pool_take(pool, capacity, sizeof(struct pickle_value *), err);
        if (items == NULL) return STATUS_FAILED;
        if (list->count > 0) memcpy(items, list->items, list->count * sizeof(struct pickle_value *));
        list->items = items;
        list->capacity = capacity;
    }
    list->items[list->count++] = item;
    return STATUS_OK;
}

struct pickle_value *pickle_dict_find(const struct pickle_value *dict, const char *key)
{
    if (dict == NULL || dict->kind != PICKLE_DICT) return NULL;
    for (uint32_t i = 0; i + 1 < dict->list.count; i += 2) {
        const struct pickle_value *item = dict->list.items[i];
        if (item->kind == PICKLE_STRING && strcmp(item->string.bytes, key) == 0) return dict->list.items[i + 1];
    }
    return NULL;
}
