/* The faces of several pictures through the network together, and the pictures written in order as they are done. */
#ifndef RMFER_CMD_PREDICT_BATCHES_H
#define RMFER_CMD_PREDICT_BATCHES_H

#include "cmd/predict_delivery.h"
#include "rmfer/ckpt/checkpoint.h"
#include "rmfer/faces/pipeline.h"

/* Pictures that may wait for their batch, of which each may have a face or none. */
enum { PICTURES_A_FACE = 4 };

struct batch_settings {
    const struct checkpoint *checkpoint;
    size_t batch; /* faces */
    size_t most_bytes;
    bool flip, features;
};

struct predict_batches;

/* Loads the network. */
status predict_batches_create(struct predict_batches **batches, const struct batch_settings *settings,
                              struct error *err) MUST_CHECK;
void predict_batches_free(struct predict_batches *batches);

size_t predict_batches_features(const struct predict_batches *batches);

/* Everything that the pipeline gives. A batch is run when it is full, when batch * PICTURES_A_FACE pictures wait, when
 * the waiting ones have more than most_bytes, or at the end: a function of the inputs, never of the time they took.
 * Results do not hang on which faces go together. */
status predict_batches_run(struct predict_batches *batches, struct face_pipeline *pipeline,
                           struct predict_delivery *delivery, struct error *err) MUST_CHECK;

#endif
