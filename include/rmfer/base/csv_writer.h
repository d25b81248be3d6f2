/* CSV after RFC 4180, with line feeds as line ends, appended to a text. A failure is remembered, so that a writer asks
 * once, at the end of a row. */
#ifndef RMFER_BASE_CSV_WRITER_H
#define RMFER_BASE_CSV_WRITER_H

#include "rmfer/base/text.h"

struct csv_writer {
    struct text *out;
    struct error *err;
    status result;
    bool needs_comma;
};

struct csv_writer csv_writer(struct text *out, struct error *err);

/* Quoted where it holds a comma, a quote or a line end. */
void csv_put_field(struct csv_writer *csv, const char *value);
/* A name that came from outside, or a message that holds one: control characters are escaped. */
void csv_put_name(struct csv_writer *csv, const char *value);
void csv_put_integer(struct csv_writer *csv, int64_t value);
/* With so many significant digits at most. */
void csv_put_real(struct csv_writer *csv, int digits, double value);
void csv_put_empty(struct csv_writer *csv, size_t count);

/* Ends the row; the next field begins another one. The first failure of all rows so far. */
status csv_end_row(struct csv_writer *csv) MUST_CHECK;

#endif
