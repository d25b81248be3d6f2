/* Shards: faces packed in tar files, so that millions of small files need not be made. Read by picture_file.h. */
#ifndef RMFER_DATA_TAR_WRITER_H
#define RMFER_DATA_TAR_WRITER_H

#include "rmfer/base/error.h"

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* Appends a member to an open tar file, with no time, owner or rights of its own, so that the same members give the
 * same file; *place is where its header stands. Names have at most 99 bytes. */
status tar_write_member(FILE *tar, const char *name, const uint8_t *bytes, size_t size, uint64_t *place,
                        struct error *err) MUST_CHECK;

/* The two empty blocks at the end. */
status tar_write_end(FILE *tar, struct error *err) MUST_CHECK;

#endif
