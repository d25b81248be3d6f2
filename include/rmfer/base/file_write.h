/* A whole small file at once, put in its place when it is complete, never in the place of something else. */
#ifndef RMFER_BASE_FILE_WRITE_H
#define RMFER_BASE_FILE_WRITE_H

#include "rmfer/base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

/* Writes beside `path` and puts it there. Whatever stands at `path` (a link too, which is not followed) is an error
 * unless `replace`; then it is replaced. Not synced: for results that can be made again, in thousands. */
status file_write_whole(const char *path, const void *bytes, size_t size, bool replace, struct error *err) MUST_CHECK;

/* A file being written. Nothing is seen at its path before atomic_file_commit: the bytes stand in a file of their
 * own, which has no name where the file system can hold such, so that a signal leaves nothing of it, and elsewhere
 * stands beside it
 * (`path`.tmp.16 random digits). A link is followed to its file. What is no regular file (a device, a pipe, a link to
 * one such as /dev/stdout) is opened and written through. */
struct atomic_file {
    FILE *stream;
    char *path;      /* of the target, links followed */
    char *temporary; /* NULL when it has no name, or is written through */
    bool nameless;
    bool unsynced; /* set after opening: for results that can be made again, in thousands */
};

status atomic_file_open(struct atomic_file *file, const char *path, struct error *err) MUST_CHECK;
/* Flushes, syncs and renames; on failure the temporary file is removed and the old target stays. */
status atomic_file_commit(struct atomic_file *file, struct error *err) MUST_CHECK;
/* Gives up: the temporary file is removed. Safe on a zeroed or committed structure. */
void atomic_file_abandon(struct atomic_file *file);

/* A file that is about to be replaced, by a second name: there never is a moment without the old or the new in its
 * place, and the old one stays until the new one is there. */
struct kept_file {
    char *name; /* NULL: there is none yet, or the file system has no hard links, and then nothing is kept */
    const char *place;
};
/* `place`, in the same folder and borrowed, is where the old file will be put. */
void kept_file_hold(struct kept_file *kept, const char *path, const char *place);
/* Puts the old file there, over what is there; or lets it go. */
void kept_file_release(struct kept_file *kept, bool keep);

/* Bytes that way, unsynced. */
status atomic_file_write_bytes(const char *path, const void *bytes, size_t size, struct error *err) MUST_CHECK;

/* Whether a file could be written there, as far as that can be told beforehand: for results that take long to come
 * by. What is no regular file is not opened. */
status atomic_file_try(const char *path, struct error *err) MUST_CHECK;

/* Refuses, as a usage error, outputs that are the same file as an input or as another output, there already or not,
 * under whatever name. NULL is no file. */
status file_check_outputs(const char *const *outputs, size_t output_count, const char *const *inputs,
                          size_t input_count, struct error *err) MUST_CHECK;

/* A whole text that way. */
status atomic_file_write_text(const char *path, const char *text, struct error *err) MUST_CHECK;

/* Removes the temporary files that writers of `path` left who were killed; call before writing, once a run is
 * enough. */
void atomic_file_remove_stale(const char *path);

/* The same for every file of a folder that the program fills: a run's, an RMset's, annotated pictures'. */
void atomic_files_remove_stale(const char *folder);

#endif
