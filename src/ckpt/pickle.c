/* The stack machine: one function an opcode, a stack, marks and a memo, all within limits. */
#include "ckpt/pickle.h"

#include "ckpt/pickle_torch.h"
#include "ckpt/pickle_values.h"

#include <string.h>

/* Opcodes, as Lib/pickletools.py lists them. */
enum opcode {
    OP_MARK = '(',
    OP_STOP = '.',
    OP_POP = '0',
    OP_POP_MARK = '1',
    OP_DUP = '2',
    OP_BININT = 'J',
    OP_BININT1 = 'K',
    OP_BININT2 = 'M',
    OP_NONE = 'N',
    OP_BINPERSID = 'Q',
    OP_REDUCE = 'R',
    OP_BINSTRING = 'T',
    OP_SHORT_BINSTRING = 'U',
    OP_BINUNICODE = 'X',
    OP_BINBYTES = 'B',
    OP_SHORT_BINBYTES = 'C',
    OP_APPEND = 'a',
    OP_BUILD = 'b',
    OP_GLOBAL = 'c',
    OP_DICT = 'd',
    OP_EMPTY_DICT = '}',
    OP_APPENDS = 'e',
    OP_BINGET = 'h',
    OP_LONG_BINGET = 'j',
    OP_LIST = 'l',
    OP_EMPTY_LIST = ']',
    OP_OBJ = 'o',
    OP_BINPUT = 'q',
    OP_LONG_BINPUT = 'r',
    OP_SETITEM = 's',
    OP_TUPLE = 't',
    OP_EMPTY_TUPLE = ')',
    OP_SETITEMS = 'u',
    OP_BINFLOAT = 'G',
    OP_PROTO = 0x80,
    OP_NEWOBJ = 0x81,
    OP_TUPLE1 = 0x85,
    OP_TUPLE2 = 0x86,
    OP_TUPLE3 = 0x87,
    OP_NEWTRUE = 0x88,
    OP_NEWFALSE = 0x89,
    OP_LONG1 = 0x8a,
    OP_LONG4 = 0x8b,
    OP_SHORT_BINUNICODE = 0x8c,
    OP_BINUNICODE8 = 0x8d,
    OP_BINBYTES8 = 0x8e,
    OP_EMPTY_SET = 0x8f,
    OP_ADDITEMS = 0x90,
    OP_FROZENSET = 0x91,
    OP_NEWOBJ_EX = 0x92,
    OP_STACK_GLOBAL = 0x93,
    OP_MEMOIZE = 0x94,
    OP_FRAME = 0x95,
    OP_BYTEARRAY8 = 0x96,
};

/* A row of values that grows by doubling, in the pool. */
struct row {
    struct pickle_value **items;
    size_t count, capacity;
};

struct machine {
    const uint8_t *start, *at, *end;
    struct pool *pool;
    struct error *err;
    struct row stack, memo;
    size_t *marks; /* heights of the stack, in the pool */
    size_t mark_count, mark_capacity;
    size_t opcodes; /* run so far */
    struct pickle_storage *storages;
    struct pickle_value *result;
};

static status broken(struct machine *machine, const char *what)
{
    return error_set(machine->err, "pickle, byte %zu: %s", (size_t)(machine->at - machine->start), what);
}

static status row_reserve(struct machine *machine, struct row *row, size_t count)
{
    if (count <= row->capacity) return STATUS_OK;
    size_t capacity = 2 * count + 64;
    void *items = pool_grow(machine->pool, row->items, row->count, capacity, sizeof *row->items, machine->err);
    if (items == NULL) return STATUS_FAILED;
    row->items = items;
    row->capacity = capacity;
    return STATUS_OK;
}

static status push(struct machine *machine, struct pickle_value *value)
{
    if (value == NULL) return STATUS_FAILED; /* whoever made it has set the error */
    if (row_reserve(machine, &machine->stack, machine->stack.count + 1) != STATUS_OK) return STATUS_FAILED;
    machine->stack.items[machine->stack.count++] = value;
    return STATUS_OK;
}

/* The stack above the last mark belongs to the collection being built; below it nothing may be taken. */
static size_t floor_of_stack(const struct machine *machine)
{
    return machine->mark_count == 0 ? 0 : machine->marks[machine->mark_count - 1];
}

static struct pickle_value *pop(struct machine *machine)
{
    if (machine->stack.count <= floor_of_stack(machine)) {
        (void)broken(machine, "takes from an empty stack");
        return NULL;
    }
    return machine->stack.items[--machine->stack.count];
}

