/* Variable-length numbers and fields of the wire format, read without ever passing the end. */
#include "ckpt/wire.h"

#include <string.h>

/* Seven bits a byte, the lowest first, at most ten bytes. */
static bool read_varint(struct wire *wire, uint64_t *value)
{
    *value = 0;
    for (unsigned shift = 0; shift < 70 && wire->at < wire->end; shift += 7) {
        uint64_t byte = *wire->at++;
        if (shift == 63 && byte > 1) return false;
        *value |= (byte & 127) << shift;
        if (byte < 128) return true;
    }
    return false;
}

static bool read_fixed(struct wire *wire, size_t bytes, uint64_t *value)
{
    if ((size_t)(wire->end - wire->at) < bytes) return false;
    *value = 0;
    memcpy(value, wire->at, bytes); /* little-endian, as the machine */
    wire->at += bytes;
    return true;
}

bool wire_packed(struct wire *bytes, enum wire_kind kind, uint64_t *value)
{
    switch (kind) {
    case WIRE_VARINT: return read_varint(bytes, value);
    case WIRE_FIXED32: return read_fixed(bytes, 4, value);
    case WIRE_FIXED64: return read_fixed(bytes, 8, value);
    case WIRE_BYTES: break;
    }
    return false;
}

enum wire_result wire_next(struct wire *message, struct wire_field *field)
{
    uint64_t key;
    if (message->at == message->end) return WIRE_END;
    if (!read_varint(message, &key) || key >> 3 == 0) return WIRE_MALFORMED;
    *field = (struct wire_field){.number = key >> 3, .kind = (enum wire_kind)(key & 7)};
    if (field->kind != WIRE_BYTES)
        return wire_packed(message, field->kind, &field->value) ? WIRE_FIELD : WIRE_MALFORMED;
    uint64_t length;
    if (!read_varint(message, &length) || length > (size_t)(message->end - message->at)) return WIRE_MALFORMED;
    field->bytes = (struct wire){message->at, message->at + length};
    message->at += length;
    return WIRE_FIELD;
}
