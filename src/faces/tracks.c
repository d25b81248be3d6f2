/* Matching by overlap, best pair first. */
#include "rmfer/faces/tracks.h"

#include "rmfer/base/memory.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- reading order ----------------------------------------------------------------------------------------------- */

static int compare_tops(const void *a, const void *b)
{
    const struct image_box *left = a, *right = b;
    if (left->y != right->y) return left->y < right->y ? -1 : 1;
    return (left->x > right->x) - (left->x < right->x);
}

static int compare_lefts(const void *a, const void *b)
{
    const struct image_box *left = a, *right = b;
    if (left->x != right->x) return left->x < right->x ? -1 : 1;
    return (left->y > right->y) - (left->y < right->y);
}

void boxes_in_reading_order(struct image_box *boxes, size_t count)
{
    if (count == 0) return;
    qsort(boxes, count, sizeof *boxes, compare_tops);
    for (size_t begin = 0, end; begin < count; begin = end) {
        double bottom = boxes[begin].y + boxes[begin].height;
        for (end = begin + 1; end < count && boxes[end].y < bottom; end++)
            bottom = fmax(bottom, boxes[end].y + boxes[end].height);
        qsort(boxes + begin, end - begin, sizeof *boxes, compare_lefts);
    }
}

/* ---- tracks ------------------------------------------------------------------------------------------------------ */

void face_tracker_free(struct face_tracker *tracker)
{
    memory_free(tracker->tracks);
    tracker->tracks = NULL;
    tracker->count = tracker->capacity = 0;
}

status face_tracker_begin(struct face_tracker *tracker, const struct image_box *reference, int64_t frame,
                          struct error *err)
{
    if (tracker->count == tracker->capacity) {
        size_t capacity = tracker->capacity == 0 ? 32 : 2 * tracker->capacity;
        struct face_track *grown = memory_grow(tracker->tracks, tracker->count, capacity, sizeof *grown, "the tracks",
                                               err);
        if (grown == NULL) return STATUS_FAILED;
        tracker->tracks = grown;
        tracker->capacity = capacity;
    }
    tracker->tracks[tracker->count++] = (struct face_track){
        .id = tracker->next_id++, .reference = *reference, .first = frame, .last = -1};
    return STATUS_OK;
}

static void forget_ended(struct face_tracker *tracker)
{
    size_t kept = 0;
    if (tracker->options.keep_ended) return;
    for (size_t i = 0; i < tracker->count; i++)
        if (tracker->tracks[i].end == TRACK_OPEN) tracker->tracks[kept++] = tracker->tracks[i];
    tracker->count = kept;
}

static void end_track(struct face_track *track, enum track_end end, int64_t frame)
{
    track->end = end;
    track->end_frame = frame;
}

void face_tracker_cut(struct face_tracker *tracker, int64_t frame)
{
    for (size_t i = 0; i < tracker->count; i++)
        if (tracker->tracks[i].end == TRACK_OPEN) end_track(&tracker->tracks[i], TRACK_CUT, frame);
    forget_ended(tracker);
}

static void end_lost(struct face_tracker *tracker, int64_t frame)
{
    if (tracker->options.patience <= 0) return;
    for (size_t i = 0; i < tracker->count; i++) {
        struct face_track *track = &tracker->tracks[i];
        int64_t seen = track->last >= 0 ? track->last : track->first;
        bool is_lost = frame - seen > tracker->options.patience && track->missed >= tracker->options.misses;
        if (track->end == TRACK_OPEN && is_lost) end_track(track, TRACK_LOST, frame);
    }
    forget_ended(tracker);
}

/* A face that may belong to a track. */
struct pair {
    double overlap;
    size_t track, face;
};

/* Falling overlap; among equals the older track, then the better face. */
static int compare_pairs(const void *a, const void *b)
{
    const struct pair *left = a, *right = b;
    if (left->overlap != right->overlap) return left->overlap > right->overlap ? -1 : 1;
    if (left->track != right->track) return left->track < right->track ? -1 : 1;
    return (left->face > right->face) - (left->face < right->face);
}

static size_t list_pairs(const struct face_tracker *tracker, const struct detected_face *faces, size_t count,
                         struct pair *pairs)
{
    size_t found = 0;
    for (size_t t = 0; t < tracker->count; t++)
        for (size_t f = 0; f < count && tracker->tracks[t].end == TRACK_OPEN; f++) {
            double overlap = box_overlap(&tracker->tracks[t].reference, &faces[f].shape.box);
            if (overlap > 0 && overlap >= tracker->options.overlap) pairs[found++] = (struct pair){overlap, t, f};
        }
    return found;
}

static void move_toward(double *value, double target, double share)
{
    *value += share * (target - *value);
}

static void take_match(struct face_tracker *tracker, struct face_track *track, const struct image_box *box,
                       int64_t frame)
{
    double share = tracker->options.follow;
    if (track->last < 0) track->first = frame;
    track->last = frame;
    track->missed = 0;
    track->faces++;
    move_toward(&track->reference.x, box->x, share);
    move_toward(&track->reference.y, box->y, share);
    move_toward(&track->reference.width, box->width, share);
    move_toward(&track->reference.height, box->height, share);
}

/* Best pairs first; who is not matched misses the frame. */
static status match_pairs(struct face_tracker *tracker, int64_t frame, const struct detected_face *faces, size_t count,
                          int64_t *ids, struct error *err)
{
    for (size_t t = 0; t < tracker->count; t++) tracker->tracks[t].missed++;
    if (count == 0) return STATUS_OK;
    struct pair *pairs = memory_allocate(size_multiply(tracker->count, count), sizeof *pairs, "the tracks", err);
    if (pairs == NULL) return STATUS_FAILED;
    size_t found = list_pairs(tracker, faces, count, pairs);
    qsort(pairs, found, sizeof *pairs, compare_pairs);
    for (size_t i = 0; i < found; i++) {
        struct face_track *track = &tracker->tracks[pairs[i].track];
        bool is_taken = track->last == frame && track->faces > 0;
        if (is_taken || ids[pairs[i].face] >= 0) continue;
        ids[pairs[i].face] = track->id;
        take_match(tracker, track, &faces[pairs[i].face].shape.box, frame);
    }
    memory_free(pairs);
    return STATUS_OK;
}

status face_tracker_match(struct face_tracker *tracker, int64_t frame, const struct detected_face *faces, size_t count,
                          int64_t *ids, struct error *err)
{
    end_lost(tracker, frame);
    for (size_t f = 0; f < count; f++) ids[f] = -1;
    status result = match_pairs(tracker, frame, faces, count, ids, err);
    for (size_t f = 0; f < count && tracker->options.enter && result == STATUS_OK; f++) {
        if (ids[f] >= 0) continue;
        result = face_tracker_begin(tracker, &faces[f].shape.box, frame, err);
        if (result != STATUS_OK) break;
        struct face_track *track = &tracker->tracks[tracker->count - 1];
        ids[f] = track->id;
        take_match(tracker, track, &faces[f].shape.box, frame);
    }
    return result;
}
