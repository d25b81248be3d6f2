/* What may be a film: a path that names one file or one folder of frames, and nothing else. */
#ifndef RMFER_SRC_RMSET_FILM_PATH_H
#define RMFER_SRC_RMSET_FILM_PATH_H

#include "rmfer/base/error.h"

/* Refuses what is neither a regular file nor a folder: "-" and pipes, which can be read once and have no fingerprint,
 * and patterns, of which many files would become one film. Refuses an RMset's folder too: its pictures are faces. What
 * is not there is an error. */
status film_path_check(const char *path, struct error *err) MUST_CHECK;

#endif
