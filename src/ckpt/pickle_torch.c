/* What PyTorch's pickles name: tensors rebuilt from storages, parameters, ordered dictionaries, sizes, dtypes. */
#include "ckpt/pickle_torch.h"

#include "ckpt/pickle_values.h"

#include <string.h>

static bool is_sequence(const struct pickle_value *value)
{
    return value->kind == PICKLE_TUPLE || value->kind == PICKLE_LIST;
}

/* Item `index` of a sequence when it is of that kind, NULL otherwise. */
static struct pickle_value *item_of_kind(const struct pickle_value *sequence, uint32_t index, enum pickle_kind kind)
{
    if (!is_sequence(sequence) || index >= sequence->list.count) return NULL;
    struct pickle_value *item = sequence->list.items[index];
    return item->kind == kind ? item : NULL;
}

/* ---- types ---- */

/* Both ways of naming an element type: a storage class and a dtype. */
static const struct {
    const char *storage, *dtype;
    enum tensor_type type;
} element_types[] = {
    {"torch.FloatStorage", "torch.float32", TENSOR_F32},      {"torch.HalfStorage", "torch.float16", TENSOR_F16},
    {"torch.BFloat16Storage", "torch.bfloat16", TENSOR_BF16}, {"torch.DoubleStorage", "torch.float64", TENSOR_F64},
    {"torch.LongStorage", "torch.int64", TENSOR_I64},         {"torch.IntStorage", "torch.int32", TENSOR_I32},
    {"torch.ShortStorage", "torch.int16", TENSOR_I16},        {"torch.CharStorage", "torch.int8", TENSOR_I8},
    {"torch.ByteStorage", "torch.uint8", TENSOR_U8},          {"torch.BoolStorage", "torch.bool", TENSOR_BOOL},
};

/* "torch.cuda.FloatStorage" of old files is the same type on another device. */
static bool type_of_global(const char *name, enum tensor_type *type)
{
    static const char cuda[] = "torch.cuda.";
    char plain[64];
    /* A name is measured no further than it can matter: it may be as long as the file, and be looked at often. */
    size_t length = strnlen(name, sizeof plain);
    if (length < sizeof plain && strncmp(name, cuda, sizeof cuda - 1) == 0) {
        memcpy(plain, "torch.", 6);
        memcpy(plain + 6, name + sizeof cuda - 1, length - (sizeof cuda - 1) + 1);
        name = plain;
    }
    for (size_t i = 0; i < sizeof element_types / sizeof element_types[0]; i++) {
        if (strcmp(name, element_types[i].storage) != 0 && strcmp(name, element_types[i].dtype) != 0) continue;
        *type = element_types[i].type;
        return true;
    }
    return false;
}

/* ---- storages ---- */

/* torch writes numbers; what is sorted and searched by keys must not take the time that long ones need. */
enum { LONGEST_KEY = 255 };

struct pickle_value *pickle_persistent(struct pool *pool, const struct pickle_value *id, struct error *err)
{
    const struct pickle_value *tag = item_of_kind(id, 0, PICKLE_STRING), *type = item_of_kind(id, 1, PICKLE_GLOBAL);
    const struct pickle_value *key = item_of_kind(id, 2, PICKLE_STRING), *count = item_of_kind(id, 4, PICKLE_INTEGER);
    bool good = tag != NULL && strcmp(tag->string.bytes, "storage") == 0 && type != NULL && key != NULL;
    if (!good || count == NULL || count->integer < 0) return pickle_new(pool, PICKLE_NONE, err);
    if (key->string.length > LONGEST_KEY) {
        error_set(err, "a storage's key has %zu letters", key->string.length);
        return NULL;
    }
    struct pickle_value *value = pickle_new(pool, PICKLE_STORAGE, err);
    if (value == NULL) return NULL;
    value->storage = pool_take(pool, 1, sizeof *value->storage, err);
    if (value->storage == NULL) return NULL;
    *value->storage = (struct pickle_storage){.key = key->string.bytes, .count = (uint64_t)count->integer};
    value->storage->type_name = type->global;
    value->storage->has_type = type_of_global(type->global, &value->storage->type);
    /* The plain format's sixth item: None, or (key of the view, offset, count). */
    if (is_sequence(id) && id->list.count > 5) {
        const struct pickle_value *offset = item_of_kind(id->list.items[5], 1, PICKLE_INTEGER);
        if (offset != NULL && offset->integer > 0) value->storage->view_offset = (uint64_t)offset->integer;
    }
    return value;
}

