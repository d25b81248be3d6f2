/* Files beside a target that nobody else has and nobody can guess, and what earlier runs that were killed left. */
#ifndef RMFER_BASE_TEMPORARY_FILE_H
#define RMFER_BASE_TEMPORARY_FILE_H

#include "rmfer/base/error.h"
#include "rmfer/base/text.h"

/* Makes `path`.tmp.16 random digits, empty and locked while it is open, and puts its name into `name`. Gives the
 * descriptor, -1 and an error when none is to be had. */
int temporary_file_open(const char *path, struct text *name, struct error *err);

/* Gives a file a second name, a temporary one of the target `path`; false where there is no such file or no hard links. */
bool temporary_file_link(const char *existing, const char *path, struct text *name);

/* Removes temporary files in a folder whose writers are gone: their locks are free. Those of the file named `target`
 * there, or of all where it is NULL. */
void temporary_files_remove_stale(const char *folder, const char *target);

#endif