static struct pickle_value *top(struct machine *machine)
{
    struct pickle_value *value = pop(machine);
    if (value != NULL) machine->stack.count++;
    return value;
}

static status push_mark(struct machine *machine)
{
    if (machine->mark_count == machine->mark_capacity) {
        size_t capacity = 2 * machine->mark_capacity + 64;
        void *marks = pool_grow(machine->pool, machine->marks, machine->mark_count, capacity, sizeof *machine->marks,
                                machine->err);
        if (marks == NULL) return STATUS_FAILED;
        machine->marks = marks;
        machine->mark_capacity = capacity;
    }
    machine->marks[machine->mark_count++] = machine->stack.count;
    return STATUS_OK;
}

/* Takes everything above the last mark off the stack, and the mark. The items stay readable until the next push. */
static status pop_mark(struct machine *machine, struct pickle_value ***items, size_t *count)
{
    *items = NULL;
    *count = 0;
    if (machine->mark_count == 0) return broken(machine, "no mark");
    size_t height = machine->marks[--machine->mark_count];
    /* The stack may never have held anything: no pointer to count from. */
    *items = height == 0 ? machine->stack.items : machine->stack.items + height;
    *count = machine->stack.count - height;
    machine->stack.count = height;
    return STATUS_OK;
}

/* `bytes` of argument, little-endian, as a number. */
static bool read_number(struct machine *machine, size_t bytes, uint64_t *value)
{
    *value = 0;
    if ((size_t)(machine->end - machine->at) < bytes) {
        (void)broken(machine, "cut short");
        return false;
    }
    memcpy(value, machine->at, bytes);
    machine->at += bytes;
    return true;
}

/* ---- simple values ---- */

static status push_integer(struct machine *machine, int64_t integer)
{
    struct pickle_value *value = pickle_new(machine->pool, PICKLE_INTEGER, machine->err);
    if (value != NULL) value->integer = integer;
    return push(machine, value);
}

static status push_bool(struct machine *machine, bool boolean)
{
    struct pickle_value *value = pickle_new(machine->pool, PICKLE_BOOL, machine->err);
    if (value != NULL) value->boolean = boolean;
    return push(machine, value);
}

/* Two's complement of any length; numbers beyond 64 bits (torch's magic number is one) become None, being no size. */
static status push_long(struct machine *machine, size_t length_bytes)
{
    uint64_t length, bits = 0;
    if (!read_number(machine, length_bytes, &length)) return STATUS_FAILED;
    if (length > (uint64_t)(machine->end - machine->at)) return broken(machine, "cut short");
    const uint8_t *bytes = machine->at;
    machine->at += length;
    if (length > sizeof bits) return push(machine, pickle_new(machine->pool, PICKLE_NONE, machine->err));
    if (length > 0) memcpy(&bits, bytes, (size_t)length);
    if (length > 0 && length < sizeof bits && (bytes[length - 1] & 0x80) != 0) bits |= UINT64_MAX << (8 * length);
    return push_integer(machine, (int64_t)bits);
}

/* Eight bytes, big-endian. */
static status push_real(struct machine *machine)
{
    uint64_t bits;
    struct pickle_value *value = pickle_new(machine->pool, PICKLE_REAL, machine->err);
    if (value == NULL || !read_number(machine, sizeof bits, &bits)) return STATUS_FAILED;
    bits = __builtin_bswap64(bits);
    memcpy(&value->real, &bits, sizeof bits);
    return push(machine, value);
}

static status push_string(struct machine *machine, size_t length_bytes)
{
    uint64_t length;
    if (!read_number(machine, length_bytes, &length)) return STATUS_FAILED;
    if (length > (uint64_t)(machine->end - machine->at)) return broken(machine, "cut short");
    struct pickle_value *value = pickle_new(machine->pool, PICKLE_STRING, machine->err);
    if (value == NULL) return STATUS_FAILED;
    value->string.bytes = pool_string(machine->pool, machine->at, (size_t)length, machine->err);
    value->string.length = (size_t)length;
    if (value->string.bytes == NULL) return STATUS_FAILED;
    machine->at += length;
    return push(machine, value);
}

/* ---- names ---- */

static status push_global(struct machine *machine, const char *module, size_t module_length, const char *name,
                          size_t name_length)
{
    struct pickle_value *value = pickle_new(machine->pool, PICKLE_GLOBAL, machine->err);
    char *joined = pool_take(machine->pool, module_length + name_length + 2, 1, machine->err);
    if (value == NULL || joined == NULL) return STATUS_FAILED;
    memcpy(joined, module, module_length);
    joined[module_length] = '.';
    memcpy(joined + module_length + 1, name, name_length);
    value->global = joined;
    return push(machine, value);
}

