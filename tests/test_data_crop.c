/* Cutting faces out: regions, similarity transforms, aligned crops; and drawing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "rmfer/base/memory.h"
#include "rmfer/base/random.h"
#include "rmfer/data/crop.h"
#include "rmfer/data/draw.h"

#include <math.h>
#include <string.h>

/* ---- regions ----------------------------------------------------------------------------------------------------- */

static void check_box(struct image_box got, double x, double y, double width, double height)
{
    assert_float_equal((float)got.x, (float)x, 1e-5f);
    assert_float_equal((float)got.y, (float)y, 1e-5f);
    assert_float_equal((float)got.width, (float)width, 1e-5f);
    assert_float_equal((float)got.height, (float)height, 1e-5f);
}

static void boxes_grow_by_the_margin(void **state)
{
    (void)state;
    struct image_box box = {40, 30, 20, 28};
    check_box(crop_region(CROP_FACE_BOX, 0.31, &box, 200, 200), 36.9, 30, 26.2, 28);
    check_box(crop_region(CROP_FACE_BOX, 0, &box, 200, 200), 40, 30, 20, 28);
    check_box(crop_region(CROP_FACE_BOX, 0.5, &box, 52, 50), 35, 30, 17, 20); /* cut off at the right and bottom */
}

static void squares_hold_the_widened_box(void **state)
{
    (void)state;
    struct image_box tall = {40, 30, 20, 28}, wide = {40, 30, 20, 20};
    check_box(crop_region(CROP_FACE_SQUARE, 0.31, &tall, 200, 200), 36, 30, 28, 28);
    check_box(crop_region(CROP_FACE_SQUARE, 0.31, &wide, 200, 200), 36.9, 26.9, 26.2, 26.2);
}

static void squares_move_inside_the_picture(void **state)
{
    (void)state;
    struct image_box corner = {-10, -4, 20, 28}, large = {-5, 10, 60, 90};
    check_box(crop_region(CROP_FACE_SQUARE, 0.31, &corner, 200, 200), 0, 0, 28, 28);
    struct image_box lower = {190, 185, 20, 28};
    check_box(crop_region(CROP_FACE_SQUARE, 0.31, &lower, 200, 200), 172, 172, 28, 28);
    check_box(crop_region(CROP_FACE_SQUARE, 0, &large, 50, 200), 0, 10, 50, 90); /* too wide for the picture */
}

static void boxes_outside_have_no_region(void **state)
{
    static const struct image_box boxes[] = {{200, 0, 10, 10}, {-10, 0, 10, 10}, {0, 300, 10, 10},
                                             {0, -30, 10, 10}, {10, 10, 0, 10},  {10, 10, 10, -1}};
    (void)state;
    for (size_t i = 0; i < sizeof boxes / sizeof *boxes; i++) {
        check_box(crop_region(CROP_FACE_SQUARE, 0.31, &boxes[i], 200, 200), 0, 0, 0, 0);
        check_box(crop_region(CROP_FACE_BOX, 0.31, &boxes[i], 200, 200), 0, 0, 0, 0);
    }
}

/* ---- similarity -------------------------------------------------------------------------------------------------- */

static void map_point(const struct similarity *t, const double from[2], double to[2])
{
    to[0] = t->a * from[0] - t->b * from[1] + t->tx;
    to[1] = t->b * from[0] + t->a * from[1] + t->ty;
}

static double squared_error(const struct similarity *t, const double (*from)[2], const double (*to)[2], int count)
{
    double total = 0, at[2];
    for (int i = 0; i < count; i++) {
        map_point(t, from[i], at);
        total += pow(at[0] - to[i][0], 2) + pow(at[1] - to[i][1], 2);
    }
    return total;
}

static void transforms_are_found_again(void **state)
{
    (void)state;
    struct random_stream stream = random_stream(1, RANDOM_TEST, 0, 0);
    for (int round = 0; round < 50; round++) {
        double from[5][2], to[5][2], angle = random_between(&stream, -3.1, 3.1);
        double scale = random_between(&stream, 0.1, 9);
        struct similarity known = {scale * cos(angle), scale * sin(angle), random_between(&stream, -99, 99),
                                   random_between(&stream, -99, 99)},
                          found;
        for (int i = 0; i < 5; i++) {
            for (int j = 0; j < 2; j++) from[i][j] = random_between(&stream, 0, 100);
            map_point(&known, from[i], to[i]);
        }
        assert_true(similarity_fit((const double(*)[2])from, (const double(*)[2])to, 5, &found));
        assert_float_equal((float)found.a, (float)known.a, 1e-4f);
        assert_float_equal((float)found.b, (float)known.b, 1e-4f);
        assert_float_equal((float)found.tx, (float)known.tx, 1e-3f);
        assert_float_equal((float)found.ty, (float)known.ty, 1e-3f);
    }
}

