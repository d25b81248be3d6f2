/* The bytes of a picture: a file of its own, or a member of a tar file, "SHARD.tar#OFFSET". */
#ifndef RMFER_DATA_PICTURE_FILE_H
#define RMFER_DATA_PICTURE_FILE_H

#include "rmfer/base/error.h"
#include "rmfer/data/video.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Whether `path` names a member of a tar file, "SHARD.tar#OFFSET" (".tar" in whatever case, OFFSET in digits); then
 * the shard's own path is the first *shard_length bytes of it. Everybody who has to know which file is opened asks
 * here. */
bool picture_file_split(const char *path, size_t *shard_length, int64_t *offset);

/* The path of that file: the tar file of a member, else `path` itself. Release with memory_free. */
char *picture_file_opened(const char *path, struct error *err) MUST_CHECK;

/* Reads the encoded picture named by `path` (release with memory_free; at most IMAGE_MOST_BYTES). In
 * "SHARD.tar#OFFSET", OFFSET is the place, in bytes, of the member's 512-byte header or of its data behind the
 * header. Errors name the path: missing, not a regular file, empty, no member there. */
status picture_file_read(const char *path, uint8_t **bytes, size_t *size, struct error *err) MUST_CHECK;

/* file_check_output of a picture: of a member the tar file is what must not be written over. */
status picture_file_check_output(const char *output, const char *path, struct error *err) MUST_CHECK;

/* Enough to tell what a file is, a video too. */
enum { PICTURE_FIRST_BYTES = VIDEO_FIRST_BYTES };

/* The first bytes of a regular file, and how many; 0 where there is none, or it is not to be opened: reading it will
 * tell. A read that fails is an error that names the path. */
status picture_file_begin(const char *path, uint8_t bytes[PICTURE_FIRST_BYTES], size_t *size,
                          struct error *err) MUST_CHECK;

#endif
