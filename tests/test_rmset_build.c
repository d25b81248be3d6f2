/* RMsets of films whose every pixel is known: numbers in reading order, crops to the pixel, the masked film,
 * corrections, a late person, statistics; and notes that are not what they should be. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "rmfer/base/file.h"
#include "rmfer/base/file_write.h"
#include "rmfer/base/log.h"
#include "rmfer/base/memory.h"
#include "rmfer/data/rmset_index.h"
#include "rmfer/rmset/build.h"
#include "rmfer/rmset/check.h"
#include "rmset/film_windows.h"
#include "support/scratch.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { WIDTH = 200, HEIGHT = 100, FRAMES = 6 };

static char *folder;

/* A film of one colour a panel: left 60, right 120 (from frame 2 on, before it black), the film's window 255. */
static int make_film(void **state)
{
    (void)state;
    struct error err = {0};
    folder = scratch_make();
    for (int frame = 0; frame < FRAMES; frame++) {
        struct image image;
        char name[32];
        assert_int_equal(image_create(&image, WIDTH, HEIGHT, &err), STATUS_OK);
        for (int y = 0; y < HEIGHT; y++)
            for (int x = 0; x < WIDTH; x++) {
                int value = x < 80 ? 60 + x / 8 : x < 120 ? 255 : frame < 2 ? 0 : 120;
                memset(image.rgb + ((size_t)y * WIDTH + (size_t)x) * 3, value, 3);
            }
        snprintf(name, sizeof name, "film/%d.png", frame);
        if (frame == 0) scratch_text(folder, "film/notes.txt", "a folder");
        assert_int_equal(image_write_png(scratch_path(folder, name), &image, &err), STATUS_OK);
        image_free(&image);
    }
    return 0;
}

static int remove_film(void **state)
{
    (void)state;
    scratch_remove(folder);
    return 0;
}

static char last_failure[1024];

static void note_failure(void *context, const char *message)
{
    (void)context;
    snprintf(last_failure, sizeof last_failure, "%s", message);
}

static struct rmset_build_options options_of(const char *out)
{
    return (struct rmset_build_options){.folder = out,
                                        .every = 1,
                                        .overlap = 0.3,
                                        .crop = {.margin = 0.31, .quality = 100},
                                        .most_pixels = 1000000,
                                        .threads = 3,
                                        .fail = note_failure};
}

static status build(const struct rmset_build_options *options, struct rmset_counts *counts)
{
    struct error err = {0};
    const char *films[] = {scratch_path(folder, "film")};
    last_failure[0] = '\0';
    return rmset_build(films, 1, options, counts, &err);
}

/* A build that succeeds: what it logs; the caller frees it. */
static char *told_by_build(const struct rmset_build_options *options, struct rmset_counts *counts)
{
    char *told = NULL;
    size_t size = 0;
    FILE *copy = open_memstream(&told, &size);
    assert_non_null(copy);
    log_set_copy(copy);
    assert_int_equal(build(options, counts), STATUS_OK);
    log_set_copy(NULL);
    assert_int_equal(fclose(copy), 0);
    return told;
}

static char *content_of(const char *name)
{
    struct error err = {0};
    uint8_t *bytes = NULL;
    size_t size = 0;
    if (file_read(scratch_path(folder, name), 1 << 20, &bytes, &size, &err) != STATUS_OK) fail_msg("%s", err.message);
    char *text = memory_copy_string((const char *)bytes, &err);
    memory_free(bytes);
    return text;
}

/* Lists of detections: the left person in all frames, the right from frame 2 on, a face in the film's window. */
static void write_lists(void)
{
    scratch_text(folder, "film.detections.csv",
                 "frame,x,y,w,h,score\n0,20,30,40,50,0.9\n0,90,40,20,20,0.99\n1,22,30,40,50,0.9\n2,20,30,40,50,0.9\n"
                 "2,140,30,40,50,0.8\n3,20,30,40,50,0.9\n3,140,30,40,50,0.8\n3,24,33,40,50,0.7\n5,141,31,40,50,0.8\n");
    scratch_text(folder, "film.film.csv", "x,y,w,h,from,to\n80,0,40,100,0,9\n");
    scratch_text(folder, "film.faces.csv", "x,y,w,h\n140,30,40,50\n");
}

