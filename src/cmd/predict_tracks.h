/* Faces of videos that keep their number, and probabilities averaged along it. */
#ifndef RMFER_CMD_PREDICT_TRACKS_H
#define RMFER_CMD_PREDICT_TRACKS_H

#include "rmfer/faces/pipeline.h"
#include "rmfer/faces/scene_cuts.h"
#include "rmfer/faces/tracks.h"

/* Of the video being read. */
struct video_tracker {
    struct face_tracker tracker;
    struct scene_samples samples;
    uint64_t file;
};

/* Boxes follow their faces; a face that was away for 30 frames, of which at least 3 were looked at, and everybody
 * after a scene cut, is somebody new. */
struct video_tracker video_tracker(void);

/* The pipeline's assigning step, with a struct video_tracker: gives the faces of frames ids, those of pictures none. */
status video_tracker_assign(void *tracker, struct face_picture *picture, struct error *err) MUST_CHECK;
void video_tracker_free(struct video_tracker *tracker);

struct track_smoother;

/* Means over the last `seconds` of a track. */
status track_smoother_create(struct track_smoother **smoother, double seconds, size_t classes,
                             struct error *err) MUST_CHECK;
void track_smoother_free(struct track_smoother *smoother);

/* Replaces the probabilities [classes] of a track's face by their mean over its faces of the last seconds. Frames come
 * in order; behind one whose time is below the one before (a stream spliced together) nothing earlier counts. */
status track_smoother_apply(struct track_smoother *smoother, uint64_t file, int64_t track, double time,
                            double *probabilities, struct error *err) MUST_CHECK;

#endif