/* No small change of a fit makes it better. */
static void fits_are_least_squares(void **state)
{
    (void)state;
    struct random_stream stream = random_stream(2, RANDOM_TEST, 0, 0);
    for (int round = 0; round < 20; round++) {
        double from[5][2], to[5][2];
        struct similarity best;
        for (int i = 0; i < 10; i++) {
            from[i / 2][i % 2] = random_between(&stream, 0, 10);
            to[i / 2][i % 2] = random_between(&stream, 0, 10);
        }
        const double(*f)[2] = (const double(*)[2])from, (*t)[2] = (const double(*)[2])to;
        assert_true(similarity_fit(f, t, 5, &best));
        double least = squared_error(&best, f, t, 5);
        for (int change = 0; change < 8; change++) {
            struct similarity other = best;
            double *members[] = {&other.a, &other.b, &other.tx, &other.ty};
            *members[change / 2] += change % 2 ? 1e-3 : -1e-3;
            assert_true(squared_error(&other, f, t, 5) > least);
        }
    }
}

static void equal_points_have_no_transform(void **state)
{
    (void)state;
    double same[3][2] = {{4, 5}, {4, 5}, {4, 5}}, to[3][2] = {{0, 0}, {1, 1}, {2, 0}};
    struct similarity t;
    assert_false(similarity_fit((const double(*)[2])same, (const double(*)[2])to, 3, &t));
}

/* ---- crops ------------------------------------------------------------------------------------------------------- */

/* An upright face: the landmarks of the template about the box's centre. */
static struct face_shape upright_face(double x, double y, double width)
{
    static const double points[FACE_LANDMARKS][2] = {
        {-0.235, -0.172}, {0.235, -0.172}, {0, 0.103}, {-0.205, 0.318}, {0.205, 0.318}};
    struct face_shape face = {.box = {x - width / 2, y - 0.7 * width, width, 1.4 * width}};
    for (int i = 0; i < FACE_LANDMARKS; i++) {
        face.landmarks[i][0] = x + width * points[i][0];
        face.landmarks[i][1] = y + width * points[i][1];
    }
    return face;
}

static void turn_face(struct face_shape *face, double degrees)
{
    double x = face->box.x + face->box.width / 2, y = face->box.y + face->box.height / 2;
    double c = cos(degrees * 3.14159265358979 / 180), s = sin(degrees * 3.14159265358979 / 180);
    for (int i = 0; i < FACE_LANDMARKS; i++) {
        double dx = face->landmarks[i][0] - x, dy = face->landmarks[i][1] - y;
        face->landmarks[i][0] = x + c * dx - s * dy;
        face->landmarks[i][1] = y + s * dx + c * dy;
    }
}

/* Smooth enough that resampling in two ways gives nearly the same. */
static struct image smooth_picture(int width, int height)
{
    struct image image;
    struct error err = {0};
    assert_int_equal(image_create(&image, width, height, &err), STATUS_OK);
    for (int y = 0; y < height; y++)
        for (int x = 0; x < width; x++) {
            uint8_t *rgb = image.rgb + ((size_t)y * (size_t)width + (size_t)x) * 3;
            rgb[0] = (uint8_t)(128 + 100 * sin(x * 0.05));
            rgb[1] = (uint8_t)(128 + 100 * cos(y * 0.04));
            rgb[2] = (uint8_t)(255 * x / width);
        }
    return image;
}

static double mean_difference(const uint8_t *a, const uint8_t *b, size_t count)
{
    double total = 0;
    for (size_t i = 0; i < count; i++) total += abs((int)a[i] - (int)b[i]);
    return total / (double)count;
}

enum { SIDE = 48, CROP_BYTES = SIDE * SIDE * 3 };

static void cut(const struct image *image, const struct face_shape *face, enum crop_kind kind, uint8_t *rgb)
{
    struct crop_options options = {kind, CROP_DEFAULT_MARGIN, RESIZE_BILINEAR};
    struct crop_workspace workspace = {0};
    struct error err = {0};
    if (crop_face(image, face, &options, SIDE, rgb, &workspace, &err) != STATUS_OK) fail_msg("%s", err.message);
    crop_workspace_free(&workspace);
}

