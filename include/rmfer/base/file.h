/* Files: read or mapped whole, and folders. Writing them is file_write.h. */
#ifndef RMFER_BASE_FILE_H
#define RMFER_BASE_FILE_H

#include "rmfer/base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct mapped_file {
    const uint8_t *bytes; /* NULL when the file is empty */
    size_t size;
};

/* Maps a regular file read-only. A file that shrinks while mapped raises SIGBUS, as with any mapping. */
status file_map(struct mapped_file *file, const char *path, struct error *err) MUST_CHECK;
/* The same in memory of our own: whatever becomes of the file, its bytes stay. For everything that is used long. */
status file_load(struct mapped_file *file, const char *path, struct error *err) MUST_CHECK;
/* Gives back what either of the two made. */
void file_unmap(struct mapped_file *file);

/* Reads a whole regular file into memory (NUL-terminated; release with memory_free); refuses more than `limit` bytes.
 */
status file_read(const char *path, size_t limit, uint8_t **bytes, size_t *size, struct error *err) MUST_CHECK;

/* The same of a file that need not be there: then *there is false, and no error. Everything else that keeps it from
 * being read (a disk, a server, memory) is one, as otherwise a bad day looks like a file that nobody wrote. */
status file_read_if_there(const char *path, size_t limit, bool *there, uint8_t **bytes, size_t *size,
                          struct error *err) MUST_CHECK;

/* Whether a regular file is there. What keeps that from being known (a disk, a server, rights) is an error, as it is of
 * file_read_if_there. */
status file_find(const char *path, bool *there, struct error *err) MUST_CHECK;

bool file_exists(const char *path);
bool folder_exists(const char *path);
bool path_is_same(const char *a, const char *b);   /* both are there and are one file or folder, under whatever name */
bool folder_is_same(const char *a, const char *b); /* both are there and are one folder, under whatever name */

/* Whether `path`, which is there, stands in `folder` or in a folder below it, or is a link to what does. */
bool path_is_below(const char *path, const char *folder);

/* Refuses, as a usage error, to write `output` where it is the same file as `input`, under whatever name. NULL is no
 * file. */
status file_check_output(const char *output, const char *input, struct error *err) MUST_CHECK;

/* Makes the folder and its parents. */
status folder_create(const char *path, struct error *err) MUST_CHECK;

#endif
