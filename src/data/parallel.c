/* A range cut into chunks that threads take as they become free. For work that files bound, not for mathematics. */
#include "data/parallel.h"
#include "rmfer/base/threads.h"

#include <pthread.h>
#include <stdbool.h>

struct part {
    void (*job)(void *context, size_t begin, size_t end);
    void *context;
    struct range range;
};

static void *run_part(void *argument)
{
    struct part *part = argument;
    part->job(part->context, part->range.begin, part->range.end);
    return NULL;
}

void parallel_run(size_t count, int workers, void (*job)(void *context, size_t begin, size_t end), void *context)
{
    pthread_t threads[MOST_PARALLEL_WORKERS];
    bool started[MOST_PARALLEL_WORKERS] = {false};
    struct part parts[MOST_PARALLEL_WORKERS];
    if (workers > MOST_PARALLEL_WORKERS) workers = MOST_PARALLEL_WORKERS;
    if ((size_t)workers > count) workers = (int)count;
    if (workers < 1) workers = 1;
    for (int i = 0; i < workers; i++) {
        parts[i] = (struct part){job, context, threads_share(count, i, workers)};
        if (i > 0) started[i] = pthread_create(&threads[i], NULL, run_part, &parts[i]) == 0;
    }
    for (int i = 0; i < workers; i++)
        if (!started[i]) run_part(&parts[i]);
    for (int i = 0; i < workers; i++)
        if (started[i]) pthread_join(threads[i], NULL);
}
