/* What the writers of drawn data share: tasks in parallel, folders, list files, and a tar shard. */
#ifndef SYNTH_SYNTH_INTERNAL_H
#define SYNTH_SYNTH_INTERNAL_H

#include "rmfer/base/file_write.h"
#include "rmfer/synth/synth.h"

#include <stddef.h>
#include <stdio.h>

enum { SYNTH_PATH_BYTES = 4096, SYNTH_JPEG_QUALITY = 92 };

/* Runs task(context, 0 .. count-1) on all threads; one of the errors comes back. */
typedef status (*synth_task)(const void *context, size_t index, struct error *err);
status synth_run(synth_task task, const void *context, size_t count, struct error *err) MUST_CHECK;

/* printf into a path; an error when it does not fit. */
status synth_path(char path[SYNTH_PATH_BYTES], struct error *err, const char *format, ...) PRINTF_LIKE(3, 4) MUST_CHECK;

/* Makes the folder that printf gives. */
status synth_folder(struct error *err, const char *format, ...) PRINTF_LIKE(2, 3) MUST_CHECK;

/* Opens the list file that printf gives; write to out->stream, then atomic_file_commit. */
status synth_list(struct atomic_file *out, struct error *err, const char *format, ...) PRINTF_LIKE(3, 4) MUST_CHECK;

/* Refuses, as a usage error, a folder that holds something but has no note that synth drew it, of no more than
 * `count` `what`. To be asked before anything is written. */
status synth_check_folder(const char *folder, const char *what, int64_t count, struct error *err) MUST_CHECK;
/* Makes the folder and writes that note into it, before the first picture: a drawing that breaks off can be drawn
 * again. */
status synth_note_folder(const char *folder, const char *what, int64_t count, struct error *err) MUST_CHECK;

/* The drawn RMset, below options->folder/rmset. */
status synth_write_rmset(const struct synth_options *options, struct error *err) MUST_CHECK;

#endif
