/* The loader: worker threads that read, decode, resize and augment ahead of the network, into a bounded ring of
 * batches planned once.
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
#include "rmfer/data/dataset.h"
#include "rmfer/data/sampler.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Where the pictures of contrastive draws come from. Called by the workers, several at once. */
struct contrastive_source {
    void *context;
    /* ids[1 + positives + negatives]: the anchor, its positives, its negatives. A function of (step, anchor) alone.
     */
    status (*draw)(void *context, uint64_t step, uint64_t anchor, uint64_t *ids, struct error *err);
    /* The encoded picture of an id; release with memory_free. */
    status (*read)(void *context, uint64_t id, uint8_t **bytes, size_t *size, struct error *err);
    /* Appends the id's path, for messages. */
    status (*name)(void *context, uint64_t id, struct text *name, struct error *err);
};

struct rmset_index;

/* Draws of an RMset. Must outlive the loader. */
struct rmset_source {
    const struct rmset_index *index;
    uint64_t seed;
    size_t positives, negatives;
};
struct contrastive_source rmset_contrastive_source(struct rmset_source *source);

struct loader_contrastive {
    int anchors; /* of a batch; 0 = no contrastive pictures */
    int positives, negatives;
    struct contrastive_source source;
    uint64_t first_epoch;                 /* batches of earlier epochs come without (phase 1) */
    const struct config_augment *augment; /* NULL = none */
    double mean[3], std[3];
};

struct loader_options {
    const struct dataset *dataset; /* borrowed, must outlive the loader */
    enum sampler_order order;
    uint64_t seed;
    int batch;
    bool drop_last;   /* leave out an epoch's last short batch (training) */
    bool replace_bad; /* training: another draw in place of an unreadable picture; else it is left out */
    int image_size;
    enum config_resize resize;
    const struct config_augment *augment; /* NULL = none; borrowed */
    double mean[3], std[3];
    int workers;        /* 0 = threads_available() */
    int prefetch;       /* batches made ahead, at least 1 */
    size_t cache_bytes; /* decoded pictures kept in memory, first come, first kept; 0 = none */
    enum config_on_error on_error;
    double max_bad; /* ON_ERROR_SKIP: the largest share of the data set's (or the drawn) pictures */
    uint64_t start_epoch, start_batch; /* where to begin (resuming) */
    uint64_t end_epoch;                /* epochs before this one are made; 0 = go on for ever */
    struct loader_contrastive contrastive;
};

struct loader;

/* Plans the ring and starts the workers. Fails when a training epoch would have no batch. */
status loader_create(struct loader **loader, const struct loader_options *options, struct error *err) MUST_CHECK;

/* Stops the workers, whatever they are doing, and frees everything. NULL is fine. */
void loader_free(struct loader *loader);

/* The next batch: streams[0] are the data set's pictures, streams[1] the contrastive ones (groups of 1 + positives +
 * negatives) where anchors were asked for. Behind end_epoch a batch of that epoch without rows. With ON_ERROR_FAIL the first unreadable picture is an error, otherwise more than max_bad of them.
 */
status loader_next(struct loader *loader, struct batch *batch, struct error *err) MUST_CHECK;

uint64_t loader_batches_per_epoch(const struct loader *loader);

/* Seconds that loader_next has waited for the workers so far. */
double loader_wait_seconds(const struct loader *loader);

/* Unreadable pictures met so far: different ones of the data set, and every contrastive one. */
size_t loader_bad_pictures(const struct loader *loader);

/* Bytes of the ring and of the cache as it stands. */
size_t loader_bytes(const struct loader *loader);

/* How arbitrary pictures become network input. */
struct picture_format {
    int image_size;
    enum config_resize resize;
    double mean[3], std[3];
};

/* Loads pictures by path ("SHARD.tar#OFFSET" too) on `workers` threads (0 = threads_available()) into images
 * [count,H,W,3]. errors[i] tells what was wrong with picture i, whose row is then zeros (`errors` may be NULL). *bad
 * is the number of those. */
void loader_load_pictures(const char *const *paths, size_t count, const struct picture_format *format, int workers,
                          float *images, struct error *errors, size_t *bad);

#endif
