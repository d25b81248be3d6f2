/* How many threads the process should use, and splitting work among them. */
#ifndef RMFER_BASE_THREADS_H
#define RMFER_BASE_THREADS_H

#include "rmfer/base/error.h"

#include <pthread.h>
#include <stddef.h>

/* The cores this process may use: its affinity mask, cut by a cgroup quota. At least 1. */
int threads_available(void);

/* Sets OpenMP's team size for the parallel regions that follow. */
void threads_set(int count);
int threads_get(void);

/* Starts a thread. Where there is no memory for it, or no more threads are allowed, an error that says so of `what`. */
status thread_start(pthread_t *thread, void *(*run)(void *), void *argument, const char *what,
                    struct error *err) MUST_CHECK;

struct range {
    size_t begin, end;
};

/* The part of 0 .. count-1 that worker `index` of `workers` does: contiguous, sizes differ by one at most. */
struct range threads_share(size_t count, int index, int workers);

#endif