/* A line up to its newline, NULL when there is none. */
static const char *read_line(struct machine *machine, size_t *length)
{
    const uint8_t *line = machine->at;
    const uint8_t *newline = memchr(line, '\n', (size_t)(machine->end - line));
    if (newline == NULL) {
        (void)broken(machine, "cut short");
        return NULL;
    }
    *length = (size_t)(newline - line);
    machine->at = newline + 1;
    return (const char *)line;
}

static status read_global(struct machine *machine)
{
    size_t module_length, name_length;
    const char *module = read_line(machine, &module_length);
    const char *name = module == NULL ? NULL : read_line(machine, &name_length);
    if (name == NULL) return STATUS_FAILED;
    return push_global(machine, module, module_length, name, name_length);
}

static status stack_global(struct machine *machine)
{
    const struct pickle_value *name = pop(machine);
    const struct pickle_value *module = name == NULL ? NULL : pop(machine);
    if (module == NULL) return STATUS_FAILED;
    if (name->kind != PICKLE_STRING || module->kind != PICKLE_STRING) return broken(machine, "a class without a name");
    return push_global(machine, module->string.bytes, module->string.length, name->string.bytes, name->string.length);
}

/* ---- collections ---- */

static status push_collection(struct machine *machine, enum pickle_kind kind, struct pickle_value *const *items,
                              size_t count)
{
    struct pickle_value *value = pickle_new(machine->pool, kind, machine->err);
    if (value == NULL) return STATUS_FAILED;
    if (count > UINT32_MAX) return broken(machine, "a list is too long");
    value->list.items = pool_take(machine->pool, count, sizeof *value->list.items, machine->err);
    if (value->list.items == NULL) return STATUS_FAILED;
    if (count > 0) memcpy(value->list.items, items, count * sizeof *items);
    value->list.count = value->list.capacity = (uint32_t)count;
    return push(machine, value);
}

static status collect_to_mark(struct machine *machine, enum pickle_kind kind)
{
    struct pickle_value **items;
    size_t count;
    status result = pop_mark(machine, &items, &count);
    if (result == STATUS_OK && kind == PICKLE_DICT && count % 2 != 0) result = broken(machine, "a key without a value");
    return result == STATUS_OK ? push_collection(machine, kind, items, count) : result;
}

/* TUPLE1, TUPLE2, TUPLE3. */
static status short_tuple(struct machine *machine, size_t count)
{
    if (machine->stack.count - floor_of_stack(machine) < count) return broken(machine, "takes from an empty stack");
    machine->stack.count -= count;
    return push_collection(machine, PICKLE_TUPLE, machine->stack.items + machine->stack.count, count);
}

/* Where a collection's new items go; NULL for a value that takes none, whose items are dropped. */
static struct pickle_items *target_of(struct pickle_value *value, bool pairs)
{
    if (value->kind == PICKLE_OBJECT && pairs) return &value->object->entries;
    if (value->kind == (pairs ? PICKLE_DICT : PICKLE_LIST)) return &value->list;
    return NULL;
}

/* APPENDS, SETITEMS and ADDITEMS: everything above the mark goes into the value below it. */
static status add_to_mark(struct machine *machine, bool pairs)
{
    struct pickle_value **items;
    size_t count;
    status result = pop_mark(machine, &items, &count);
    if (result == STATUS_OK && pairs && count % 2 != 0) result = broken(machine, "a key without a value");
    if (result != STATUS_OK) return result;
    struct pickle_value *value = top(machine);
    if (value == NULL) return STATUS_FAILED;
    struct pickle_items *target = target_of(value, pairs);
    for (size_t i = 0; target != NULL && result == STATUS_OK && i < count; i++)
        result = pickle_items_add(machine->pool, target, items[i], machine->err);
    return result;
}

/* APPEND and SETITEM. */
static status add_one(struct machine *machine, bool pairs)
{
    struct pickle_value *item = pop(machine);
    struct pickle_value *key = pairs && item != NULL ? pop(machine) : NULL;
    struct pickle_value *value = item == NULL || (pairs && key == NULL) ? NULL : top(machine);
    if (value == NULL) return STATUS_FAILED;
    struct pickle_items *target = target_of(value, pairs);
    if (target == NULL) return STATUS_OK;
    status result = STATUS_OK;
    if (pairs) result = pickle_items_add(machine->pool, target, key, machine->err);
    return result == STATUS_OK ? pickle_items_add(machine->pool, target, item, machine->err) : result;
}

