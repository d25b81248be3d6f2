/* Drawn mashup videos: what is encoded is what was drawn, the lists beside it say where, and the events that make
 * real mashups hard are in them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "rmfer/base/file.h"
#include "rmfer/base/memory.h"
#include "rmfer/data/video.h"
#include "rmfer/data/video_writer.h"
#include "rmfer/synth/synth.h"
#include "support/scratch.h"
#include "synth/synth_reactions.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { CELL = 128, FRAMES = 192, SEED = 3 };

static char *folder;

#ifdef RMFER_HAVE_FFMPEG

static int draw_videos(void **state)
{
    (void)state;
    struct error err = {0};
    folder = scratch_make();
    const struct synth_options options = {.folder = folder, .seed = SEED};
    if (synth_write_videos(&options, 1, &err) == STATUS_OK) return 0;
    printf("%s\n", err.message);
    return -1;
}

static int remove_videos(void **state)
{
    (void)state;
    scratch_remove(folder);
    return 0;
}

/* How far the panel at column, row of a frame is from the picture: mean of the absolute differences. */
static double panel_difference(const struct image *frame, int column, int row, const struct image *picture)
{
    double sum = 0;
    for (int y = 0; y < CELL; y++)
        for (int x = 0; x < 3 * CELL; x++) {
            size_t at = 3 * ((size_t)(row * CELL + y) * (size_t)frame->width + (size_t)(column * CELL)) + (size_t)x;
            sum += fabs((double)frame->rgb[at] - picture->rgb[3 * y * CELL + x]);
        }
    return sum / (3 * CELL * CELL);
}

/* Person 0 sits in the first panel of the first video all the time. */
static void frames_show_what_was_drawn(void **state)
{
    (void)state;
    struct error err = {0};
    struct video *video;
    struct video_frame frame;
    struct video_options options = {.threads = 1};
    const struct synth_scene scene = {SEED, 1000, 8, FRAMES, 36};
    const struct image_box square = {0, 0, CELL, CELL};
    bool ended = false;
    int count = 0;
    assert_int_equal(video_open(&video, scratch_path(folder, "mashups/mashup0.mp4"), &options, &err), STATUS_OK);
    while (video_next(video, &frame, &ended, &err) == STATUS_OK && !ended) {
        assert_int_equal(frame.image.width, 3 * CELL);
        assert_int_equal(frame.image.height, 3 * CELL);
        if (count % 48 == 0) {
            struct image drawn, other;
            assert_int_equal(synth_scene_draw(&scene, 0, count, &square, CELL, CELL, &drawn, &err), STATUS_OK);
            assert_int_equal(synth_scene_draw(&scene, 1, count, &square, CELL, CELL, &other, &err), STATUS_OK);
            assert_true(panel_difference(&frame.image, 0, 0, &drawn) < 6);
            assert_true(panel_difference(&frame.image, 0, 0, &other) > 20);
            assert_true(panel_difference(&frame.image, 1, 0, &other) < 6);
            image_free(&drawn);
            image_free(&other);
        }
        image_free(&frame.image);
        count++;
    }
    video_close(video);
    assert_int_equal(count, FRAMES);
}

/* Frames in which a person of mashup0.truth.csv is there, and the first of them. */
static int frames_of(int person, int *first)
{
    struct error err = {0};
    uint8_t *text;
    size_t size;
    int count = 0;
    assert_int_equal(file_read(scratch_path(folder, "mashups/mashup0.truth.csv"), 1 << 20, &text, &size, &err),
                     STATUS_OK);
    *first = -1;
    for (const char *line = strchr((const char *)text, '\n'); line != NULL && line[1] != '\0';
         line = strchr(line + 1, '\n')) {
        int frame, who;
        double x, y, w, h;
        assert_int_equal(sscanf(line + 1, "%d,%d,%*[A-Za-z],%lf,%lf,%lf,%lf", &frame, &who, &x, &y, &w, &h), 6);
        assert_true(w > CELL / 2 && h > CELL / 2 && x > -CELL / 4 && y > -CELL / 4);
        if (who != person) continue;
        if (*first < 0) *first = frame;
        count++;
    }
    memory_free(text);
    return count;
}

