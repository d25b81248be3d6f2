/* Lists from hostile bytes, with both separators. */
#include "rmfer/data/csv.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static void read_all(const uint8_t *bytes, size_t size, enum csv_separator separator)
{
    struct csv_reader csv;
    struct error err = {0};
    bool found = true;
    size_t rows = 0;
    csv_open_bytes(&csv, bytes, size, "fuzz.csv", separator);
    while (csv_next(&csv, &found, &err) == STATUS_OK && found) {
        if (++rows > size || csv.field_count == 0 || csv.line == 0) abort();
        size_t length = 0;
        for (size_t i = 0; i < csv.field_count; i++) length += strlen(csv_field(&csv, i));
        if (length > size) abort();
        (void)csv_find(&csv, "path");
    }
    csv_close(&csv);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    read_all(bytes, size, CSV_COMMA);
    read_all(bytes, size, CSV_BLANKS);
    return 0;
}
