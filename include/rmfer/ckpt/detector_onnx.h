/* YuNet's weights out of the ONNX file in which they are published (any input size, folded batch-norm). */
#ifndef RMFER_CKPT_DETECTOR_ONNX_H
#define RMFER_CKPT_DETECTOR_ONNX_H

#include "rmfer/nn/detector.h"

/* Reads the file, finds each layer by walking the graph back from the outputs cls_8 ... kps_32 (names inside the
 * graph differ from export to export), and creates the detector. A file of another network is refused. Messages start
 * with the path. */
status detector_read(struct detector **detector, const char *path, struct error *err) MUST_CHECK;

#endif
