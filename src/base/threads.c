/* The cores of the affinity mask and the cgroup's quota, and fair shares of a range. */
#define _GNU_SOURCE /* sched_getaffinity */
#include "rmfer/base/threads.h"

#include "rmfer/base/limits.h"

#include <omp.h>
#include <sched.h>

int threads_available(void)
{
    cpu_set_t set;
    int cores = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : omp_get_num_procs();
    int quota = limits_quota_cores("");
    if (quota > 0 && quota < cores) cores = quota;
    return cores < 1 ? 1 : cores;
}

void threads_set(int count)
{
    omp_set_dynamic(0); /* a busy machine must not make steps slow; results do not hang on the team's size */
    omp_set_num_threads(count < 1 ? 1 : count);
}

int threads_get(void)
{
    /* OMP_THREAD_LIMIT makes teams smaller than they were asked to be: work cut finer would gain nothing. */
    int most = omp_get_max_threads(), limit = omp_get_thread_limit();
    return most < limit ? most : limit;
}

status thread_start(pthread_t *thread, void *(*run)(void *), void *argument, const char *what, struct error *err)
{
    if (pthread_create(thread, NULL, run, argument) == 0) return STATUS_OK;
    return error_set(err, "%s cannot be started: no memory for it, or no more threads are allowed (ulimit -u)", what);
}

struct range threads_share(size_t count, int index, int workers)
{
    size_t i = (size_t)index, n = (size_t)workers;
    size_t each = count / n, extra = count % n;
    size_t begin = i * each + (i < extra ? i : extra);
    return (struct range){begin, begin + each + (i < extra)};
}
