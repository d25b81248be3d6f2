/* Videos for tests, without an encoder: AVI with uncompressed frames, whose every pixel is known, and Matroska with
 * frames at any times. */
#ifndef TESTS_SUPPORT_VIDEO_FILE_H
#define TESTS_SUPPORT_VIDEO_FILE_H

#include "rmfer/data/image.h"

#include <stddef.h>

/* The bytes of an AVI file with these frames (all of one size), `rate` a second; malloc'ed. */
uint8_t *video_file_avi(const struct image *frames, size_t count, int rate, size_t *size);

/* The bytes of a Matroska file whose frames are JPEG files, shown at `times` (milliseconds, ascending); malloc'ed. */
uint8_t *video_file_mkv(const struct image *frames, const int *times, size_t count, size_t *size);

#endif