/* For an upright face of usual height aligned and square crops are the same region. */
static void upright_faces_are_aligned_already(void **state)
{
    static const double widths[] = {20, 40, 150};
    (void)state;
    struct image image = smooth_picture(400, 300);
    for (size_t i = 0; i < sizeof widths / sizeof *widths; i++) {
        uint8_t square[CROP_BYTES], aligned[CROP_BYTES];
        struct face_shape face = upright_face(210, 150, widths[i]);
        cut(&image, &face, CROP_FACE_SQUARE, square);
        cut(&image, &face, CROP_FACE_ALIGNED, aligned);
        assert_true(mean_difference(square, aligned, CROP_BYTES) < 1.5);
    }
    image_free(&image);
}

/* Dots at the landmarks of a turned face come to lie at the template's places. */
static void turned_faces_become_upright(void **state)
{
    (void)state;
    for (int degrees = -180; degrees < 180; degrees += 30) {
        struct error err = {0};
        struct image image;
        uint8_t rgb[CROP_BYTES];
        assert_int_equal(image_create(&image, 300, 300, &err), STATUS_OK);
        struct face_shape face = upright_face(150, 150, 120),
                          template = upright_face(SIDE / 2.0, SIDE / 2.0, SIDE / 1.4);
        turn_face(&face, degrees);
        for (int i = 0; i < FACE_LANDMARKS; i++)
            draw_dot(&image, face.landmarks[i][0], face.landmarks[i][1], 8, (struct color){255, 255, 255});
        cut(&image, &face, CROP_FACE_ALIGNED, rgb);
        for (int i = 0; i < FACE_LANDMARKS; i++) {
            size_t x = (size_t) template.landmarks[i][0], y = (size_t) template.landmarks[i][1];
            assert_true(rgb[(y * SIDE + x) * 3] > 200);
        }
        assert_true(rgb[(SIDE * SIDE / 8 + SIDE / 2) * 3] < 50); /* the forehead is dark */
        image_free(&image);
    }
}

static void edges_are_repeated(void **state)
{
    (void)state;
    struct error err = {0};
    struct image image;
    uint8_t rgb[CROP_BYTES];
    assert_int_equal(image_create(&image, 60, 60, &err), STATUS_OK);
    draw_rectangle(&image, 0, 0, 60, 60, (struct color){10, 200, 30});
    struct face_shape face = upright_face(0, 0, 50);
    cut(&image, &face, CROP_FACE_ALIGNED, rgb);
    for (size_t i = 0; i < SIDE * SIDE; i++) {
        assert_int_equal(rgb[3 * i], 10);
        assert_int_equal(rgb[3 * i + 1], 200);
        assert_int_equal(rgb[3 * i + 2], 30);
    }
    image_free(&image);
}

static void impossible_crops_are_errors(void **state)
{
    (void)state;
    struct crop_workspace workspace = {0};
    uint8_t rgb[CROP_BYTES];
    struct image image = smooth_picture(60, 60);
    struct face_shape away = upright_face(500, 20, 30), point = upright_face(30, 30, 20);
    for (int i = 0; i < FACE_LANDMARKS; i++) point.landmarks[i][0] = point.landmarks[i][1] = 30;
    for (int kind = CROP_FACE_SQUARE; kind <= CROP_FACE_ALIGNED; kind++) {
        struct error err = {0};
        struct crop_options options = {(enum crop_kind)kind, 0.31, RESIZE_BILINEAR};
        assert_int_equal(crop_face(&image, &away, &options, SIDE, rgb, &workspace, &err), STATUS_FAILED);
        assert_non_null(strstr(err.message, "outside"));
        error_clear(&err);
        status expected = kind == CROP_FACE_ALIGNED ? STATUS_FAILED : STATUS_OK;
        assert_int_equal(crop_face(&image, &point, &options, SIDE, rgb, &workspace, &err), expected);
    }
    crop_workspace_free(&workspace);
    image_free(&image);
}

/* Landmarks from a damaged network: anything may come, nothing may break. */
static void odd_landmarks_do_no_harm(void **state)
{
    static const double odd[] = {-1e6, 1e6, 0, 1e-9, 5e5};
    (void)state;
    struct crop_workspace workspace = {0};
    struct crop_options options = {CROP_FACE_ALIGNED, 0.31, RESIZE_BILINEAR};
    uint8_t rgb[CROP_BYTES];
    struct image image = smooth_picture(60, 60);
    for (int which = 0; which < 10 * 5; which++) {
        struct error err = {0};
        struct face_shape face = upright_face(30, 30, 20);
        face.landmarks[which / 10][which % 2] = odd[which / 2 % 5];
        status result = crop_face(&image, &face, &options, SIDE, rgb, &workspace, &err);
        assert_true(result == STATUS_OK || err.message[0] != '\0');
    }
    crop_workspace_free(&workspace);
    image_free(&image);
}

