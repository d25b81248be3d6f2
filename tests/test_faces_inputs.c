/* What paths mean to the faces pipeline: folders, patterns, videos, folders of frames, files that are not there. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "rmfer/base/memory.h"
#include "rmfer/base/threads.h"
#include "rmfer/faces/inputs.h"
#include "support/predict_case.h"
#include "support/scratch.h"
#include "support/tasks.h"
#include "support/video_file.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

/* ---- inputs ------------------------------------------------------------------------------------------------------ */

/* Lists what `paths` mean; `expected` are names below the fixtures, in order; "!" in front of one with an error. */
static void check_inputs(const char *const *paths, size_t count, const char *const *expected, size_t expected_count)
{
    struct error err = {0};
    struct face_inputs *inputs;
    struct face_input_options options = {.every = 4};
    struct face_input input;
    size_t at = 0;
    assert_int_equal(face_inputs_create(&inputs, paths, count, &options, &err), STATUS_OK);
    for (; face_inputs_next(inputs, &input); at++) {
        assert_true(at < expected_count);
        bool fails = expected[at][0] == '!';
        assert_string_equal(input.path, scratch_path(predict_case_folder(), expected[at] + fails));
        assert_true((input.error.code != STATUS_OK) == fails);
        face_input_free(&input);
    }
    assert_int_equal(at, expected_count);
    face_inputs_free(inputs);
}

#define COUNT(array) (sizeof(array) / sizeof *(array))

static void folders_are_searched_in_order(void **state)
{
    (void)state;
    const char *paths[] = {scratch_path(predict_case_folder(), "tree"),
                           scratch_path(predict_case_folder(), "none.png")};
    static const char *const expected[] = {"tree/a/y.jpg", "tree/a/z.png", "tree/b.png", "none.png"};
    check_inputs(paths, COUNT(paths), expected, COUNT(expected));
}

/* A folder that cannot be listed (no more files may be opened) is an error at its place; what follows is given. */
static void a_folder_that_cannot_be_listed_is_one_error(void **state)
{
    (void)state;
    char *folder = scratch_make();
    struct error err = {0};
    struct face_inputs *inputs;
    struct face_input input;
    scratch_picture(folder, "0.png", 8, 8, 1);
    scratch_picture(folder, "a/inside.png", 8, 8, 2);
    scratch_picture(folder, "b/inside.png", 8, 8, 3);
    const char *paths[] = {folder};
    for (int is_film = 0; is_film < 2; is_film++) {
        struct face_input_options options = {.folder_of_frames = is_film};
        struct rlimit files, none;
        assert_int_equal(getrlimit(RLIMIT_NOFILE, &files), 0);
        none = (struct rlimit){0, files.rlim_max};
        assert_int_equal(face_inputs_create(&inputs, paths, 1, &options, &err), STATUS_OK);
        assert_true(face_inputs_next(inputs, &input));
        face_input_free(&input);
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
        bool given = face_inputs_next(inputs, &input);
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &files), 0);
        assert_true(given);
        assert_non_null(strstr(input.error.message, scratch_path(folder, "a")));
        assert_string_equal(input.path, is_film ? folder : scratch_path(folder, "a"));
        assert_string_equal(input.target, is_film ? "" : "a");
        face_input_free(&input);
        if (!is_film) {
            assert_true(face_inputs_next(inputs, &input));
            assert_string_equal(input.path, scratch_path(folder, "b/inside.png"));
            assert_int_equal(input.error.code, STATUS_OK);
            assert_int_equal(input.file, 2);
            face_input_free(&input);
        }
        assert_false(face_inputs_next(inputs, &input)); /* frames behind it would bear wrong numbers */
        face_inputs_free(inputs);
    }
    scratch_remove(folder);
}

static void patterns_are_followed(void **state)
{
    (void)state;
    const char *paths[] = {scratch_path(predict_case_folder(), "t*.[jp][pn]g"),
                           scratch_path(predict_case_folder(), "q*"), scratch_path(predict_case_folder(), "tre?")};
    static const char *const expected[] = {"text.jpg",     "turned.jpg",   "two.png",   "!q*",
                                           "tree/a/y.jpg", "tree/a/z.png", "tree/b.png"};
    check_inputs(paths, COUNT(paths), expected, COUNT(expected));
}

