/* Where the pictures of a stream come from, and in which order: a labelled data set, its unlabelled rest, an RMset's
 * draws, faces or moments. The loader reads all of them one way.
 *
 * A source says which pictures the rows of a batch show and gives their encoded bytes. It decodes nothing, and it
 * knows of no views. What it draws is a function of its seed and the batch's place alone. */
#ifndef RMFER_DATA_PICTURE_SOURCE_H
#define RMFER_DATA_PICTURE_SOURCE_H

#include "rmfer/base/error.h"
#include "rmfer/base/text.h"
#include "rmfer/data/dataset.h"
#include "rmfer/data/rmset_index.h"
#include "rmfer/data/sampler.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A batch's place in training, and how many groups of rows it has of the stream in question. */
struct batch_place {
    uint64_t epoch, index; /* batch `index` of the epoch */
    uint64_t step;         /* the batch's number over all epochs */
    uint64_t groups;
};

/* A picture before it is decoded: a file's bytes, or gray pixels that the source holds. */
struct encoded_picture {
    uint8_t *bytes; /* release with memory_free; NULL = there are gray pixels */
    size_t size;
    const uint8_t *gray;  /* [PIXEL_SIDE, PIXEL_SIDE], the source's own */
    struct image_box box; /* what of the picture is wanted; width 0 = all */
};

struct picture_source {
    void *context;
    const char *what;  /* for messages, in the plural: "pictures" */
    int group;         /* rows that are drawn together */
    uint64_t groups;   /* of an epoch, where this is the first stream of a batch */
    uint64_t samples;  /* ids are below: decoded pictures are cached and unreadable ones remembered, which needs a
                          group of 1; 0 = too many for that */
    uint64_t left_out; /* unreadable pictures that were left out before: they count against max_bad */
    int class_count;   /* of targets; 0 = none */
    bool by_epoch;     /* random draws of views are keyed by (epoch, position in it), else by (step, row) */
    unsigned key;      /* below 16: keeps these draws apart from another source's */

    /* ids[group] of group `group` of the batch. `attempt` 0 is the first choice, asked by one thread at a time;
     * higher ones are in place of a group that cannot be read, asked by any number of threads. */
    status (*draw)(void *context, const struct batch_place *place, uint64_t group, uint64_t attempt, int64_t *ids,
                   struct error *err);
    /* Rows of a group with the same number may stand in for one another. NULL: none may. */
    int (*kind)(void *context, int row);
    /* Any number of threads. */
    status (*read)(void *context, int64_t id, struct encoded_picture *picture, struct error *err);
    /* Appends the picture's path, for messages. */
    status (*name)(void *context, int64_t id, struct text *name, struct error *err);
    /* The label, -1 = none; NULL: none has one. */
    int32_t (*label)(void *context, int64_t id);
    /* Writes target[class_count]; NULL without classes. */
    void (*target)(void *context, int64_t id, float *target);
    /* Writes valence and arousal, NaN where there are none; NULL: no picture has them. */
    void (*affect)(void *context, int64_t id, float affect[2]);
};

/* ---- a data set ---- */

/* Samples in the order of a sampler. Where it leads (the first stream of a batch) an epoch's order begins anew with
 * the epoch; otherwise rounds follow one another without regard to epochs, so that each sample comes once a round. */
struct dataset_source {
    const struct dataset *dataset; /* borrowed */
    struct sampler sampler;
    bool leads;
    int64_t *order; /* [count], of the round below */
    uint64_t round;
    bool has_order;
};

/* Fails as sampler_init does. The data set must outlive the source. */
status dataset_source_init(struct dataset_source *source, const struct dataset *dataset, enum sampler_order order,
                           uint64_t seed, bool leads, struct error *err) MUST_CHECK;
void dataset_source_free(struct dataset_source *source);

/* The interface of `source`, which must outlive it and serves one loader. */
struct picture_source dataset_picture_source(struct dataset_source *source);

/* ---- an RMset ---- */

/* Must outlive the interfaces made of it. */
struct rmset_source {
    const struct rmset_index *index; /* borrowed */
    uint64_t seed;
    int positives, negatives; /* of rmset_draws */
    int persons;              /* of rmset_moments */
    bool returns;             /* of rmset_moments: each second group is the first one's persons, far away in time */
};

/* What ACL contrasts: groups of an anchor, its positives, its negatives (rmset_index_draw). A candidate that cannot
 * be read is replaced by another of its kind, an anchor by another draw. */
struct picture_source rmset_draws(struct rmset_source *source);

/* Single faces, uniform among the chosen ones, with replacement. */
struct picture_source rmset_faces(struct rmset_source *source);

/* Every chosen face once an epoch, in their order. */
struct picture_source rmset_in_order(struct rmset_source *source);

/* Groups of different persons of one frame (rmset_index_draw_moment, rmset_index_draw_return). */
struct picture_source rmset_moments(struct rmset_source *source);

#endif