/* ---- tensors ---- */

/* A tuple of at most TENSOR_MOST_RANK whole numbers; the number of them, or -1. */
static int read_integers(const struct pickle_value *tuple, uint64_t *values)
{
    if (tuple == NULL || !is_sequence(tuple) || tuple->list.count > TENSOR_MOST_RANK) return -1;
    for (uint32_t i = 0; i < tuple->list.count; i++) {
        const struct pickle_value *item = tuple->list.items[i];
        if (item->kind != PICKLE_INTEGER || item->integer < 0) return -1;
        values[i] = (uint64_t)item->integer;
    }
    return (int)tuple->list.count;
}

static const struct pickle_value *argument(const struct pickle_value *arguments, uint32_t index)
{
    return is_sequence(arguments) && index < arguments->list.count ? arguments->list.items[index] : NULL;
}

/* Torch's lazy bits: the last argument of a tensor that is to be negated or conjugated when it is read. */
static bool is_lazy(const struct pickle_value *arguments)
{
    enum { MOST_BITS = 16 };
    static const char *const bits[] = {"neg", "conj"};
    if (!is_sequence(arguments) || arguments->list.count < 7) return false;
    const struct pickle_value *metadata = arguments->list.items[arguments->list.count - 1];
    if (metadata->kind != PICKLE_DICT || metadata->list.count > MOST_BITS)
        return false; /* what many calls share is not searched */
    for (size_t i = 0; i < sizeof bits / sizeof bits[0]; i++) {
        const struct pickle_value *bit = pickle_dict_find(metadata, bits[i]);
        if (bit != NULL && bit->kind == PICKLE_BOOL && bit->boolean) return true;
    }
    return false;
}

/* _rebuild_tensor(storage, offset, shape, strides), _rebuild_tensor_v2(..., requires_grad, hooks) and
 * _rebuild_tensor_v3(..., requires_grad, hooks, dtype). NULL without an error when the arguments are something else.
 */
static struct pickle_value *make_tensor(struct pool *pool, const struct pickle_value *arguments, struct error *err)
{
    struct pickle_tensor tensor = {0};
    const struct pickle_value *storage = item_of_kind(arguments, 0, PICKLE_STORAGE);
    const struct pickle_value *offset = item_of_kind(arguments, 1, PICKLE_INTEGER);
    if (storage == NULL || offset == NULL || offset->integer < 0) return NULL;
    tensor.storage = storage->storage;
    tensor.offset = (uint64_t)offset->integer;
    tensor.rank = read_integers(argument(arguments, 2), tensor.shape);
    if (tensor.rank < 0 || read_integers(argument(arguments, 3), tensor.strides) != tensor.rank) return NULL;
    const struct pickle_value *dtype = item_of_kind(arguments, 6, PICKLE_GLOBAL);
    tensor.type = storage->storage->type;
    if (!storage->storage->has_type && (dtype == NULL || !type_of_global(dtype->global, &tensor.type))) return NULL;
    if (is_lazy(arguments)) {
        error_set(err, "a tensor whose numbers are still to be negated or conjugated; save it after resolve_neg() and "
                       "resolve_conj()");
        return NULL;
    }
    struct pickle_value *value = pickle_new(pool, PICKLE_TENSOR, err);
    if (value == NULL) return NULL;
    value->tensor = pool_take(pool, 1, sizeof tensor, err);
    if (value->tensor == NULL) return NULL;
    *value->tensor = tensor;
    return value;
}

/* ---- everything else ---- */

static struct pickle_value *make_object(struct pool *pool, const struct pickle_value *callable, struct error *err)
{
    struct pickle_value *value = pickle_new(pool, PICKLE_OBJECT, err);
    if (value == NULL) return NULL;
    value->object = pool_take(pool, 1, sizeof *value->object, err);
    if (value->object == NULL) return NULL;
    value->object->class_name = callable->kind == PICKLE_GLOBAL ? callable->global : "";
    return value;
}

