/* Shares of rows, and rows brought together. */
#include "rmfer/ops/machines.h"

#include "rmfer/base/threads.h"

#include <string.h>

struct row_share machines_share(const struct machines *machines, size_t rows, size_t group)
{
    if (!machines_are_many(machines)) return (struct row_share){0, rows};
    struct range units = threads_share(rows / group, machines->rank, machines->size);
    return (struct row_share){units.begin * group, (units.end - units.begin) * group};
}

size_t machines_most(const struct machines *machines, size_t rows, size_t group)
{
    if (!machines_are_many(machines)) return rows;
    size_t units = rows / group, size = (size_t)machines->size;
    return (units + size - 1) / size * group;
}

void machines_gather_rows(const struct machines *machines, size_t rows, size_t group, size_t width, const real *own,
                          real *all)
{
    if (machines_are_many(machines))
        machines->gather(machines->context, rows / group, group * width * sizeof(real), own, all);
    else if (own != all)
        memcpy(all, own, rows * width * sizeof(real));
}
