/* Files beside a target that nobody else has and nobody can guess, and what earlier runs that were killed left. */
#ifndef RMFER_BASE_TEMPORARY_FILE_H
#define RMFER_BASE_TEMPORARY_FILE_H

#include "rmfer/base/error.h"
#include "rmfer/base/text.h"

/* Makes a file for what is to stand at `path`, empty and locked while it is open. Where the file system can, it has no
 * name, `name` stays empty, and whatever ends the process leaves nothing; elsewhere it is `path`.tmp.16 random digits,
 * put into `name`, where the end of a name that would become too long gives way. Gives the descriptor, -1 and an error
 * when none is to be had. */
int temporary_file_open(const char *path, struct text *name, struct error *err);

/* Gives a file that has no name this one; false and errno where that is taken, or cannot be. */
bool temporary_file_place(int descriptor, const char *path);

/* Gives a file that has no name a temporary one of the target `path`, from which it can be renamed over it. */
status temporary_file_name(int descriptor, const char *path, struct text *name, struct error *err) MUST_CHECK;

/* Gives a file a second name, a temporary one of the target `path`; false where there is no such file or no hard links.
 */
bool temporary_file_link(const char *existing, const char *path, struct text *name);

/* Removes temporary files in a folder whose writers are gone: their locks are free. Those of the file named `target`
 * there, or of all where it is NULL. */
void temporary_files_remove_stale(const char *folder, const char *target);

#endif
