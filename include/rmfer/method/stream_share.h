/* Who has which pictures of a stream, where a batch is shared out over processes. Labels, targets and ids of all rows
 * are everywhere; features, too, once a pass was made. */
#ifndef RMFER_METHOD_STREAM_SHARE_H
#define RMFER_METHOD_STREAM_SHARE_H

#include "rmfer/nn/backbone.h"

struct stream_share {
    bool is_parted;        /* each process has the pictures of its own rows alone, from `first` on; else it has all */
    size_t first, own;     /* the rows that this process takes through the network */
    struct pass_part part; /* what the pass is told, of one view */
};

/* Of a stream of `rows` in groups of `group`: parted group by group where every process gets one, so that whoever sees
 * one row of a group sees all; with fewer groups than processes everybody reads all, and takes some rows through the
 * network. */
struct stream_share stream_share_of(const struct machines *machines, size_t rows, size_t group);

/* The same where a method mixes pictures of different rows: everybody reads all. */
struct stream_share stream_share_mixed(const struct machines *machines, size_t rows);

#endif
