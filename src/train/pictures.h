/* The pictures of a run: data sets, RMset, the loader, and the batches of an accumulated step that SAM meets twice. */
#ifndef RMFER_TRAIN_PICTURES_H
#define RMFER_TRAIN_PICTURES_H

#include "rmfer/base/status_line.h"
#include "rmfer/data/loader.h"
#include "rmfer/data/rmset_index.h"

#include "run_plan.h"

#include <signal.h>

/* Room to keep batches beyond the loader's next one. */
struct batch_store {
    struct arena arena;
    size_t count;          /* batches there is room for; 0 = none are kept */
    struct batch *batches; /* [count], pointing into the arena */
    bool with_affect;      /* of labelled rows */
};

struct pictures {
    struct dataset training, selection; /* what is learned; what chooses the best */
    struct dataset unlabelled;          /* the rest of training; empty where no stream asks for it */
    struct rmset_index *index;          /* NULL where no stream asks for it */
    struct dataset_source labelled_order, unlabelled_order;
    struct rmset_source rmset[MOST_STREAMS]; /* by stream */
    struct picture_room *room; /* of the machine's processes; NULL = decoded pictures are kept by the loader */
    size_t cache_bytes;
    struct loader *loader;
    struct batch_store store;
    struct stream_share shares[MOST_STREAMS]; /* whose pictures are here, by stream */
    struct arena joined_arena;
    struct joined_rows {
        real *targets, *affect;
        int32_t *labels;
        int64_t *ids;
    } joined[MOST_STREAMS]; /* of all processes, where a stream is parted */
};

/* Reads lists and index. Every process comes here, and what fails in one fails in all. */
status pictures_open(struct pictures *pictures, const struct run_plan *plan, struct error *err) MUST_CHECK;
/* One cache of decoded pictures for the processes of a machine, where there are several; `result` is what became of
 * this process so far, and every process comes here. Where it cannot be, each has a part of data.cache for itself,
 * which is told. */
status pictures_share_cache(struct pictures *pictures, const struct run_plan *plan, status result,
                            struct error *err) MUST_CHECK;
/* Starts the loader where the run stands, after `step` steps, and makes room for what is kept. */
status pictures_start(struct pictures *pictures, const struct run_plan *plan, uint64_t step,
                      struct error *err) MUST_CHECK;
void pictures_free(struct pictures *pictures);

/* The next batch; with a store it is copied to place `place`, else it is valid until the next call. */
status pictures_next(struct pictures *pictures, const struct run_plan *plan, size_t place, struct batch *batch,
                     struct error *err) MUST_CHECK;

enum pictures_of { PICTURES_OF_TRAINING, PICTURES_OF_SELECTION, PICTURES_OF_RMSET };
/* Pictures as the method's walk_view says, each once, in batches of at most train.batch. */
struct pictures_walk {
    enum pictures_of what;
    struct dataset_source order;
    struct rmset_source rmset;
    struct loader *loader;
    uint64_t end;                      /* epoch of the batch behind the last */
    uint64_t seen, count;              /* pictures */
    const volatile sig_atomic_t *stop; /* not 0: end the walk; NULL = never */
    bool is_interrupted;               /* it was ended so */
    bool is_shown;                     /* how far it is, by this process */
    struct status_line line;
    struct dist *dist; /* what cannot be read somewhere, or is told to stop, ends the walk everywhere */
};
/* Every process comes here, and where one cannot begin none does: the others would wait for its rows. */
status pictures_walk_begin(struct pictures_walk *walk, const struct pictures *pictures, const struct run_plan *plan,
                           enum pictures_of what, uint64_t epoch, const volatile sig_atomic_t *stop,
                           struct error *err) MUST_CHECK;
/* A picture_walk's `next`; `context` is the walk. Fails too where `stop` ends it, which is_interrupted then says. */
status pictures_walk_next(void *context, struct batch_stream *rows, struct error *err) MUST_CHECK;
void pictures_walk_end(struct pictures_walk *walk);

/* Appends the path of a row's picture. */
status pictures_name(const struct pictures *pictures, enum stream_source source, int64_t id, struct text *name,
                     struct error *err) MUST_CHECK;

/* Bytes reserved, and those that the loader will take beside them. */
size_t pictures_bytes(const struct pictures *pictures);
size_t pictures_bytes_to_come(const struct pictures *pictures);

#endif