/* A picture and, as the last match, a folder; then pictures. */
static void shares_rise_to_the_end_of_a_pattern(void **state)
{
    (void)state;
    const char *paths[] = {scratch_path(predict_case_folder(), "t[er][xe]*"),
                           scratch_path(predict_case_folder(), "t*.[jp][pn]g")};
    static const double shares[] = {0.25, -1, -1, -1, 4. / 6, 5. / 6, 1}; /* -1: of the folder, which has other files */
    struct face_input_options options = {0};
    struct face_inputs *inputs;
    struct face_input input;
    double last = 0;
    assert_int_equal(face_inputs_create(&inputs, paths, COUNT(paths), &options, NULL), STATUS_OK);
    for (size_t i = 0; face_inputs_next(inputs, &input); i++) {
        assert_true(i < COUNT(shares));
        if (shares[i] >= 0) assert_float_equal(input.share, shares[i], 1e-9);
        assert_true(input.share > last);
        last = input.share;
        face_input_free(&input);
    }
    assert_float_equal(last, 1, 1e-9);
    face_inputs_free(inputs);
}

/* Consumers name what they are given: an error has a name even where there is no memory for one. */
static void every_input_has_a_name(void **state)
{
    (void)state;
    const char *paths[] = {scratch_path(predict_case_folder(), "q*"), scratch_path(predict_case_folder(), "two.png")};
    struct face_input_options options = {0};
    for (long failing = 1; failing < 12; failing++) {
        struct face_inputs *inputs;
        struct face_input input;
        assert_int_equal(face_inputs_create(&inputs, paths, COUNT(paths), &options, NULL), STATUS_OK);
        memory_fail_after(failing);
        while (face_inputs_next(inputs, &input)) {
            assert_non_null(input.path);
            assert_non_null(input.target);
            face_input_free(&input);
        }
        memory_fail_after(0);
        face_inputs_free(inputs);
    }
}

#ifdef RMFER_HAVE_FFMPEG
static void videos_become_frames(void **state)
{
    (void)state;
    const char *paths[] = {scratch_path(predict_case_folder(), "clip.avi"),
                           scratch_path(predict_case_folder(), "cut.avi"),
                           scratch_path(predict_case_folder(), "two.png")};
    static const char *const expected[] = {"clip.avi", "clip.avi", "clip.avi", "!cut.avi", "two.png"};
    check_inputs(paths, COUNT(paths), expected, COUNT(expected));
}

static void write_video(const char *folder, const char *name)
{
    struct image frame;
    const int times[] = {0, 40};
    size_t size;
    assert_int_equal(image_create(&frame, 32, 32, NULL), STATUS_OK);
    const struct image frames[] = {frame, frame};
    uint8_t *bytes = video_file_mkv(frames, times, 2, VIDEO_FILE_PNG, &size);
    scratch_write(folder, name, bytes, size);
    free(bytes);
    image_free(&frame);
}

static void *take_frame(void *inputs)
{
    struct face_input input;
    assert_true(face_inputs_next(inputs, &input));
    assert_true(input.is_frame);
    face_input_free(&input);
    return NULL;
}

/* No thread but the program's own where one is asked for, though another thread opens the video. */
static void decoders_take_the_programs_threads(void **state)
{
    (void)state;
    char *folder = scratch_make();
    const char *paths[] = {scratch_path(folder, "png.mkv")};
    write_video(folder, "png.mkv");
    const size_t before = tasks_running();
    const int kept = threads_get();
    struct error err = {0};
    struct face_inputs *inputs;
    struct face_input_options options = {.every = 1};
    pthread_t thread;
    threads_set(1);
    assert_int_equal(face_inputs_create(&inputs, paths, 1, &options, &err), STATUS_OK);
    assert_int_equal(thread_start(&thread, take_frame, inputs, "a thread", &err), STATUS_OK);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_true(tasks_settle(before));
    face_inputs_free(inputs);
    threads_set(kept);
    scratch_remove(folder);
}
#endif

