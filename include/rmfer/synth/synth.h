/* Drawn faces: small labelled cartoons whose identity, pose, light and expression vary, in every layout that training
 * reads, and RMsets of them or of the faces of a real labelled set. They stand in for data where there is none. */
#ifndef RMFER_SYNTH_SYNTH_H
#define RMFER_SYNTH_SYNTH_H

#include "rmfer/base/error.h"
#include "rmfer/config/config.h"
#include "rmfer/data/expressions.h"
#include "rmfer/data/image.h"

#include <stdbool.h>
#include <stdint.h>

struct synth_colour {
    float r, g, b; /* 0..1 */
};

/* Who it is. Lengths are in half heads: the face is an ellipse of half height 1 around (0, 0), y points down. */
struct synth_identity {
    struct synth_colour skin, hair, iris, lips, clothes;
    float face_width, jaw; /* half width; how much narrower the chin is */
    float eye_distance, eye_size, eye_height;
    float brow_thickness, brow_height;
    float nose_length, nose_width;
    float mouth_width, mouth_height, lip_thickness;
    float hairline, hair_wave, hair_length; /* length 0 = short, up to 1 = over the shoulders */
    bool bald, glasses;
};

/* How it is seen. */
struct synth_view {
    float shift_x, shift_y; /* of the head's centre, half heads */
    float rotation;         /* radians in the picture's plane */
    float scale;
    float yaw;              /* -1..1: features move against the outline */
    float light_x, light_y; /* where light comes from */
    float brightness, warmth;
    struct synth_colour background[2]; /* top, bottom */
    float noise;                       /* standard deviation, 0..1 */
    uint64_t noise_seed;
};

/* What it shows. */
struct synth_look {
    float brow_raise, brow_slope, brow_curve, one_brow; /* slope: inner ends up; one_brow: the right one higher */
    float eye_open;
    float mouth_curve, mouth_open, mouth_width, teeth, asymmetry; /* curve: corners up; asymmetry: the right one */
    float nose_wrinkle;
};

/* What a look feels like, -1..1: displeased to pleased, calm to excited. Known, for it is what mouth, brows and eyes
 * say. */
struct synth_affect {
    float valence, arousal;
};
struct synth_affect synth_affect(const struct synth_look *look);

/* Functions of (seed, number) alone. */
struct synth_identity synth_identity(uint64_t seed, uint64_t number);
struct synth_view synth_view(uint64_t seed, uint64_t number);
struct synth_look synth_look(enum expression expression, uint64_t seed, uint64_t number);

/* A face's square holds the head, which is two half heads high, and an eighth more. */
#define SYNTH_SQUARE_HALF_HEADS 2.25

/* Draws into a new picture of width x height; the face's own square (head with a margin) is `square`. */
status synth_draw(const struct synth_identity *identity, const struct synth_view *view, const struct synth_look *look,
                  const struct image_box *square, int width, int height, struct image *image,
                  struct error *err) MUST_CHECK;

enum { SYNTH_MOST_VIDEOS = 3 };

struct synth_options {
    const char *folder;
    int64_t faces; /* training faces of the affectnet layout; others get a share */
    int64_t size;  /* side of a face, pixels */
    uint64_t seed;
};

/* Writes folder/{affectnet, affectnet-later, rafdb, ferplus, ferplus-csv, folder, csv, rmset}, each with a note,
 * drawn.txt. One that is there is drawn over where it has that note and as few faces; else it is refused before
 * anything is written. */
status synth_write(const struct synth_options *options, struct error *err) MUST_CHECK;

/* Encodes `count` of the drawn mashup videos to folder/mashups, each with lists of what is in it (see synth_video.c);
 * drawn over is only what synth drew, as above. Fails where FFmpeg's libraries are missing. */
status synth_write_videos(const struct synth_options *options, int64_t count, struct error *err) MUST_CHECK;

struct synth_mashup_options {
    const char *folder;
    const struct config *source; /* [data] names the labelled set; with data.labelled its unlabelled rest is used */
    int64_t persons;             /* P, of a video */
    int64_t moments;             /* T, of a video */
    int64_t videos;              /* 0 = so many that each source face is used about once */
    double agreement;            /* probability that a face shows the moment's expression */
    uint64_t seed;
};

struct synth_mashup_counts {
    int64_t sources, videos, rows;
    double agreeing; /* share of rows that show their moment's expression */
};

/* Makes an RMset of a real labelled set: at each moment P different source faces, most with one expression. Moments
 * are acl.far + 1 frames apart. What training reads, index.csv and faces/, does not tell the true labels; truth.csv
 * beside them does, a row for each of the index: path, the face's expression, its moment's. Drawn over is only what
 * synth drew of as few source faces. */
status synth_mashup(const struct synth_mashup_options *options, struct synth_mashup_counts *counts,
                    struct error *err) MUST_CHECK;

#endif