static void faces_get_the_numbers_of_the_first_frame(void **state)
{
    (void)state;
    struct rmset_counts counts;
    write_lists();
    const char *out = scratch_path(folder, "set");
    struct rmset_build_options options = options_of(out);
    assert_int_equal(build(&options, &counts), STATUS_OK);
    assert_string_equal(last_failure, "");
    char *index = content_of("set/index.csv"), *videos = content_of("set/videos.csv");
    char *tracks = content_of("set/tracks.csv");
    assert_string_equal(index, "video,frame,face,path,x,y,w,h,score\n"
                               "film,0,0,film/0000000_0.jpg,20,30,40,50,0.9\n"
                               "film,1,0,film/0000001_0.jpg,22,30,40,50,0.9\n"
                               "film,2,0,film/0000002_0.jpg,20,30,40,50,0.9\n"
                               "film,2,1,film/0000002_1.jpg,140,30,40,50,0.8\n"
                               "film,3,0,film/0000003_0.jpg,20,30,40,50,0.9\n"
                               "film,3,1,film/0000003_1.jpg,140,30,40,50,0.8\n"
                               "film,5,1,film/0000005_1.jpg,141,31,40,50,0.8\n");
    assert_string_equal(videos, "video,fps,frames,faces,persons,removal_areas\nfilm,0,6,7,2,\"80,0,40,100@0-9\"\n");
    assert_string_equal(tracks, "video,face,first,last,faces,end\nfilm,0,0,3,4,not found after frame 3\n"
                                "film,1,2,5,3,end of the film\n");
    memory_free(index);
    memory_free(videos);
    memory_free(tracks);
}

/* The square of 52 pixels (1.31 * 40 = 52.4) about 40, 55 is 14, 29 to 66, 81; of the right one, 134 to 186. */
static void crops_are_right_to_the_pixel(void **state)
{
    (void)state;
    struct error err = {0};
    struct image image;
    const struct image_box face = {20, 30, 40, 50};
    struct image_box square = rmset_crop_square(&face, 0.31);
    assert_true(square.x == 14 && square.y == 29 && square.width == 52 && square.height == 52);
    assert_int_equal(image_read(scratch_path(folder, "set/film/0000003_0.jpg"), NULL, &image, &err), STATUS_OK);
    assert_int_equal(image.width, 52);
    assert_int_equal(image.height, 52);
    for (int x = 0; x < 52; x++) {
        int wanted = 60 + (14 + x) / 8; /* steps of one survive JPEG at quality 100 within one */
        assert_in_range(image.rgb[(20 * 52 + x) * 3], wanted - 1, wanted + 1);
    }
    image_free(&image);
}

static void borders_are_cut_or_filled(void **state)
{
    (void)state;
    struct error err = {0};
    struct image image, cut;
    const struct image_box face = {-10, 60, 40, 60}, outside = {-80, 10, 40, 40};
    struct rmset_crop crop = {.margin = 0.31};
    assert_int_equal(image_read(scratch_path(folder, "film/0.png"), NULL, &image, &err), STATUS_OK);
    assert_int_equal(rmset_crop_cut(&image, &face, &crop, &cut, &err), STATUS_OK); /* -16, 64 to 36, 116 */
    assert_int_equal(cut.width, 36);
    assert_int_equal(cut.height, 36);
    assert_int_equal(cut.rgb[0], 60);
    image_free(&cut);
    crop.pad = true;
    assert_int_equal(rmset_crop_cut(&image, &face, &crop, &cut, &err), STATUS_OK);
    assert_int_equal(cut.width, 52);
    assert_int_equal(cut.height, 52);
    assert_int_equal(cut.rgb[15 * 3], 0);
    assert_int_equal(cut.rgb[16 * 3], 60);
    assert_int_equal(cut.rgb[(35 * 52 + 51) * 3], 64);
    assert_int_equal(cut.rgb[(36 * 52 + 51) * 3], 0);
    image_free(&cut);
    crop.size = 30;
    assert_int_equal(rmset_crop_cut(&image, &face, &crop, &cut, &err), STATUS_OK);
    assert_int_equal(cut.width, 30);
    image_free(&cut);
    assert_int_equal(rmset_crop_cut(&image, &outside, &crop, &cut, &err), STATUS_FAILED);
    image_free(&image);
}

/* A crop that reaches into the film's window shows black there, never the film. */
static void the_film_is_masked(void **state)
{
    (void)state;
    struct error err = {0};
    struct rmset_notes notes = {0};
    struct image image;
    assert_int_equal(image_read(scratch_path(folder, "film/0.png"), NULL, &image, &err), STATUS_OK);
    assert_int_equal(rmset_notes_add_area(&notes, "80,0,40,100@2-3", &err), STATUS_OK);
    rmset_notes_mask(&notes, 1, &image);
    assert_int_equal(image.rgb[100 * 3], 255);
    rmset_notes_mask(&notes, 3, &image);
    for (int x = 0; x < 120; x++) assert_int_equal(image.rgb[x * 3], x < 80 ? 60 + x / 8 : 0);
    image_free(&image);
    rmset_notes_free(&notes);
}

