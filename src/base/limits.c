/* Reading /proc/meminfo and the files of control groups, from the process's own group up to the root. */
#include "rmfer/base/limits.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PATH_BYTES = 1024, LINE_BYTES = 512 };
static const double UNLIMITED = 0x1p64;

/* The number after `name` in a file of lines "name number"; with an empty name, the file's first number. */
static bool read_number(const char *path, const char *name, double *number)
{
    char line[LINE_BYTES];
    bool found = false;
    size_t length = strlen(name);
    FILE *file = fopen(path, "re");
    while (!found && file != NULL && fgets(line, sizeof line, file) != NULL) {
        if (strncmp(line, name, length) != 0) continue;
        char *end;
        double value = strtod(line + length, &end);
        found = end != line + length; /* "max" is none */
        if (found) *number = value;
    }
    if (file != NULL) fclose(file);
    return found;
}

/* Where the groups of a controller are mounted, and the process's own among them: version 1 names its controllers. */
struct group {
    const char *root;
    const char *mount;
    char path[LINE_BYTES]; /* "/a/b", "" = the mount's own */
};

static bool names_controller(const char *list, const char *controller)
{
    size_t length = strlen(controller);
    for (const char *at = list; *at != '\0' && *at != ':';) {
        size_t part = strcspn(at, ",:");
        if (part == length && strncmp(at, controller, length) == 0) return true;
        at += part + (at[part] == ',');
    }
    return false;
}

/* The process's group of a controller, "" = version 2; false when /proc does not say. */
static bool find_group(struct group *group, const char *controller)
{
    char path[PATH_BYTES], line[LINE_BYTES];
    bool found = false;
    snprintf(path, sizeof path, "%s/proc/self/cgroup", group->root);
    FILE *file = fopen(path, "re");
    while (!found && file != NULL && fgets(line, sizeof line, file) != NULL) {
        const char *list = strchr(line, ':'), *own = list == NULL ? NULL : strchr(list + 1, ':');
        if (own == NULL) continue;
        found = controller[0] == '\0' ? own == list + 1 : names_controller(list + 1, controller);
        if (!found) continue;
        snprintf(group->path, sizeof group->path, "%.*s", (int)strcspn(own + 1, "\n"), own + 1);
        if (strcmp(group->path, "/") == 0) group->path[0] = '\0';
    }
    if (file != NULL) fclose(file);
    return found;
}

static bool group_number(const struct group *group, const char *file, const char *name, double *number)
{
    char path[PATH_BYTES];
    int length = snprintf(path, sizeof path, "%s/sys/fs/cgroup%s%s/%s", group->root, group->mount, group->path, file);
    return length > 0 && (size_t)length < sizeof path && read_number(path, name, number);
}

/* Goes to the parent; false at the root. */
static bool climb(struct group *group)
{
    char *slash = strrchr(group->path, '/');
    if (slash == NULL) return false;
    *slash = '\0';
    return true;
}

/* Memory that one group leaves: its limit less what is used, without the files' pages that the system takes back. */
static double memory_left_in(const struct group *group, const char *limit_file, const char *usage_file,
                             const char *inactive)
{
    double limit = UNLIMITED, slowed, used = 0, files = 0;
    bool is_limited = group_number(group, limit_file, "", &limit);
    /* Above memory.high a group is not ended, but its allocations wait: training there would stand still. */
    bool is_slowed = group_number(group, "memory.high", "", &slowed);
    if (is_slowed && slowed < limit) limit = slowed;
    if (!is_limited && !is_slowed) return UNLIMITED;
    (void)group_number(group, usage_file, "", &used);
    (void)group_number(group, "memory.stat", inactive, &files);
    double left = limit - (used - (files < used ? files : used));
    return left > 0 ? left : 0;
}

static double smaller(double a, double b)
{
    return a < b ? a : b;
}

size_t limits_memory_left(const char *root)
{
    struct group unified = {.root = root, .mount = ""}, own = {.root = root, .mount = "/memory"};
    char path[PATH_BYTES];
    double available, swap = 0, least = UNLIMITED;
    snprintf(path, sizeof path, "%s/proc/meminfo", root);
    (void)read_number(path, "SwapFree:", &swap);
    if (read_number(path, "MemAvailable:", &available)) least = 1024 * (available + swap);
    if (find_group(&unified, "")) {
        do least = smaller(least, memory_left_in(&unified, "memory.max", "memory.current", "inactive_file "));
        while (climb(&unified));
    }
    if (find_group(&own, "memory")) {
        do
            least = smaller(least, memory_left_in(&own, "memory.limit_in_bytes", "memory.usage_in_bytes",
                                                  "total_inactive_file "));
        while (climb(&own));
    }
    return least >= UNLIMITED ? SIZE_MAX : (size_t)least;
}

/* "quota period" of version 2, two files of version 1; 0 = none. */
static double quota_of(const struct group *group, bool is_unified)
{
    double quota, period = 0;
    if (!group_number(group, is_unified ? "cpu.max" : "cpu.cfs_quota_us", "", &quota) || quota <= 0) return 0;
    if (!is_unified) return group_number(group, "cpu.cfs_period_us", "", &period) && period > 0 ? quota / period : 0;
    char both[LINE_BYTES]; /* the period stands behind the quota, which is written without a fraction */
    snprintf(both, sizeof both, "%.0f ", quota);
    return group_number(group, "cpu.max", both, &period) && period > 0 ? quota / period : 0;
}

static double least_quota(struct group *group, const char *controller, double least)
{
    if (!find_group(group, controller)) return least;
    do {
        double quota = quota_of(group, controller[0] == '\0');
        if (quota > 0 && (least <= 0 || quota < least)) least = quota;
    } while (climb(group));
    return least;
}

int limits_quota_cores(const char *root)
{
    struct group unified = {.root = root, .mount = ""}, own = {.root = root, .mount = "/cpu"};
    double quota = least_quota(&own, "cpu", least_quota(&unified, "", 0));
    if (quota <= 0) return 0;
    return quota < 1 ? 1 : quota > 4096 ? 4096 : (int)(quota + 0.5);
}
