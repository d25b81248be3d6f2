/* Reading videos: frames, times, every Nth frame, damaged files; and builds without FFmpeg. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "rmfer/base/file.h"
#include "rmfer/base/memory.h"
#include "rmfer/base/random.h"
#include "rmfer/data/video.h"
#include "rmfer/data/video_writer.h"
#include "support/scratch.h"
#include "support/video_file.h"

#include <stdio.h>
#include <string.h>

enum { WIDTH = 37, HEIGHT = 26, FRAMES = 12, RATE = 8 };

static void kinds_are_told_apart(void **state)
{
    (void)state;
    assert_true(video_is_named("a/b.MP4") && video_is_named("x.mkv") && video_is_named("x.Mov"));
    assert_false(video_is_named("mp4") || video_is_named("x.jpg") || video_is_named("x.mp4.png"));
    assert_true(video_is_content((const uint8_t *)"\0\0\0\x20"
                                                  "ftypisom",
                                 12));
    assert_false(video_is_content((const uint8_t *)"\0\0\0\x20"
                                                   "ftypheic",
                                  12));
    assert_true(video_is_content((const uint8_t *)"RIFFxxxxAVI LIST", 16));
    assert_false(video_is_content((const uint8_t *)"RIFFxxxxWEBPVP8 ", 16));
    assert_true(video_is_content((const uint8_t *)"\x1a\x45\xdf\xa3xxxxxxxx", 12));
    assert_false(video_is_content((const uint8_t *)"\x1a\x45\xdf\xa3", 4));
    assert_false(video_is_content((const uint8_t *)"\xff\xd8\xff\xe0xxxxJFIFxx", 14));
    assert_false(video_is_content(NULL, 0));
    uint8_t packets[VIDEO_FIRST_BYTES] = {'G', 0x40, [188] = 'G'}, timed[VIDEO_FIRST_BYTES] = {[4] = 'G', [196] = 'G'};
    assert_true(video_is_stream(packets, sizeof packets) && video_is_stream(packets, 189));
    assert_false(video_is_stream(packets, 188) || video_is_content(packets, sizeof packets));
    assert_true(video_is_stream(timed, sizeof timed));
    assert_false(video_is_stream(timed, sizeof timed - 1));
    memcpy(packets, "GIF89a", 6); /* pictures may have the same bytes there */
    memcpy(timed, "\xff\xd8\xff\xe1", 4);
    assert_false(video_is_stream(packets, sizeof packets) || video_is_stream(timed, sizeof timed));
}

static void check_every(const char *text, status wanted, int64_t wanted_frames, double wanted_seconds)
{
    struct error err = {0};
    int64_t frames = -1;
    double seconds = -1;
    assert_int_equal(video_every_parse("every", text, &frames, &seconds, &err), wanted);
    if (wanted != STATUS_OK) return;
    assert_int_equal(frames, wanted_frames);
    assert_true(seconds == wanted_seconds);
}

static void frames_or_seconds(void **state)
{
    (void)state;
    check_every("7", STATUS_OK, 7, 0);
    check_every("1000000000", STATUS_OK, 1000000000, 0);
    check_every("0.5s", STATUS_OK, 0, 0.5);
    check_every("2S", STATUS_OK, 0, 2);
    check_every("250ms", STATUS_OK, 0, 0.25);
    static const char *const wrong[] = {"",   "0",   "-1",    "1000000001", "0.5", "s",   "ms",   "xs",
                                        "0s", "-1s", "0.1ms", "2e9s",       "1m",  "5ss", "nans", "infs"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) check_every(wrong[i], STATUS_USAGE, 0, 0);
}

/* Of frames at uneven times the first at or after each multiple, and none twice; a clock that was put back starts anew.
 */
