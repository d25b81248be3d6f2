/* Protocol buffers' wire format: a message is a row of fields, each a number, a kind and a value.
 * (protobuf.dev, "Encoding".) Groups, which are obsolete, are refused. */
#ifndef RMFER_CKPT_WIRE_H
#define RMFER_CKPT_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum wire_kind { WIRE_VARINT = 0, WIRE_FIXED64 = 1, WIRE_BYTES = 2, WIRE_FIXED32 = 5 };

struct wire {
    const uint8_t *at, *end;
};

struct wire_field {
    uint64_t number;
    enum wire_kind kind;
    uint64_t value;    /* of a number, not yet interpreted */
    struct wire bytes; /* of WIRE_BYTES: a string, a message, or packed numbers */
};

enum wire_result { WIRE_FIELD, WIRE_END, WIRE_MALFORMED };

/* Takes the next field off `message`. */
enum wire_result wire_next(struct wire *message, struct wire_field *field);

/* Takes a number of that kind off packed `bytes`; false at the end or when it is cut short. */
bool wire_packed(struct wire *bytes, enum wire_kind kind, uint64_t *value);

#endif
