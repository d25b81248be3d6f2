/* The faces pipeline: pictures in order whatever the number of workers, bounded waiting, steps in order, errors in
 * their place, stopping at any time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "rmfer/base/memory.h"
#include "rmfer/ckpt/detector_onnx.h"
#include "rmfer/faces/crops.h"
#include "rmfer/faces/pipeline.h"
#include "support/predict_case.h"
#include "support/scratch.h"

#include <stdatomic.h>
#include <string.h>

enum { TIMES = 40, SIDE = 16 };

/* A picture with two squares, one without, and a file that is no picture, over and over. */
static const char *kind_of(size_t number)
{
    static const char *const names[] = {"two.png", "none.png", "text.jpg"};
    return scratch_path(predict_case_folder(), names[number % 3]);
}

struct bench {
    const char *paths[3 * TIMES];
    struct face_inputs *inputs;
    struct detector *detector;
    struct face_crops crops;
    struct face_pipeline_settings settings;
    struct face_pipeline *pipeline;
};

static void set_up(struct bench *bench, int workers)
{
    struct error err = {0};
    struct face_input_options options = {.every = 1};
    memset(bench, 0, sizeof *bench);
    for (size_t i = 0; i < 3 * TIMES; i++) bench->paths[i] = memory_copy_string(kind_of(i), NULL);
    assert_int_equal(detector_read(&bench->detector, scratch_path(predict_case_folder(), "squares.onnx"), &err),
                     STATUS_OK);
    assert_int_equal(face_inputs_create(&bench->inputs, bench->paths, 3 * TIMES, &options, &err), STATUS_OK);
    bench->crops = (struct face_crops){.detector = bench->detector,
                                       .detection = detector_options_defaults(),
                                       .crop = {CROP_FACE_SQUARE, CROP_DEFAULT_MARGIN, RESIZE_BILINEAR},
                                       .side = SIDE};
    bench->crops.detection.threads = 1;
    bench->settings = (struct face_pipeline_settings){.steps = face_crops_steps(&bench->crops),
                                                      .most_pixels = 1000000,
                                                      .workers = workers,
                                                      .ahead = 5,
                                                      .budget = 1000}; /* less than the two faces of a picture */
}

static void start(struct bench *bench)
{
    struct error err = {0};
    assert_int_equal(face_pipeline_create(&bench->pipeline, bench->inputs, &bench->settings, &err), STATUS_OK);
}

static void take_down(struct bench *bench)
{
    face_pipeline_free(bench->pipeline);
    face_inputs_free(bench->inputs);
    detector_free(bench->detector);
    for (size_t i = 0; i < 3 * TIMES; i++) memory_free((char *)bench->paths[i]);
}

static void pictures_come_in_order(void **state)
{
    (void)state;
    for (int workers = 1; workers <= 8; workers *= 2) {
        struct bench bench;
        set_up(&bench, workers);
        start(&bench);
        for (size_t i = 0; i < 3 * TIMES; i++) {
            struct face_picture *picture = face_pipeline_receive(bench.pipeline);
            assert_non_null(picture);
            assert_string_equal(picture->input.path, kind_of(i));
            assert_int_equal(picture->number, i);
            assert_int_equal(picture->input.file, i);
            assert_int_equal(picture->face_count, i % 3 == 0 ? 2 : 0);
            assert_true((picture->input.error.code != STATUS_OK) == (i % 3 == 2));
            /* the square is in the middle */
            if (i % 3 == 0) assert_int_equal(picture->crops[(SIDE / 2 * SIDE + SIDE / 2) * 3], 255);
            face_pipeline_release(bench.pipeline);
        }
        assert_null(face_pipeline_receive(bench.pipeline));
        take_down(&bench);
    }
}

/* The assigning step sees every picture, in order, one at a time; ids it gives and faces it drops arrive. */
struct tracker {
    atomic_int inside;
    uint64_t next;
};

static status assign_in_order(void *context, struct face_picture *picture, struct error *err)
{
    struct tracker *tracker = context;
    if (atomic_fetch_add(&tracker->inside, 1) != 0 || picture->number != tracker->next++)
        return error_set(err, "out of order");
    atomic_fetch_sub(&tracker->inside, 1);
    if (picture->face_count != 2) return STATUS_OK;
    picture->ids = memory_allocate(2, sizeof *picture->ids, "ids", err);
    picture->ids[0] = (int64_t)picture->number;
    picture->face_count = 1;
    return STATUS_OK;
}

