/* Shares of streams. */
#include "rmfer/method/stream_share.h"

static struct stream_share share_by(const struct machines *machines, size_t rows, size_t group, bool is_parted)
{
    struct row_share share = machines_share(machines, rows, group);
    return (struct stream_share){is_parted, share.first, share.count, {rows, group}};
}

struct stream_share stream_share_of(const struct machines *machines, size_t rows, size_t group)
{
    if (!machines_are_many(machines)) return share_by(NULL, rows, 1, false);
    bool is_parted = rows / group >= (size_t)machines->size;
    return share_by(machines, rows, is_parted ? group : 1, is_parted);
}

struct stream_share stream_share_mixed(const struct machines *machines, size_t rows)
{
    return share_by(machines, rows, 1, false);
}