/* ---- the memo ---- */

static status memo_put(struct machine *machine, uint64_t index)
{
    struct pickle_value *value = top(machine);
    if (value == NULL) return STATUS_FAILED;
    /* Python numbers its memo one by one, an opcode each: a number beyond is a lie about memory. */
    if (index > machine->opcodes) return broken(machine, "a memo number out of range");
    status result = row_reserve(machine, &machine->memo, (size_t)index + 1);
    if (result != STATUS_OK) return result;
    machine->memo.items[index] = value;
    if (machine->memo.count <= index) machine->memo.count = (size_t)index + 1;
    return STATUS_OK;
}

static status memo_put_numbered(struct machine *machine, size_t bytes)
{
    uint64_t index;
    return read_number(machine, bytes, &index) ? memo_put(machine, index) : STATUS_FAILED;
}

static status memo_get(struct machine *machine, size_t bytes)
{
    uint64_t index;
    if (!read_number(machine, bytes, &index)) return STATUS_FAILED;
    if (index >= machine->memo.count || machine->memo.items[index] == NULL)
        return broken(machine, "a memo number that was never set");
    return push(machine, machine->memo.items[index]);
}

/* ---- what would call something ---- */

/* REDUCE and NEWOBJ: the class or function, and a tuple of arguments above it. */
static status reduce(struct machine *machine)
{
    struct pickle_value *arguments = pop(machine);
    const struct pickle_value *callable = arguments == NULL ? NULL : pop(machine);
    if (callable == NULL) return STATUS_FAILED;
    return push(machine, pickle_call(machine->pool, callable, arguments, machine->err));
}

/* NEWOBJ_EX: a dictionary of named arguments on top, which nothing of ours has. */
static status reduce_with_names(struct machine *machine)
{
    return pop(machine) == NULL ? STATUS_FAILED : reduce(machine);
}

/* OBJ: the class is the first above the mark. */
static status reduce_to_mark(struct machine *machine)
{
    struct pickle_value **items;
    size_t count;
    status result = pop_mark(machine, &items, &count);
    if (result != STATUS_OK) return result;
    if (count == 0) return broken(machine, "an object without a class");
    const struct pickle_value *callable = items[0];
    result = push_collection(machine, PICKLE_TUPLE, items + 1, count - 1);
    struct pickle_value *arguments = result == STATUS_OK ? pop(machine) : NULL;
    if (arguments == NULL) return STATUS_FAILED;
    return push(machine, pickle_call(machine->pool, callable, arguments, machine->err));
}

static status build(struct machine *machine)
{
    struct pickle_value *state = pop(machine);
    struct pickle_value *value = state == NULL ? NULL : top(machine);
    if (value == NULL) return STATUS_FAILED;
    if (value->kind == PICKLE_OBJECT) value->object->state = state;
    return STATUS_OK;
}

static status persistent(struct machine *machine)
{
    const struct pickle_value *id = pop(machine);
    struct pickle_value *value = id == NULL ? NULL : pickle_persistent(machine->pool, id, machine->err);
    if (value == NULL) return STATUS_FAILED;
    if (value->kind == PICKLE_STORAGE) {
        value->storage->next = machine->storages;
        machine->storages = value->storage;
    }
    return push(machine, value);
}

/* ---- the loop ---- */

static status skip_number(struct machine *machine, size_t bytes)
{
    uint64_t value;
    return read_number(machine, bytes, &value) ? STATUS_OK : STATUS_FAILED;
}

static status read_protocol(struct machine *machine)
{
    uint64_t protocol;
    if (!read_number(machine, 1, &protocol)) return STATUS_FAILED;
    return protocol >= 2 && protocol <= 5 ? STATUS_OK : broken(machine, "a protocol other than 2 to 5");
}

static status push_small(struct machine *machine, size_t bytes)
{
    uint64_t value;
    if (!read_number(machine, bytes, &value)) return STATUS_FAILED;
    return push_integer(machine, bytes == 4 ? (int32_t)(uint32_t)value : (int64_t)value);
}

static status stop(struct machine *machine)
{
    machine->result = pop(machine);
    return machine->result == NULL ? STATUS_FAILED : STATUS_OK;
}

static status unknown_opcode(struct machine *machine, unsigned opcode)
{
    machine->at--;
    return error_set(machine->err, "pickle, byte %zu: the opcode 0x%02x is not understood",
                     (size_t)(machine->at - machine->start), opcode);
}