static void times_that_are_due(void **state)
{
    (void)state;
    static const struct {
        double time;
        bool wanted;
    } frames[] = {{0, true},   {0.2, false}, {0.4999, false}, {0.5, true}, {0.6, false}, {1.3, true},  {1.4, false},
                  {1.5, true}, {4.1, true},  {4.2, false},    {4.6, true}, {1.0, true},  {1.2, false}, {1.6, true}};
    double due = 0;
    for (size_t i = 0; i < sizeof frames / sizeof *frames; i++)
        assert_true(video_time_is_due(frames[i].time, 0.5, &due) == frames[i].wanted);
    int count = 0; /* tenths are no binary numbers: none is lost, and none drifts */
    due = 0;
    for (int i = 0; i < 100000; i++) count += video_time_is_due(i / 30.0, 0.1, &due);
    assert_int_equal(count, (100000 + 2) / 3);
}

#ifdef RMFER_HAVE_FFMPEG

static void make_frames(struct image *frames, uint64_t seed)
{
    struct error err = {0};
    struct random_stream stream = random_stream(seed, RANDOM_TEST, 0, 0);
    for (int i = 0; i < FRAMES; i++) {
        assert_int_equal(image_create(&frames[i], WIDTH, HEIGHT, &err), STATUS_OK);
        for (size_t p = 0; p < WIDTH * HEIGHT * 3; p++) frames[i].rgb[p] = (uint8_t)random_below(&stream, 256);
    }
}

/* The frames of a video in folder/name, checked against `frames`; returns how many came. */
static int read_video(const char *path, int64_t every, const struct image *frames)
{
    struct error err = {0};
    struct video *video;
    struct video_frame frame;
    struct video_options options = {.every = every, .threads = 1};
    bool ended = false;
    int count = 0;
    if (video_open(&video, path, &options, &err) != STATUS_OK) fail_msg("%s", err.message);
    assert_float_equal((float)video_frame_rate(video), RATE, 1e-3f);
    for (;; count++) {
        assert_int_equal(video_next(video, &frame, &ended, &err), STATUS_OK);
        if (ended) break;
        assert_int_equal(frame.index, count * every);
        assert_float_equal((float)frame.time, (float)frame.index / RATE, 1e-4f);
        assert_int_equal(frame.image.width, WIDTH);
        assert_int_equal(frame.image.height, HEIGHT);
        assert_memory_equal(frame.image.rgb, frames[frame.index].rgb, WIDTH * HEIGHT * 3);
        image_free(&frame.image);
    }
    assert_null(frame.image.rgb);
    video_close(video);
    return count;
}

static void frames_come_in_order(void **state)
{
    struct image frames[FRAMES];
    size_t size;
    (void)state;
    char *folder = scratch_make();
    make_frames(frames, 1);
    uint8_t *bytes = video_file_avi(frames, FRAMES, RATE, &size);
    scratch_write(folder, "a.avi", bytes, size);
    const char *path = scratch_path(folder, "a.avi");
    assert_int_equal(read_video(path, 1, frames), FRAMES);
    assert_int_equal(read_video(path, 5, frames), 3);
    assert_int_equal(read_video(path, 100, frames), 1);
    scratch_write(folder, "cut.avi", bytes, size * 2 / 3); /* what is there is read */
    int count = read_video(scratch_path(folder, "cut.avi"), 1, frames);
    assert_in_range(count, FRAMES / 2, FRAMES - 2);
    for (int i = 0; i < FRAMES; i++) image_free(&frames[i]);
    free(bytes);
    scratch_remove(folder);
}

/* Reads all of it. */
static struct video_missing missing_of(const char *path)
{
    struct error err = {0};
    struct video *video;
    struct video_frame frame;
    struct video_options options = {.threads = 1};
    bool ended = false;
    if (video_open(&video, path, &options, &err) != STATUS_OK) fail_msg("%s", err.message);
    while (!ended) {
        assert_int_equal(video_next(video, &frame, &ended, &err), STATUS_OK);
        image_free(&frame.image);
    }
    struct video_missing missing = video_missing(video);
    video_close(video);
    return missing;
}

