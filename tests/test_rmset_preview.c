/* The preview of films whose window is known to the pixel: the suggested area, layouts that change, and films in which
 * nothing stands out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "rmfer/base/log.h"
#include "rmfer/base/random.h"
#include "rmfer/data/draw.h"
#include "rmfer/faces/tracks.h"
#include "rmfer/rmset/preview.h"
#include "support/scratch.h"

#include <stdio.h>
#include <string.h>

enum { WIDTH = 240, HEIGHT = 160, FRAMES = 40, PANEL = 80 };

static char *folder;

static int make_folder(void **state)
{
    (void)state;
    folder = scratch_make();
    return 0;
}

static int remove_folder(void **state)
{
    (void)state;
    scratch_remove(folder);
    return 0;
}

static struct color any_color(struct random_stream *stream)
{
    return (struct color){(uint8_t)random_below(stream, 256), (uint8_t)random_below(stream, 256),
                          (uint8_t)random_below(stream, 256)};
}

/* A grid of panels, each a still wall before which somebody sways; `films` windows that cut every fourth frame, the
 * second from frame `change` on, when the walls change too. */
static const char *make_film(const char *name, const struct image_box *windows, int films, int change)
{
    for (int frame = 0; frame < FRAMES; frame++) {
        struct error err = {0};
        struct image image;
        char path[64];
        int layout = films == 2 && frame >= change;
        assert_int_equal(image_create(&image, WIDTH, HEIGHT, &err), STATUS_OK);
        struct random_stream walls = random_stream(1, RANDOM_SYNTHESIS, 7, (uint64_t)layout);
        for (int panel = 0; panel < WIDTH / PANEL * HEIGHT / PANEL; panel++) {
            int x = panel % (WIDTH / PANEL) * PANEL, y = panel / (WIDTH / PANEL) * PANEL;
            draw_rectangle(&image, x, y, PANEL, PANEL, any_color(&walls));
            draw_dot(&image, x + PANEL / 2 + frame % 8, y + PANEL / 2, PANEL / 4, any_color(&walls));
        }
        struct random_stream scene = random_stream(2, RANDOM_SYNTHESIS, 8, (uint64_t)(frame / 4));
        if (films > 0) {
            const struct image_box *window = &windows[layout];
            draw_rectangle(&image, (int)window->x, (int)window->y, (int)window->width, (int)window->height,
                           any_color(&scene));
        }
        snprintf(path, sizeof path, "%s/%02d.png", name, frame);
        if (frame == 0) scratch_text(folder, path, "");
        assert_int_equal(image_write_png(scratch_path(folder, path), &image, &err), STATUS_OK);
        image_free(&image);
    }
    return scratch_path(folder, name);
}

static void preview_of(const char *film, const struct rmset_preview_options *options, struct rmset_preview *preview)
{
    struct error err = {0};
    if (rmset_preview_make(preview, film, options, &err) != STATUS_OK) fail_msg("%s", err.message);
}

static void the_window_is_suggested(void **state)
{
    (void)state;
    static const struct image_box windows[] = {{80, 0, 80, 80}, {40, 30, 110, 70}, {0, 0, 160, 160}};
    const struct rmset_preview_options options = {.frames = 6};
    for (int i = 0; i < 3; i++) {
        char name[24];
        struct rmset_preview preview;
        snprintf(name, sizeof name, "window%d", i);
        preview_of(make_film(name, &windows[i], 1, 0), &options, &preview);
        assert_int_equal(preview.suggested.area_count, 1);
        double overlap = box_overlap(&preview.suggested.areas[0].box, &windows[i]);
        print_message("window %d: IoU %.3f\n", i, overlap);
        assert_true(overlap >= 0.95);
        assert_int_equal(preview.suggested.areas[0].from, 0);
        assert_true(preview.suggested.areas[0].to == INT64_MAX);
        assert_int_equal(preview.frames, FRAMES);
        rmset_preview_free(&preview);
    }
}

/* Two layouts are two areas, each for its frames. */
static void a_new_layout_is_a_new_area(void **state)
{
    (void)state;
    static const struct image_box windows[] = {{0, 0, 80, 80}, {80, 80, 160, 80}};
    const struct rmset_preview_options options = {.frames = 6};
    struct rmset_preview preview;
    preview_of(make_film("layouts", windows, 2, 21), &options, &preview);
    assert_int_equal(preview.suggested.area_count, 2);
    assert_true(box_overlap(&preview.suggested.areas[0].box, &windows[0]) >= 0.95);
    assert_true(box_overlap(&preview.suggested.areas[1].box, &windows[1]) >= 0.95);
    assert_int_equal(preview.suggested.areas[0].to, 20);
    assert_int_equal(preview.suggested.areas[1].from, 21);
    rmset_preview_free(&preview);
}

static void nothing_stands_out_without_a_window(void **state)
{
    (void)state;
    const struct rmset_preview_options options = {.frames = 6};
    struct rmset_preview preview;
    preview_of(make_film("none", NULL, 0, 0), &options, &preview);
    assert_int_equal(preview.suggested.area_count, 0);
    rmset_preview_free(&preview);
}

