/* The loader's insides, shared by loader.c (the ring and its workers), loader_make.c (pictures) and loader_deliver.c.
 *
 * Who may touch a slot: while its batch is being made, the workers, each its own picture; once every picture is done,
 * the worker that finished last (repairs); then the consumer, until it asks for the next batch. */
#ifndef DATA_LOADER_INTERNAL_H
#define DATA_LOADER_INTERNAL_H

#include "data/loader_pictures.h"
#include "rmfer/base/memory.h"
#include "rmfer/data/loader.h"

#include <pthread.h>

struct slot {
    uint64_t epoch, index; /* the batch in it */
    int pictures, anchors; /* asked for */
    int tasks, done;
    bool is_ready;
    float *images;            /* [batch,H,W,3] */
    float *targets;           /* [batch,class_count] */
    int32_t *labels;          /* [batch] */
    int64_t *ids;             /* [batch], the samples that are there */
    int64_t *asked;           /* [batch], the samples that the epoch's order names */
    uint8_t *failures;        /* [batch], unreadable pictures met before the one that is there */
    bool *is_missing;         /* [batch], nothing is there */
    uint8_t *faces;           /* [anchors, drawn, H,W,3] */
    int64_t *face_ids;        /* [anchors, drawn] */
    int32_t *face_labels;     /* [anchors, drawn], all -1 */
    struct pixel_box *erased; /* [anchors, drawn] */
    bool *is_bad_face;        /* [anchors, drawn] */
    size_t bad_faces;
    struct error unreadable; /* of the first unreadable picture by place */
    int unreadable_task;
    struct error error; /* the batch could not be made */
};

struct loader {
    struct loader_options options;
    struct sampler sampler;
    struct picture_cache cache;
    struct arena arena;
    struct slot *slots;
    int slot_count;
    int drawn;                  /* pictures of one anchor: 1 + positives + negatives */
    size_t values;              /* floats of one picture */
    uint64_t batches;           /* of an epoch */
    uint64_t end;               /* batches to make in all */
    float *faces;               /* [anchors, drawn, H,W,3], the delivered ones */
    atomic_uchar *is_known_bad; /* [count], named in the log already */
    bool *is_counted_bad;       /* [count], the consumer's */
    size_t bad, bad_faces, drawn_faces;
    double waited;
    atomic_int named;

    pthread_mutex_t lock;
    pthread_cond_t work, ready;
    bool stop, is_preparing;
    uint64_t released;  /* batches that the consumer is done with */
    uint64_t delivered; /* batches that the consumer has asked for */
    uint64_t making;    /* the batch that pictures are taken from now */
    int next_task;      /* of it; 0 = the batch is not prepared yet */
    int64_t *order;     /* [count], ids of order_epoch */
    uint64_t order_epoch;
    bool has_order;

    pthread_t *threads;
    struct picture_workspace *workspaces;
    int thread_count;
};

/* Makes picture `task` of the slot's batch: another sample in place of an unreadable one where the options say so. */
void loader_make_picture(struct loader *loader, struct slot *slot, int task, struct picture_workspace *workspace);

/* Makes contrastive picture `face` of the slot's batch; false when it cannot be read. */
bool loader_make_face(struct loader *loader, struct slot *slot, int face, struct picture_workspace *workspace);

/* Makes anchors with unreadable pictures usable: candidates are replaced by others of their kind, and an anchor that
 * cannot be read by other draws of the same step. */
void loader_repair_faces(struct loader *loader, struct slot *slot, struct picture_workspace *workspace);

/* The number of the slot's batch over all epochs: what contrastive draws are keyed by. */
uint64_t loader_step_of(const struct loader *loader, const struct slot *slot);

/* Bytes to floats, (x / 255 - mean) / std; 0 inside `erased` (may be NULL). */
void loader_normalise(int image_size, const uint8_t *rgb, const double mean[3], const double std[3],
                      const struct pixel_box *erased, float *out);

/* The slot of a batch, counted from where the loader began. */
struct slot *loader_slot_of(const struct loader *loader, uint64_t number);

#endif
