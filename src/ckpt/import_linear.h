/* Which linear layer of a source is the classifier behind its backbone. */
#ifndef RMFER_CKPT_IMPORT_LINEAR_H
#define RMFER_CKPT_IMPORT_LINEAR_H

#include "ckpt/import_source.h"

/* A linear layer [outputs, inputs]; as a 1x1 convolution its shape has sides of 1 behind them. */
struct import_linear {
    const struct tensor *weight; /* NULL: there is none */
    const struct tensor *bias;   /* NULL: zeros */
};

enum { IMPORT_REASON_BYTES = 256 };

/* The classifier on that many features. Where there is none that can be taken (also when the layers on the features
 * are several, or are followed by more), linear->weight is NULL and `reason` says why: "the file has none". */
void import_find_classifier(const struct import_source *source, size_t features, struct import_linear *linear,
                            char reason[IMPORT_REASON_BYTES]);

#endif
