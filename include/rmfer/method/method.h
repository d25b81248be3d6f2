/* What training optimises, as one file and one row of a table: RMFER itself, and the methods it is compared with.
 *
 * A method says once which terms its loss has, which pictures a step needs, which parameters it adds to the model, what
 * a step computes and what of it a checkpoint must remember. The trainer walks these lists: losses, metrics, progress,
 * messages and checkpoints follow from them. How to add one: its file in src/method/, its row in method.c, its keys in
 * a section of its name (config/keys.c), its preset, its test.
 *
 * A method owns the passes through the network and their memory. It does not read pictures, move weights, nor know of
 * epochs beyond what it is told. */
#ifndef RMFER_METHOD_METHOD_H
#define RMFER_METHOD_METHOD_H

#include "rmfer/config/config.h"
#include "rmfer/data/batch.h"
#include "rmfer/data/rmset_index.h"
#include "rmfer/data/views.h"
#include "rmfer/method/phases.h"
#include "rmfer/method/stream_share.h"
#include "rmfer/nn/model.h"

/* ---- what a method declares ---- */

/* A summand of the loss. Metrics call it loss_NAME. */
struct method_term {
    const char *name;  /* "fer" */
    const char *label; /* "FER", in messages */
};

/* A number besides the losses that lines of metrics have, the mean over what a step counted. */
struct method_figure {
    const char *name; /* "accuracy" */
    int term;         /* known only while this term weighs something; -1 = always */
};
enum { MOST_FIGURES = 12 };

enum stream_source {
    STREAM_LABELLED,      /* training samples with a label */
    STREAM_UNLABELLED,    /* training samples that data.labelled left without one */
    STREAM_RMSET_DRAWS,   /* groups of an anchor, its positives, its negatives, as [acl] says */
    STREAM_RMSET_FACES,   /* single faces */
    STREAM_RMSET_MOMENTS, /* groups of different persons of one frame */
};

/* Pictures that every step from `first_epoch` on gets. The n-th request is the batch's n-th stream; the first one is
 * labelled and sets how many steps an epoch has. */
struct stream_request {
    enum stream_source source;
    int rows; /* a batch; of STREAM_RMSET_DRAWS anchors * (1 + n_pos + n_neg) */
    int view_count;
    enum view_kind views[MOST_VIEWS]; /* VIEW_PLAIN is as it is where augment.enabled, or of the RMset rmset.augment, is
                                         false; the others are the method's own, whatever these say */
    int persons;                      /* of STREAM_RMSET_MOMENTS: rows that belong together */
    bool returns; /* of STREAM_RMSET_MOMENTS: each second moment is one of the first one's persons, far away in time */
    uint64_t first_epoch;
};

/* A parameter that a method adds to the model, as an entry of its registry, in GROUP_METHOD. It starts as a linear
 * layer's where it is one (uniform within 1/sqrt(fan_in), the bias behind its weight), a rank-1 ".weight" and a
 * ".running_var" at 1, anything else at 0; `create` may write something else. */
enum { MOST_HEAD_ENTRIES = 24 };

/* ---- what a method is told ---- */

struct method_setup {
    const struct config *config; /* borrowed, as everything here; outlives the method */
    struct model *model;         /* the student: parameters, and the gradients a step adds to */
    const struct model *average; /* its exponential moving average (train.ema_decay), NULL without; its numbers change
                                    after every step */
    const real *class_weights;   /* [classes] or NULL */
    bool soft_targets;           /* labelled targets may be shares of several classes: data.votes = probability */
    const double *class_shares;  /* [classes] of the labelled samples, sum 1 */
    size_t validation_samples;   /* of the split that chooses the best checkpoint: the most rows of a walk over it */
    const struct rmset_index *rmset; /* NULL without */
    const struct machines
        *machines; /* that a batch is shared out over: images hold stream_share_of's rows; NULL = none */
    size_t places; /* batches of a step whose choices SAM's second pass needs again; at least 1 */
};

struct method_step {
    const struct batch *batch; /* streams as requested */
    const double *weights;     /* of the terms, of the present phase */
    double gradient_scale;     /* multiplies every gradient: 1 / accumulated batches */
    double progress;           /* share of the run that is done, 0 .. 1, for ramps */
    double phase_begin;        /* what it was when the present phase began */
    double bn_momentum;        /* of running statistics; 0 = leave them alone (SAM's second pass) */
    uint64_t seed, draw;       /* keys of random draws; the same in both passes of SAM */
    size_t place;              /* which of the step's batches */
    bool last;                 /* no other batch of the step follows */
    bool again;                /* SAM's second pass, up the slope: what was chosen without gradient at this place (kept
                                  candidates, guesses, mixing partners) is used again, not chosen again */
};

