/* CSV writing: commas, and quotes where they are needed. */
#include "rmfer/base/csv_writer.h"

#include <string.h>

struct csv_writer csv_writer(struct text *out, struct error *err)
{
    return (struct csv_writer){.out = out, .err = err, .result = STATUS_OK};
}

static void put(struct csv_writer *csv, const char *bytes, size_t length)
{
    if (csv->result == STATUS_OK) csv->result = text_append(csv->out, bytes, length, csv->err);
}

static void separate(struct csv_writer *csv)
{
    if (csv->needs_comma) put(csv, ",", 1);
    csv->needs_comma = true;
}

void csv_put_field(struct csv_writer *csv, const char *value)
{
    separate(csv);
    bool quoted = strpbrk(value, ",\"\r\n") != NULL;
    if (quoted) put(csv, "\"", 1);
    for (; *value != '\0'; value++) put(csv, *value == '"' ? "\"\"" : value, *value == '"' ? 2 : 1);
    if (quoted) put(csv, "\"", 1);
}

void csv_put_name(struct csv_writer *csv, const char *value)
{
    struct text escaped = {0};
    if (csv->result == STATUS_OK) csv->result = text_append_escaped(&escaped, value, TEXT_ESCAPE_CONTROL, csv->err);
    csv_put_field(csv, text_string(&escaped));
    text_free(&escaped);
}

void csv_put_integer(struct csv_writer *csv, int64_t value)
{
    separate(csv);
    if (csv->result == STATUS_OK) csv->result = text_append_format(csv->out, csv->err, "%lld", (long long)value);
}

void csv_put_real(struct csv_writer *csv, int digits, double value)
{
    separate(csv);
    if (csv->result == STATUS_OK) csv->result = text_append_format(csv->out, csv->err, "%.*g", digits, value);
}

void csv_put_empty(struct csv_writer *csv, size_t count)
{
    for (size_t i = 0; i < count; i++) separate(csv);
}

status csv_end_row(struct csv_writer *csv)
{
    put(csv, "\n", 1);
    csv->needs_comma = false;
    return csv->result;
}
