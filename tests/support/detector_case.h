/* Face detectors for tests: one with random weights, and one that finds white squares, which needs no trained weights
 * and whose answers are known. Both can be written as the ONNX file that a published YuNet is. */
#ifndef TESTS_SUPPORT_DETECTOR_CASE_H
#define TESTS_SUPPORT_DETECTOR_CASE_H

#include "rmfer/nn/detector.h"

#include <stdint.h>

struct detector_case {
    struct detector_weights weights;
    float *numbers[160]; /* owned */
    size_t number_count;
};

/* Random weights with different channel counts in every layer; `seed` chooses. */
void detector_case_random(struct detector_case *c, uint64_t seed);

/* A white square of 8 x 8 pixels on black, both coordinates multiples of 8, is a face with a score of about 1; its
 * box is 24 wide and 32 high about the square's centre, with the landmarks where an upright face has them (for a box
 * 24 wide: template_x * 24, template_y * 24 from the centre). */
void detector_case_squares(struct detector_case *c);
enum { SQUARE_SIDE = 8, SQUARE_FACE_WIDTH = 24, SQUARE_FACE_HEIGHT = 32 };
extern const double square_landmarks[FACE_LANDMARKS][2];

void detector_case_free(struct detector_case *c);

/* The bytes of an ONNX file with these weights, malloc'ed. `spoil` breaks it in one way, for refusals. */
enum detector_spoiling {
    DETECTOR_WHOLE,
    DETECTOR_WITHOUT_OUTPUT, /* kps_16 is not computed */
    DETECTOR_WITH_STRIDE,    /* a unit's convolution has stride 2 */
    DETECTOR_WITH_PADDING,   /* ... no padding */
    DETECTOR_QUANTISED,      /* ... is QLinearConv */
    DETECTOR_WITHOUT_POOL,   /* a maximum is missing */
    DETECTOR_WRONG_LEVEL,    /* the neck's addition takes another level */
    DETECTOR_WITHOUT_BIAS,   /* an initializer is missing */
    DETECTOR_SPOILING_COUNT
};
uint8_t *detector_case_onnx(const struct detector_case *c, enum detector_spoiling spoil, size_t *size);

#endif
