/* Tracks start anew with every file; smoothing looks back, never ahead, so that frames are written as they come. */
#include "cmd/predict_tracks.h"

#include "rmfer/base/memory.h"

#include <string.h>

enum { PATIENCE = 30, MISSES = 3 };
static const double LEAST_OVERLAP = 0.3, FOLLOW = 0.75; /* a face may move a third of its width a frame */

/* ---- tracks ------------------------------------------------------------------------------------------------------ */

struct video_tracker video_tracker(void)
{
    return (struct video_tracker){.tracker.options = {.overlap = LEAST_OVERLAP,
                                                      .follow = FOLLOW,
                                                      .enter = true,
                                                      .patience = PATIENCE,
                                                      .misses = MISSES},
                                  .file = UINT64_MAX};
}

void video_tracker_free(struct video_tracker *tracker)
{
    face_tracker_free(&tracker->tracker);
}

static void start_file(struct video_tracker *tracker, uint64_t file)
{
    video_tracker_free(tracker);
    *tracker = video_tracker();
    tracker->file = file;
}

status video_tracker_assign(void *context, struct face_picture *picture, struct error *err)
{
    struct video_tracker *tracker = context;
    const struct face_input *input = &picture->input;
    if (input->error.code != STATUS_OK || !input->is_frame || !picture->is_detected) return STATUS_OK;
    if (input->file != tracker->file) start_file(tracker, input->file);
    if (scene_cut_seen(&tracker->samples, &input->image, NULL, 0)) face_tracker_cut(&tracker->tracker, input->frame);
    picture->ids = memory_allocate(picture->face_count, sizeof *picture->ids, "the faces' numbers", err);
    if (picture->ids == NULL) return STATUS_FAILED;
    return face_tracker_match(&tracker->tracker, input->frame, picture->faces, picture->face_count, picture->ids, err);
}

/* ---- smoothing --------------------------------------------------------------------------------------------------- */

/* A face that still counts. */
struct seen {
    int64_t track;
    double time;
};

/* seen[first ..], oldest first, with probabilities[i * classes]. */
struct track_smoother {
    double seconds;
    size_t classes;
    uint64_t file;
    struct seen *seen;
    double *probabilities;
    size_t first, count, capacity;
};

status track_smoother_create(struct track_smoother **out, double seconds, size_t classes, struct error *err)
{
    struct track_smoother *smoother = *out = memory_allocate(1, sizeof *smoother, "the tracks", err);
    if (smoother == NULL) return STATUS_FAILED;
    smoother->seconds = seconds;
    smoother->classes = classes;
    return STATUS_OK;
}

void track_smoother_free(struct track_smoother *smoother)
{
    if (smoother == NULL) return;
    memory_free(smoother->seen);
    memory_free(smoother->probabilities);
    memory_free(smoother);
}

/* Forgets what is too old, moves the rest to the front where the room ends, and grows when that was not enough. */
static status make_room(struct track_smoother *smoother, struct error *err)
{
    size_t kept = smoother->count - smoother->first, classes = smoother->classes;
    if (smoother->count < smoother->capacity) return STATUS_OK;
    if (smoother->first > 0) {
        memmove(smoother->seen, smoother->seen + smoother->first, kept * sizeof *smoother->seen);
        memmove(smoother->probabilities, smoother->probabilities + smoother->first * classes,
                kept * classes * sizeof *smoother->probabilities);
        smoother->first = 0;
        smoother->count = kept;
    }
    if (2 * kept < smoother->capacity) return STATUS_OK;
    size_t capacity = smoother->capacity == 0 ? 64 : 2 * smoother->capacity;
    struct seen *seen = memory_grow(smoother->seen, kept, capacity, sizeof *seen, "the tracks", err);
    if (seen == NULL) return STATUS_FAILED;
    smoother->seen = seen;
    double *probabilities = memory_grow(smoother->probabilities, kept * classes, size_multiply(capacity, classes),
                                        sizeof *probabilities, "the tracks", err);
    if (probabilities == NULL) return STATUS_FAILED;
    smoother->probabilities = probabilities;
    smoother->capacity = capacity;
    return STATUS_OK;
}

/* Of another file, or spliced together with another stream so that its clock was put back. */
static bool begins_anew(const struct track_smoother *smoother, uint64_t file, double time)
{
    return file != smoother->file || (smoother->count > 0 && time < smoother->seen[smoother->count - 1].time);
}

status track_smoother_apply(struct track_smoother *smoother, uint64_t file, int64_t track, double time,
                            double *probabilities, struct error *err)
{
    size_t classes = smoother->classes, faces = 0;
    if (begins_anew(smoother, file, time)) smoother->first = smoother->count = 0;
    smoother->file = file;
    while (smoother->first < smoother->count && smoother->seen[smoother->first].time < time - smoother->seconds)
        smoother->first++;
    status result = make_room(smoother, err);
    if (result != STATUS_OK) return result;
    smoother->seen[smoother->count] = (struct seen){track, time};
    memcpy(smoother->probabilities + smoother->count * classes, probabilities, classes * sizeof *probabilities);
    smoother->count++;
    memset(probabilities, 0, classes * sizeof *probabilities);
    for (size_t i = smoother->first; i < smoother->count; i++) {
        if (smoother->seen[i].track != track) continue;
        faces++;
        for (size_t c = 0; c < classes; c++) probabilities[c] += smoother->probabilities[i * classes + c];
    }
    for (size_t c = 0; c < classes; c++) probabilities[c] /= (double)faces;
    return STATUS_OK;
}