struct step_outcome {
    double total;              /* the sum of weights * terms, each times its method's ramp: what is descended along */
    double terms[MOST_TERMS];  /* unweighted; 0 of a term that is off */
    bool left_out[MOST_TERMS]; /* not computed, though its weight is above 0: 0 is none of its losses */
    struct {
        double sum, count; /* e.g. correct samples, samples */
    } figures[MOST_FIGURES];
};

static inline void step_outcome_figure(struct step_outcome *outcome, int figure, double sum, double count)
{
    outcome->figures[figure].sum = sum;
    outcome->figures[figure].count = count;
}

/* A walk over pictures, each once, as `walk_view` says, in rows of at most train.batch: labelled training samples, or
 * what else a method asks for. */
struct picture_walk {
    void *context;
    /* *rows->rows is 0 behind the last. Valid until the next call. */
    status (*next)(void *context, struct batch_stream *rows, struct error *err);
};

struct method_epoch {
    uint64_t epoch; /* from 0 */
    /* NULL unless the method's row asks for it: */
    struct picture_walk *walk;       /* labelled training samples */
    struct picture_walk *validation; /* the split that chooses the best checkpoint, with its labels */
    struct picture_walk *faces;      /* all chosen faces of the RMset */
};

/* ---- what a checkpoint remembers ---- */

enum memory_type { MEMORY_F32, MEMORY_F64, MEMORY_U64 };

/* A tensor of last.safetensors, under the name method.NAME. */
struct method_memory {
    const char *name;
    enum memory_type type;
    int rank;
    size_t shape[4];
    void *data; /* the method's, written by resuming */
    /* What resuming accepts besides its being finite, both included: a checkpoint may come from anybody. */
    bool is_limited;
    double low, high;
};
enum { MOST_MEMORIES = 16 };

struct method_bytes {
    size_t saved, scratch; /* kept for backward; everything else */
    size_t labels;         /* what grows with the number of unlabelled faces */
};

/* ---- the table ---- */

struct method {
    const char *name; /* train.method */
    const struct method_term *terms;
    size_t term_count;
    const struct method_figure *figures;
    size_t figure_count;
    bool has_attention_heads;           /* the model has H and f_IAL, evaluation reports on them */
    bool walks_labelled;                /* begin_epoch gets a walk over the labelled samples */
    bool mixes_pictures;                /* over rows: every process reads whole batches */
    bool walks_validation, walks_faces; /* and these; faces only where a stream reads the RMset */
    /* How pictures of walks are seen; drawn anew every epoch. NULL = as they are. */
    enum view_kind (*walk_view)(const struct config *config);

    /* Mistakes across keys; NULL = none are possible. */
    status (*check)(const struct config *config, struct error *err);
    /* The key of what goes by shares of the run, SECTION.NAME, as it is set: another end of the run moves it. NULL, the
     * answer or the function = nothing does. */
    const char *(*moves_with_progress)(const struct config *config);
    void (*phases)(const struct config *config, struct phase_table *table);
    /* Returns how many streams; the array has room for MOST_STREAMS. */
    size_t (*streams)(const struct config *config, struct stream_request *requests);
    /* Parameters beyond the model's own (name, shape, rank, is_buffer, decays are set); `features` is D. Returns how
     * many of MOST_HEAD_ENTRIES; NULL = none. */
    size_t (*heads)(const struct config *config, size_t features, struct parameter *entries);

    /* Plans all memory a step needs. On failure *self is NULL. */
    status (*create)(void **self, const struct method_setup *setup, struct error *err);
    void (*free)(void *self); /* accepts NULL */
    /* Before an epoch's first step. Fails where a walk does and nowhere else: a failure that only one of several
     * processes meets would leave the others waiting for it, and walks fail in all. NULL = nothing to do. */
    status (*begin_epoch)(void *self, const struct method_epoch *epoch, struct error *err);
    /* Forward, losses, backward: adds to the model's gradients. Allocates nothing. The step may still fail, in this
     * batch or a later one, and a run then goes on from before it: what the memories hold moves in after_update, or
     * comes out the same when the step runs again. */
    void (*step)(void *self, const struct method_step *step, struct step_outcome *outcome);
    /* After the optimizer moved the weights: teachers, queues, centres. `progress` as in a step. NULL = nothing. */
    void (*after_update)(void *self, double progress);
    /* Returns how many of MOST_MEMORIES; NULL = none. */
    size_t (*memories)(void *self, struct method_memory *memories);
    struct method_bytes (*bytes)(const void *self);
};

/* The row of that name, NULL when there is none. */
const struct method *method_find(const char *name);

/* All rows, in the table's order. */
const struct method *const *method_table(size_t *count);

#endif
