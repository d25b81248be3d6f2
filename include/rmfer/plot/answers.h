/* What a checkpoint answered on a split, and the features behind a sample of it: what the figures about features and
 * calibration are drawn from. Copied out of an evaluation, so that several can stand side by side. */
#ifndef RMFER_PLOT_ANSWERS_H
#define RMFER_PLOT_ANSWERS_H

#include "rmfer/base/error.h"
#include "rmfer/base/real.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { ANSWERS_SAMPLE = 2000 }; /* rows whose features are kept, unless told otherwise */

/* An evaluation's rows, borrowed, in the order of the data set. */
struct answer_rows {
    size_t n, classes, dimensions;
    const real *logits;                /* [n, classes] */
    const real *features;              /* [n, dimensions] */
    const real *projections;           /* [n, dimensions], rows of length one; NULL without the attention branch */
    const int32_t *labels, *predicted; /* [n] */
    const int64_t *ids;                /* [n], of the data set */
    const bool *may_predict;           /* [classes], NULL = every output */
};

struct answers {
    char *name;         /* of the checkpoint, for headings */
    char **class_names; /* [classes] */
    size_t n, classes, dimensions, sampled;
    real *logits;                /* [n, classes] */
    int32_t *labels, *predicted; /* [n] */
    int64_t *ids;
    bool *may_predict;            /* [classes] */
    size_t *sample;               /* [sampled], rows in ascending order */
    real *features, *projections; /* [sampled, dimensions]; projections may be NULL */
    /* From the evaluation, of all its rows; NaN = not known. */
    double overall_limits[2]; /* of the overall accuracy's 95 % interval; NaN = not known */
    double overall, same_class_similarity, different_class_similarity, centre_distance, temperature;
    double attention_temperature; /* of the attention branch */
    int attention_mask;           /* enum attention_mask */
    size_t attention_batch;       /* pictures that looked at each other in training */
};

/* Copies rows and draws the sample: `most` of the rows without replacement, by `seed` and the number of rows alone, so
 * that several checkpoints on one split show the same pictures. Measurements are the caller's to fill. The caller frees
 * even after a failure. */
status answers_init(struct answers *answers, const char *name, const char *const *class_names,
                    const struct answer_rows *rows, size_t most, uint64_t seed, struct error *err) MUST_CHECK;
void answers_free(struct answers *answers);

/* The probability of class `class` in row `row`: softmax of the outputs that may be predicted, at the checkpoint's
 * temperature where it has one. */
double answers_probability(const struct answers *answers, size_t row, size_t class);

/* The label of sampled row `i`. */
int32_t answers_label(const struct answers *answers, size_t i);

#endif
