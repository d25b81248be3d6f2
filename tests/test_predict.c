/* Parts of `rmfer predict` below the command line. With `--fixtures DIR` it writes what tests/cli_predict.sh uses. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "cmd/predict_inputs.h"
#include "cmd/predict_output.h"
#include "cmd/predict_pipeline.h"
#include "rmfer/base/file.h"
#include "rmfer/base/memory.h"
#include "rmfer/ckpt/detector_onnx.h"
#include "support/predict_case.h"
#include "support/scratch.h"

#include <stdio.h>
#include <string.h>

static char *folder;

static int make_fixtures(void **state)
{
    (void)state;
    folder = scratch_make();
    predict_case_write(folder);
    return 0;
}

static int remove_fixtures(void **state)
{
    (void)state;
    scratch_remove(folder);
    return 0;
}

/* ---- inputs
 * -------------------------------------------------------------------------------------------------------- */

/* Lists what `paths` mean; `expected` are names below the fixtures, in order; "!" in front of one with an error. */
static void check_inputs(const char *const *paths, size_t count, const char *const *expected, size_t expected_count)
{
    struct error err = {0};
    struct predict_inputs *inputs;
    struct predict_input_options options = {.every = 4};
    struct predict_input input;
    size_t at = 0;
    assert_int_equal(predict_inputs_create(&inputs, paths, count, &options, &err), STATUS_OK);
    for (; predict_inputs_next(inputs, &input); at++) {
        assert_true(at < expected_count);
        bool fails = expected[at][0] == '!';
        assert_string_equal(input.path, scratch_path(folder, expected[at] + fails));
        assert_true((input.error.code != STATUS_OK) == fails);
        predict_input_free(&input);
    }
    assert_int_equal(at, expected_count);
    predict_inputs_free(inputs);
}

#define COUNT(array) (sizeof(array) / sizeof *(array))

static void folders_are_searched_in_order(void **state)
{
    (void)state;
    const char *paths[] = {scratch_path(folder, "tree"), scratch_path(folder, "none.png")};
    static const char *const expected[] = {"tree/a/y.jpg", "tree/a/z.png", "tree/b.png", "none.png"};
    check_inputs(paths, COUNT(paths), expected, COUNT(expected));
}

static void patterns_are_followed(void **state)
{
    (void)state;
    const char *paths[] = {scratch_path(folder, "t*.[jp][pn]g"), scratch_path(folder, "q*"),
                           scratch_path(folder, "tre?")};
    static const char *const expected[] = {"text.jpg",     "turned.jpg",   "two.png",   "!q*",
                                           "tree/a/y.jpg", "tree/a/z.png", "tree/b.png"};
    check_inputs(paths, COUNT(paths), expected, COUNT(expected));
}

#ifdef RMFER_HAVE_FFMPEG
static void videos_become_frames(void **state)
{
    (void)state;
    const char *paths[] = {scratch_path(folder, "clip.avi"), scratch_path(folder, "cut.avi"),
                           scratch_path(folder, "two.png")};
    static const char *const expected[] = {"clip.avi", "clip.avi", "clip.avi", "!cut.avi", "two.png"};
    check_inputs(paths, COUNT(paths), expected, COUNT(expected));
}
#endif

/* ---- the pipeline
 * -------------------------------------------------------------------------------------------------- */

/* However many workers there are, pictures come in order, with the same faces. */
static void pictures_come_in_order(void **state)
{
    enum { TIMES = 40 };
    (void)state;
    const char *paths[3 * TIMES];
    for (size_t i = 0; i < 3 * TIMES; i += 3) {
        if (i >= 3) {
            paths[i] = paths[0], paths[i + 1] = paths[1], paths[i + 2] = paths[2];
            continue;
        }
        paths[0] = memory_copy_string(scratch_path(folder, "two.png"), NULL);
        paths[1] = memory_copy_string(scratch_path(folder, "none.png"), NULL);
        paths[2] = memory_copy_string(scratch_path(folder, "text.jpg"), NULL);
    }
    struct error err = {0};
    struct detector *detector;
    assert_int_equal(detector_read(&detector, scratch_path(folder, "squares.onnx"), &err), STATUS_OK);
    for (int workers = 1; workers <= 8; workers *= 2) {
        struct predict_inputs *inputs;
        struct pipeline *pipeline;
        struct predict_item *item;
        struct predict_input_options options = {.every = 1};
        struct pipeline_settings settings = {.detector = detector,
                                             .detection = detector_options_defaults(),
                                             .crop = {CROP_FACE_SQUARE, CROP_DEFAULT_MARGIN, RESIZE_BILINEAR},
                                             .side = 16,
                                             .most_pixels = 1000000,
                                             .workers = workers,
                                             .ahead = 5,
                                             .budget = 1000}; /* less than the two faces of a picture */
        settings.detection.threads = 1;
        assert_int_equal(predict_inputs_create(&inputs, paths, COUNT(paths), &options, &err), STATUS_OK);
        assert_int_equal(pipeline_create(&pipeline, inputs, &settings, &err), STATUS_OK);
        for (size_t i = 0; i < COUNT(paths); i++) {
            assert_int_equal(pipeline_receive(pipeline, -1, &item), PIPELINE_ITEM);
            assert_string_equal(item->input.path, paths[i]);
            assert_int_equal(item->face_count, i % 3 == 0 ? 2 : 0);
            assert_true((item->input.error.code != STATUS_OK) == (i % 3 == 2));
            if (i % 3 == 0) assert_int_equal(item->crops[(8 * 16 + 8) * 3], 255); /* the square is in the middle */
            pipeline_release(pipeline);
        }
        assert_int_equal(pipeline_receive(pipeline, -1, &item), PIPELINE_ENDED);
        pipeline_free(pipeline);
        predict_inputs_free(inputs);
    }
    detector_free(detector);
    for (int i = 0; i < 3; i++) memory_free((char *)paths[i]);
}

