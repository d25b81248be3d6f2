/* NumPy's format (NEP 1, version 1.0): a mark, the header's length, a Python dictionary padded with blanks, the data.
 */
#include "cmd/predict_output.h"

#include "rmfer/base/file_write.h"
#include "rmfer/base/memory.h"

#include <stdio.h>
#include <string.h>

enum { HEADER_BYTES = 128, MARK_BYTES = 10 };

struct npy_rows {
    struct atomic_file file;
    char *path;
    size_t columns;
    uint64_t count;
};

/* The header is as long for no rows as for 2^64 of them, so it can be written over. */
static status write_header(struct npy_rows *rows, struct error *err)
{
    char header[HEADER_BYTES + 1];
    memset(header, ' ', sizeof header);
    memcpy(header, "\x93NUMPY\x01\x00", 8);
    header[8] = (char)(HEADER_BYTES - MARK_BYTES);
    header[9] = 0;
    int length = snprintf(header + MARK_BYTES, sizeof header - MARK_BYTES,
                          "{'descr': '<f4', 'fortran_order': False, 'shape': (%llu, %zu), }",
                          (unsigned long long)rows->count, rows->columns);
    header[MARK_BYTES + length] = ' ';
    header[HEADER_BYTES - 1] = '\n';
    if (fwrite(header, 1, HEADER_BYTES, rows->file.stream) != HEADER_BYTES)
        return error_set_errno(err, "%s: cannot be written", rows->path);
    return STATUS_OK;
}

status npy_rows_open(struct npy_rows **out, const char *path, size_t columns, struct error *err)
{
    *out = NULL;
    struct npy_rows *rows = memory_allocate(1, sizeof *rows, "the features", err);
    if (rows == NULL) return STATUS_FAILED;
    rows->columns = columns;
    rows->path = memory_copy_string(path, err);
    atomic_file_remove_stale(path);
    status result = rows->path == NULL ? STATUS_FAILED : atomic_file_open(&rows->file, path, err);
    if (result == STATUS_OK && fseek(rows->file.stream, 0, SEEK_SET) != 0)
        result = error_set(err,
                           "%s: the array's length, known at the end, goes to its beginning, where a pipe has none",
                           path);
    if (result == STATUS_OK) result = write_header(rows, err);
    if (result == STATUS_OK)
        *out = rows;
    else
        npy_rows_free(rows);
    return result;
}

/* Every machine this is built for keeps numbers little-endian. */
status npy_rows_append(struct npy_rows *rows, const float *values, size_t count, struct error *err)
{
    if (count == 0) return STATUS_OK; /* and then `values` may be NULL */
    if (fwrite(values, sizeof *values * rows->columns, count, rows->file.stream) != count)
        return error_set_errno(err, "%s: cannot be written", rows->path);
    rows->count += count;
    return STATUS_OK;
}

status npy_rows_finish(struct npy_rows *rows, struct error *err)
{
    if (fseek(rows->file.stream, 0, SEEK_SET) != 0) return error_set_errno(err, "%s: cannot be written", rows->path);
    status result = write_header(rows, err);
    return result == STATUS_OK ? atomic_file_commit(&rows->file, err) : result;
}

void npy_rows_free(struct npy_rows *rows)
{
    if (rows == NULL) return;
    atomic_file_abandon(&rows->file);
    memory_free(rows->path);
    memory_free(rows);
}
