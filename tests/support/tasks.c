/* The system's list of this process's threads. */
#define _GNU_SOURCE /* nanosleep beside C11 */
#include "support/tasks.h"

#include <dirent.h>
#include <time.h>

enum { MOST_LOOKS = 5000 };

size_t tasks_running(void)
{
    size_t count = 0;
    DIR *tasks = opendir("/proc/self/task");
    for (struct dirent *task; tasks != NULL && (task = readdir(tasks)) != NULL;) count += task->d_name[0] != '.';
    if (tasks != NULL) closedir(tasks);
    return count;
}

bool tasks_settle(size_t count)
{
    size_t running = tasks_running();
    for (int look = 0; look < MOST_LOOKS && running > count; look++) {
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
        running = tasks_running();
    }
    return running == count || running == 0;
}
