/* The walk through what torch.save pickled: every tensor with the path that leads to it, and what modules tell of
 * their network. Values may be shared or contain themselves, so depth is limited and every step spent. */
#include "ckpt/torch_flatten.h"

#include "ckpt/pickle_values.h"
#include "rmfer/base/memory.h"
#include "rmfer/base/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DEEPEST = 64, LONGEST_PATH = 255, LONGEST_CLASS_NAME = 255 };

struct walk {
    struct torch_file *file;
    char path[LONGEST_PATH + 1];
    size_t length;
    int depth;
    int modules; /* that the present value is part of */
    struct error *err;
};

static status walk_value(struct walk *walk, const struct pickle_value *value);

static status spend(const struct walk *walk, size_t steps)
{
    return pool_spend_steps(&walk->file->pool, steps, walk->err);
}

/* ---- tensors ---- */

/* The index of the last element, plus one: what the storage must have. False when it overflows. */
static bool elements_needed(const struct pickle_tensor *tensor, uint64_t first, uint64_t *needed)
{
    uint64_t last = first;
    *needed = 0;
    for (int i = 0; i < tensor->rank; i++) {
        uint64_t reach;
        if (tensor->shape[i] == 0) return true;
        if (__builtin_mul_overflow(tensor->shape[i] - 1, tensor->strides[i], &reach)) return false;
        if (__builtin_add_overflow(last, reach, &last)) return false;
    }
    return !__builtin_add_overflow(last, 1, needed);
}

static status lies(const struct walk *walk)
{
    char name[TENSOR_NAME_TEXT];
    return error_set(walk->err, "tensor '%s' does not fit its storage",
                     tensor_name_text(name, sizeof name, walk->path));
}

static status append_tensor(struct walk *walk, struct tensor tensor)
{
    struct torch_file *file = walk->file;
    if (file->count == file->capacity) {
        size_t capacity = 2 * file->capacity + 64;
        struct tensor *tensors = pool_take(&file->pool, capacity, sizeof *tensors, walk->err);
        if (tensors == NULL) return STATUS_FAILED;
        if (file->count > 0) memcpy(tensors, file->tensors, file->count * sizeof *tensors);
        file->tensors = tensors;
        file->capacity = capacity;
    }
    tensor.name = pool_string(&file->pool, walk->path, walk->length, walk->err);
    if (tensor.name == NULL) return STATUS_FAILED;
    file->tensors[file->count++] = tensor;
    return STATUS_OK;
}

static status add_tensor(struct walk *walk, const struct pickle_tensor *pickled)
{
    const struct torch_storage *storage = torch_find_storage(walk->file, pickled->storage->key);
    if (storage == NULL) return lies(walk);
    struct tensor tensor = {.type = pickled->type, .in_module = walk->modules > 0};
    size_t shape[TENSOR_MOST_RANK], available = storage->size / tensor_type_size(tensor.type);
    uint64_t first, needed;
    if (__builtin_add_overflow(pickled->offset, pickled->storage->view_offset, &first)) return lies(walk);
    for (int i = 0; i < pickled->rank; i++) shape[i] = (size_t)pickled->shape[i];
    if (!elements_needed(pickled, first, &needed) || needed > available) return lies(walk);
    if (!tensor_set_shape(&tensor, pickled->rank, shape)) return lies(walk);
    for (int i = 0; i < pickled->rank; i++) tensor.strides[i] = (size_t)pickled->strides[i];
    /* Expanded beyond its storage: no weight is, and a small file could ask for much memory. Left out. */
    if (tensor.count > available) return STATUS_OK;
    tensor.data = tensor.count == 0 ? storage->data : storage->data + first * tensor_type_size(tensor.type);
    return append_tensor(walk, tensor);
}

/* ---- containers ---- */

/* Goes on below ".key". Paths too long to be a parameter's name are left out. */
static status walk_below(struct walk *walk, const char *key, const struct pickle_value *value)
{
    size_t length = walk->length, needed = strnlen(key, LONGEST_PATH + 1) + (length > 0);
    if (needed > LONGEST_PATH - length) return STATUS_OK;
    snprintf(walk->path + length, sizeof walk->path - length, "%s%s", length > 0 ? "." : "", key);
    walk->length = length + needed;
    walk->depth++;
    status result = walk_value(walk, value);
    walk->depth--;
    walk->length = length;
    walk->path[length] = '\0';
    return result;
}

