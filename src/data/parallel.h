/* Splitting a loop over threads of its own: for file work, which must not wait in the mathematics' team. */
#ifndef DATA_PARALLEL_H
#define DATA_PARALLEL_H

#include <stddef.h>

enum { MOST_PARALLEL_WORKERS = 64 };

/* Calls job(context, begin, end) for contiguous parts of 0 .. count-1, one a worker, and waits. Works that could not
 * get a thread of their own are done by the caller. */
void parallel_run(size_t count, int workers, void (*job)(void *context, size_t begin, size_t end), void *context);

#endif