/* AVI counts its frames; Matroska states the film's length, which the last of uneven frames reaches. */
static void a_film_cut_short_is_told(void **state)
{
    static const int times[FRAMES] = {0, 40, 80, 500, 540, 1500, 1540, 1580, 2010, 2500, 3990, 4000};
    struct image frames[FRAMES];
    (void)state;
    char *folder = scratch_make();
    make_frames(frames, 7);
    for (int kind = 0; kind < 2; kind++) {
        size_t size;
        const char *name = kind == 0 ? "a.avi" : "a.mkv", *path = scratch_path(folder, name);
        uint8_t *bytes = kind == 0 ? video_file_avi(frames, FRAMES, RATE, &size)
                                   : video_file_mkv(frames, times, FRAMES, VIDEO_FILE_JPEG, &size);
        scratch_write(folder, name, bytes, size);
        struct video_missing missing = missing_of(path);
        assert_true(missing.seconds == 0 && missing.stated == 0);
        scratch_write(folder, name, bytes, size / 2);
        missing = missing_of(path);
        assert_float_equal((float)missing.stated, kind == 0 ? (float)FRAMES / RATE : 4.0f, 1e-6f);
        assert_in_range((uintmax_t)(missing.seconds * 100), kind == 0 ? 60 : 240, kind == 0 ? 100 : 400);
        free(bytes);
    }
    for (int i = 0; i < FRAMES; i++) image_free(&frames[i]);
    scratch_remove(folder);
}

/* A variable frame rate: which frames are wanted is told by their times. */
static void frames_are_chosen_by_time(void **state)
{
    static const int times[FRAMES] = {0, 40, 80, 500, 540, 1500, 1540, 1580, 2010, 2500, 2990, 3000};
    static const int wanted[] = {0, 3, 5, 8, 9, 11}; /* 0, 0.5, (1.0 and) 1.5, 2.0, 2.5, 3.0 */
    struct image frames[FRAMES];
    struct error err = {0};
    struct video *video;
    struct video_frame frame;
    struct video_options options = {.every_seconds = 0.5, .threads = 1};
    bool ended = false;
    size_t size, count = 0;
    (void)state;
    char *folder = scratch_make();
    make_frames(frames, 5);
    uint8_t *bytes = video_file_mkv(frames, times, FRAMES, VIDEO_FILE_JPEG, &size);
    scratch_write(folder, "a.mkv", bytes, size);
    if (video_open(&video, scratch_path(folder, "a.mkv"), &options, &err) != STATUS_OK) fail_msg("%s", err.message);
    for (;; count++) {
        assert_int_equal(video_next(video, &frame, &ended, &err), STATUS_OK);
        if (ended) break;
        assert_true(count < sizeof wanted / sizeof *wanted);
        assert_int_equal(frame.index, wanted[count]);
        assert_float_equal((float)frame.time, (float)times[wanted[count]] / 1000, 1e-6f);
        image_free(&frame.image);
    }
    assert_int_equal(count, sizeof wanted / sizeof *wanted);
    video_close(video);
    for (int i = 0; i < FRAMES; i++) image_free(&frames[i]);
    free(bytes);
    scratch_remove(folder);
}

static void large_frames_are_refused(void **state)
{
    struct image frames[FRAMES];
    struct error err = {0};
    struct video *video = NULL;
    struct video_frame frame;
    struct video_options options = {.most_pixels = WIDTH * HEIGHT - 1};
    bool ended;
    size_t size;
    (void)state;
    char *folder = scratch_make();
    make_frames(frames, 2);
    uint8_t *bytes = video_file_avi(frames, FRAMES, RATE, &size);
    scratch_write(folder, "a.avi", bytes, size);
    status result = video_open(&video, scratch_path(folder, "a.avi"), &options, &err);
    if (result == STATUS_OK) result = video_next(video, &frame, &ended, &err);
    assert_int_equal(result, STATUS_FAILED);
    assert_non_null(strstr(err.message, "a.avi"));
    video_close(video);
    for (int i = 0; i < FRAMES; i++) image_free(&frames[i]);
    free(bytes);
    scratch_remove(folder);
}

static void read_whatever_comes(const char *path)
{
    struct error err = {0};
    struct video *video;
    struct video_frame frame;
    struct video_options options = {.most_pixels = 100000, .threads = 1};
    bool ended = false;
    if (video_open(&video, path, &options, &err) != STATUS_OK) {
        assert_non_null(strstr(err.message, path));
        return;
    }
    for (int count = 0; count < 1000 && !ended; count++) {
        if (video_next(video, &frame, &ended, &err) != STATUS_OK) break;
        image_free(&frame.image);
    }
    video_close(video);
}

