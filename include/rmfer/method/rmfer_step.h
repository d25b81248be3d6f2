/* One training step of RMFER: forward, losses, backward, over memory planned once (METHOD: phase 1 and phase 2).
 *
 * Gradients are ADDED to model->parameters.gradients, so that a caller can accumulate several batches; batch-norm's
 * running statistics in model->parameters.buffers move once a forward pass. The optimizer is the caller's. */
#ifndef RMFER_METHOD_RMFER_STEP_H
#define RMFER_METHOD_RMFER_STEP_H

#include "rmfer/nn/backbone.h"
#include "rmfer/nn/model.h"
#include "rmfer/ops/mutual_contrastive.h"

#include <stdint.h>

enum self_mask {
    SELF_MASK_EXCLUDE, /* a_ii = 0 exactly */
    SELF_MASK_LITERAL, /* s_ii = 1e-6, as the paper's equation (1) is printed */
    SELF_MASK_NONE,    /* s_ii = 1, the ablation "w/o SM" */
};

/* What is planned for: the largest sizes a step will meet. */
struct train_step_shape {
    int image_size;
    int batch;                          /* labelled images B */
    int anchors;                        /* ACL anchors of a step, 0 without ACL */
    int positives;                      /* n_pos candidates drawn for an anchor */
    int negatives;                      /* n_neg */
    double kept_share;                  /* gamma: round(gamma * n) candidates are kept, at least 1 */
    bool scoring_with_batch_statistics; /* acl.scoring_bn = train: an anchor and its candidates are one batch */
    bool joint_forward;                 /* acl.forward = joint: kept samples pass together with the labelled batch */
    const struct mutual_contrastive *mutual; /* acl.loss = mutual: `anchors` and what follows it are 0, and the rows of
                                                moments are one pass with the labelled batch; borrowed while creating */
    bool frozen; /* objectives have freeze_backbone: nothing is planned for going back through the network */
    const struct machines *machines; /* that rows are shared out over: pictures are stream_share_of's; NULL = none */
    bool own_statistics;             /* of batch-norm: over each process's rows alone */
    enum storage saved;              /* of maps before batch-norm, from forward to backward */
};

/* What a step optimises. All may change between steps. */
struct objective {
    double ial_weight;                       /* lambda 1; 0 leaves IAL out altogether */
    double acl_weight;                       /* lambda 2; 0 leaves ACL out altogether */
    double affect_weight;                    /* of L_VA; 0 leaves it out altogether, else the model has the head */
    double ial_temperature, acl_temperature; /* tau */
    enum self_mask self_mask;
    double label_smoothing;
    const real *class_weights; /* [E] or NULL */
    bool soft_targets;         /* labelled targets may be shares of several classes (softmax_cross_entropy.h) */
    double dropout;            /* before f_FER's classifier */
    double drop_path;          /* of the last block; block i of n has drop_path * i / n */
    double bn_momentum;        /* PyTorch sense: new = (1 - m) * old + m * batch */
    bool freeze_backbone;      /* features from running statistics; only the heads get gradients */
    double gradient_scale;     /* multiplies every loss's gradient: 1 / accumulation steps */
    bool last;                 /* no other batch adds to these gradients: their sum over machines may begin */
};

/* Defaults of METHOD: lambda 1.2 and 1, tau 1, exclude, no smoothing, no dropout, momentum 0.1, scale 1. */
struct objective objective_defaults(void);

struct labelled_batch {
    int n;
    const real *images;  /* [n,H,W,3] normalised RGB; over machines, this process's rows alone */
    const real *targets; /* [n,E] rows that sum to 1: one-hot, or soft labels */
    const real *affect;  /* [n,2] valence and arousal, NaN where there is no label; NULL = nowhere is one */
};

/* The pictures of `anchors` draws: for each the anchor, then its positives, then its negatives. */
struct contrastive_batch {
    int anchors;
    const real *images; /* [anchors, 1 + positives + negatives, H, W, 3]; over machines, where they are parted, this
                           process's anchors alone */
    size_t *choice;     /* [train_step_chosen]: what attention keeps, written here; NULL = nobody asks */
    struct scoring_cache *cache; /* features of faces to score with; NULL = the present weights score */
    const int64_t *ids;          /* with it: the face of every picture */
    bool is_chosen; /* `choice` (`guesses`) says it already: nothing is scored. SAM's second pass, which would
                       otherwise be the gradient of another function */
    /* Of a step whose shape has a mutual loss, beside `images`: */
    int rows;                   /* faces of moments, moment by moment; at most shape.mutual->n */
    const unsigned char *apart; /* [rows,rows], 0 = no negatives of each other; NULL = all are */
    real *guesses;              /* [rows,E], written here: what f_FER makes of the faces, for the soft attention */
};

struct step_losses {
    double total, fer, ial, acl, affect; /* total = fer + lambda1 * ial + lambda2 * acl + its weight * affect; parts
                                            left out are 0 */
    int correct_fer, correct_ial;        /* arg max of logits equals arg max of the target */
    double moment_similarity, other_similarity; /* with a mutual loss: mean cosine within moments, to negatives */
    double same_class_similarity, different_class_similarity; /* mean cosine of Z over pairs; NaN where there is none,
                                                                   0 without IAL */
    /* How hard each term pulls at the features: the length of its gradient, weighed, over all rows it has; 0 where it
     * is left out. gradient_scale does not count. L_VA is with L_FER. */
    double fer_gradient, ial_gradient, acl_gradient;
};

struct train_step;

status train_step_create(struct train_step **step, struct model *model, const struct train_step_shape *shape,
                         struct error *err) MUST_CHECK;
void train_step_free(struct train_step *step);

/* Bytes reserved, split into what is saved for backward and scratch. */
size_t train_step_saved_bytes(const struct train_step *step);
size_t train_step_scratch_bytes(const struct train_step *step);

/* How often weights were packed for the network that trains and the one that scores. */
size_t train_step_packs(const struct train_step *step);

/* Runs one step. `contrastive` may be NULL (phase 1). Random draws (dropout, drop-path) are keyed by (seed, draw):
 * SAM's second pass gives the same `draw` and so meets the same masks. n must be at least 2 with SELF_MASK_EXCLUDE and
 * IAL on (a bug otherwise: the caller checks). */
void train_step_run(struct train_step *step, const struct objective *objective, const struct labelled_batch *labelled,
                    const struct contrastive_batch *contrastive, uint64_t seed, uint64_t draw,
                    struct step_losses *losses);

/* How many numbers the choice of a batch of shape.anchors has. */
size_t train_step_chosen(const struct train_step *step);

/* Logits of the last labelled batch, [n,E]; the IAL ones are NULL when IAL was left out. */
const real *train_step_fer_logits(const struct train_step *step);
const real *train_step_ial_logits(const struct train_step *step);

/* Adds every layer's seconds to `times` (as backbone_profile) from now on; NULL stops that. */
void train_step_profile(struct train_step *step, struct layer_time *times);

#endif
