/* Face IDs by overlap with the first frame's boxes: one match a frame, reading order, following, cuts, ends. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "cmd/predict_tracks.h"
#include "rmfer/faces/scene_cuts.h"
#include "rmfer/faces/tracks.h"

#include <math.h>
#include <string.h>

static struct detected_face face_at(double x, double y, double side)
{
    return (struct detected_face){.shape.box = {x, y, side, side}, .score = 1};
}

static void begin(struct face_tracker *tracker, double x, double y, double side)
{
    struct error err = {0};
    struct image_box box = {x, y, side, side};
    assert_int_equal(face_tracker_begin(tracker, &box, 0, &err), STATUS_OK);
}

static void match(struct face_tracker *tracker, int64_t frame, const struct detected_face *faces, size_t count,
                  int64_t *ids)
{
    struct error err = {0};
    assert_int_equal(face_tracker_match(tracker, frame, faces, count, ids, &err), STATUS_OK);
}

static void overlap_is_intersection_over_union(void **state)
{
    (void)state;
    const struct image_box a = {0, 0, 4, 4}, b = {2, 0, 4, 4}, c = {4, 0, 4, 4}, empty = {1, 1, 0, 0};
    assert_true(fabs(box_overlap(&a, &b) - 8.0 / 24) < 1e-12);
    assert_true(box_overlap(&a, &a) == 1);
    assert_true(box_overlap(&a, &c) == 0);
    assert_true(box_overlap(&a, &empty) == 0);
}

/* Rows are told apart though their boxes do not stand on one line. */
static void boxes_are_read_like_text(void **state)
{
    (void)state;
    struct image_box boxes[] = {
        {200, 8, 40, 40}, {10, 110, 40, 40}, {100, 0, 40, 40}, {0, 12, 40, 40}, {120, 100, 40, 40}};
    static const double wanted[] = {0, 100, 200, 10, 120};
    boxes_in_reading_order(boxes, 5);
    for (int i = 0; i < 5; i++) assert_true(boxes[i].x == wanted[i]);
}

static void the_larger_overlap_wins_and_nobody_is_matched_twice(void **state)
{
    (void)state;
    struct face_tracker tracker = {.options = {.overlap = 0.3}};
    begin(&tracker, 0, 0, 10);
    begin(&tracker, 8, 0, 10);
    /* the first face overlaps both tracks, the second one's by more; the third is nobody's */
    const struct detected_face faces[] = {face_at(5, 0, 10), face_at(1, 0, 10), face_at(50, 50, 10), face_at(0, 1, 10)};
    int64_t ids[4];
    match(&tracker, 1, faces, 4, ids);
    assert_int_equal(ids[0], 1);
    assert_int_equal(ids[2], -1);
    assert_int_equal((ids[1] == 0) + (ids[3] == 0), 1); /* two faces for track 0: one of them */
    assert_int_equal((ids[1] == -1) + (ids[3] == -1), 1);
    assert_int_equal(tracker.tracks[0].faces, 1);
    match(&tracker, 2, faces + 2, 1, ids);
    assert_int_equal(ids[0], -1);
    assert_int_equal(tracker.tracks[0].last, 1);
    face_tracker_free(&tracker);
}

/* A face that wanders leaves a fixed reference, and takes a following one along. */
static void references_follow_when_asked(void **state)
{
    (void)state;
    for (int follows = 0; follows < 2; follows++) {
        struct face_tracker tracker = {.options = {.overlap = 0.5, .follow = follows ? 0.5 : 0}};
        int64_t id = 0;
        begin(&tracker, 0, 0, 10);
        for (int frame = 1; frame <= 20; frame++) {
            const struct detected_face face = face_at(frame, 0, 10);
            match(&tracker, frame, &face, 1, &id);
        }
        assert_int_equal(id, follows ? 0 : -1);
        face_tracker_free(&tracker);
    }
}

static void tracks_say_why_they_end(void **state)
{
    (void)state;
    struct face_tracker tracker = {.options = {.overlap = 0.3, .enter = true, .patience = 5, .keep_ended = true}};
    const struct detected_face left = face_at(0, 0, 10), right = face_at(50, 0, 10);
    int64_t id;
    match(&tracker, 0, &left, 1, &id);
    assert_int_equal(id, 0);
    for (int frame = 1; frame < 10; frame++) match(&tracker, frame, &right, 1, &id);
    assert_int_equal(id, 1);
    assert_int_equal(tracker.tracks[0].end, TRACK_LOST);
    assert_int_equal(tracker.tracks[0].end_frame, 6);
    face_tracker_cut(&tracker, 10);
    assert_int_equal(tracker.tracks[1].end, TRACK_CUT);
    match(&tracker, 10, &right, 1, &id); /* the same place after a cut is another person */
    assert_int_equal(id, 2);
    assert_int_equal(tracker.tracks[2].end, TRACK_OPEN);
    face_tracker_free(&tracker);
}

