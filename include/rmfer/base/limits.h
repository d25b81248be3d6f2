/* What this process may use: memory and cores, of the machine and of its control group, whichever is less.
 *
 * Control groups of version 2 (memory.max, memory.high, cpu.max) and 1 (memory.limit_in_bytes, cpu.cfs_quota_us); a
 * group's parents bind too. What cannot be read is no limit. */
#ifndef RMFER_BASE_LIMITS_H
#define RMFER_BASE_LIMITS_H

#include <stddef.h>

/* Bytes that can still be had: the machine's free and reclaimable memory with its swap, or what a group's limit leaves;
 * SIZE_MAX when nothing is known. `root` stands before /proc and /sys: "" but for tests. */
size_t limits_memory_left(const char *root);

/* Cores that a group's quota grants, rounded; 0 = no quota. */
int limits_quota_cores(const char *root);

#endif
