/* What happens when a mapped file is cut short by another program while it is read: the system raises SIGBUS. With the
 * guard the process ends with a message that names the file, and exit status 1, instead of a crash.
 *
 * A signal handler has no arguments of ours, so the mappings stand in a table of the process. */
#ifndef RMFER_BASE_MAPPING_GUARD_H
#define RMFER_BASE_MAPPING_GUARD_H

#include <stddef.h>

/* Notes a mapping; one without a free place in the table is not guarded. */
void mapping_guard_add(const void *start, size_t size, const char *path);
void mapping_guard_remove(const void *start);

/* Installs the handler; once, by main. */
void mapping_guard_install(void);

#endif
