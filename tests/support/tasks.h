/* How many threads this process has, for tests of who starts some. */
#ifndef TESTS_SUPPORT_TASKS_H
#define TESTS_SUPPORT_TASKS_H

#include <stdbool.h>
#include <stddef.h>

/* 0 where the system does not tell (/proc). */
size_t tasks_running(void);

/* Whether so many are left, once those that have ended are gone from the system's list, which is a little later than
 * they were joined. True where the system does not tell. */
bool tasks_settle(size_t count);

#endif
