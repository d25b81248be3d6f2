/* The usual steps of the pipeline: faces by the detector, or each picture as one face, cut out at a network's size. */
#ifndef RMFER_FACES_CROPS_H
#define RMFER_FACES_CROPS_H

#include "rmfer/faces/pipeline.h"

struct face_crops {
    const struct detector *detector; /* NULL: each picture is one face */
    struct detector_options detection;
    struct crop_options crop;
    int side; /* of the network's input */
};

/* The steps that do so; `crops` is borrowed. Faces of which no pixel lies in the picture are left out. */
struct face_steps face_crops_steps(const struct face_crops *crops);

/* The detector's faces alone, for steps that cut otherwise. */
status face_find(const struct detector *detector, const struct detector_options *detection,
                 struct face_picture *picture, struct face_worker *worker, struct error *err) MUST_CHECK;

#endif
