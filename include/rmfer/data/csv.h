/* Rows of comma- or blank-separated text, as lists of pictures come: quoted fields, CRLF, a byte-order mark, empty
 * lines, a last line without its end. It gives fields; what they mean is the reader's business. */
#ifndef RMFER_DATA_CSV_H
#define RMFER_DATA_CSV_H

#include "rmfer/base/error.h"
#include "rmfer/base/file.h"
#include "rmfer/base/text.h"

#include <stdbool.h>
#include <stddef.h>

enum { CSV_MOST_FIELDS = 256, CSV_LONGEST_ROW = 1 << 24 };

enum csv_separator {
    CSV_COMMA,
    CSV_BLANKS, /* fields are separated by any run of blanks and tabs; quotes mean nothing */
};

struct csv_reader {
    struct mapped_file file; /* of csv_open */
    const char *name;        /* for messages; borrowed */
    const char *at, *end;
    enum csv_separator separator;
    size_t line;                         /* line in which the present row begins, from 1 */
    size_t next_line;                    /* line in which the next row begins */
    struct text row;                     /* the present row's fields, each NUL-terminated */
    const char *fields[CSV_MOST_FIELDS]; /* into `row`; valid until the next csv_next */
    size_t field_count;
};

/* Maps the file at `path`, which also stands in messages and must outlive the reader. */
status csv_open(struct csv_reader *reader, const char *path, enum csv_separator separator,
                struct error *err) MUST_CHECK;

/* Reads from memory, which must outlive the reader; `name` stands in messages. */
void csv_open_bytes(struct csv_reader *reader, const void *bytes, size_t size, const char *name,
                    enum csv_separator separator);

/* Moves to the next row that is not empty; *found is false at the end. Errors name the file and the line: a quote
 * that is never closed, a byte 0, too many fields, a row of more than CSV_LONGEST_ROW bytes. */
status csv_next(struct csv_reader *reader, bool *found, struct error *err) MUST_CHECK;

/* Field `index` of the present row (blanks around unquoted fields are cut), "" when the row is shorter. */
const char *csv_field(const struct csv_reader *reader, size_t index);

/* The place of the present row's field that equals `name` (ASCII case ignored), -1 when there is none. */
int csv_find(const struct csv_reader *reader, const char *name);

void csv_close(struct csv_reader *reader);

#endif
