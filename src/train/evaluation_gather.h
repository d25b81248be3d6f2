/* The rows of an evaluation's batch brought together where it is shared out over processes. */
#ifndef TRAIN_EVALUATION_GATHER_H
#define TRAIN_EVALUATION_GATHER_H

#include "rmfer/data/batch.h"
#include "rmfer/dist/dist.h"

struct gathered_rows;

/* Numbers of a row that the network makes. */
struct row_widths {
    size_t features, logits, affect; /* affect: 0 without the head */
};

/* Plans memory for batches of at most `batch` rows, of which each process has machines_share's. `dist` is borrowed. */
status gathered_rows_create(struct gathered_rows **gathered, struct dist *dist, size_t batch, struct row_widths widths,
                            struct error *err) MUST_CHECK;
void gathered_rows_free(struct gathered_rows *gathered);

size_t gathered_rows_bytes(const struct gathered_rows *gathered); /* NULL is fine */

/* `own` [rows], which may be none, and its features, logits and affect (each [rows, width]) become everybody's, in the
 * batch's order; labels, targets, affect and ids of `own` are the gathering's until the next call, its pictures are
 * gone. */
void gathered_rows_take(struct gathered_rows *gathered, struct batch_stream *own, real *features, real *logits,
                        real *affect);

#endif