/* OrderedDict() or OrderedDict([(key, value), ...]), as Python 2 wrote it. */
static struct pickle_value *make_dict(struct pool *pool, const struct pickle_value *arguments, struct error *err)
{
    struct pickle_value *dict = pickle_new(pool, PICKLE_DICT, err);
    const struct pickle_value *pairs = argument(arguments, 0);
    if (dict == NULL || pairs == NULL || !is_sequence(pairs)) return dict;
    /* The same list may be given to many calls. */
    if (pool_spend_steps(pool, pairs->list.count, err) != STATUS_OK) return NULL;
    for (uint32_t i = 0; i < pairs->list.count; i++) {
        const struct pickle_value *pair = pairs->list.items[i];
        if (!is_sequence(pair) || pair->list.count != 2) continue;
        if (pickle_items_add(pool, &dict->list, pair->list.items[0], err) != STATUS_OK ||
            pickle_items_add(pool, &dict->list, pair->list.items[1], err) != STATUS_OK)
            return NULL;
    }
    return dict;
}

static bool is_one_of(const char *name, const char *const *names)
{
    for (; *names != NULL; names++)
        if (strcmp(name, *names) == 0) return true;
    return false;
}

static const char *const tensor_functions[] = {"torch._utils._rebuild_tensor", "torch._utils._rebuild_tensor_v2",
                                               "torch._utils._rebuild_tensor_v3", NULL};
/* Functions whose first argument is the thing itself. */
static const char *const wrapping_functions[] = {"torch._utils._rebuild_parameter",
                                                 "torch._utils._rebuild_parameter_with_state",
                                                 "torch.nn.parameter.Parameter", "torch.nn.parameter.Buffer", NULL};
static const char *const dict_classes[] = {"collections.OrderedDict", "collections.defaultdict", "collections.Counter",
                                           "__builtin__.dict",        "builtins.dict",           NULL};
static const char *const sequence_classes[] = {
    "__builtin__.set", "builtins.set",      "__builtin__.frozenset", "builtins.frozenset", "__builtin__.list",
    "builtins.list",   "__builtin__.tuple", "builtins.tuple",        "torch.Size",         NULL};

/* torch._tensor._rebuild_from_type[_v2](function, type, arguments, state): a tensor of a subclass. */
static bool is_subclass_tensor(const char *name, const struct pickle_value *arguments)
{
    static const char *const names[] = {"torch._tensor._rebuild_from_type", "torch._tensor._rebuild_from_type_v2",
                                        NULL};
    if (!is_one_of(name, names)) return false;
    const struct pickle_value *function = item_of_kind(arguments, 0, PICKLE_GLOBAL);
    return function != NULL && is_one_of(function->global, tensor_functions) &&
           item_of_kind(arguments, 2, PICKLE_TUPLE) != NULL;
}

struct pickle_value *pickle_call(struct pool *pool, const struct pickle_value *callable, struct pickle_value *arguments,
                                 struct error *err)
{
    if (callable->kind != PICKLE_GLOBAL) return make_object(pool, callable, err);
    const char *name = callable->global;
    struct pickle_value *first = is_sequence(arguments) && arguments->list.count > 0 ? arguments->list.items[0] : NULL;
    struct pickle_value *made = NULL;
    struct error inner = {0};
    if (is_one_of(name, tensor_functions))
        made = make_tensor(pool, arguments, &inner);
    else if (is_subclass_tensor(name, arguments))
        made = make_tensor(pool, arguments->list.items[2], &inner);
    else if (is_one_of(name, wrapping_functions) && first != NULL)
        made = first;
    else if (is_one_of(name, dict_classes))
        made = make_dict(pool, arguments, &inner);
    else if (is_one_of(name, sequence_classes) && first != NULL && is_sequence(first))
        made = first;
    if (inner.code != STATUS_OK) {
        error_set(err, "%s", inner.message);
        return NULL;
    }
    return made != NULL ? made : make_object(pool, callable, err);
}
