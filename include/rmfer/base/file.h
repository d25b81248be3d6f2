/* Files: mapped for reading, written beside their target and renamed, so that a crash leaves the old or the new. */
#ifndef RMFER_BASE_FILE_H
#define RMFER_BASE_FILE_H

#include "rmfer/base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct mapped_file {
    const uint8_t *bytes; /* NULL when the file is empty */
    size_t size;
};

/* Maps a regular file read-only. A file that shrinks while mapped raises SIGBUS, as with any mapping. */
status file_map(struct mapped_file *file, const char *path, struct error *err) MUST_CHECK;
void file_unmap(struct mapped_file *file);

/* Reads a whole regular file into memory (NUL-terminated; release with memory_free); refuses more than `limit` bytes. */
status file_read(const char *path, size_t limit, uint8_t **bytes, size_t *size, struct error *err) MUST_CHECK;

bool file_exists(const char *path);
bool folder_exists(const char *path);

/* Makes the folder and its parents. */
status folder_create(const char *path, struct error *err) MUST_CHECK;

/* A file being written as `path`.tmp.PID; nothing is seen at `path` before atomic_file_commit. */
struct atomic_file {
    FILE *stream;
    char *path;
    char *temporary;
};

status atomic_file_open(struct atomic_file *file, const char *path, struct error *err) MUST_CHECK;
/* Flushes, syncs and renames; on failure the temporary file is removed and the old target stays. */
status atomic_file_commit(struct atomic_file *file, struct error *err) MUST_CHECK;
/* Gives up: the temporary file is removed. Safe on a zeroed or committed structure. */
void atomic_file_abandon(struct atomic_file *file);

#endif