/* Three tiles of 640 a row; a listed face is a green frame, in a given area a grey one. */
static void the_sheet_shows_faces_and_areas(void **state)
{
    (void)state;
    static const struct image_box window = {80, 0, 80, 80};
    static const char *const areas[] = {"80,0,80,80"};
    const struct rmset_preview_options options = {.frames = 6, .areas = areas, .area_count = 1};
    struct rmset_preview preview;
    const char *film = make_film("listed", &window, 1, 0);
    scratch_text(folder, "listed.detections.csv", "frame,x,y,w,h,score\n3,15,100,45,45,0.9\n3,90,12,45,45,0.9\n");
    preview_of(film, &options, &preview);
    int tall = (HEIGHT * 640 + WIDTH / 2) / WIDTH;
    assert_int_equal(preview.sheet.width, 3 * 652 + 12);
    assert_int_equal(preview.sheet.height, 30 + 12 + 2 * (tall + 22 + 12));
    /* Frame 3 is the first tile: (2 * 0 + 1) * 40 / 12. The left edges of the faces, two pixels wide. */
    double scale = 640.0 / WIDTH;
    const uint8_t *pixels = preview.sheet.rgb;
    size_t row = (size_t)(42 + 125 * scale) * (size_t)preview.sheet.width;
    const uint8_t *free_face = pixels + 3 * (row + (size_t)(12 + 15 * scale));
    row = (size_t)(42 + 30 * scale) * (size_t)preview.sheet.width;
    const uint8_t *hidden_face = pixels + 3 * (row + (size_t)(12 + 90 * scale));
    assert_true(free_face[0] == 0 && free_face[1] == 230 && free_face[2] == 118);
    assert_true(hidden_face[0] == 150 && hidden_face[1] == 150 && hidden_face[2] == 150);
    rmset_preview_free(&preview);
}

/* An area's numbers are wholly to be read where it lies at the right edge, and one that hides nothing is told. */
static void an_area_at_the_edge_is_labelled(void **state)
{
    (void)state;
    static const struct image_box window = {80, 0, 80, 80};
    static const struct color given = {86, 180, 233}, black = {0, 0, 0};
    static const char *const areas[] = {"220,40,20,30", "240,0,20,30", "0,0,20,30@40-"};
    static const char label[] = "given 220,40,20,30";
    const struct rmset_preview_options options = {.frames = 6, .areas = areas, .area_count = 3};
    struct error err = {0};
    struct rmset_preview preview;
    struct image plate = {0};
    char *told = NULL;
    size_t size = 0;
    FILE *copy = open_memstream(&told, &size);
    assert_non_null(copy);
    log_set_copy(copy);
    preview_of(make_film("edge", &window, 1, 0), &options, &preview);
    log_set_copy(NULL);
    assert_int_equal(fclose(copy), 0);
    assert_non_null(strstr(told, "edge: removal area 240,0,20,30 lies outside of 240 x 160\n"));
    assert_non_null(strstr(told, "edge: removal area 0,0,20,30@40- begins behind the last frame looked at, 39\n"));
    free(told);
    int width = draw_text_width(label, 2) + 2, height = 2 * FONT_HEIGHT + 1;
    assert_int_equal(image_create(&plate, width, height, &err), STATUS_OK);
    draw_rectangle(&plate, 0, 0, width, height, black);
    draw_text(&plate, 2, 1, 2, label, given);
    int top = 42 + (70 * 640 + WIDTH / 2) / WIDTH - 2 * FONT_HEIGHT - 5, left = 12 + 640 - width;
    for (int y = 0; y < height; y++)
        assert_memory_equal(preview.sheet.rgb + 3 * ((top + y) * preview.sheet.width + left), plate.rgb + 3 * y * width,
                            3 * (size_t)width);
    image_free(&plate);
    rmset_preview_free(&preview);
}

/* Below each tile its frame's number; pictures of a folder have no times. */
static void a_folders_frames_have_no_times(void **state)
{
    (void)state;
    static const struct color paper = {250, 250, 250}, ink = {30, 30, 30};
    const struct rmset_preview_options options = {.frames = 6};
    struct error err = {0};
    struct rmset_preview preview;
    struct image caption = {0};
    preview_of(make_film("times", NULL, 0, 0), &options, &preview);
    assert_int_equal(image_create(&caption, 640, 22, &err), STATUS_OK);
    draw_rectangle(&caption, 0, 0, caption.width, caption.height, paper);
    draw_text(&caption, 0, 4, 2, "frame 3  0 faces", ink);
    size_t top = 42 + (size_t)(HEIGHT * 640 + WIDTH / 2) / WIDTH, width = (size_t)preview.sheet.width;
    for (size_t y = 0; y < 22; y++)
        assert_memory_equal(preview.sheet.rgb + 3 * ((top + y) * width + 12), caption.rgb + 3 * y * 640, 3 * 640);
    image_free(&caption);
    rmset_preview_free(&preview);
}