static void ended_tracks_are_forgotten(void **state)
{
    (void)state;
    struct face_tracker tracker = {.options = {.overlap = 0.3, .enter = true, .patience = 2}};
    int64_t id;
    for (int frame = 0; frame < 1000; frame++) {
        const struct detected_face face = face_at(20 * frame, 0, 10);
        match(&tracker, frame, &face, 1, &id);
        assert_int_equal(id, frame);
        assert_in_range(tracker.count, 1, 4);
    }
    face_tracker_free(&tracker);
}

/* A film of which one frame in 48 is looked at: the frames between are not those in which a face was missing. */
static void patience_counts_what_was_looked_at(void **state)
{
    (void)state;
    struct video_tracker video = video_tracker();
    struct face_tracker *tracker = &video.tracker;
    struct detected_face face = face_at(50, 50, 20);
    int64_t id;
    for (int64_t frame = 0; frame < 480; frame += 48) {
        match(tracker, frame, &face, 1, &id);
        assert_int_equal(id, 0);
    }
    /* Missing twice it comes back, missing three times it is somebody new. */
    match(tracker, 480, NULL, 0, NULL);
    match(tracker, 528, NULL, 0, NULL);
    match(tracker, 576, &face, 1, &id);
    assert_int_equal(id, 0);
    for (int64_t frame = 624; frame <= 720; frame += 48) match(tracker, frame, NULL, 0, NULL);
    match(tracker, 768, &face, 1, &id);
    assert_int_equal(id, 1);
    /* Every frame looked at: 30 frames, as ever. */
    for (int64_t frame = 769; frame < 798; frame++) match(tracker, frame, NULL, 0, NULL);
    match(tracker, 798, &face, 1, &id);
    assert_int_equal(id, 1);
    for (int64_t frame = 799; frame < 829; frame++) match(tracker, frame, NULL, 0, NULL);
    match(tracker, 829, &face, 1, &id);
    assert_int_equal(id, 2);
    video_tracker_free(&video);
}

/* Fills a rectangle with one value. */
static void fill(struct image *image, int x, int y, int width, int height, int value)
{
    for (int row = y; row < y + height; row++)
        memset(image->rgb + ((size_t)row * (size_t)image->width + (size_t)x) * 3, value, (size_t)width * 3);
}

static void only_changes_of_the_whole_are_cuts(void **state)
{
    (void)state;
    struct error err = {0};
    struct image image;
    struct scene_samples samples = {0};
    const struct image_box film = {0, 0, 100, 90}, all = {0, 0, 160, 90};
    assert_int_equal(image_create(&image, 160, 90, &err), STATUS_OK);
    assert_false(scene_cut_seen(&samples, &image, &film, 1));
    fill(&image, 0, 0, 100, 90, 200); /* the film alone */
    assert_false(scene_cut_seen(&samples, &image, &film, 1));
    fill(&image, 100, 0, 60, 30, 200); /* a third of the panels */
    assert_false(scene_cut_seen(&samples, &image, &film, 1));
    fill(&image, 100, 0, 60, 90, 100); /* all of them */
    assert_true(scene_cut_seen(&samples, &image, &film, 1));
    assert_false(scene_cut_seen(&samples, &image, &film, 1));
    assert_true(scene_cut_seen(&samples, &image, &all, 1)); /* nothing can be compared */
    assert_false(scene_cut_seen(&samples, &image, &film, 1));
    image_free(&image);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(overlap_is_intersection_over_union),
        cmocka_unit_test(boxes_are_read_like_text),
        cmocka_unit_test(the_larger_overlap_wins_and_nobody_is_matched_twice),
        cmocka_unit_test(references_follow_when_asked),
        cmocka_unit_test(tracks_say_why_they_end),
        cmocka_unit_test(ended_tracks_are_forgotten),
        cmocka_unit_test(patience_counts_what_was_looked_at),
        cmocka_unit_test(only_changes_of_the_whole_are_cuts),
    };
    return cmocka_run_group_tests_name("faces tracks", tests, NULL, NULL);
}