static void statistics_are_of_all_pixels(void **state)
{
    (void)state;
    struct error err = {0};
    char *text = content_of("set/statistics.ini");
    double mean = 0, sum = 0;
    size_t count = 0;
    static const char *const faces[] = {"0000000_0", "0000001_0", "0000002_0", "0000002_1",
                                        "0000003_0", "0000003_1", "0000005_1"};
    assert_int_equal(sscanf(text, "%*[^[][rmset]\nmean = %lf", &mean), 1);
    for (size_t i = 0; i < 7; i++) {
        char name[64];
        struct image image;
        snprintf(name, sizeof name, "set/film/%s.jpg", faces[i]);
        assert_int_equal(image_read(scratch_path(folder, name), NULL, &image, &err), STATUS_OK);
        for (int p = 0; p < image.width * image.height; p++) sum += image.rgb[3 * p];
        count += (size_t)image.width * (size_t)image.height;
        image_free(&image);
    }
    assert_true(fabs(mean - sum / (double)count / 255) < 1.0 / 255);
    assert_true(mean > 0.2);
    memory_free(text);
}

static void other_settings_are_refused(void **state)
{
    (void)state;
    struct rmset_counts counts;
    char out[512];
    snprintf(out, sizeof out, "%s/set", folder); /* many paths follow */
    struct rmset_build_options options = options_of(out);
    assert_int_equal(build(&options, &counts), STATUS_OK);
    assert_int_equal(counts.built, 0); /* it is finished */
    options.every = 2;
    assert_int_equal(build(&options, &counts), STATUS_OK);
    assert_int_equal(counts.failed, 1);
    assert_non_null(strstr(last_failure, "was made of another film or with other settings (every 1, not every 2); "));
    options.every = 1;
    options.keep_partial = true; /* the film is whole: nothing else would be made */
    assert_int_equal(build(&options, &counts), STATUS_OK);
    assert_int_equal(counts.failed, 0);
    options.keep_partial = false;
    options.windows = true;
    assert_int_equal(build(&options, &counts), STATUS_OK);
    assert_non_null(strstr(last_failure, "settings (windows 0, not windows 1)"));
    options.windows = false;
    scratch_text(folder, "film.faces.csv", "x,y,w,h\n140,30,40,50\n20,30,40,50\n");
    assert_int_equal(build(&options, &counts), STATUS_OK);
    assert_non_null(strstr(last_failure, "settings (face 0, not face 20,30,40,50)"));
    write_lists();
    static const char *const areas[] = {"1,2,3,4"};
    options.areas = areas;
    options.area_count = 1;
    assert_int_equal(build(&options, &counts), STATUS_OK);
    assert_non_null(strstr(last_failure, "settings (areas 80,0,40,100@0-9, not areas 1,2,3,4)"));
    scratch_text(folder, "film.film.csv", "");
    options.area_count = 0;
    assert_int_equal(build(&options, &counts), STATUS_OK);
    assert_non_null(strstr(last_failure, "settings (areas 80,0,40,100@0-9, not areas nothing)"));
    write_lists();
}

/* The words of `settings` in set/film/film.ini. */
static void write_settings(const char *begin, const char *ending)
{
    char *facts = content_of("set/film/film.ini"), *end = strstr(facts, "\"\nremoval_areas");
    struct text text = {0};
    assert_non_null(end);
    assert_int_equal(text_append_format(&text, NULL, "[film]\nsettings = \"%s%s%s", begin, ending, end), STATUS_OK);
    scratch_text(folder, "set/film/film.ini", text_string(&text));
    text_free(&text);
    memory_free(facts);
}

/* Earlier programs wrote what was on by its name alone, nothing of what was off, the areas with the settings, and that
 * a film might not be whole. Their films are still finished. */
static void films_of_earlier_programs_are_finished(void **state)
{
    (void)state;
    static const struct {
        const char *ending, *message;
        bool windows, keep_partial;
    } cases[] = {{"face 140,30,40,50 areas 80,0,40,100@0-9", "", false, false},
                 {"face 140,30,40,50 areas 80,0,40,100@0-9", "", false, true},
                 {"face 140,30,40,50 areas 80,0,40,100@0-9", "(windows 0, not windows 1)", true, false},
                 {"windows face 140,30,40,50 areas 80,0,40,100@0-9", "", true, false},
                 {"windows face 140,30,40,50 areas 80,0,40,100@0-9", "(windows 1, not windows 0)", false, false},
                 {"partial face 140,30,40,50 areas 80,0,40,100@0-9", "", false, true},
                 {"partial face 140,30,40,50 areas 80,0,40,100@0-9", "(partial 1, not partial 0)", false, false}};
    char *before = content_of("set/film/film.ini"), begin[512];
    const char *settings = strstr(before, "content "), *end = strstr(before, "seconds "), *rest = strstr(end, "size ");
    const char *behind = strstr(rest, "windows ");
    snprintf(begin, sizeof begin, "%.*s%.*s", (int)(end - settings), settings, (int)(behind - rest), rest);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct rmset_counts counts;
        struct rmset_build_options options = options_of(scratch_path(folder, "set"));
        options.windows = cases[i].windows;
        options.keep_partial = cases[i].keep_partial;
        write_settings(begin, cases[i].ending);
        assert_int_equal(build(&options, &counts), STATUS_OK);
        assert_int_equal(counts.built, 0);
        if (cases[i].message[0] == '\0') assert_string_equal(last_failure, "");
        if (strstr(last_failure, cases[i].message) == NULL) fail_msg("%s", last_failure);
    }
    scratch_text(folder, "set/film/film.ini", before);
    memory_free(before);
}

