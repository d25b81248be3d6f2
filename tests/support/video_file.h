/* Videos for tests, without an encoder: AVI with uncompressed frames, whose every pixel is known, and Matroska with
 * frames at any times. */
#ifndef TESTS_SUPPORT_VIDEO_FILE_H
#define TESTS_SUPPORT_VIDEO_FILE_H

#include "rmfer/data/image.h"

#include <stddef.h>

/* The bytes of an AVI file with these frames (all of one size), `rate` a second; malloc'ed. */
uint8_t *video_file_avi(const struct image *frames, size_t count, int rate, size_t *size);

/* FFmpeg decodes JPEG on one thread, PNG on as many as it is told. */
enum video_file_codec { VIDEO_FILE_JPEG, VIDEO_FILE_PNG };

/* The bytes of a Matroska file whose frames are such files, shown at `times` (milliseconds, ascending), and which
 * states the last of them as its length; malloc'ed. */
uint8_t *video_file_mkv(const struct image *frames, const int *times, size_t count, enum video_file_codec codec,
                        size_t *size);

#endif
