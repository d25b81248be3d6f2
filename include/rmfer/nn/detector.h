/* YuNet, a small face detector: a picture to boxes, scores and five landmarks.
 *
 * Wu, Peng and Yu, "YuNet: A Tiny Millisecond-level Face Detector", Machine Intelligence Research 2023; weights and
 * decoding as in libfacedetection.train and OpenCV's FaceDetectorYN. All convolutions behind the stem are
 * depthwise-separable units (1x1, then 3x3 a channel, then ReLU); three levels of strides 8, 16 and 32 give, for
 * every cell, a class and an object score, a box and the landmarks. The network is fixed here but for its channel
 * counts; the weights come from a file (ckpt/detector_onnx.h). */
#ifndef RMFER_NN_DETECTOR_H
#define RMFER_NN_DETECTOR_H

#include "rmfer/base/real.h"
#include "rmfer/data/crop.h"
#include "rmfer/data/image.h"

enum { DETECTOR_LEVELS = 3, DETECTOR_BACKBONE_UNITS = 11, DETECTOR_HEADS = 4, DETECTOR_MOST_CHANNELS = 1024 };

enum detector_head { HEAD_CLASS, HEAD_OBJECT, HEAD_BOX, HEAD_LANDMARKS };

/* A depthwise-separable unit in PyTorch's layout. */
struct detector_unit_weights {
    size_t input, output;
    const float *pointwise, *pointwise_bias; /* [output,input], [output] */
    const float *depthwise, *depthwise_bias; /* [output,3,3], [output] */
};

struct detector_weights {
    size_t stem_output;
    const float *stem, *stem_bias; /* [output,3,3,3] (blue, green, red), [output]; stride 2 */
    /* Behind the stem: unit 0, then pairs 1-2, 3-4, 5-6, 7-8, 9-10; maxima of 2x2 are taken behind units 0, 4, 6
     * and 8. Units 6, 8 and 10 give the levels of strides 8, 16 and 32. */
    struct detector_unit_weights backbone[DETECTOR_BACKBONE_UNITS];
    struct detector_unit_weights lateral[DETECTOR_LEVELS]; /* of the level and what comes down from the next one */
    struct detector_unit_weights shared[DETECTOR_LEVELS];
    struct detector_unit_weights heads[DETECTOR_LEVELS][DETECTOR_HEADS]; /* no ReLU; 1, 1, 4 and 10 outputs */
};

/* Packed weights; not changed by anything after detector_create, so that threads may share it. */
struct detector;

/* Checks that the channel counts fit together, copies and packs. */
status detector_create(struct detector **detector, const struct detector_weights *weights,
                       struct error *err) MUST_CHECK;
void detector_free(struct detector *detector);

/* The maps of one picture, growing with the largest picture seen. One a thread that calls. Zeroed is empty. */
struct detector_workspace {
    real *maps;
    size_t map_capacity;
    struct resize_workspace resize;
    uint8_t *rgb; /* the picture scaled down */
    size_t rgb_capacity;
};

void detector_workspace_free(struct detector_workspace *workspace);

/* Bytes that a workspace takes for a square picture of detect_size, the largest that is scaled down to it; 0 = never, a
 * film's frame is meant then. */
size_t detector_workspace_bytes(const struct detector *detector, int detect_size, int threads);

struct detector_options {
    double min_score; /* sqrt(class * object), 0 .. 1 */
    double overlap;   /* of two boxes whose intersection over union is above this, the better one stays */
    int detect_size;  /* pictures with a longer side are scaled down to it; 0 = never */
    double min_face;  /* boxes with a smaller width or height, in pixels of the picture, are left out; 0 = none */
    size_t max_faces; /* the best ones; 0 = all */
    int threads;      /* 0 = threads_get() */
};

/* overlap 0.3 as in OpenCV's FaceDetectorYN, detect_size 640, the rest off. min_score is 0.85: OpenCV's 0.9 loses
 * half of the faces of film frames, whose scores lie between 0.86 and 0.93, and dogs' faces reach 0.82. */
struct detector_options detector_options_defaults(void);

struct detected_face {
    struct face_shape shape; /* in pixels of the picture; boxes may reach over its edges */
    double score;
};

/* The faces of a picture, best first; release *faces with memory_free. */
status detector_find(const struct detector *detector, struct detector_workspace *workspace, const struct image *image,
                     const struct detector_options *options, struct detected_face **faces, size_t *count,
                     struct error *err) MUST_CHECK;

/* Area of the intersection by area of the union; 0 for empty boxes. */
double box_overlap(const struct image_box *a, const struct image_box *b);

/* Whether one of `better` [count] overlaps the face's box by more than `overlap`: non-maximum suppression. */
bool face_is_covered(const struct detected_face *face, const struct detected_face *better, size_t count,
                     double overlap);

#endif
