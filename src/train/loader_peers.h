/* The processes of a run as a loader meets them. */
#ifndef RMFER_TRAIN_LOADER_PEERS_H
#define RMFER_TRAIN_LOADER_PEERS_H

#include "rmfer/data/loader.h"
#include "rmfer/dist/dist.h"

static inline struct loader_peers loader_peers_of(struct dist *dist)
{
    const struct machines *machines = dist_machines(dist);
    if (machines == NULL) return (struct loader_peers){0};
    return (struct loader_peers){machines->size, machines->context, machines->gather};
}

#endif
