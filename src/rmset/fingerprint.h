/* Whether a film is still the one that was built: its length and blocks of its bytes, in one number. */
#ifndef RMFER_SRC_RMSET_FINGERPRINT_H
#define RMFER_SRC_RMSET_FINGERPRINT_H

#include "rmfer/base/error.h"

#include <stdint.h>

/* Of a file: its length, its first and last 64 KiB and fourteen blocks between. Of a folder of frames: the same of
 * every picture, in the order of the frames. Not of times: a film that was copied or fetched again is the same one.
 * What is not there (or NULL) has the number 0; whoever opens it says so better. */
status film_fingerprint(const char *path, uint64_t *fingerprint, struct error *err) MUST_CHECK;

#endif