/* A film of the same name and length is another one when its pixels are; a copy of it is the same. */
static void another_film_is_refused(void **state)
{
    (void)state;
    struct error err = {0};
    struct rmset_counts counts;
    struct rmset_build_options options = options_of(scratch_path(folder, "set"));
    uint8_t *frame = NULL;
    size_t size = 0;
    assert_int_equal(file_read(scratch_path(folder, "film/3.png"), 1 << 20, &frame, &size, &err), STATUS_OK);
    frame[size / 2] ^= 1;
    assert_int_equal(file_write_whole(scratch_path(folder, "film/3.png"), frame, size, true, &err), STATUS_OK);
    assert_int_equal(build(&options, &counts), STATUS_OK);
    assert_int_equal(counts.failed, 1);
    assert_non_null(strstr(last_failure, "was made of another film"));
    frame[size / 2] ^= 1;
    assert_int_equal(file_write_whole(scratch_path(folder, "film/3.png"), frame, size, true, &err), STATUS_OK);
    assert_int_equal(build(&options, &counts), STATUS_OK);
    assert_int_equal(counts.failed, 0);
    assert_int_equal(counts.built, 0);
    memory_free(frame);
}

/* As many rows in the list, but others. */
static void another_list_is_refused(void **state)
{
    (void)state;
    struct rmset_counts counts;
    struct rmset_build_options options = options_of(scratch_path(folder, "set"));
    scratch_text(folder, "film.detections.csv",
                 "frame,x,y,w,h,score\n0,20,30,40,50,0.9\n0,90,40,20,20,0.99\n1,22,30,40,50,0.9\n2,20,30,40,50,0.9\n"
                 "2,140,30,40,50,0.8\n3,20,30,40,50,0.9\n3,140,30,40,50,0.8\n3,24,33,40,50,0.7\n5,142,31,40,50,0.8\n");
    assert_int_equal(build(&options, &counts), STATUS_OK);
    assert_int_equal(counts.failed, 1);
    write_lists();
}

/* Two of one name, or one named as a list is: nothing is begun. */
static void films_need_names_of_their_own(void **state)
{
    (void)state;
    char film[512], again[512], other[512], list[512], index[512];
    snprintf(film, sizeof film, "%s/film", folder);
    snprintf(again, sizeof again, "%s/film/", folder);
    snprintf(other, sizeof other, "%s/other/film", folder);
    snprintf(list, sizeof list, "%s/videos.csv.mp4", folder);
    snprintf(index, sizeof index, "%s/index.csv.index.mkv", folder);
    const struct {
        const char *first, *second, *message;
    } cases[] = {{film, film, "/film: is given twice"},
                 {film, again, "/film/: is given twice, the other time as "},
                 {film, other, "/other/film would both be called film: rename one of them"},
                 {film, list, "/videos.csv.mp4: would be called videos.csv, as a list of the RMset is: rename it"},
                 {index, film, "would be called index.csv.index, as a list of the RMset is: rename it"}};
    const char *out = scratch_path(folder, "unnamed");
    struct rmset_build_options options = options_of(out);
    scratch_text(folder, "other/film/0.png", "");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *films[] = {cases[i].first, cases[i].second};
        struct rmset_counts counts;
        struct error err = {0};
        assert_int_equal(rmset_build(films, 2, &options, &counts, &err), STATUS_USAGE);
        if (strstr(err.message, cases[i].message) == NULL) fail_msg("%s", err.message);
    }
    assert_false(folder_exists(scratch_path(folder, "unnamed")));
}

/* A pattern would be many films under one name, a pipe can be read once, an RMset's pictures are faces: none of them is
 * begun, and what is finished stays as it is. */
