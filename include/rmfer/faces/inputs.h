/* What was asked for, one picture or video frame after the other: files, folders, patterns, videos, lists, pipes.
 *
 * A folder is searched with the folders in it, in natural order of names (2.jpg before 10.jpg); one folder's names are
 * in memory at a time, and a list on standard input is read line by line, pictures and videos there as they come, so
 * that memory does not grow with their number. Videos are decoded here, pictures are not. */
#ifndef RMFER_FACES_INPUTS_H
#define RMFER_FACES_INPUTS_H

#include "rmfer/data/image.h"
#include "rmfer/data/video.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Where a picture comes from. */
struct face_input {
    char *path;     /* as the output names it; owned */
    char *target;   /* its name below the folder that was asked for; owned */
    uint64_t place; /* in the order of all that is asked for, of any process; the frames of a video share it */
    uint64_t file;  /* files are numbered as they come; the frames of a video share its number */
    bool is_frame;
    int64_t frame;
    double time;        /* seconds since the first frame; NaN = not known, as of pictures in a pipe */
    double frame_rate;  /* of the video, frames a second; 0 = the container does not say */
    int64_t frames;     /* in all, about; 0 = not known */
    struct image image; /* a video frame's pixels; pictures are decoded by who works on them */
    double share;       /* of all inputs that are done with this one, 0 .. 1; NaN = not known */
    uint8_t *bytes;     /* an encoded picture that is in no file; owned */
    size_t size;
    struct error error; /* why there is no picture */
};

void face_input_free(struct face_input *input);

struct face_input_options {
    int64_t every;            /* only frames 0, every, 2 every, ...; 0 counts as 1 */
    double every_seconds;     /* above 0: instead by time, see data/video.h */
    size_t most_pixels;       /* of a frame; 0 = IMAGE_MOST_PIXELS */
    int threads;              /* of a video's decoder; 0 = threads_get() where the inputs are created */
    bool null_separated;      /* the list on standard input */
    bool folder_of_frames;    /* the pictures of a folder are frames 0, 1, 2 ... of one film */
    const char *not_searched; /* a folder that results go to, which need not be there yet; borrowed. NULL = none */
    const char *written_over; /* a folder where results replace what is there: inputs that they may replace are errors,
                                 as they might be gone before they are read; borrowed. NULL = none */
    bool quiet;               /* nothing is said of what a folder holds besides */
    uint64_t share,
        shares; /* only files of whose places share == place % shares; shares = 0: all. Not of standard input */
};

/* Whether pictures that are written in `folder` may replace this one: it is there or below, or a link to what is, and
 * called as they are, .jpg or .png. */
bool face_input_may_be_replaced(const char *path, const char *folder);

struct face_inputs;

/* `paths` are pictures, videos, folders, patterns, or "-" for standard input: a list, pictures one behind the other, or
 * a video, which its first bytes tell; borrowed. */
status face_inputs_create(struct face_inputs **inputs, const char *const *paths, size_t count,
                          const struct face_input_options *options, struct error *err) MUST_CHECK;
void face_inputs_free(struct face_inputs *inputs);

/* The next one; false when there is none left. One thread at a time. A file that cannot be read comes with its error
 * set, and the next call goes on behind it. */
bool face_inputs_next(struct face_inputs *inputs, struct face_input *input);

/* From any thread: who waits for standard input waits no longer, and it has ended. */
void face_inputs_stop(struct face_inputs *inputs);

/* Whether there is one picture in all, as far as is known without reading on. */
bool face_inputs_is_single(const struct face_inputs *inputs);

/* Seconds in decoding and converting the videos so far; not while another thread asks for the next input. */
struct video_times face_inputs_times(const struct face_inputs *inputs);

/* Columns of a table for the paths given, within reason. */
int face_inputs_name_width(const struct face_inputs *inputs);

#endif
