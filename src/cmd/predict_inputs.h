/* What `rmfer predict` was asked to look at, one picture or video frame after the other. */
#ifndef RMFER_CMD_PREDICT_INPUTS_H
#define RMFER_CMD_PREDICT_INPUTS_H

#include "rmfer/data/image.h"

/* Where a picture comes from. */
struct predict_input {
    char *path;   /* as the output names it; owned */
    char *target; /* its name below --annotate's folder; owned */
    bool is_frame;
    int64_t frame;
    double time;
    struct image image; /* a frame's pixels; pictures are decoded by who works on them */
    struct error error; /* why there is no picture */
};

void predict_input_free(struct predict_input *input);

struct predict_input_options {
    int64_t every; /* frames of videos */
    size_t most_pixels;
    bool null_separated; /* the list on standard input */
};

struct predict_inputs;

/* `paths` are pictures, videos, folders, patterns, or "-" for a list on standard input; borrowed. */
status predict_inputs_create(struct predict_inputs **inputs, const char *const *paths, size_t count,
                             const struct predict_input_options *options, struct error *err) MUST_CHECK;
void predict_inputs_free(struct predict_inputs *inputs);

/* The next one; false when there is none left. Frames are decoded here, so that their order stays. One thread at a
 * time. A file that cannot be read comes with its error set. */
bool predict_inputs_next(struct predict_inputs *inputs, struct predict_input *input);

/* Whether there is one picture in all, as far as is known without reading on. */
bool predict_inputs_is_single(const struct predict_inputs *inputs);

/* Columns of a table for the paths given, within reason. */
int predict_inputs_name_width(const struct predict_inputs *inputs);

#endif
