/* The loader's insides, shared by loader.c (the ring and its workers), loader_make.c (pictures),
 * loader_deliver.c and loader_unreadable.c.
 *
 * Who may touch a slot: while its batch is being made, the workers, each its own row; once every row is done, the
 * worker that finished last (repairs); then the consumer, until it asks for the next batch. */
#ifndef DATA_LOADER_INTERNAL_H
#define DATA_LOADER_INTERNAL_H

#include "data/loader_pictures.h"
#include "rmfer/base/memory.h"
#include "rmfer/data/loader.h"

#include <pthread.h>

enum { MOST_ATTEMPTS = 32 }; /* draws in place of a group that cannot be read */

/* The rows of one stream in one slot. Pictures wait as bytes, a quarter of a float's room, until they are asked for.
 */
struct slot_stream {
    int rows;                 /* of this batch */
    uint8_t *pixels;          /* [views, stream rows, H,W,3] */
    struct pixel_box *erased; /* [views, stream rows] */
    int64_t *ids;             /* [stream rows], the pictures that are there */
    int64_t *asked;           /* [stream rows], those of the first draw */
    int32_t *labels;          /* [stream rows] */
    float *targets;           /* [stream rows, class_count] */
    float *affect;            /* [stream rows, 2] where the source has them */
    bool *is_bad;             /* [stream rows], cannot be read */
    uint8_t *failures;        /* [groups], draws that could not be read before the one that is there */
    size_t bad, drawn;        /* pictures met, with those that were replaced */
    struct error unreadable;  /* of the first unreadable picture by row */
    int unreadable_row;
};

struct slot {
    struct batch_place place; /* of the batch in it; groups is each stream's own */
    int tasks, done;
    bool is_ready;
    struct slot_stream streams[MOST_STREAMS];
    struct error error;     /* a source failed */
    struct error exhausted; /* draw after draw cannot be read */
};

/* Unreadable pictures of a batch: samples that were not met before, where a source remembers them; else all, and the
 * draws. */
struct unreadable_met {
    size_t samples, bad, drawn;
};

/* What is known of a sample that cannot be read. */
enum badness { NOT_MET, MET, COUNTED };

/* What the loader knows of a stream. */
struct stream {
    const struct loader_stream *options;
    uint64_t groups; /* of a whole batch, wherever they are made */
    struct picture_cache cache;
    atomic_uchar *is_known_bad; /* [samples], named in the log already; NULL where samples are not remembered */
    /* The consumer's: */
    unsigned char *badness;    /* [samples] */
    int64_t *met_ids;          /* [samples], room for those of a batch */
    struct unreadable_met met; /* of a batch, by this process */
    size_t bad, drawn;         /* delivered, to all processes */
    int64_t last_bad;          /* sample, once there is one */
    bool has_new;              /* the batch has another one */
    float *images[MOST_VIEWS]; /* [rows,H,W,3] each, the delivered ones */
};

struct loader {
    struct loader_options options;
    struct stream streams[MOST_STREAMS];
    struct arena arena;
    struct slot *slots;
    int slot_count;
    size_t values;        /* of one picture */
    uint64_t batches;     /* of an epoch */
    uint64_t end;         /* batches to make in all */
    atomic_size_t cached; /* bytes in all caches */
    double waited;
    atomic_int named;
    struct unreadable_met *met_by_all; /* [peers, MOST_STREAMS], room */
    int64_t *ids_of_all;               /* [peers, so many at once], room */

    pthread_mutex_t lock;
    pthread_cond_t work, ready;
    bool stop, is_preparing;
    uint64_t released;  /* batches that the consumer is done with */
    uint64_t delivered; /* batches that the consumer has asked for */
    uint64_t making;    /* the batch that rows are taken from now */
    int next_task;      /* of it; 0 = the batch is not prepared yet */

    pthread_t *threads;
    struct picture_workspace *workspaces;
    int thread_count;
};

/* Makes one row of the slot's batch, all its views; false when its picture cannot be read. */
bool loader_make_row(struct loader *loader, struct slot *slot, int stream, int row,
                     struct picture_workspace *workspace);

/* Puts readable pictures in place of unreadable ones: others of their kind in the group, else another draw of the
 * group. Without replace_bad it only counts. */
void loader_repair(struct loader *loader, struct slot *slot, struct picture_workspace *workspace);

/* Counts what of a batch cannot be read, in all processes, once it is made. Fails where that is too much, or where a
 * slot has failed; with peers every process comes here with every batch. */
status loader_check_unreadable(struct loader *loader, const struct slot *slot, struct error *err) MUST_CHECK;
/* Room for what they tell. */
status loader_meet_peers(struct loader *loader, struct error *err) MUST_CHECK;

/* Row `to` becomes what row `from` is. */
void loader_copy_row(struct loader *loader, struct slot *slot, int stream, int from, int to);

/* Rows of a stream's whole batch, wherever they are made. */
static inline int loader_batch_rows(const struct loader_stream *stream)
{
    return stream->batch_rows > 0 ? stream->batch_rows : stream->rows;
}

/* Which group of the whole batch a group that is made here is. */
static inline uint64_t loader_group_of(const struct loader *loader, int stream, int group)
{
    const struct loader_stream *options = &loader->options.streams[stream];
    return (uint64_t)(options->first_row / options->source.group + group);
}

/* The slot of a batch, counted from where the loader began. */
static inline struct slot *loader_slot_of(const struct loader *loader, uint64_t number)
{
    return &loader->slots[number % (uint64_t)loader->slot_count];
}

/* The batch's place as a stream's source sees it. */
static inline struct batch_place loader_place_of(const struct loader *loader, const struct slot *slot, int stream)
{
    struct batch_place place = slot->place;
    place.groups = loader->streams[stream].groups;
    return place;
}

/* Where a row's view is. */
static inline size_t loader_row_of(const struct loader *loader, int stream, int view, int row)
{
    return (size_t)view * (size_t)loader->options.streams[stream].rows + (size_t)row;
}

#endif
