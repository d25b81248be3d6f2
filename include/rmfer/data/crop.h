/* From a found face to the network's input: which part of the picture is cut out, and cutting it.
 *
 * AffectNet's faces are nearly square cuts around the face. YuNet's boxes run from chin to forehead and from ear to
 * ear and are 1.3 to 1.4 times as high as wide, so growing their width by 0.31 of itself gives such a cut: that is
 * the default margin. */
#ifndef RMFER_DATA_CROP_H
#define RMFER_DATA_CROP_H

#include "rmfer/data/image.h"
#include "rmfer/data/resize.h"

#include <stdint.h>

enum crop_kind {
    CROP_FACE_SQUARE,  /* a square about the box's centre: side = the larger of widened width and height */
    CROP_FACE_BOX,     /* the widened box, stretched to the square input as AffectNet's boxes are */
    CROP_FACE_ALIGNED, /* turned, moved and scaled so that the landmarks come to lie where an upright face has them */
};

enum { FACE_LANDMARKS = 5 };

/* Where points of the face are, in pixels of the picture. Right and left are the person's own. */
enum face_landmark {
    LANDMARK_RIGHT_EYE,
    LANDMARK_LEFT_EYE,
    LANDMARK_NOSE,
    LANDMARK_RIGHT_MOUTH,
    LANDMARK_LEFT_MOUTH,
};

struct face_shape {
    struct image_box box;
    double landmarks[FACE_LANDMARKS][2]; /* x, y */
};

/* Where an upright face has its landmarks: measured from the box's centre, in widths of the box. Means over 22 frontal
 * faces found by YuNet in photographs (yaw and roll below about 6 degrees), made symmetric. */
extern const double crop_template[FACE_LANDMARKS][2];

struct crop_options {
    enum crop_kind kind;
    double margin; /* the box's width grows by this share of itself, half of it on each side */
    enum config_resize filter;
};

#define CROP_DEFAULT_MARGIN 0.31

/* The part of a `width` x `height` picture that CROP_FACE_SQUARE or CROP_FACE_BOX cuts out. A square that reaches
 * over an edge is moved inside where it fits; what then still lies outside is cut off. */
struct image_box crop_region(enum crop_kind kind, double margin, const struct image_box *box, int width, int height);

/* A similarity transform of the plane: (x, y) -> (a x - b y + tx, b x + a y + ty). */
struct similarity {
    double a, b, tx, ty;
};

/* The similarity transform with the least sum of squared distances between the images of `from` and `to` (Umeyama
 * 1991, without reflection). False when the points of `from` coincide. */
bool similarity_fit(const double (*from)[2], const double (*to)[2], int count, struct similarity *transform);

/* From pixels of a side x side aligned crop to pixels of the picture. False when the landmarks coincide. */
bool crop_alignment(const struct face_shape *face, double margin, int side, struct similarity *transform);

/* Buffers that grow with use. Zeroed is empty. */
struct crop_workspace {
    struct resize_workspace resize;
    uint8_t *region; /* the part of the picture around an aligned crop, reduced to the crop's scale */
    size_t region_capacity;
};

void crop_workspace_free(struct crop_workspace *workspace);

/* Whether the face's box has an area and some of it lies in the `width` x `height` picture: of others nothing can be
 * cut out. */
bool crop_face_exists(const struct image_box *face, int width, int height);

/* Cuts the face out and resizes it into `rgb`, [side, side, 3]. Beyond the picture's edge an aligned crop repeats the
 * pixels of the edge. An error when the face does not exist there or the landmarks of an aligned crop coincide. */
status crop_face(const struct image *image, const struct face_shape *face, const struct crop_options *options, int side,
                 uint8_t *rgb, struct crop_workspace *workspace, struct error *err) MUST_CHECK;

/* "square", "box", "aligned". */
status crop_kind_find(const char *name, enum crop_kind *kind, struct error *err) MUST_CHECK;

#endif