static void what_is_no_film_is_refused(void **state)
{
    (void)state;
    char pattern[512], pipe[512], set[512];
    snprintf(pattern, sizeof pattern, "%s/fil?", folder);
    snprintf(pipe, sizeof pipe, "%s/pipe.mp4", folder);
    snprintf(set, sizeof set, "%s/set", folder);
    assert_int_equal(mkfifo(pipe, 0600), 0);
    const struct {
        const char *film, *message;
    } cases[] = {{"-", "-: a film is a file or a folder of frames, not standard input"},
                 {pattern, "/fil?: there is no such file; a pattern is left to the shell, without quotes"},
                 {pipe, "/pipe.mp4: neither a file nor a folder of frames"},
                 {set, "/set: an RMset, not a film"}};
    struct rmset_build_options options = options_of(scratch_path(folder, "films"));
    struct rmset_counts counts;
    options.detections = scratch_path(folder, "film.detections.csv");
    assert_int_equal(build(&options, &counts), STATUS_OK);
    char *before = content_of("films/index.csv");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct error err = {0};
        last_failure[0] = '\0';
        assert_int_equal(rmset_build(&cases[i].film, 1, &options, &counts, &err), STATUS_OK);
        assert_int_equal(counts.failed, 1);
        if (strstr(last_failure, cases[i].message) == NULL) fail_msg("%s", last_failure);
    }
    char *after = content_of("films/index.csv");
    assert_string_equal(before, after);
    memory_free(before);
    memory_free(after);
}

/* A film of one grey until frame 3, where the whole picture becomes another; one face stands at one place. */
static const char *make_scenes(void)
{
    for (int frame = 0; frame < FRAMES; frame++) {
        struct error err = {0};
        struct image image;
        char name[32];
        snprintf(name, sizeof name, "scenes/%d.png", frame);
        if (frame == 0) scratch_text(folder, "scenes/notes.txt", "a folder");
        assert_int_equal(image_create(&image, WIDTH, HEIGHT, &err), STATUS_OK);
        memset(image.rgb, frame < 3 ? 40 : 200, (size_t)WIDTH * HEIGHT * 3);
        assert_int_equal(image_write_png(scratch_path(folder, name), &image, &err), STATUS_OK);
        image_free(&image);
    }
    scratch_text(folder, "scenes.detections.csv",
                 "frame,x,y,w,h\n0,5,30,30,40\n1,5,30,30,40\n2,5,30,30,40\n3,5,30,30,40\n4,5,30,30,40\n5,5,30,30,40\n");
    return scratch_path(folder, "scenes");
}

/* A title that is blackened, at the film's beginning or within it, or a window given as many areas. */
static void areas_do_not_hide_cuts(void **state)
{
    (void)state;
    static const struct {
        const char *areas, *tracks;
    } cases[] = {
        {"0,0,200,100,0,0\n", "scenes,0,1,2,2,scene cut at frame 3\nscenes,1,3,5,3,end of the film\n"},
        {"0,0,200,100,3,3\n", "scenes,0,0,2,3,scene cut at frame 3\nscenes,1,4,5,2,end of the film\n"},
        {NULL, "scenes,0,0,2,3,scene cut at frame 3\nscenes,1,3,5,3,end of the film\n"},
    };
    struct text strips = {0};
    for (int x = 40; x < WIDTH; x += 4)
        assert_int_equal(text_append_format(&strips, NULL, "%d,0,4,100\n", x), STATUS_OK);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char set[32], list[64], tracks[256];
        struct error err = {0};
        struct rmset_counts counts;
        const char *films[] = {make_scenes()};
        snprintf(set, sizeof set, "cuts%zu", i);
        snprintf(list, sizeof list, "%s/tracks.csv", set);
        snprintf(tracks, sizeof tracks, "video,face,first,last,faces,end\n%s", cases[i].tracks);
        struct rmset_build_options options = options_of(scratch_path(folder, set));
        options.cuts = true;
        scratch_text(folder, "scenes.film.csv", cases[i].areas == NULL ? text_string(&strips) : cases[i].areas);
        assert_int_equal(rmset_build(films, 1, &options, &counts, &err), STATUS_OK);
        char *written = content_of(list);
        assert_string_equal(written, tracks);
        memory_free(written);
    }
    text_free(&strips);
}

static void count_frame(void *context, const struct rmset_progress *progress)
{
    (void)progress;
    ++*(int *)context;
}

/* Where a film's folder cannot be put, nothing is looked at. */
static void a_place_that_is_taken_is_told_first(void **state)
{
    (void)state;
    int frames = 0;
    struct rmset_counts counts;
    struct error err = {0};
    const char *films[] = {scratch_path(folder, "film")};
    struct rmset_build_options options = options_of(scratch_path(folder, "taken"));
    options.report = count_frame;
    options.context = &frames;
    scratch_text(folder, "taken/film", "notes of somebody");
    assert_int_equal(rmset_build(films, 1, &options, &counts, &err), STATUS_FAILED);
    assert_non_null(strstr(last_failure, "taken/film: is there, and is no folder of a film"));
    assert_int_equal(frames, 0);
}

