/* Worker threads that read, decode, find faces and cut them out ahead of the network, and hand pictures on in order.
 */
#ifndef RMFER_CMD_PREDICT_PIPELINE_H
#define RMFER_CMD_PREDICT_PIPELINE_H

#include "cmd/predict_inputs.h"
#include "rmfer/data/crop.h"
#include "rmfer/nn/detector.h"

/* A picture with its faces ready for the network. */
struct predict_item {
    struct predict_input input;  /* its image is kept only where the settings say so */
    bool is_detected;            /* false: one face, the whole picture, without box and score */
    struct detected_face *faces; /* [face_count]; NULL without a detector */
    size_t face_count;
    uint8_t *crops; /* [face_count, side, side, 3] */
    /* Of who runs the network: */
    float *logits;   /* [face_count, classes] */
    float *features; /* [face_count, D] */
    size_t classified;
    size_t bytes; /* that the pipeline counts for it */
};

struct pipeline_settings {
    const struct detector *detector; /* NULL: whole pictures */
    struct detector_options detection;
    struct crop_options crop;
    int side; /* of the network's input */
    size_t most_pixels;
    bool keep_image;
    int workers;
    size_t ahead;  /* pictures that may be waiting */
    size_t budget; /* bytes of faces and kept pictures that may be waiting */
};

struct pipeline;

/* Starts the workers. `inputs` is borrowed. */
status pipeline_create(struct pipeline **pipeline, struct predict_inputs *inputs,
                       const struct pipeline_settings *settings, struct error *err) MUST_CHECK;

/* Stops the workers once they have finished what they are doing. */
void pipeline_free(struct pipeline *pipeline);

enum pipeline_event { PIPELINE_ITEM, PIPELINE_WAITING, PIPELINE_ENDED };

/* The next picture in order. With `patience` (seconds, negative = endless) over, PIPELINE_WAITING. */
enum pipeline_event pipeline_receive(struct pipeline *pipeline, double patience, struct predict_item **item);

/* Frees the oldest picture received and its place. */
void pipeline_release(struct pipeline *pipeline);

#endif