/* Frame threads tell of damage late, when nothing is left to read: what is good behind it comes, whatever their number.
 */
static void one_damaged_frame_costs_one_frame(void **state)
{
    static const int times[FRAMES] = {0, 125, 250, 375, 500, 625, 750, 875, 1000, 1125, 1250, 1375};
    struct image frames[FRAMES];
    size_t size;
    (void)state;
    char *folder = scratch_make();
    make_frames(frames, 6);
    uint8_t *bytes = video_file_mkv(frames, times, FRAMES, VIDEO_FILE_PNG, &size);
    size_t at = size;
    for (int behind = 0; behind < 3;
         behind++) /* the third frame from the end: its deflated pixels, not the chunk that holds them */
        for (at -= 4; memcmp(bytes + at, "IDAT", 4) != 0;) at--;
    memset(bytes + at + 4, 0xff, 64);
    scratch_write(folder, "a.mkv", bytes, size);
    for (int threads = 1; threads <= 16; threads *= 4) {
        struct error err = {0};
        struct video *video;
        struct video_frame frame;
        struct video_options options = {.threads = threads};
        bool ended = false;
        int count = 0;
        if (video_open(&video, scratch_path(folder, "a.mkv"), &options, &err) != STATUS_OK) fail_msg("%s", err.message);
        for (;; count++) {
            assert_int_equal(video_next(video, &frame, &ended, &err), STATUS_OK);
            if (ended) break;
            image_free(&frame.image);
        }
        assert_int_equal(count, FRAMES - 1);
        assert_int_equal(video_damaged(video), 1);
        video_close(video);
    }
    for (int i = 0; i < FRAMES; i++) image_free(&frames[i]);
    free(bytes);
    scratch_remove(folder);
}

static void damaged_files_do_no_harm(void **state)
{
    struct image frames[FRAMES];
    size_t size;
    (void)state;
    char *folder = scratch_make();
    struct random_stream stream = random_stream(4, RANDOM_TEST, 0, 0);
    make_frames(frames, 3);
    uint8_t *bytes = video_file_avi(frames, FRAMES, RATE, &size);
    for (size_t cut = 0; cut < 400; cut += 13) {
        scratch_write(folder, "a.avi", bytes, cut);
        read_whatever_comes(scratch_path(folder, "a.avi"));
    }
    for (int round = 0; round < 60; round++) {
        size_t at = (size_t)random_below(&stream, 330); /* the headers */
        uint8_t kept = bytes[at];
        bytes[at] = (uint8_t)random_below(&stream, 256);
        scratch_write(folder, "a.avi", bytes, size);
        read_whatever_comes(scratch_path(folder, "a.avi"));
        bytes[at] = kept;
    }
    for (int i = 0; i < FRAMES; i++) image_free(&frames[i]);
    free(bytes);
    scratch_remove(folder);
}

/* A playlist names other files; FFmpeg would read them. */
static void playlists_are_refused(void **state)
{
    struct error err = {0};
    struct video *video;
    (void)state;
    char *folder = scratch_make();
    scratch_text(folder, "list.m3u8", "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\na.avi\n#EXT-X-ENDLIST\n");
    scratch_text(folder, "concat.mp4", "ffconcat version 1.0\nfile a.avi\n");
    const char *names[] = {"list.m3u8", "concat.mp4", "missing.mp4"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        error_clear(&err);
        assert_int_equal(video_open(&video, scratch_path(folder, names[i]), &(struct video_options){0}, &err), 1);
        assert_non_null(strstr(err.message, names[i]));
    }
    scratch_remove(folder);
}

/* The same picture `count` times. */
static void write_film(const char *path, const struct image *picture, int count)
{
    struct error err = {0};
    struct video_writer *writer;
    const struct video_writer_options options = {picture->width, picture->height, RATE};
    assert_int_equal(video_writer_create(&writer, path, &options, &err), STATUS_OK);
    for (int i = 0; i < count; i++) assert_int_equal(video_writer_add(writer, picture, &err), STATUS_OK);
    assert_int_equal(video_writer_finish(writer, &err), STATUS_OK);
    video_writer_free(writer);
}

