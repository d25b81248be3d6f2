/* Faces that stay the same through a film: a detection belongs to the track whose reference box it overlaps most.
 *
 * With fixed references that is the paper's way to face IDs: the panels of a reaction mashup keep their places, so the
 * boxes of the first frame are enough. Looks are not compared. */
#ifndef RMFER_FACES_TRACKS_H
#define RMFER_FACES_TRACKS_H

#include "rmfer/nn/detector.h"

struct face_tracker_options {
    double overlap;   /* least intersection over union with the reference, 0 .. 1 */
    double follow;    /* after a match the reference moves toward the face by this share of the way; 0 = fixed */
    bool enter;       /* a face that matches nothing begins a track */
    int64_t patience; /* frames without its face after which a track ends; 0 = it may always come back */
    int64_t misses;   /* ... but not before so many frames were looked at in vain: of a film not every frame may be */
    bool keep_ended;  /* ended tracks stay in the list */
};

enum track_end {
    TRACK_OPEN, /* until the film's end */
    TRACK_LOST, /* its patience ended */
    TRACK_CUT,  /* a scene cut */
};

struct face_track {
    int64_t id; /* 0, 1, 2 ... in the order in which tracks began */
    struct image_box reference;
    int64_t first, last; /* frames with its face; last = -1 where it never came */
    size_t faces;
    int64_t missed; /* frames looked at since then */
    enum track_end end;
    int64_t end_frame; /* of an end that is not the film's */
};

/* Zeroed but for its options is empty. */
struct face_tracker {
    struct face_tracker_options options;
    struct face_track *tracks; /* ids ascending */
    size_t count, capacity;
    int64_t next_id;
};

void face_tracker_free(struct face_tracker *tracker);

/* Begins a track with that reference. */
status face_tracker_begin(struct face_tracker *tracker, const struct image_box *reference, int64_t frame,
                          struct error *err) MUST_CHECK;

/* Gives each of a frame's faces its track's id, -1 where it has none. Pairs are made by falling overlap, so that no
 * face and no track is matched twice in a frame. Frames come in ascending order. */
status face_tracker_match(struct face_tracker *tracker, int64_t frame, const struct detected_face *faces, size_t count,
                          int64_t *ids, struct error *err) MUST_CHECK;

/* Ends all open tracks: what comes next is another scene. */
void face_tracker_cut(struct face_tracker *tracker, int64_t frame);

/* Sorts boxes into reading order: rows from top to bottom, left to right within a row. A box belongs to a row when it
 * begins above the bottom of the lowest box that the row has so far: heads in one row of panels are rarely level. */
void boxes_in_reading_order(struct image_box *boxes, size_t count);

#endif