static void crop_names_are_known(void **state)
{
    enum crop_kind kind;
    struct error err = {0};
    (void)state;
    assert_int_equal(crop_kind_find("aligned", &kind, &err), STATUS_OK);
    assert_int_equal(kind, CROP_FACE_ALIGNED);
    assert_int_equal(crop_kind_find("round", &kind, &err), STATUS_USAGE);
    assert_non_null(strstr(err.message, "square, box, aligned"));
}

/* ---- drawing ----------------------------------------------------------------------------------------------------- */

static size_t count_color(const struct image *image, struct color color)
{
    size_t count = 0, pixels = (size_t)image->width * (size_t)image->height;
    for (size_t i = 0; i < pixels; i++)
        count += image->rgb[3 * i] == color.red && image->rgb[3 * i + 1] == color.green &&
                 image->rgb[3 * i + 2] == color.blue;
    return count;
}

static void drawing_stays_inside(void **state)
{
    static const double places[] = {-1e9, -50, -3, 5, 18, 25, 1e9};
    static const struct color red = {255, 0, 0};
    (void)state;
    for (int i = 0; i < 7 * 7; i++) {
        struct error err = {0};
        struct image image; /* a sanitizer sees what is written beside it */
        double x = places[i % 7], y = places[i / 7];
        assert_int_equal(image_create(&image, 20, 16, &err), STATUS_OK);
        draw_frame(&image, &(struct image_box){x, y, 9, 9}, 2, red);
        draw_dot(&image, x, y, 4, red);
        draw_text(&image, (int)fmin(fmax(x, -1e6), 1e6), (int)fmin(fmax(y, -1e6), 1e6), 3, "Fear 99%", red);
        image_free(&image);
    }
}

static void shapes_have_their_size(void **state)
{
    static const struct color red = {255, 0, 0};
    struct error err = {0};
    struct image image;
    (void)state;
    assert_int_equal(image_create(&image, 40, 40, &err), STATUS_OK);
    draw_frame(&image, &(struct image_box){5, 6, 20, 10}, 2, red);
    assert_int_equal(count_color(&image, red), 20 * 10 - 16 * 6);
    memset(image.rgb, 0, 40 * 40 * 3);
    draw_dot(&image, 20, 20, 10, red);
    size_t dot = count_color(&image, red);
    assert_in_range(dot, 300, 330); /* pi r^2 = 314 */
    image_free(&image);
}

/* Every printable character is drawn, none like another; what is not ASCII is one question mark a character. */
static void characters_differ(void **state)
{
    enum { WIDTH = FONT_ADVANCE, BYTES = WIDTH * FONT_HEIGHT * 3 };
    static uint8_t seen[95][BYTES];
    static const struct color white = {255, 255, 255};
    struct error err = {0};
    struct image image;
    (void)state;
    assert_int_equal(image_create(&image, WIDTH, FONT_HEIGHT, &err), STATUS_OK);
    for (int c = 0; c < 95; c++) {
        char text[2] = {(char)(c + 32), '\0'};
        memset(image.rgb, 0, BYTES);
        draw_text(&image, 0, 0, 1, text, white);
        memcpy(seen[c], image.rgb, BYTES);
        assert_true(c == 0 || count_color(&image, white) > 1);
        for (int other = 0; other < c; other++) assert_memory_not_equal(seen[c], seen[other], BYTES);
    }
    memset(image.rgb, 0, BYTES);
    draw_text(&image, 0, 0, 1, "\xc3\xa9", white);
    assert_memory_equal(image.rgb, seen['?' - 32], BYTES);
    assert_int_equal(draw_text_width("na\xc3\xafve", 2), 5 * FONT_ADVANCE * 2);
    image_free(&image);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(boxes_grow_by_the_margin),
        cmocka_unit_test(squares_hold_the_widened_box),
        cmocka_unit_test(squares_move_inside_the_picture),
        cmocka_unit_test(boxes_outside_have_no_region),
        cmocka_unit_test(transforms_are_found_again),
        cmocka_unit_test(fits_are_least_squares),
        cmocka_unit_test(equal_points_have_no_transform),
        cmocka_unit_test(upright_faces_are_aligned_already),
        cmocka_unit_test(turned_faces_become_upright),
        cmocka_unit_test(edges_are_repeated),
        cmocka_unit_test(impossible_crops_are_errors),
        cmocka_unit_test(odd_landmarks_do_no_harm),
        cmocka_unit_test(crop_names_are_known),
        cmocka_unit_test(drawing_stays_inside),
        cmocka_unit_test(shapes_have_their_size),
        cmocka_unit_test(characters_differ),
    };
    return cmocka_run_group_tests_name("crop", tests, NULL, NULL);
}