/* Numbers of another film's size, or frames that it does not have, hide nothing: somebody should know. */
static void areas_that_hide_nothing_are_told(void **state)
{
    (void)state;
    static const char *const areas[] = {"200,0,10,10", "0,100,5,5@2-", "-20,0,20,5",
                                        "199,99,9,9",  "0,0,5,5@6-",   "0,0,5,5@5-"};
    struct rmset_counts counts;
    const char *out = scratch_path(folder, "useless");
    struct rmset_build_options options = options_of(out);
    options.areas = areas;
    options.area_count = sizeof areas / sizeof *areas;
    char *told = told_by_build(&options, &counts);
    assert_int_equal(counts.built, 1);
    size_t warnings = 0;
    for (const char *at = told; (at = strstr(at, "film: removal area ")) != NULL; at++) warnings++;
    assert_int_equal(warnings, 4);
    assert_non_null(strstr(told, "film: removal area 200,0,10,10 lies outside of 200 x 100\n"));
    assert_non_null(strstr(told, "film: removal area 0,100,5,5@2- lies outside of 200 x 100\n"));
    assert_non_null(strstr(told, "film: removal area -20,0,20,5 lies outside of 200 x 100\n"));
    assert_non_null(strstr(told, "film: removal area 0,0,5,5@6- begins behind the last frame looked at, 5\n"));
    free(told);
}

/* A film of which it cannot be told whether it is finished is not passed over. */
static void a_film_that_cannot_be_looked_at_is_an_error(void **state)
{
    (void)state;
    struct rmset_counts counts;
    struct error err = {0};
    const char *films[] = {scratch_path(folder, "film")}, *out = scratch_path(folder, "unseen");
    struct rmset_build_options options = options_of(out);
    assert_int_equal(build(&options, &counts), STATUS_OK);
    char *before = content_of("unseen/index.csv");
    assert_int_equal(symlink("round", scratch_path(folder, "unseen/round")), 0);
    assert_int_equal(rmset_build(films, 1, &options, &counts, &err), STATUS_FAILED);
    assert_non_null(strstr(err.message, "unseen/round/film.ini: "));
    char *after = content_of("unseen/index.csv");
    assert_string_equal(before, after);
    memory_free(before);
    memory_free(after);
}

/* The same of one whose film.ini is not what it was: all of the lists stay. */
static void a_broken_film_leaves_the_lists(void **state)
{
    (void)state;
    static const char *const lists[] = {"index.csv", "tracks.csv", "videos.csv", "statistics.ini"};
    char broken[512], film[512], before[4][2048];
    struct rmset_counts counts;
    struct error err = {0};
    snprintf(broken, sizeof broken, "%s/broken", folder);
    snprintf(film, sizeof film, "%s/film", folder);
    struct rmset_build_options options = options_of(broken);
    options.detections = scratch_path(folder, "film.detections.csv");
    assert_int_equal(build(&options, &counts), STATUS_OK);
    for (int i = 0; i < 4; i++) {
        char name[64];
        snprintf(name, sizeof name, "broken/%s", lists[i]);
        char *text = content_of(name);
        snprintf(before[i], sizeof before[i], "%s", text);
        memory_free(text);
    }
    scratch_text(folder, "broken/another/film.ini", "[film]\nframes = 1\n");
    scratch_text(folder, "broken/another/rows.csv", "another,0,0,another/0000000_0.jpg,1,1,1,1,1\n");
    scratch_text(folder, "broken/another/tracks.csv", "another,0,0,0,1,end of the film\n");
    const char *films[] = {film};
    assert_int_equal(rmset_build(films, 1, &options, &counts, &err), STATUS_FAILED);
    assert_non_null(strstr(err.message, "broken/another/film.ini: not whole"));
    for (int i = 0; i < 4; i++) {
        char name[64];
        snprintf(name, sizeof name, "broken/%s", lists[i]);
        char *text = content_of(name);
        assert_string_equal(text, before[i]);
        memory_free(text);
    }
}