/* An edit list that shows the first half of the film: nothing is missing, and no more is promised. */
static void edit_lists_leave_frames_out(void **state)
{
    enum { TO_LENGTH = 12, MOVIE_UNITS = 1000 }; /* from the box's name, version 0; a second */
    struct error err = {0};
    struct image picture;
    struct video *video;
    struct video_frame frame;
    uint8_t *bytes;
    size_t size, at = 0;
    bool ended = false;
    int64_t estimate = 0, count = 0;
    (void)state;
    char *folder = scratch_make();
    const char *path = scratch_path(folder, "a.mp4");
    scratch_picture(folder, "a.png", 64, 48, 1);
    assert_int_equal(image_read(scratch_path(folder, "a.png"), NULL, &picture, &err), STATUS_OK);
    write_film(path, &picture, 8 * RATE);
    image_free(&picture);
    assert_int_equal(file_read(path, 1 << 20, &bytes, &size, &err), STATUS_OK);
    while (memcmp(bytes + at, "elst", 4) != 0) at++;
    memcpy(bytes + at + TO_LENGTH, (uint8_t[]){0, 0, 4 * MOVIE_UNITS >> 8, (uint8_t)(4 * MOVIE_UNITS)}, 4);
    scratch_write(folder, "a.mp4", bytes, size);
    assert_int_equal(video_open(&video, path, &(struct video_options){.threads = 1}, &err), STATUS_OK);
    for (;; count++) {
        assert_int_equal(video_next(video, &frame, &ended, &err), STATUS_OK);
        if (ended) break;
        estimate = video_frame_estimate(video);
        image_free(&frame.image);
    }
    assert_int_equal(count, 4 * RATE);
    assert_in_range(estimate, count,
                    count + 1); /* the writer gives its last frame no length, so the rate is a bit high */
    assert_true(video_missing(video).seconds == 0);
    video_close(video);
    memory_free(bytes);
    scratch_remove(folder);
}

/* The first frame. */
static void read_first(const char *path, struct image *image)
{
    struct error err = {0};
    struct video *video;
    struct video_frame frame;
    bool ended;
    if (video_open(&video, path, &(struct video_options){.threads = 1}, &err) != STATUS_OK) fail_msg("%s", err.message);
    if (video_next(video, &frame, &ended, &err) != STATUS_OK) fail_msg("%s", err.message);
    assert_false(ended);
    *image = frame.image;
    video_close(video);
}

/* The stored picture as a display matrix {a, b, c, d} shows it: the pixel (p, q) is at (ap + cq, bp + dq), from 0 on.
 */
static void show(const struct image *stored, const int *m, struct image *shown)
{
    int width = m[0] != 0 ? stored->width : stored->height, height = m[0] != 0 ? stored->height : stored->width;
    assert_int_equal(image_create(shown, width, height, NULL), STATUS_OK);
    for (int q = 0; q < stored->height; q++)
        for (int p = 0; p < stored->width; p++) {
            int x = m[0] * p + m[2] * q, y = m[1] * p + m[3] * q;
            if (m[0] + m[2] < 0) x += width - 1;
            if (m[1] + m[3] < 0) y += height - 1;
            memcpy(shown->rgb + 3 * (y * width + x), stored->rgb + 3 * (q * stored->width + p), 3);
        }
}

