/* All rows of a step in one pass through the network and f_FER, so that batch-norm sees them together: the way of the
 * semi-supervised methods. Rows are added from views of the streams, the losses write the gradient of the logits, and
 * one call goes back. What the losses are is the method's. */
#ifndef RMFER_METHOD_ONE_PASS_H
#define RMFER_METHOD_ONE_PASS_H

#include "rmfer/base/memory.h"
#include "rmfer/method/affect_head.h"
#include "rmfer/method/method.h"
#include "rmfer/nn/backbone.h"
#include "rmfer/ops/linear.h"

struct one_pass {
    struct backbone *backbone;
    struct backbone_pass *pass;
    struct op_context context;
    struct linear classifier;
    struct affect_head affect;
    struct arena arena;
    double dropout, drop_path;
    const struct machines *machines; /* that the rows are shared out over; NULL = none */
    bool is_whole;                   /* all pictures are here, and a caller may write any; the pass takes its share */
    bool is_last_allowed;            /* the method goes back once a step */
    struct pass_part parts[MOST_PASS_PARTS];
    size_t part_count, own_rows; /* of this step; rows whose pictures are here */
    size_t most_rows, most_own, rows, classes, dimensions, image_reals;
    real *images;               /* [most_own,H,W,3] */
    real *features, *dfeatures; /* [most_rows,D] */
    real *input, *factors;      /* [most_rows,D]: features behind dropout, which classifiers take (features without
                                 * dropout), and dropout's factors */
    real *logits, *dlogits;     /* [most_rows,E] */
    real *daffect;              /* [labelled,D]: what L_VA says of the features of the first affect_rows */
    size_t labelled, affect_rows;
};

/* Plans memory for steps of at most these streams' views, [count], each of whose rows are added by one_pass_add. */
status one_pass_init(struct one_pass *pass, const struct method_setup *setup, const struct stream_share *views,
                     size_t count, struct error *err) MUST_CHECK;
/* The same for a method that mixes pictures over rows: for passes of `least_rows` to `most_rows` rows, added in any way
 * and gone back with as often as it likes. */
status one_pass_init_mixed(struct one_pass *pass, const struct method_setup *setup, size_t least_rows, size_t most_rows,
                           struct error *err) MUST_CHECK;
/* Accepts a zeroed structure. */
void one_pass_free(struct one_pass *pass);

/* Forgets the last step's rows. */
void one_pass_begin(struct one_pass *pass);
/* Copies a view of a stream behind the rows already there. Returns the number of the first. */
size_t one_pass_add(struct one_pass *pass, const struct batch_stream *stream, int view);
/* Room for `rows` more, to be written by the caller; of a mixed pass. */
real *one_pass_extend(struct one_pass *pass, size_t rows);

/* Features and logits of all rows, dropout between the two; sets dlogits to zero: rows that no loss writes carry no
 * gradient. */
void one_pass_forward(struct one_pass *pass, const struct method_step *step);
/* The same for a further pass of the step, `number` counting from 1: with masks of its own, and the running statistics
 * are left alone. With or without backward. */
void one_pass_forward_beside(struct one_pass *pass, const struct method_step *step, size_t number);
/* L_VA of the first rows against what is known of them (affect_head.h), times its weight in `scale`. One call at most
 * between forward and backward, which then takes its gradient along. */
double one_pass_affect(struct one_pass *pass, const struct batch_stream *rows, double scale);
/* Adds every parameter's gradient from dlogits. */
void one_pass_backward(struct one_pass *pass);

/* The same in pieces, for heads beside f_FER: its gradients; what other losses say of features [rows,D], from row
 * `first` on; and the backbone's. */
void one_pass_backward_classifier(struct one_pass *pass);
/* Instead of the first, for another classifier of `input`, whose gradient is in dfeatures. */
void one_pass_backward_dropout(struct one_pass *pass);
void one_pass_add_gradient(struct one_pass *pass, size_t first, size_t rows, const real *dfeatures);
void one_pass_backward_backbone(struct one_pass *pass);

struct method_bytes one_pass_bytes(const struct one_pass *pass);

#endif
