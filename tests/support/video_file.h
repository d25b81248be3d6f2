/* Videos for tests: AVI with uncompressed frames, whose every pixel is known, without an encoder. */
#ifndef TESTS_SUPPORT_VIDEO_FILE_H
#define TESTS_SUPPORT_VIDEO_FILE_H

#include "rmfer/data/image.h"

#include <stddef.h>

/* The bytes of an AVI file with these frames (all of one size), `rate` a second; malloc'ed. */
uint8_t *video_file_avi(const struct image *frames, size_t count, int rate, size_t *size);

#endif