/* The four turns and their mirror images, as a track's header in MP4 says them. */
static void frames_are_turned_and_mirrored(void **state)
{
    static const int matrices[][4] = {{1, 0, 0, 1},  {0, 1, -1, 0}, {-1, 0, 0, -1}, {0, -1, 1, 0},
                                      {-1, 0, 0, 1}, {1, 0, 0, -1}, {0, 1, 1, 0},   {0, -1, -1, 0}};
    static const int places[] = {0, 4, 12, 16}; /* of a, b, c, d in the matrix */
    enum { TO_MATRIX = 44 };                    /* from the box's name, version 0 */
    struct error err = {0};
    struct image stored;
    uint8_t *bytes;
    size_t size, at = 0;
    (void)state;
    char *folder = scratch_make();
    const char *path = scratch_path(folder, "a.mp4");
    scratch_picture(folder, "a.png", 64, 48, 1);
    assert_int_equal(image_read(scratch_path(folder, "a.png"), NULL, &stored, &err), STATUS_OK);
    write_film(path, &stored, 2);
    image_free(&stored);
    read_first(path, &stored);
    assert_int_equal(file_read(path, 1 << 20, &bytes, &size, &err), STATUS_OK);
    while (memcmp(bytes + at, "tkhd", 4) != 0) at++;
    for (size_t i = 0; i < sizeof matrices / sizeof *matrices; i++) {
        struct image wanted, got;
        for (int k = 0; k < 4; k++) { /* 16.16, the high byte first */
            const int number = matrices[i][k];
            const uint8_t fixed[4] = {number < 0 ? 0xff : 0, (uint8_t)number, 0, 0};
            memcpy(bytes + at + TO_MATRIX + places[k], fixed, sizeof fixed);
        }
        scratch_write(folder, "a.mp4", bytes, size);
        read_first(path, &got);
        show(&stored, matrices[i], &wanted);
        assert_int_equal(got.width, wanted.width);
        assert_int_equal(got.height, wanted.height);
        assert_memory_equal(got.rgb, wanted.rgb, 64 * 48 * 3);
        image_free(&wanted);
        image_free(&got);
    }
    memory_free(bytes);
    image_free(&stored);
    scratch_remove(folder);
}

static void real_films_are_read(void **state)
{
    static const struct {
        const char *name;
        int width, height, frames; /* every 25th */
    } films[] = {{"film_clip_640x360.mp4", 640, 360, 11}, {"person_eat.mkv", 640, 480, 2}};
    const char *material = getenv("RMFER_TEST_MATERIAL");
    char path[512];
    (void)state;
    for (size_t i = 0; i < sizeof films / sizeof *films; i++) {
        struct error err = {0};
        struct video *video;
        struct video_frame frame;
        struct video_options options = {.every = 25};
        bool ended = false;
        int count = 0;
        double last = -1;
        snprintf(path, sizeof path, "%s/video/%s", material != NULL ? material : "../shared", films[i].name);
        if (!file_exists(path)) {
            printf("skipped: real films are not there (%s)\n", path);
            skip();
        }
        if (video_open(&video, path, &options, &err) != STATUS_OK) fail_msg("%s", err.message);
        for (;; count++) {
            assert_int_equal(video_next(video, &frame, &ended, &err), STATUS_OK);
            if (ended) break;
            assert_int_equal(frame.image.width, films[i].width);
            assert_int_equal(frame.image.height, films[i].height);
            assert_true(frame.time > last);
            last = frame.time;
            image_free(&frame.image);
        }
        assert_int_equal(count, films[i].frames);
        assert_int_equal(video_damaged(video), 0);
        video_close(video);
    }
}

#else

static void builds_without_ffmpeg_say_so(void **state)
{
    struct error err = {0};
    struct video *video;
    (void)state;
    assert_int_equal(video_open(&video, "a.mp4", &(struct video_options){0}, &err), STATUS_FAILED);
    assert_non_null(strstr(err.message, "without FFmpeg"));
    assert_null(video);
    video_close(video);
}

#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(kinds_are_told_apart),
        cmocka_unit_test(frames_or_seconds),
        cmocka_unit_test(times_that_are_due),
#ifdef RMFER_HAVE_FFMPEG
        cmocka_unit_test(frames_come_in_order),
        cmocka_unit_test(frames_are_chosen_by_time),
        cmocka_unit_test(a_film_cut_short_is_told),
        cmocka_unit_test(large_frames_are_refused),
        cmocka_unit_test(one_damaged_frame_costs_one_frame),
        cmocka_unit_test(damaged_files_do_no_harm),
        cmocka_unit_test(playlists_are_refused),
        cmocka_unit_test(edit_lists_leave_frames_out),
        cmocka_unit_test(frames_are_turned_and_mirrored),
        cmocka_unit_test(real_films_are_read),
#else
        cmocka_unit_test(builds_without_ffmpeg_say_so),
#endif
    };
    return cmocka_run_group_tests_name("video", tests, NULL, NULL);
}