/* Keys that are texts or whole numbers; others name no tensor. */
static status walk_pairs(struct walk *walk, const struct pickle_items *pairs)
{
    status result = spend(walk, pairs->count);
    for (uint32_t i = 0; result == STATUS_OK && i + 1 < pairs->count; i += 2) {
        const struct pickle_value *key = pairs->items[i], *value = pairs->items[i + 1];
        char digits[24];
        if (key->kind == PICKLE_STRING) {
            result = walk_below(walk, key->string.bytes, value);
        } else if (key->kind == PICKLE_INTEGER) {
            snprintf(digits, sizeof digits, "%lld", (long long)key->integer);
            result = walk_below(walk, digits, value);
        }
    }
    return result;
}

static status walk_sequence(struct walk *walk, const struct pickle_items *items)
{
    status result = spend(walk, items->count);
    for (uint32_t i = 0; result == STATUS_OK && i < items->count; i++) {
        char digits[16];
        /* Lists of numbers (a loss a step) can be long: only what may hold a tensor is worth a name. */
        if (items->items[i]->kind < PICKLE_TUPLE) continue;
        snprintf(digits, sizeof digits, "%u", i);
        result = walk_below(walk, digits, items->items[i]);
    }
    return result;
}

/* ---- modules ---- */

/* A key of a module's state. Looking for it costs a step an entry, as the same state may be looked at often. */
static status find_in_state(const struct walk *walk, const struct pickle_value *state, const char *key,
                            const struct pickle_value **found)
{
    *found = NULL;
    if (state == NULL || state->kind != PICKLE_DICT) return STATUS_OK;
    status result = spend(walk, state->list.count);
    if (result == STATUS_OK) *found = pickle_dict_find(state, key);
    return result;
}

/* What a module's class and attributes say of the network's flavour. */
static void note_module(struct walk *walk, const struct pickle_object *module, const struct pickle_value *epsilon)
{
    if (strnlen(module->class_name, LONGEST_CLASS_NAME + 1) > LONGEST_CLASS_NAME) return;
    if (strstr(module->class_name, "Conv2dSame") != NULL) walk->file->has_same_convolutions = true;
    if (strstr(module->class_name, "BatchNorm") == NULL) return;
    if (epsilon != NULL && epsilon->kind == PICKLE_REAL && walk->file->bn_epsilon == 0)
        walk->file->bn_epsilon = epsilon->real;
}

/* torch.nn.Module keeps its tensors and children in three dictionaries of its state; names go on without them. */
static status walk_object(struct walk *walk, const struct pickle_object *object)
{
    enum { PARAMETERS, BUFFERS, MODULES, EPSILON, KEYS };
    static const char *const keys[KEYS] = {"_parameters", "_buffers", "_modules", "eps"};
    const struct pickle_value *state = object->state, *found[KEYS];
    status result = walk_pairs(walk, &object->entries);
    for (int i = 0; result == STATUS_OK && i < KEYS; i++) result = find_in_state(walk, state, keys[i], &found[i]);
    if (result != STATUS_OK) return result;
    if (found[PARAMETERS] == NULL || found[MODULES] == NULL) return state != NULL ? walk_value(walk, state) : STATUS_OK;
    note_module(walk, object, found[EPSILON]);
    walk->modules++;
    for (int i = PARAMETERS; result == STATUS_OK && i <= MODULES; i++)
        if (found[i] != NULL && found[i]->kind == PICKLE_DICT) result = walk_pairs(walk, &found[i]->list);
    walk->modules--;
    return result;
}

static status walk_value(struct walk *walk, const struct pickle_value *value)
{
    status result = spend(walk, 1);
    if (result != STATUS_OK) return result;
    /* walk_object comes back here at its own depth, so it counts too. */
    if (++walk->depth <= DEEPEST) {
        switch (value->kind) {
        case PICKLE_TENSOR: result = add_tensor(walk, value->tensor); break;
        case PICKLE_DICT: result = walk_pairs(walk, &value->list); break;
        case PICKLE_TUPLE:
        case PICKLE_LIST: result = walk_sequence(walk, &value->list); break;
        case PICKLE_OBJECT: result = walk_object(walk, value->object); break;
        default: break;
        }
    }
    walk->depth--;
    return result;
}

status torch_flatten(struct torch_file *file, const struct pickle_value *root, struct error *err)
{
    struct walk walk = {.file = file, .err = err};
    status result = walk_value(&walk, root);
    if (result != STATUS_OK || file->count == 0) return result;
    qsort(file->tensors, file->count, sizeof *file->tensors, tensor_compare_names);
    /* The same path twice comes of a dictionary with a key twice, of which Python would keep one too. */
    size_t distinct = 1;
    for (size_t i = 1; i < file->count; i++)
        if (tensor_compare_names(&file->tensors[distinct - 1], &file->tensors[i]) != 0)
            file->tensors[distinct++] = file->tensors[i];
    file->count = distinct;
    return STATUS_OK;
}
