/* The loader: worker threads that read, decode, resize and augment ahead of the network, into a bounded ring of
 * batches planned once. Every picture of every stream goes one way: read, decode, replaced when unreadable, view,
 * placed.
 *
 * What is delivered, and in which order, is a function of the options, the seed and the place (epoch, batch) alone:
 * not of the number of workers or of time. An unreadable picture is named in the log and counted; in training another
 * draw of the same epoch takes its place, elsewhere it is left out of its batch. */
#ifndef RMFER_DATA_LOADER_H
#define RMFER_DATA_LOADER_H

#include "rmfer/base/error.h"
#include "rmfer/base/text.h"
#include "rmfer/config/config.h"
#include "rmfer/data/batch.h"
#include "rmfer/data/picture_room.h"
#include "rmfer/data/picture_source.h"
#include "rmfer/data/views.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* One stream of a batch: a source, the rows a batch takes from it, and their views. */
struct loader_stream {
    struct picture_source source;
    int rows;                  /* made here of a batch; a multiple of source.group */
    int first_row, batch_rows; /* where a batch is shared out over processes: these are its rows from first_row on
                                  of batch_rows, whole groups all; 0 = `rows` are the batch */
    uint64_t first_epoch;      /* batches of earlier epochs come without its rows */
    int views;                 /* of each picture, at least 1 */
    enum view_kind kinds[MOST_VIEWS];     /* what each view is */
    const struct config_augment *augment; /* borrowed; NULL where every view is VIEW_AS_IS */
    double mean[3], std[3];
};

/* The processes that share out batches: what any of them cannot read counts against max_bad, a sample once whoever
 * met it; where that is too much loader_next fails in one of them at least. Each calls loader_next as often as the
 * others, and it calls `gather`. Size 0 or 1 = there are no others. */
struct loader_peers {
    int size;
    void *context;
    /* all [units] from each process's share of them, here one each, of `bytes` bytes. */
    void (*gather)(void *context, size_t units, size_t bytes, const void *own, void *all);
};

struct loader_options {
    int stream_count;
    struct loader_stream streams[MOST_STREAMS]; /* the first one sets how many batches an epoch has */
    uint64_t seed;                              /* of the views; sources have seeds of their own */
    bool drop_last;                             /* leave out an epoch's last short batch (training) */
    bool replace_bad; /* training: another draw in place of an unreadable picture; else it is left out, which needs
                         groups of 1 */
    int image_size;
    enum config_resize resize;
    int workers;        /* 0 = threads_get() */
    int prefetch;       /* batches made ahead, at least 1 */
    size_t cache_bytes; /* decoded pictures kept in memory, first come, first kept; 0 = none */
    struct picture_room
        *room; /* instead where the machine's processes keep them together; borrowed; NULL = they do not */
    enum config_on_error on_error;
    double max_bad; /* ON_ERROR_SKIP: the largest share of a source's samples, or of what was drawn */
    struct loader_peers peers;
    uint64_t start_epoch, start_batch; /* where to begin (resuming) */
    uint64_t end_epoch;                /* epochs before this one are made; 0 = go on for ever */
};

struct loader;

/* Plans the ring and starts the workers. Fails when a training epoch would have no batch. */
status loader_create(struct loader **loader, const struct loader_options *options, struct error *err) MUST_CHECK;

/* Stops the workers, whatever they are doing, and frees everything. NULL is fine. */
void loader_free(struct loader *loader);

/* The next batch, with the streams in the order of the options. Behind end_epoch a batch of that epoch without rows.
 * With ON_ERROR_FAIL the first unreadable picture is an error, otherwise more than max_bad of a source's. */
status loader_next(struct loader *loader, struct batch *batch, struct error *err) MUST_CHECK;

uint64_t loader_batches_per_epoch(const struct loader *loader);

/* Seconds that loader_next has waited for the workers so far. */
double loader_wait_seconds(const struct loader *loader);

/* Unreadable pictures met so far, with those of peers: different ones where the source remembers its samples, else
 * each time. */
size_t loader_bad_pictures(const struct loader *loader);

/* Bytes of the ring and of the cache as it stands, also where other processes have it in common. */
size_t loader_bytes(const struct loader *loader);

/* Bytes that will come beside these: what the cache has room for yet, no more than its pictures need at the network's
 * size, and a picture of a megapixel being decoded by each worker. */
size_t loader_bytes_to_come(const struct loader *loader);

#endif
