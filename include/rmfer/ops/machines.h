/* What an operation on a whole batch needs of the other processes that hold its other rows: who they are, sums and
 * rows.
 *
 * Rows are shared out: process r of n has a contiguous share, in order. A pointer that is NULL, or a size of 1, is one
 * process that has every row. Who stands behind the functions is src/dist's affair; nothing here waits for a network by
 * itself, and nothing here can fail: a process that has lost the others ends. */
#ifndef RMFER_OPS_MACHINES_H
#define RMFER_OPS_MACHINES_H

#include "rmfer/base/real.h"

#include <stdbool.h>
#include <stddef.h>

struct machines {
    int rank, size;
    void *context; /* of the functions, which every process calls in the same order with the same sizes */
    /* values[i] = the sum over processes, added in order of rank: the same bits everywhere and every time. */
    void (*sum)(void *context, double *values, size_t count);
    /* all [units] from each process's share of them (machines_share), a unit of `bytes` bytes. */
    void (*gather)(void *context, size_t units, size_t bytes, const void *own, void *all);
    /* The gradients from `begin` to where the last call began (at first, the slab's end) will not change any more:
     * their sum over processes may go on behind what is computed meanwhile. May be NULL. */
    void (*gradients_final)(void *context, size_t begin);
};

static inline bool machines_are_many(const struct machines *machines)
{
    return machines != NULL && machines->size > 1;
}

struct row_share {
    size_t first, count;
};

/* This process's rows of `rows`, which belong together in groups of `group` (divides rows) that are not parted. */
struct row_share machines_share(const struct machines *machines, size_t rows, size_t group);

/* The most rows that any process has: what memory is planned for. */
size_t machines_most(const struct machines *machines, size_t rows, size_t group);

/* all [rows][width] on every process, from each one's share. `own` may be its place in `all`. */
void machines_gather_rows(const struct machines *machines, size_t rows, size_t group, size_t width, const real *own,
                          real *all);

#endif