static void assigning_is_in_order(void **state)
{
    (void)state;
    struct bench bench;
    struct tracker tracker = {0};
    set_up(&bench, 7);
    bench.settings.steps.assign = assign_in_order;
    bench.settings.steps.tracker = &tracker;
    start(&bench);
    for (size_t i = 0; i < 3 * TIMES; i++) {
        struct face_picture *picture = face_pipeline_receive(bench.pipeline);
        assert_non_null(picture);
        if (i % 3 == 0) {
            assert_int_equal(picture->input.error.code, STATUS_OK);
            assert_int_equal(picture->face_count, 1);
            assert_int_equal(picture->ids[0], i);
        }
        face_pipeline_release(bench.pipeline);
    }
    assert_int_equal(tracker.next, 3 * TIMES);
    take_down(&bench);
}

/* Workers that wait for room, for a place or for their turn all stop. */
static void pipelines_stop_at_any_time(void **state)
{
    (void)state;
    for (size_t received = 0; received < 5; received++) {
        struct bench bench;
        struct tracker tracker = {0};
        set_up(&bench, 3);
        bench.settings.budget = 1;
        bench.settings.steps.assign = assign_in_order;
        bench.settings.steps.tracker = &tracker;
        start(&bench);
        for (size_t i = 0; i < received; i++) assert_non_null(face_pipeline_receive(bench.pipeline));
        take_down(&bench);
    }
}

/* An allocation that fails in a step is the error of its picture alone. */
static status fail_third(const void *context, struct face_picture *picture, struct face_worker *worker,
                         struct error *err)
{
    (void)context;
    (void)worker;
    picture->face_count = 1;
    return picture->number == 3 ? error_set(err, "three") : STATUS_OK;
}

static void a_failed_step_is_one_pictures_error(void **state)
{
    (void)state;
    struct bench bench;
    set_up(&bench, 4);
    bench.settings.steps.find = fail_third;
    start(&bench);
    for (size_t i = 0; i < 3 * TIMES; i++) {
        struct face_picture *picture = face_pipeline_receive(bench.pipeline);
        assert_int_equal(picture->input.error.code != STATUS_OK, i % 3 == 2 || i == 3);
        assert_int_equal(picture->face_count, i % 3 != 2 && i != 3);
        face_pipeline_release(bench.pipeline);
    }
    take_down(&bench);
}

/* In picture 0 three faces, of which the middle one lies outside; in picture 3 one without an extent of landmarks. */
static status find_at_the_edge(const void *context, struct face_picture *picture, struct face_worker *worker,
                               struct error *err)
{
    static const struct image_box boxes[] = {{60, 30, 24, 32}, {900, 30, 24, 32}, {0, 0, 24, 32}};
    (void)context;
    (void)worker;
    picture->is_detected = true;
    if (picture->number != 0 && picture->number != 3) return STATUS_OK;
    picture->faces = memory_allocate(3, sizeof *picture->faces, "faces", err);
    picture->face_count = 3;
    for (size_t i = 0; i < 3; i++) {
        picture->faces[i].shape.box = boxes[i];
        picture->faces[i].score = (double)i;
        for (int j = 0; j < FACE_LANDMARKS && picture->number == 0; j++)
            for (int k = 0; k < 2; k++) picture->faces[i].shape.landmarks[j][k] = 20 + 10 * crop_template[j][k];
    }
    return STATUS_OK;
}

/* Only a face outside of the picture is left out; what else keeps a face from being cut out is said. */
static void a_face_that_cannot_be_cut_is_an_error(void **state)
{
    (void)state;
    struct bench bench;
    set_up(&bench, 2);
    bench.settings.steps.find = find_at_the_edge;
    bench.crops.crop.kind = CROP_FACE_ALIGNED;
    start(&bench);
    struct face_picture *picture = face_pipeline_receive(bench.pipeline);
    assert_int_equal(picture->input.error.code, STATUS_OK);
    assert_int_equal(picture->face_count, 2);
    assert_true(picture->faces[0].score == 0 && picture->faces[1].score == 2);
    for (int i = 0; i < 3; i++) {
        face_pipeline_release(bench.pipeline);
        picture = face_pipeline_receive(bench.pipeline);
    }
    assert_int_equal(picture->face_count, 0);
    assert_non_null(strstr(picture->input.error.message, "landmarks coincide"));
    take_down(&bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pictures_come_in_order),
        cmocka_unit_test(assigning_is_in_order),
        cmocka_unit_test(pipelines_stop_at_any_time),
        cmocka_unit_test(a_failed_step_is_one_pictures_error),
        cmocka_unit_test(a_face_that_cannot_be_cut_is_an_error),
    };
    return cmocka_run_group_tests_name("faces pipeline", tests, predict_case_begin, predict_case_end);
}