/* As many as make film.ini longer than a megabyte are built, and read again; more than it may hold are told first. */
static void many_areas_are_kept_or_told(void **state)
{
    (void)state;
    char set[512];
    struct rmset_counts counts;
    struct error err = {0};
    const char *films[] = {make_scenes()};
    snprintf(set, sizeof set, "%s/areas", folder);
    struct rmset_build_options options = options_of(set);
    struct text areas = {0};
    for (int i = 0; i < 60000; i++)
        assert_int_equal(text_append_format(&areas, NULL, "100000,100000,100000,1,%d,%d\n", 700000 + i, 700000 + i),
                         STATUS_OK);
    scratch_text(folder, "scenes.film.csv", text_string(&areas));
    log_set_level(LOG_QUIET); /* each lies outside, and is told */
    for (int pass = 0; pass < 2; pass++) {
        assert_int_equal(rmset_build(films, 1, &options, &counts, &err), STATUS_OK);
        assert_int_equal(counts.failed, 0);
        assert_int_equal(counts.built, 1 - pass);
    }
    for (int i = 0; i < 60000; i++)
        assert_int_equal(text_append_format(&areas, NULL, "100000,100000,100000,1,%d,%d\n", 800000 + i, 800000 + i),
                         STATUS_OK);
    scratch_text(folder, "scenes.film.csv", text_string(&areas));
    assert_int_equal(rmset_build(films, 1, &options, &counts, &err), STATUS_OK);
    log_set_level(LOG_NORMAL);
    assert_non_null(strstr(last_failure, "scenes: more removal areas and corrections than film.ini holds"));
    text_free(&areas);
}

/* A list's faces are chosen as the detector's are; how that one would look is told where it does not. */
static void lists_are_chosen_from(void **state)
{
    (void)state;
    char set[512];
    struct rmset_counts counts;
    snprintf(set, sizeof set, "%s/chosen", folder);
    struct rmset_build_options options = options_of(set);
    scratch_text(folder, "film.detections.csv",
                 "0,20,30,40,50,0.9\n1,20,30,40,50,0.7\n2,20,30,40,50,0.8\n3,22,30,29,50,0.9\n4,20,32,40,29,0.9\n");
    options.list_score = 0.8;
    options.detection.min_face = 30;
    options.asks_detector = true;
    char *told = told_by_build(&options, &counts);
    assert_non_null(strstr(told, "film: its list of detections is used; --windows and --detect-size are about"));
    free(told);
    char *tracks = content_of("chosen/tracks.csv");
    assert_string_equal(tracks, "video,face,first,last,faces,end\nfilm,0,0,2,2,not found after frame 2\n");
    memory_free(tracks);
    options.list_score = 0;
    assert_int_equal(build(&options, &counts), STATUS_OK);
    assert_non_null(strstr(last_failure, "other settings (detections 2 "));
    write_lists();
}

static void count_complaints(void *context, const char *message)
{
    (void)context;
    snprintf(last_failure, sizeof last_failure, "%s", message);
}

static void check_finds_what_is_broken(void **state)
{
    (void)state;
    struct error err = {0};
    struct rmset_stats stats;
    struct rmset_complaints complaints = {.tell = count_complaints};
    const char *set = scratch_path(folder, "set");
    assert_int_equal(rmset_check(set, 2, &complaints, &stats, &err), STATUS_OK);
    assert_int_equal(complaints.count, 0);
    assert_int_equal(stats.faces, 7);
    assert_int_equal(stats.persons, 2);
    assert_int_equal(stats.frames, 5);
    assert_int_equal(stats.frames_read, 6);
    assert_int_equal(stats.faces_of_person, 4);
    assert_int_equal(stats.faces_of_frame, 2);
    scratch_text(folder, "set/film/0000003_1.jpg", "not a picture");
    assert_int_equal(remove(scratch_path(folder, "set/film/0000001_0.jpg")), 0);
    assert_int_equal(rmset_check(set, 2, &complaints, &stats, &err), STATUS_OK);
    assert_int_equal(complaints.count, 2);
    assert_non_null(strstr(last_failure, "0000003_1.jpg"));
    scratch_text(folder, "set/videos.csv", "video,fps,frames,faces,persons,removal_areas\nfilm,0,6,8,2,\"\"\n");
    complaints.count = 0;
    assert_int_equal(rmset_check(set, 2, &complaints, &stats, &err), STATUS_OK);
    assert_int_equal(complaints.count, 3);
}

/* A list may hold faces beyond the picture, some of whose squares reach into it: they are no persons, and the set is
 * whole. */
static void faces_outside_are_nobody(void **state)
{
    (void)state;
    struct error err = {0};
    struct rmset_counts counts;
    struct rmset_stats stats;
    struct rmset_complaints complaints = {.tell = count_complaints};
    const char *set = scratch_path(folder, "outside");
    struct rmset_build_options options = options_of(set);
    options.detections = scratch_path(folder, "outside.csv");
    scratch_text(folder, "outside.csv",
                 "frame,x,y,w,h\n0,4000,4000,20,20\n0,20,30,40,50\n1,20,30,40,50\n1,4000,4000,20,20\n0,201,30,20,20\n"
                 "1,201,30,20,20\n2,-500,10,20,20\n");
    assert_int_equal(build(&options, &counts), STATUS_OK);
    assert_string_equal(last_failure, "");
    /* Number 1 is whom film.faces.csv added, who is never found. */
    char *tracks = content_of("outside/tracks.csv");
    assert_string_equal(tracks, "video,face,first,last,faces,end\nfilm,0,0,1,2,not found after frame 1\n"
                                "film,2,0,1,2,not found after frame 1\n");
    assert_int_equal(rmset_check(set, 1, &complaints, &stats, &err), STATUS_OK);
    assert_int_equal(complaints.count, 0);
    assert_int_equal(stats.persons, 2);
    memory_free(tracks);
}

