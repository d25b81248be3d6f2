/* One pass over mapped bytes; a row's fields are copied unquoted into one growing text. */
#include "rmfer/data/csv.h"

#include <string.h>

static void begin(struct csv_reader *reader, const char *bytes, size_t size, const char *name,
                  enum csv_separator separator)
{
    reader->name = name;
    reader->at = bytes;
    reader->end = size == 0 ? bytes : bytes + size;
    reader->separator = separator;
    reader->next_line = 1;
    if (size >= 3 && memcmp(bytes, "\xef\xbb\xbf", 3) == 0) reader->at += 3;
}

status csv_open(struct csv_reader *reader, const char *path, enum csv_separator separator, struct error *err)
{
    *reader = (struct csv_reader){0};
    status result = file_load(&reader->file, path, err);
    if (result == STATUS_OK) begin(reader, (const char *)reader->file.bytes, reader->file.size, path, separator);
    return result;
}

void csv_open_bytes(struct csv_reader *reader, const void *bytes, size_t size, const char *name,
                    enum csv_separator separator)
{
    *reader = (struct csv_reader){0};
    begin(reader, bytes, size, name, separator);
}

void csv_close(struct csv_reader *reader)
{
    file_unmap(&reader->file);
    text_free(&reader->row);
    *reader = (struct csv_reader){0};
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static bool is_line_end(char c)
{
    return c == '\n' || c == '\r';
}

static void skip_blanks(struct csv_reader *reader)
{
    while (reader->at < reader->end && is_blank(*reader->at)) reader->at++;
}

/* Steps over LF, CRLF or a lone CR. */
static void skip_line_end(struct csv_reader *reader)
{
    char first = *reader->at++;
    if (first == '\r' && reader->at < reader->end && *reader->at == '\n') reader->at++;
    reader->next_line++;
}

static status append(struct csv_reader *reader, const char *bytes, size_t length, struct error *err)
{
    /* The bytes 0 behind fields count too, and may have passed the limit. */
    if (reader->row.length > CSV_LONGEST_ROW || length > CSV_LONGEST_ROW - reader->row.length)
        return error_set(err, "%s:%zu: the row is longer than %d bytes", reader->name, reader->line, CSV_LONGEST_ROW);
    if (length > 0 && memchr(bytes, '\0', length) != NULL)
        return error_set(err, "%s:%zu: a byte 0: this is not a text file (or not UTF-8)", reader->name, reader->line);
    return text_append(&reader->row, bytes, length, err);
}

/* After the opening quote, up to and with the closing one; two quotes stand for one, line ends belong to the field.
 */
static status take_quoted(struct csv_reader *reader, struct error *err)
{
    for (;;) {
        const char *start = reader->at;
        while (reader->at < reader->end && *reader->at != '"') {
            if (*reader->at == '\n') reader->next_line++;
            reader->at++;
        }
        if (reader->at == reader->end)
            return error_set(err, "%s:%zu: a quote is never closed", reader->name, reader->line);
        bool is_doubled = reader->at + 1 < reader->end && reader->at[1] == '"';
        size_t length = (size_t)(reader->at - start) + (is_doubled ? 1 : 0);
        status result = append(reader, start, length, err);
        if (result != STATUS_OK) return result;
        reader->at += is_doubled ? 2 : 1;
        if (!is_doubled) return STATUS_OK;
    }
}

/* Up to the separator or the line's end, without the blanks in front of those. */
static status take_plain(struct csv_reader *reader, struct error *err)
{
    bool by_blanks = reader->separator == CSV_BLANKS;
    const char *start = reader->at;
    while (reader->at < reader->end && !is_line_end(*reader->at) &&
           !(by_blanks ? is_blank(*reader->at) : *reader->at == ','))
        reader->at++;
    const char *stop = reader->at;
    while (stop > start && is_blank(stop[-1])) stop--;
    return append(reader, start, (size_t)(stop - start), err);
}

static status take_field(struct csv_reader *reader, struct error *err)
{
    skip_blanks(reader);
    status result = STATUS_OK;
    if (reader->separator == CSV_COMMA && reader->at < reader->end && *reader->at == '"') {
        reader->at++;
        result = take_quoted(reader, err);
    }
    /* What follows a closing quote, usually nothing, is kept. */
    if (result == STATUS_OK) result = take_plain(reader, err);
    return result == STATUS_OK ? text_append(&reader->row, "\0", 1, err) : result;
}

static status take_row(struct csv_reader *reader, struct error *err)
{
    size_t starts[CSV_MOST_FIELDS];
    reader->line = reader->next_line;
    reader->row.length = 0;
    reader->field_count = 0;
    for (bool more = true; more;) {
        if (reader->field_count == CSV_MOST_FIELDS)
            return error_set(err, "%s:%zu: more than %d fields", reader->name, reader->line, CSV_MOST_FIELDS);
        starts[reader->field_count++] = reader->row.length;
        status result = take_field(reader, err);
        if (result != STATUS_OK) return result;
        if (reader->separator == CSV_BLANKS) skip_blanks(reader);
        more = reader->at < reader->end && !is_line_end(*reader->at);
        if (more && reader->separator == CSV_COMMA) reader->at++;
    }
    if (reader->at < reader->end) skip_line_end(reader);
    /* Only now does the text stay where it is. */
    for (size_t i = 0; i < reader->field_count; i++) reader->fields[i] = reader->row.bytes + starts[i];
    return STATUS_OK;
}

status csv_next(struct csv_reader *reader, bool *found, struct error *err)
{
    *found = false;
    while (reader->at < reader->end) {
        if (is_line_end(*reader->at)) {
            skip_line_end(reader);
        } else if (is_blank(*reader->at)) {
            reader->at++;
        } else {
            *found = true;
            return take_row(reader, err);
        }
    }
    return STATUS_OK;
}

const char *csv_field(const struct csv_reader *reader, size_t index)
{
    return index < reader->field_count ? reader->fields[index] : "";
}

int csv_find(const struct csv_reader *reader, const char *name)
{
    for (size_t i = 0; i < reader->field_count; i++)
        if (text_equal_ignoring_case(reader->fields[i], name)) return (int)i;
    return -1;
}
