/* A whole small file at once, put in its place when it is complete, never in the place of something else. */
#ifndef RMFER_BASE_FILE_WRITE_H
#define RMFER_BASE_FILE_WRITE_H

#include "rmfer/base/error.h"

#include <stdbool.h>
#include <stddef.h>

/* Writes beside `path` and puts it there. Whatever stands at `path` (a link too, which is not followed) is an error
 * unless `replace`; then it is replaced. Not synced: for results that can be made again, in thousands. */
status file_write_whole(const char *path, const void *bytes, size_t size, bool replace, struct error *err) MUST_CHECK;

#endif