/* Pictures of a folder as the frames of one film: numbered in order of names, every second one wanted. */
static void folders_can_be_films(void **state)
{
    (void)state;
    struct error err = {0};
    struct face_inputs *inputs;
    struct face_input input;
    const char *paths[] = {scratch_path(predict_case_folder(), "tree")};
    struct face_input_options options = {.every = 2, .folder_of_frames = true};
    assert_int_equal(face_inputs_create(&inputs, paths, 1, &options, &err), STATUS_OK);
    for (int64_t frame = 0; frame <= 2; frame += 2) {
        assert_true(face_inputs_next(inputs, &input));
        assert_string_equal(input.path,
                            scratch_path(predict_case_folder(), frame == 0 ? "tree/a/y.jpg" : "tree/b.png"));
        assert_true(input.is_frame);
        assert_int_equal(input.frame, frame);
        assert_int_equal(input.file, 0);
        face_input_free(&input);
    }
    assert_false(face_inputs_next(inputs, &input));
    face_inputs_free(inputs);
}

/* Numbers in names need no zeros in front: frame 2 comes before frame 10. */
static void frames_are_numbered_by_value(void **state)
{
    (void)state;
    char *folder = scratch_make();
    const char *paths[] = {folder};
    struct error err = {0};
    struct face_inputs *inputs;
    struct face_input input;
    struct face_input_options options = {.every = 1, .folder_of_frames = true};
    char name[32];
    for (int i = 1; i <= 12; i++) {
        snprintf(name, sizeof name, "frame%d.png", i);
        scratch_text(folder, name, "it is only listed");
    }
    assert_int_equal(face_inputs_create(&inputs, paths, 1, &options, &err), STATUS_OK);
    for (int i = 1; i <= 12; i++) {
        assert_true(face_inputs_next(inputs, &input));
        snprintf(name, sizeof name, "frame%d.png", i);
        assert_string_equal(input.target, name);
        assert_int_equal(input.frame, i - 1);
        face_input_free(&input);
    }
    assert_false(face_inputs_next(inputs, &input));
    face_inputs_free(inputs);
    scratch_remove(folder);
}

/* Leaving a tree, a video and a pattern half read leaves no memory behind (the sanitizers look). */
static void inputs_end_at_any_time(void **state)
{
    (void)state;
    const char *paths[] = {scratch_path(predict_case_folder(), "t*.[jp][pn]g"),
                           scratch_path(predict_case_folder(), "tree"),
                           scratch_path(predict_case_folder(), "clip.avi")};
    for (int taken = 0; taken < 8; taken++) {
        struct error err = {0};
        struct face_inputs *inputs;
        struct face_input input;
        struct face_input_options options = {.every = 1};
        assert_int_equal(face_inputs_create(&inputs, paths, COUNT(paths), &options, &err), STATUS_OK);
        for (int i = 0; i < taken; i++) {
            assert_true(face_inputs_next(inputs, &input));
            face_input_free(&input);
        }
        face_inputs_free(inputs);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_folder_that_cannot_be_listed_is_one_error),
        cmocka_unit_test(folders_are_searched_in_order),
        cmocka_unit_test(patterns_are_followed),
        cmocka_unit_test(shares_rise_to_the_end_of_a_pattern),
        cmocka_unit_test(every_input_has_a_name),
#ifdef RMFER_HAVE_FFMPEG
        cmocka_unit_test(videos_become_frames),
        cmocka_unit_test(decoders_take_the_programs_threads),
#endif
        cmocka_unit_test(folders_can_be_films),
        cmocka_unit_test(frames_are_numbered_by_value),
        cmocka_unit_test(inputs_end_at_any_time),
    };
    return cmocka_run_group_tests_name("faces inputs", tests, predict_case_begin, predict_case_end);
}
