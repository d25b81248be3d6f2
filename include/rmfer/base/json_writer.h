/* JSON on one line, appended to a text: members and values with their commas. A failure is remembered, so that a
 * writer asks once, at the end. */
#ifndef RMFER_BASE_JSON_WRITER_H
#define RMFER_BASE_JSON_WRITER_H

#include "rmfer/base/text.h"

struct json_writer {
    struct text *out;
    struct error *err;
    status result;
    bool needs_comma;
};

struct json_writer json_writer(struct text *out, struct error *err);

/* The name of the next value, inside an object. */
void json_name(struct json_writer *json, const char *name);

void json_open(struct json_writer *json, char bracket);
void json_close(struct json_writer *json, char bracket);

void json_string(struct json_writer *json, const char *value);
void json_integer(struct json_writer *json, int64_t value);
/* With 6, 9 or 17 digits, the first that reads back as the same number; null for NaN and infinities. */
void json_real(struct json_writer *json, double value);
/* The same of a float, with 6 to 9 digits. */
void json_single(struct json_writer *json, float value);

/* name: value */
void json_string_member(struct json_writer *json, const char *name, const char *value);
void json_integer_member(struct json_writer *json, const char *name, int64_t value);
void json_real_member(struct json_writer *json, const char *name, double value);

#endif
