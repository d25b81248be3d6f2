/* The system's clocks, in seconds. */
#include "rmfer/base/clock.h"

#include <time.h>

static double seconds_of(clockid_t which)
{
    struct timespec now;
    if (clock_gettime(which, &now) != 0) return 0;
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

double clock_seconds(void)
{
    return seconds_of(CLOCK_MONOTONIC);
}

double clock_thread_seconds(void)
{
    return seconds_of(CLOCK_THREAD_CPUTIME_ID);
}

double clock_team_seconds(int threads)
{
    return threads == 1 ? clock_thread_seconds() : clock_seconds();
}