/* The name of a folder may hold a dot, and a slash may follow: its notes are the same. */
static void a_folder_has_one_stem(void **state)
{
    (void)state;
    const struct rmset_preview_options options = {.frames = 6, .lists_first = true};
    const char *film = make_film("cut.v1", NULL, 0, 0);
    char with_slash[512];
    snprintf(with_slash, sizeof with_slash, "%s/", film);
    scratch_text(folder, "cut.v1.film.csv", "x,y,w,h\n1,2,3,4\n");
    scratch_text(folder, "cut.film.csv", "no numbers\nat all\n");
    const char *const films[] = {film, with_slash};
    for (int i = 0; i < 2; i++) {
        struct rmset_notes notes = {0};
        struct rmset_preview preview;
        struct error err = {0};
        struct rmset_stem stem = rmset_film_stem(films[i]);
        assert_int_equal(stem.end, strlen(film));
        assert_int_equal(stem.end - stem.begin, strlen("cut.v1"));
        assert_int_equal(rmset_notes_read(&notes, films[i], NULL, true, &err), STATUS_OK);
        assert_int_equal(notes.area_count, 1);
        rmset_notes_free(&notes);
        preview_of(films[i], &options, &preview);
        rmset_preview_free(&preview);
    }
    assert_int_equal(rmset_film_stem("some/film.part.mp4").end, strlen("some/film.part"));
    assert_int_equal(rmset_film_stem("some.where/.film").end, strlen("some.where/.film"));
}

/* The first frame, and one that would be on the sheet: both are told, the next one stands in the place of the second.
 */
static void a_bad_frame_is_left_out(void **state)
{
    (void)state;
    static const struct image_box window = {80, 0, 80, 80};
    const struct rmset_preview_options options = {.frames = 6};
    struct rmset_preview preview;
    char *told = NULL;
    size_t size = 0;
    const char *film = make_film("damaged", &window, 1, 0);
    scratch_text(folder, "damaged/00.png", "no picture");
    scratch_text(folder, "damaged/03.png", "no picture");
    FILE *copy = open_memstream(&told, &size);
    assert_non_null(copy);
    log_set_copy(copy);
    preview_of(film, &options, &preview);
    log_set_copy(NULL);
    assert_int_equal(fclose(copy), 0);
    assert_non_null(strstr(told, "damaged/00.png"));
    assert_non_null(strstr(told, "damaged/03.png"));
    assert_non_null(strstr(told, "; the frame is left out\n"));
    free(told);
    assert_int_equal(preview.width, WIDTH);
    assert_int_equal(preview.sheet.height, 30 + 12 + 2 * ((HEIGHT * 640 + WIDTH / 2) / WIDTH + 22 + 12));
    assert_int_equal(preview.suggested.area_count, 1);
    assert_true(box_overlap(&preview.suggested.areas[0].box, &window) >= 0.95);
    rmset_preview_free(&preview);
}

static void what_is_no_film_is_said(void **state)
{
    (void)state;
    const struct rmset_preview_options options = {.frames = 6};
    struct rmset_preview preview;
    struct error err = {0};
    assert_int_not_equal(rmset_preview_make(&preview, scratch_path(folder, "nowhere"), &options, &err), STATUS_OK);
    error_clear(&err);
    assert_int_not_equal(rmset_preview_make(&preview, scratch_path(folder, "n*e"), &options, &err), STATUS_OK);
    assert_non_null(strstr(err.message, "/n*e: there is no such file; a pattern is left to the shell"));
    error_clear(&err);
    assert_int_not_equal(rmset_preview_make(&preview, "-", &options, &err), STATUS_OK);
    assert_string_equal(err.message, "-: a film is a file or a folder of frames, not standard input");
    error_clear(&err);
    scratch_text(folder, "broken/0.png", "no picture");
    assert_int_not_equal(rmset_preview_make(&preview, scratch_path(folder, "broken"), &options, &err), STATUS_OK);
    assert_non_null(strstr(err.message, "broken: no frames"));
    error_clear(&err);
    scratch_text(folder, "broken.png", "no picture");
    assert_int_not_equal(rmset_preview_make(&preview, scratch_path(folder, "broken.png"), &options, &err), STATUS_OK);
    assert_non_null(strstr(err.message, "broken.png"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_window_is_suggested),
        cmocka_unit_test(a_new_layout_is_a_new_area),
        cmocka_unit_test(nothing_stands_out_without_a_window),
        cmocka_unit_test(the_sheet_shows_faces_and_areas),
        cmocka_unit_test(an_area_at_the_edge_is_labelled),
        cmocka_unit_test(a_folders_frames_have_no_times),
        cmocka_unit_test(a_folder_has_one_stem),
        cmocka_unit_test(a_bad_frame_is_left_out),
        cmocka_unit_test(what_is_no_film_is_said),
    };
    return cmocka_run_group_tests_name("rmset preview", tests, make_folder, remove_folder);
}