static void a_person_comes_late_and_one_goes_away(void **state)
{
    (void)state;
    int first;
    assert_int_equal(frames_of(0, &first), FRAMES);
    assert_int_equal(frames_of(5, &first), FRAMES - 40);
    assert_int_equal(first, 40);
    assert_int_equal(frames_of(2, &first), FRAMES - 50);
    assert_int_equal(first, 0);
}

static void the_same_seed_gives_the_same_bytes(void **state)
{
    (void)state;
    struct error err = {0};
    char *again = scratch_make();
    const struct synth_options options = {.folder = again, .seed = SEED};
    uint8_t *bytes[2];
    size_t sizes[2];
    assert_int_equal(synth_write_videos(&options, 1, &err), STATUS_OK);
    for (int i = 0; i < 2; i++)
        assert_int_equal(file_read(scratch_path(i == 0 ? folder : again, "mashups/mashup0.mp4"), 1 << 24, &bytes[i],
                                   &sizes[i], &err),
                         STATUS_OK);
    assert_int_equal(sizes[0], sizes[1]);
    assert_memory_equal(bytes[0], bytes[1], sizes[0]);
    for (int i = 0; i < 2; i++) memory_free(bytes[i]);
    scratch_remove(again);
}

static void a_folder_that_cannot_be_is_an_error(void **state)
{
    (void)state;
    struct error err = {0};
    const struct synth_options options = {.folder = scratch_path(folder, "mashups/mashup0.mp4")};
    assert_int_equal(synth_write_videos(&options, 1, &err), STATUS_FAILED);
    assert_non_null(strstr(err.message, "mashup0.mp4"));
}

static bool is_old(const char *path)
{
    struct error err = {0};
    uint8_t *bytes;
    size_t size;
    assert_int_equal(file_read(path, 1 << 24, &bytes, &size, &err), STATUS_OK);
    bool is = size == 3 && memcmp(bytes, "old", 3) == 0;
    memory_free(bytes);
    return is;
}

/* Until then, and where it is given up, what was there stays. */
static void a_video_takes_its_place_when_it_is_complete(void **state)
{
    (void)state;
    struct error err = {0};
    const struct video_writer_options options = {CELL, CELL, 24};
    const char *path = scratch_path(folder, "one.mp4");
    struct image image;
    assert_int_equal(image_create(&image, CELL, CELL, &err), STATUS_OK);
    memset(image.rgb, 128, 3 * CELL * CELL);
    for (int finishes = 0; finishes < 2; finishes++) {
        struct video_writer *writer;
        scratch_text(folder, "one.mp4", "old");
        assert_int_equal(video_writer_create(&writer, path, &options, &err), STATUS_OK);
        assert_int_equal(video_writer_add(writer, &image, &err), STATUS_OK);
        assert_true(is_old(path));
        if (finishes) assert_int_equal(video_writer_finish(writer, &err), STATUS_OK);
        video_writer_free(writer);
        assert_true(is_old(path) == !finishes);
    }
    image_free(&image);
}

static void a_full_disk_is_an_error(void **state)
{
    (void)state;
    struct error err = {0};
    const struct video_writer_options options = {CELL, CELL, 24};
    struct video_writer *writer;
    assert_int_equal(symlink("/dev/full", scratch_path(folder, "full.mp4")), 0);
    assert_int_equal(video_writer_create(&writer, scratch_path(folder, "full.mp4"), &options, &err), STATUS_OK);
    assert_int_equal(video_writer_finish(writer, &err), STATUS_FAILED);
    assert_non_null(strstr(err.message, "cannot be written: No space left on device"));
    video_writer_free(writer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(frames_show_what_was_drawn),
        cmocka_unit_test(a_person_comes_late_and_one_goes_away),
        cmocka_unit_test(the_same_seed_gives_the_same_bytes),
        cmocka_unit_test(a_folder_that_cannot_be_is_an_error),
        cmocka_unit_test(a_video_takes_its_place_when_it_is_complete),
        cmocka_unit_test(a_full_disk_is_an_error),
    };
    return cmocka_run_group_tests(tests, draw_videos, remove_videos);
}

#else

static void a_build_without_ffmpeg_says_so(void **state)
{
    (void)state;
    struct error err = {0};
    folder = scratch_make();
    const struct synth_options options = {.folder = folder};
    assert_int_equal(synth_write_videos(&options, 1, &err), STATUS_FAILED);
    assert_non_null(strstr(err.message, "FFmpeg"));
    scratch_remove(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_build_without_ffmpeg_says_so)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#endif