/* Stopping early leaves nothing behind, with workers that wait for room or for a place. */
static void pipelines_stop_at_any_time(void **state)
{
    (void)state;
    const char *tree = scratch_path(folder, "tree"), *paths[] = {tree, tree, tree, tree};
    for (size_t received = 0; received < 6; received++) {
        struct error err = {0};
        struct predict_inputs *inputs;
        struct pipeline *pipeline;
        struct predict_item *item;
        struct predict_input_options options = {.every = 1};
        struct pipeline_settings settings = {
            .side = 16, .most_pixels = 100000, .workers = 3, .ahead = 6, .budget = 1};
        assert_int_equal(predict_inputs_create(&inputs, paths, COUNT(paths), &options, &err), STATUS_OK);
        assert_int_equal(pipeline_create(&pipeline, inputs, &settings, &err), STATUS_OK);
        for (size_t i = 0; i < received; i++) assert_int_equal(pipeline_receive(pipeline, -1, &item), PIPELINE_ITEM);
        pipeline_free(pipeline);
        predict_inputs_free(inputs);
    }
}

/* ---- NumPy
 * --------------------------------------------------------------------------------------------------------- */

static void npy_files_have_their_header(void **state)
{
    struct error err = {0};
    struct npy_rows *rows;
    uint8_t *bytes;
    size_t size;
    float values[6] = {1, -2, 3.5f, 4, 5, 6};
    static const char dictionary[] = "{'descr': '<f4', 'fortran_order': False, 'shape': (3, 2), }";
    (void)state;
    const char *path = scratch_path(folder, "rows.npy");
    assert_int_equal(npy_rows_open(&rows, path, 2, &err), STATUS_OK);
    assert_int_equal(npy_rows_append(rows, values, 1, &err), STATUS_OK);
    assert_int_equal(npy_rows_append(rows, NULL, 0, &err), STATUS_OK);
    assert_int_equal(npy_rows_append(rows, values + 2, 2, &err), STATUS_OK);
    assert_false(file_exists(path)); /* nothing half done is seen */
    assert_int_equal(npy_rows_finish(rows, &err), STATUS_OK);
    npy_rows_free(rows);
    assert_int_equal(file_read(path, 4096, &bytes, &size, &err), STATUS_OK);
    assert_int_equal(size, 128 + sizeof values);
    assert_memory_equal(bytes, "\x93NUMPY\x01\x00\x76\x00", 10);
    assert_memory_equal(bytes + 10, dictionary, sizeof dictionary - 1);
    for (size_t i = 10 + sizeof dictionary - 1; i < 127; i++) assert_int_equal(bytes[i], ' ');
    assert_int_equal(bytes[127], '\n');
    assert_memory_equal(bytes + 128, values, sizeof values);
    memory_free(bytes);
}

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "--fixtures") == 0) {
        predict_case_write(argv[2]);
        return 0;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(folders_are_searched_in_order), cmocka_unit_test(patterns_are_followed),
#ifdef RMFER_HAVE_FFMPEG
        cmocka_unit_test(videos_become_frames),
#endif
        cmocka_unit_test(pictures_come_in_order),        cmocka_unit_test(pipelines_stop_at_any_time),
        cmocka_unit_test(npy_files_have_their_header),
    };
    return cmocka_run_group_tests_name("predict", tests, make_fixtures, remove_fixtures);
}
