/* JSON writing: commas, escapes, and numbers with as many digits as they need to be read back the same. */
#include "rmfer/base/json_writer.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct json_writer json_writer(struct text *out, struct error *err)
{
    return (struct json_writer){.out = out, .err = err, .result = STATUS_OK};
}

static void put(struct json_writer *json, const char *bytes)
{
    if (json->result == STATUS_OK) json->result = text_append(json->out, bytes, strlen(bytes), json->err);
}

static void separate(struct json_writer *json)
{
    if (json->needs_comma) put(json, ", ");
    json->needs_comma = true;
}

static void put_string(struct json_writer *json, const char *value)
{
    put(json, "\"");
    for (const char *at = value; *at != '\0'; at++) {
        unsigned char byte = (unsigned char)*at;
        size_t length = text_printable_length(at);
        char piece[8] = "";
        memcpy(piece, at, length);
        if (byte == '"' || byte == '\\')
            snprintf(piece, sizeof piece, "\\%c", byte);
        else if (byte < 0x80 && length == 0)
            snprintf(piece, sizeof piece, "\\u%04x", byte);
        else if (length == 0 && text_character_length(at) == 2)
            snprintf(piece, sizeof piece, "\\u%04x", (unsigned char)at[1]), length = 2; /* U+0080 to U+009f */
        else if (length == 0)
            snprintf(piece, sizeof piece, "\\ufffd"); /* no UTF-8, which JSON must be */
        put(json, piece);
        if (length > 1) at += length - 1;
    }
    put(json, "\"");
}

void json_name(struct json_writer *json, const char *name)
{
    separate(json);
    put_string(json, name);
    put(json, ": ");
    json->needs_comma = false;
}

void json_open(struct json_writer *json, char bracket)
{
    separate(json);
    put(json, (char[]){bracket, '\0'});
    json->needs_comma = false;
}

void json_close(struct json_writer *json, char bracket)
{
    put(json, (char[]){bracket, '\0'});
    json->needs_comma = true;
}

void json_string(struct json_writer *json, const char *value)
{
    separate(json);
    put_string(json, value);
}

void json_integer(struct json_writer *json, int64_t value)
{
    char text[32];
    snprintf(text, sizeof text, "%lld", (long long)value);
    separate(json);
    put(json, text);
}

void json_real(struct json_writer *json, double value)
{
    static const int digits[] = {6, 9, 17};
    char text[48] = "null";
    for (size_t i = 0; i < sizeof digits / sizeof digits[0] && isfinite(value); i++) {
        snprintf(text, sizeof text, "%.*g", digits[i], value);
        double back = strtod(text, NULL);
        if (back >= value && back <= value) break;
    }
    separate(json);
    put(json, text);
}

void json_single(struct json_writer *json, float value)
{
    char text[48] = "null";
    for (int digits = 6; digits <= 9 && isfinite(value); digits++) {
        snprintf(text, sizeof text, "%.*g", digits, (double)value);
        float back = strtof(text, NULL);
        if (back >= value && back <= value) break;
    }
    separate(json);
    put(json, text);
}

void json_string_member(struct json_writer *json, const char *name, const char *value)
{
    json_name(json, name);
    json_string(json, value);
}

void json_integer_member(struct json_writer *json, const char *name, int64_t value)
{
    json_name(json, name);
    json_integer(json, value);
}

void json_real_member(struct json_writer *json, const char *name, double value)
{
    json_name(json, name);
    json_real(json, value);
}
