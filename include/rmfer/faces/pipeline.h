/* Worker threads that read, decode, find faces and cut them out, and hand the pictures on in the order of the inputs.
 *
 * What a picture's faces are is a function of the inputs and the steps alone: which worker does a picture, and when,
 * changes nothing. Memory is bounded by the settings, whatever the number of files: a file that cannot be read is
 * handed on with its error, in its place. */
#ifndef RMFER_FACES_PIPELINE_H
#define RMFER_FACES_PIPELINE_H

#include "rmfer/data/crop.h"
#include "rmfer/faces/inputs.h"
#include "rmfer/nn/detector.h"

/* An encoded picture of a face. */
struct face_file {
    uint8_t *bytes;
    size_t size;
};

/* A picture with its faces. */
struct face_picture {
    struct face_input input;     /* its image is kept only where the settings say so */
    uint64_t number;             /* 0, 1, 2 ... in the order of the inputs */
    bool step_failed;            /* the input's error is none of the picture, but of what was done with it */
    bool is_detected;            /* false: one face, the whole picture, without box and score */
    struct detected_face *faces; /* [face_count]; NULL where nothing is detected */
    int64_t *ids;                /* [face_count], of a step that assigns some; else NULL */
    size_t face_count;
    uint8_t *crops; /* [face_count, side, side, 3], of a step that cuts them, as face_crops_steps does; else NULL */
    struct face_file *files; /* [face_count], of a step that encodes; else NULL */
    size_t bytes;            /* that the pipeline counts for it */
};

/* One worker's buffers. */
struct face_worker {
    struct detector_workspace detector;
    struct crop_workspace crop;
};

/* What is done with a decoded picture. `find` and `cut` are called by several workers at a time, `assign` by one, in
 * the order of the pictures, and for pictures with an error too. Arrays are memory_allocate'd. A step that fails
 * leaves the picture with its error and without faces. */
struct face_steps {
    const void *context;
    /* Sets faces, face_count and is_detected; may change the pixels. */
    status (*find)(const void *context, struct face_picture *picture, struct face_worker *worker, struct error *err);
    /* Whether `find` must wait until all pictures before this one were assigned; asked again after each. NULL: never.
     */
    bool (*waits)(const void *context);
    /* Gives the faces ids, may drop some. NULL: nothing to do. */
    status (*assign)(void *tracker, struct face_picture *picture, struct error *err);
    void *tracker;
    /* Bytes that `cut` will add. */
    size_t (*cut_bytes)(const void *context, const struct face_picture *picture);
    status (*cut)(const void *context, struct face_picture *picture, struct face_worker *worker, struct error *err);
};

struct face_pipeline_settings {
    struct face_steps steps;
    size_t most_pixels;
    bool keep_image; /* hand the pixels on too */
    int workers;
    size_t ahead;  /* pictures that may be waiting, or be with the receiver */
    size_t budget; /* bytes of faces and kept pictures that may be waiting */
};

/* Bytes that a pipeline will take for pictures of so many pixels, beside what the steps take: one picture with each
 * worker, and those that wait, where they are kept. */
size_t face_pipeline_bytes(const struct face_pipeline_settings *settings, size_t pixels);

struct face_pipeline;

/* Starts the workers. `inputs` and what the steps point to are borrowed. */
status face_pipeline_create(struct face_pipeline **pipeline, struct face_inputs *inputs,
                            const struct face_pipeline_settings *settings, struct error *err) MUST_CHECK;

/* Stops the workers once they have finished what they are doing. */
void face_pipeline_free(struct face_pipeline *pipeline);

/* The next picture in order, waited for; NULL behind the last. It belongs to the pipeline. At most `ahead` pictures
 * may be received and not released. */
struct face_picture *face_pipeline_receive(struct face_pipeline *pipeline);

/* Seconds of all workers in the steps so far. */
struct face_times {
    double find, cut;
};
struct face_times face_pipeline_times(struct face_pipeline *pipeline);

/* Frees the oldest picture received and its place. */
void face_pipeline_release(struct face_pipeline *pipeline);

#endif