/* Memory is planned for the largest search. */
static void windows_are_looked_for_closely(void **state)
{
    (void)state;
    assert_int_equal(film_windows_largest_size(&(struct detector_options){.detect_size = 640}), 2048);
    assert_int_equal(film_windows_largest_size(&(struct detector_options){.detect_size = 4096}), 4096);
    assert_int_equal(film_windows_largest_size(&(struct detector_options){.detect_size = 0}), 0);
}

static void bad_notes_are_named(void **state)
{
    (void)state;
    static const struct {
        const char *name, *text, *message;
    } cases[] = {
        {"film.film.csv", "x,y,w,h\n1,2,3\n", "film.film.csv:2: not x,y,w,h"},
        {"film.film.csv", "0;0;64;48\n", "film.film.csv:1: not x,y,w,h"},
        {"film.film.csv", "O,0,64,48\n", "film.film.csv:1: not x,y,w,h"},
        {"film.faces.csv", "frame,x,y,w,h\n", "film.faces.csv:1: not x,y,w,h"},
        {"film.detections.csv", "x,y,w,h\n", "film.detections.csv:1: not frame,x"},
        {"film.film.csv", "1,2,3,-4\n", "film.film.csv:1: not x,y,w,h"},
        {"film.film.csv", "1,2,3,4,9,8\n", "film.film.csv:1: not x,y,w,h"},
        {"film.faces.csv", "1,2,3,4,perhaps\n", "film.faces.csv:1: not x,y,w,h"},
        {"film.detections.csv", "frame,x\n-1,2,3,4,5\n", "film.detections.csv:2: not frame,x"},
        {"film.detections.csv", "0,2,3,4,5,nan\n", "film.detections.csv:1: not frame,x"},
    };
    struct error err = {0};
    struct rmset_notes notes = {0};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        write_lists();
        scratch_text(folder, cases[i].name, cases[i].text);
        error_clear(&err);
        assert_int_not_equal(rmset_notes_read(&notes, scratch_path(folder, "film"), NULL, true, &err), STATUS_OK);
        assert_non_null(strstr(err.message, cases[i].message));
        rmset_notes_free(&notes);
    }
    static const char *const areas[] = {"", "1,2,3", "1,2,3,4,5", "1,2,0,4", "1,2,3,4@", "1,2,3,4@5", "1,2,3,4@5-4"};
    for (size_t i = 0; i < sizeof areas / sizeof *areas; i++) {
        error_clear(&err);
        assert_int_equal(rmset_notes_add_area(&notes, areas[i], &err), STATUS_USAGE);
    }
    error_clear(&err);
    assert_int_equal(rmset_notes_add_area(&notes, "1,2,3,4@5-", &err), STATUS_OK);
    rmset_notes_free(&notes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(faces_get_the_numbers_of_the_first_frame),
        cmocka_unit_test(crops_are_right_to_the_pixel),
        cmocka_unit_test(borders_are_cut_or_filled),
        cmocka_unit_test(the_film_is_masked),
        cmocka_unit_test(statistics_are_of_all_pixels),
        cmocka_unit_test(other_settings_are_refused),
        cmocka_unit_test(films_of_earlier_programs_are_finished),
        cmocka_unit_test(another_film_is_refused),
        cmocka_unit_test(another_list_is_refused),
        cmocka_unit_test(films_need_names_of_their_own),
        cmocka_unit_test(what_is_no_film_is_refused),
        cmocka_unit_test(areas_do_not_hide_cuts),
        cmocka_unit_test(a_place_that_is_taken_is_told_first),
        cmocka_unit_test(areas_that_hide_nothing_are_told),
        cmocka_unit_test(a_film_that_cannot_be_looked_at_is_an_error),
        cmocka_unit_test(a_broken_film_leaves_the_lists),
        cmocka_unit_test(many_areas_are_kept_or_told),
        cmocka_unit_test(lists_are_chosen_from),
        cmocka_unit_test(check_finds_what_is_broken),
        cmocka_unit_test(faces_outside_are_nobody),
        cmocka_unit_test(windows_are_looked_for_closely),
        cmocka_unit_test(bad_notes_are_named),
    };
    return cmocka_run_group_tests_name("rmset build", tests, make_film, remove_film);
}