static status run_stack_opcode(struct machine *machine, unsigned opcode)
{
    struct pickle_value **items, *value;
    size_t count;
    switch (opcode) {
    case OP_MARK: return push_mark(machine);
    case OP_POP:
        if (machine->stack.count == floor_of_stack(machine) && machine->mark_count > 0)
            return pop_mark(machine, &items, &count);
        return pop(machine) == NULL ? STATUS_FAILED : STATUS_OK;
    case OP_POP_MARK: return pop_mark(machine, &items, &count);
    case OP_DUP: value = top(machine); return push(machine, value);
    case OP_BINGET: return memo_get(machine, 1);
    case OP_LONG_BINGET: return memo_get(machine, 4);
    case OP_BINPUT: return memo_put_numbered(machine, 1);
    case OP_LONG_BINPUT: return memo_put_numbered(machine, 4);
    case OP_MEMOIZE: return memo_put(machine, machine->memo.count);
    case OP_PROTO: return read_protocol(machine);
    case OP_FRAME: return skip_number(machine, 8);
    case OP_STOP: return stop(machine);
    default: return unknown_opcode(machine, opcode);
    }
}

static status run_collection_opcode(struct machine *machine, unsigned opcode)
{
    switch (opcode) {
    case OP_EMPTY_TUPLE: return push_collection(machine, PICKLE_TUPLE, NULL, 0);
    case OP_TUPLE1: return short_tuple(machine, 1);
    case OP_TUPLE2: return short_tuple(machine, 2);
    case OP_TUPLE3: return short_tuple(machine, 3);
    case OP_TUPLE: return collect_to_mark(machine, PICKLE_TUPLE);
    case OP_EMPTY_LIST:
    case OP_EMPTY_SET: return push_collection(machine, PICKLE_LIST, NULL, 0);
    case OP_LIST:
    case OP_FROZENSET: return collect_to_mark(machine, PICKLE_LIST);
    case OP_EMPTY_DICT: return push_collection(machine, PICKLE_DICT, NULL, 0);
    case OP_DICT: return collect_to_mark(machine, PICKLE_DICT);
    case OP_APPEND: return add_one(machine, false);
    case OP_SETITEM: return add_one(machine, true);
    case OP_APPENDS:
    case OP_ADDITEMS: return add_to_mark(machine, false);
    case OP_SETITEMS: return add_to_mark(machine, true);
    case OP_GLOBAL: return read_global(machine);
    case OP_STACK_GLOBAL: return stack_global(machine);
    case OP_REDUCE:
    case OP_NEWOBJ: return reduce(machine);
    case OP_NEWOBJ_EX: return reduce_with_names(machine);
    case OP_OBJ: return reduce_to_mark(machine);
    case OP_BUILD: return build(machine);
    case OP_BINPERSID: return persistent(machine);
    default: return run_stack_opcode(machine, opcode);
    }
}

static status run_opcode(struct machine *machine, unsigned opcode)
{
    switch (opcode) {
    case OP_NONE: return push(machine, pickle_new(machine->pool, PICKLE_NONE, machine->err));
    case OP_NEWTRUE: return push_bool(machine, true);
    case OP_NEWFALSE: return push_bool(machine, false);
    case OP_BININT1: return push_small(machine, 1);
    case OP_BININT2: return push_small(machine, 2);
    case OP_BININT: return push_small(machine, 4);
    case OP_LONG1: return push_long(machine, 1);
    case OP_LONG4: return push_long(machine, 4);
    case OP_BINFLOAT: return push_real(machine);
    case OP_SHORT_BINSTRING:
    case OP_SHORT_BINBYTES:
    case OP_SHORT_BINUNICODE: return push_string(machine, 1);
    case OP_BINSTRING:
    case OP_BINBYTES:
    case OP_BINUNICODE: return push_string(machine, 4);
    case OP_BINUNICODE8:
    case OP_BINBYTES8:
    case OP_BYTEARRAY8: return push_string(machine, 8);
    default: return run_collection_opcode(machine, opcode);
    }
}

status pickle_load(struct pickle *pickle, const uint8_t *bytes, size_t size, struct pool *pool, struct error *err)
{
    struct machine machine = {.start = bytes, .at = bytes, .end = bytes + size, .pool = pool, .err = err};
    status result = STATUS_OK;
    while (result == STATUS_OK && machine.result == NULL) {
        if (machine.at == machine.end)
            result = broken(&machine, "cut short");
        else
            result = run_opcode(&machine, *machine.at++);
        machine.opcodes++;
    }
    *pickle = (struct pickle){machine.result, machine.storages, (size_t)(machine.at - machine.start)};
    return result;
}
