/* The face detector: its network against plain loops, its decoding, its reader, and real photographs against ONNX
 * Runtime (tests/golden/predict/detections.json, written by scripts/golden_detector.mjs). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "nn/detector_internal.h"
#include "rmfer/base/file.h"
#include "rmfer/base/memory.h"
#include "rmfer/base/random.h"
#include "rmfer/ckpt/detector_onnx.h"
#include "support/detector_case.h"
#include "support/scratch.h"

#include <cjson/cJSON.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

/* ---- the network in plain loops, double precision ---------------------------------------------------------------- */

struct plain_map {
    size_t height, width, channels;
    double *values; /* [height, width, channels] */
};

static struct plain_map plain_new(size_t height, size_t width, size_t channels)
{
    struct plain_map map = {height, width, channels, calloc(height * width * channels, sizeof(double))};
    assert_non_null(map.values);
    return map;
}

static double plain_at(const struct plain_map *map, long y, long x, size_t c)
{
    if (y < 0 || x < 0 || y >= (long)map->height || x >= (long)map->width) return 0;
    return map->values[((size_t)y * map->width + (size_t)x) * map->channels + c];
}

static struct plain_map plain_unit(struct plain_map in, const struct detector_unit_weights *unit, bool rectify)
{
    struct plain_map middle = plain_new(in.height, in.width, unit->output);
    struct plain_map out = plain_new(in.height, in.width, unit->output);
    for (size_t p = 0; p < in.height * in.width; p++)
        for (size_t o = 0; o < unit->output; o++) {
            double total = unit->pointwise_bias[o];
            for (size_t i = 0; i < unit->input; i++)
                total += (double)unit->pointwise[o * unit->input + i] * in.values[p * in.channels + i];
            middle.values[p * unit->output + o] = total;
        }
    for (size_t y = 0; y < in.height; y++)
        for (size_t x = 0; x < in.width; x++)
            for (size_t o = 0; o < unit->output; o++) {
                double total = unit->depthwise_bias[o];
                for (int t = 0; t < 9; t++)
                    total += (double)unit->depthwise[o * 9 + (size_t)t] *
                             plain_at(&middle, (long)y + t / 3 - 1, (long)x + t % 3 - 1, o);
                out.values[(y * in.width + x) * unit->output + o] = rectify && total < 0 ? 0 : total;
            }
    free(middle.values);
    return out;
}

static struct plain_map plain_stem(const uint8_t *rgb, size_t width, size_t height, const struct detector_weights *w)
{
    size_t rows = (height + 31) / 32 * 16, columns = (width + 31) / 32 * 16;
    struct plain_map out = plain_new(rows, columns, w->stem_output);
    for (size_t y = 0; y < rows; y++)
        for (size_t x = 0; x < columns; x++)
            for (size_t o = 0; o < w->stem_output; o++) {
                double total = w->stem_bias[o];
                for (int t = 0; t < 27; t++) {
                    long iy = 2 * (long)y + t % 9 / 3 - 1, ix = 2 * (long)x + t % 3 - 1;
                    if (iy < 0 || ix < 0 || iy >= (long)height || ix >= (long)width) continue;
                    total += (double)w->stem[o * 27 + (size_t)t] *
                             rgb[((size_t)iy * width + (size_t)ix) * 3 + (size_t)(2 - t / 9)];
                }
                out.values[(y * columns + x) * w->stem_output + o] = total < 0 ? 0 : total;
            }
    return out;
}

static struct plain_map plain_pool(struct plain_map in)
{
    struct plain_map out = plain_new(in.height / 2, in.width / 2, in.channels);
    for (size_t y = 0; y < out.height; y++)
        for (size_t x = 0; x < out.width; x++)
            for (size_t c = 0; c < in.channels; c++) {
                double most = -INFINITY;
                for (int k = 0; k < 4; k++)
                    most = fmax(most, plain_at(&in, 2 * (long)y + k / 2, 2 * (long)x + k % 2, c));
                out.values[(y * out.width + x) * in.channels + c] = most;
            }
    return out;
}

/* The joined heads of every level. */
static void plain_forward(const struct detector_weights *w, const uint8_t *rgb, size_t width, size_t height,
                          struct plain_map cells[DETECTOR_LEVELS])
{
    struct plain_map levels[DETECTOR_LEVELS], map = plain_stem(rgb, width, height, w), above = {0};
    int level = 0;
    for (int i = 0; i < DETECTOR_BACKBONE_UNITS; i++) {
        struct plain_map next = plain_unit(map, &w->backbone[i], true);
        free(map.values);
        map = next;
        bool is_level = i == 6 || i == 8 || i == 10;
        if (is_level) levels[level++] = map;
        if (i == 0 || i == 4 || i == 6 || i == 8) {
            map = plain_pool(map);
            if (!is_level) free(next.values);
        }
    }
    for (level = DETECTOR_LEVELS - 1; level >= 0; level--) {
        struct plain_map *own = &levels[level];
        for (size_t p = 0; above.values != NULL && p < own->height * own->width; p++)
            for (size_t c = 0; c < own->channels; c++)
                own->values[p * own->channels + c] += plain_at(&above, (long)(p / own->width / 2),
                                                               (long)(p % own->width / 2), c);
        free(above.values);
        above = plain_unit(*own, &w->lateral[level], true);
        free(own->values);
        struct plain_map shared = plain_unit(above, &w->shared[level], true);
        cells[level] = plain_new(shared.height, shared.width, CELL_CHANNELS);
        size_t first = 0;
        for (int head = 0; head < DETECTOR_HEADS; head++) {
            struct plain_map part = plain_unit(shared, &w->heads[level][head], false);
            for (size_t p = 0; p < part.height * part.width; p++)
                memcpy(cells[level].values + p * CELL_CHANNELS + first, part.values + p * part.channels,
                       part.channels * sizeof(double));
            first += part.channels;
            free(part.values);
        }
        free(shared.values);
    }
    free(above.values);
}

static uint8_t *random_picture(size_t width, size_t height, uint64_t seed)
{
    uint8_t *rgb = malloc(width * height * 3);
    assert_non_null(rgb);
    struct random_stream stream = random_stream(seed, RANDOM_TEST, 1, 0);
    for (size_t i = 0; i < width * height * 3; i++) rgb[i] = (uint8_t)random_below(&stream, 256);
    return rgb;
}

/* The largest difference, measured against the largest number of the level. */
static void compare_cells(const struct detector_cells *got, const struct plain_map *expected)
{
    double largest = 0, worst = 0;
    assert_int_equal(got->rows, expected->height);
    assert_int_equal(got->columns, expected->width);
    for (size_t i = 0; i < got->rows * got->columns * CELL_CHANNELS; i++) {
        largest = fmax(largest, fabs(expected->values[i]));
        double difference = fabs((double)got->values[i] - expected->values[i]);
        worst = difference <= worst ? worst : difference; /* keeps a NaN out of hiding */
    }
    assert_true(largest > 0);
    if (!(worst <= 2e-5 * largest)) fail_msg("off by %g of %g", worst, largest);
}

static void check_forward(size_t width, size_t height, int threads, uint64_t seed)
{
    struct error err = {0};
    struct detector_case c;
    struct detector *detector;
    struct detector_workspace workspace = {0};
    struct detector_cells cells[DETECTOR_LEVELS];
    struct plain_map expected[DETECTOR_LEVELS];
    detector_case_random(&c, seed);
    uint8_t *rgb = random_picture(width, height, seed);
    assert_int_equal(detector_create(&detector, &c.weights, &err), STATUS_OK);
    /* Twice, the first time over another size: what a workspace held before must not matter. */
    assert_int_equal(detector_forward(detector, &workspace, rgb, width, height / 2 + 1, threads, cells, &err), 0);
    assert_int_equal(detector_forward(detector, &workspace, rgb, width, height, threads, cells, &err), STATUS_OK);
    plain_forward(&c.weights, rgb, width, height, expected);
    for (int level = 0; level < DETECTOR_LEVELS; level++) {
        compare_cells(&cells[level], &expected[level]);
        free(expected[level].values);
    }
    free(rgb);
    detector_workspace_free(&workspace);
    detector_free(detector);
    detector_case_free(&c);
}

static void network_equals_plain_loops(void **state)
{
    static const char *const kernels[] = {"portable", "avx2", "avx512"};
    (void)state;
    for (size_t i = 0; i < sizeof kernels / sizeof *kernels; i++) {
        setenv("RMFER_ISA", kernels[i], 1);
        check_forward(32, 32, 1, 1);
        check_forward(33, 95, 3, 2);
        check_forward(70, 40, 2, 3);
        check_forward(1, 1, 4, 4);
        check_forward(160, 64, 5, 5);
    }
    unsetenv("RMFER_ISA");
}

static void other_channel_counts_are_refused(void **state)
{
    (void)state;
    for (int where = 0; where < 5; where++) {
        struct error err = {0};
        struct detector_case c;
        struct detector *detector;
        detector_case_random(&c, 1);
        struct detector_unit_weights *units[] = {&c.weights.backbone[4], &c.weights.lateral[1], &c.weights.shared[2],
                                                 &c.weights.heads[0][HEAD_BOX], &c.weights.backbone[0]};
        if (where == 3)
            units[where]->output = 5;
        else if (where == 4)
            units[where]->output = DETECTOR_MOST_CHANNELS + 1;
        else
            units[where]->input++;
        assert_int_equal(detector_create(&detector, &c.weights, &err), STATUS_FAILED);
        assert_null(detector);
        assert_non_null(strstr(err.message, "not YuNet"));
        detector_case_free(&c);
    }
}

/* ---- finding ----------------------------------------------------------------------------------------------------- */

static void paint_square(struct image *image, int x, int y, int side)
{
    for (int row = y; row < y + side; row++)
        for (int column = x; column < x + side; column++)
            memset(image->rgb + ((size_t)row * (size_t)image->width + (size_t)column) * 3, 255, 3);
}

struct finder {
    struct detector_case c;
    struct detector *detector;
    struct detector_workspace workspace;
    struct image image;
    struct detected_face *faces;
    size_t count;
    struct error err;
};

static void finder_start(struct finder *f, int width, int height)
{
    *f = (struct finder){0};
    detector_case_squares(&f->c);
    assert_int_equal(detector_create(&f->detector, &f->c.weights, &f->err), STATUS_OK);
    assert_int_equal(image_create(&f->image, width, height, &f->err), STATUS_OK);
}

static void finder_stop(struct finder *f)
{
    memory_free(f->faces);
    image_free(&f->image);
    detector_workspace_free(&f->workspace);
    detector_free(f->detector);
    detector_case_free(&f->c);
}

static void find(struct finder *f, const struct detector_options *options)
{
    memory_free(f->faces);
    assert_int_equal(detector_find(f->detector, &f->workspace, &f->image, options, &f->faces, &f->count, &f->err), 0);
}

/* The face of a square whose middle is x, y, everything `scale` times as large. */
static void check_face(const struct detected_face *face, double x, double y, double scale)
{
    const struct image_box *box = &face->shape.box;
    assert_float_equal((float)box->width, (float)(SQUARE_FACE_WIDTH * scale), 1e-3f);
    assert_float_equal((float)box->height, (float)(SQUARE_FACE_HEIGHT * scale), 1e-3f);
    assert_float_equal((float)(box->x + box->width / 2), (float)x, 1e-3f);
    assert_float_equal((float)(box->y + box->height / 2), (float)y, 1e-3f);
    for (int i = 0; i < FACE_LANDMARKS; i++) {
        const double *point = face->shape.landmarks[i];
        assert_float_equal((float)point[0], (float)(x + square_landmarks[i][0] * SQUARE_FACE_WIDTH * scale), 1e-3f);
        assert_float_equal((float)point[1], (float)(y + square_landmarks[i][1] * SQUARE_FACE_WIDTH * scale), 1e-3f);
    }
    assert_true(face->score > 0.999 && face->score <= 1);
}

static void faces_are_where_they_are(void **state)
{
    struct finder f;
    (void)state;
    struct detector_options options = detector_options_defaults();
    options.threads = 2;
    finder_start(&f, 150, 100);
    find(&f, &options);
    assert_int_equal(f.count, 0);
    paint_square(&f.image, 64, 16, SQUARE_SIDE);
    paint_square(&f.image, 16, 64, SQUARE_SIDE);
    find(&f, &options);
    assert_int_equal(f.count, 2);
    check_face(&f.faces[0], 68, 20, 1); /* of equal scores the upper one is first */
    check_face(&f.faces[1], 20, 68, 1);
    finder_stop(&f);
}

static void large_pictures_are_scaled_down(void **state)
{
    struct finder f;
    (void)state;
    struct detector_options options = detector_options_defaults();
    finder_start(&f, 640, 360);
    paint_square(&f.image, 256, 128, 4 * SQUARE_SIDE);
    options.detect_size = 160;
    find(&f, &options);
    assert_int_equal(f.count, 1);
    check_face(&f.faces[0], 272, 144, 4);
    options.detect_size = 0; /* at full size the square is 4 x 4 cells that all answer, and cover each other */
    options.overlap = 0.01;
    find(&f, &options);
    assert_true(f.count >= 1);
    assert_float_equal((float)f.faces[0].shape.box.width, (float)SQUARE_FACE_WIDTH, 1e-3f);
    finder_stop(&f);
}

static void options_choose_faces(void **state)
{
    struct finder f;
    (void)state;
    struct detector_options options = detector_options_defaults();
    finder_start(&f, 128, 128);
    for (int i = 0; i < 4; i++) paint_square(&f.image, 8 + 32 * (i % 2), 8 + 48 * (i / 2), SQUARE_SIDE);
    find(&f, &options);
    assert_int_equal(f.count, 4);
    options.max_faces = 3;
    find(&f, &options);
    assert_int_equal(f.count, 3);
    options.max_faces = 0;
    options.min_face = SQUARE_FACE_WIDTH + 1;
    find(&f, &options);
    assert_int_equal(f.count, 0);
    options.min_face = SQUARE_FACE_WIDTH - 1;
    options.min_score = 0.999999999;
    find(&f, &options);
    assert_int_equal(f.count, 0);
    finder_stop(&f);
}

static void neighbours_are_suppressed(void **state)
{
    struct finder f;
    (void)state;
    struct detector_options options = detector_options_defaults();
    finder_start(&f, 96, 96);
    paint_square(&f.image, 32, 32, SQUARE_SIDE);
    paint_square(&f.image, 40, 32, SQUARE_SIDE); /* boxes share 16 of 24 columns: 16 / 32 of their union */
    options.overlap = 0.49;
    find(&f, &options);
    assert_int_equal(f.count, 1);
    options.overlap = 0.51;
    find(&f, &options);
    assert_int_equal(f.count, 2);
    finder_stop(&f);
}

static void huge_pictures_need_a_detect_size(void **state)
{
    struct finder f;
    (void)state;
    struct detector_options options = detector_options_defaults();
    finder_start(&f, 65000, 300);
    find(&f, &options);
    assert_int_equal(f.count, 0);
    options.detect_size = 0;
    memory_free(f.faces);
    assert_int_equal(detector_find(f.detector, &f.workspace, &f.image, &options, &f.faces, &f.count, &f.err),
                     STATUS_FAILED);
    assert_non_null(strstr(f.err.message, "detect size"));
    finder_stop(&f);
}

static void failing_allocations_are_errors(void **state)
{
    struct finder f;
    (void)state;
    struct detector_options options = detector_options_defaults();
    options.detect_size = 64;
    finder_start(&f, 96, 96);
    paint_square(&f.image, 40, 40, 24);
    status result = STATUS_FAILED;
    int failures = 0;
    for (long countdown = 1; result != STATUS_OK && countdown < 50; countdown++) {
        detector_workspace_free(&f.workspace);
        struct error err = {0};
        memory_fail_after(countdown);
        result = detector_find(f.detector, &f.workspace, &f.image, &options, &f.faces, &f.count, &err);
        memory_fail_after(0);
        failures += result != STATUS_OK;
        if (result != STATUS_OK) assert_null(f.faces);
    }
    assert_int_equal(result, STATUS_OK);
    assert_true(failures >= 4);
    finder_stop(&f);
}

/* ---- decoding cells of our own ----------------------------------------------------------------------------------- */

enum { GRID = 4 };

struct grid {
    real values[DETECTOR_LEVELS][GRID * GRID][CELL_CHANNELS];
    struct detector_cells cells[DETECTOR_LEVELS];
};

static void grid_start(struct grid *grid)
{
    memset(grid, 0, sizeof *grid);
    for (int level = 0; level < DETECTOR_LEVELS; level++) {
        grid->cells[level] = (struct detector_cells){GRID, GRID, grid->values[level][0]};
        for (int cell = 0; cell < GRID * GRID; cell++)
            grid->values[level][cell][CELL_CLASS] = grid->values[level][cell][CELL_OBJECT] = -30;
    }
}

static void scores_and_boxes_are_the_formulas(void **state)
{
    struct grid grid;
    struct detected_face *faces;
    size_t count;
    struct error err = {0};
    (void)state;
    grid_start(&grid);
    real *cell = grid.values[1][GRID + 2]; /* stride 16, row 1, column 2 */
    cell[CELL_CLASS] = 2;
    cell[CELL_OBJECT] = 1;
    cell[CELL_BOX] = (real)0.25;
    cell[CELL_BOX + 1] = (real)-0.5;
    cell[CELL_BOX + 2] = 1;
    cell[CELL_BOX + 3] = (real)0.5;
    for (int i = 0; i < 10; i++) cell[CELL_LANDMARKS + i] = (real)i / 10;
    assert_int_equal(detector_decode(grid.cells, 0.5, 0.3, &faces, &count, &err), STATUS_OK);
    assert_int_equal(count, 1);
    double expected = sqrt(1 / (1 + exp(-2.0)) / (1 + exp(-1.0)));
    assert_float_equal((float)faces[0].score, (float)expected, 1e-6f);
    struct image_box box = faces[0].shape.box;
    assert_float_equal((float)box.width, (float)(exp(1.0) * 16), 1e-4f);
    assert_float_equal((float)box.height, (float)(exp(0.5) * 16), 1e-4f);
    assert_float_equal((float)(box.x + box.width / 2), 2.25f * 16, 1e-4f);
    assert_float_equal((float)(box.y + box.height / 2), 0.5f * 16, 1e-4f);
    assert_float_equal((float)faces[0].shape.landmarks[4][0], 2.8f * 16, 1e-4f);
    assert_float_equal((float)faces[0].shape.landmarks[4][1], 1.9f * 16, 1e-4f);
    memory_free(faces);
}

static void foreign_numbers_do_no_harm(void **state)
{
    static const real bad[] = {(real)NAN, (real)INFINITY, (real)-INFINITY, (real)1e30, (real)-1e30, 800};
    struct detected_face *faces;
    size_t count;
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        for (int channel = 0; channel < CELL_CHANNELS; channel++) {
            struct grid grid;
            struct error err = {0};
            grid_start(&grid);
            grid.values[0][5][CELL_CLASS] = grid.values[0][5][CELL_OBJECT] = 9;
            grid.values[2][5][CELL_CLASS] = grid.values[2][5][CELL_OBJECT] = 9;
            grid.values[0][5][channel] = bad[i];
            assert_int_equal(detector_decode(grid.cells, 0.5, 0.3, &faces, &count, &err), STATUS_OK);
            assert_in_range(count, 1, 2);
            for (size_t face = 0; face < count; face++) {
                assert_true(isfinite(faces[face].score) && isfinite(faces[face].shape.box.x));
                assert_true(isfinite(faces[face].shape.box.width) && faces[face].shape.box.width > 0);
                assert_true(isfinite(faces[face].shape.landmarks[0][0]));
            }
            memory_free(faces);
        }
}

/* ---- the reader -------------------------------------------------------------------------------------------------- */

static status read_bytes(struct detector **detector, const char *folder, const uint8_t *bytes, size_t size,
                         struct error *err)
{
    scratch_write(folder, "yunet.onnx", bytes, size);
    return detector_read(detector, scratch_path(folder, "yunet.onnx"), err);
}

static void onnx_files_are_read(void **state)
{
    char *folder = scratch_make();
    struct error err = {0};
    struct detector_case c;
    struct detector *direct, *read;
    struct detector_workspace first = {0}, second = {0};
    struct detector_cells expected[DETECTOR_LEVELS], got[DETECTOR_LEVELS];
    size_t size;
    (void)state;
    detector_case_random(&c, 9);
    uint8_t *bytes = detector_case_onnx(&c, DETECTOR_WHOLE, &size), *rgb = random_picture(64, 96, 9);
    assert_int_equal(read_bytes(&read, folder, bytes, size, &err), STATUS_OK);
    assert_int_equal(detector_create(&direct, &c.weights, &err), STATUS_OK);
    assert_int_equal(detector_forward(direct, &first, rgb, 64, 96, 1, expected, &err), STATUS_OK);
    assert_int_equal(detector_forward(read, &second, rgb, 64, 96, 1, got, &err), STATUS_OK);
    for (int level = 0; level < DETECTOR_LEVELS; level++)
        assert_memory_equal(got[level].values, expected[level].values,
                            got[level].rows * got[level].columns * CELL_CHANNELS * sizeof(real));
    detector_workspace_free(&first);
    detector_workspace_free(&second);
    detector_free(direct);
    detector_free(read);
    detector_case_free(&c);
    free(bytes);
    free(rgb);
    scratch_remove(folder);
}

static void other_networks_are_refused(void **state)
{
    char *folder = scratch_make();
    (void)state;
    for (int spoil = DETECTOR_WHOLE + 1; spoil < DETECTOR_SPOILING_COUNT; spoil++) {
        struct error err = {0};
        struct detector_case c;
        struct detector *detector;
        size_t size;
        /* With one channel everywhere nothing but the graph itself can tell. */
        detector_case_squares(&c);
        uint8_t *bytes = detector_case_onnx(&c, (enum detector_spoiling)spoil, &size);
        if (read_bytes(&detector, folder, bytes, size, &err) != STATUS_FAILED) fail_msg("spoiling %d is read", spoil);
        assert_null(detector);
        assert_non_null(strstr(err.message, "yunet.onnx"));
        assert_non_null(strstr(err.message, "not YuNet"));
        free(bytes);
        detector_case_free(&c);
    }
    scratch_remove(folder);
}

static void damaged_files_do_no_harm(void **state)
{
    char *folder = scratch_make();
    struct random_stream stream = random_stream(3, RANDOM_TEST, 0, 0);
    struct detector_case c;
    struct detector *detector;
    size_t size;
    (void)state;
    detector_case_squares(&c);
    uint8_t *bytes = detector_case_onnx(&c, DETECTOR_WHOLE, &size);
    for (size_t cut = 0; cut < size; cut += 1 + cut / 40) {
        struct error err = {0};
        assert_int_equal(read_bytes(&detector, folder, bytes, cut, &err), STATUS_FAILED);
        assert_true(err.message[0] != '\0');
    }
    for (int round = 0; round < 500; round++) {
        struct error err = {0};
        size_t at = (size_t)random_below(&stream, size);
        uint8_t kept = bytes[at];
        bytes[at] = (uint8_t)random_below(&stream, 256);
        status result = read_bytes(&detector, folder, bytes, size, &err);
        assert_true((result == STATUS_OK) == (detector != NULL));
        detector_free(detector);
        bytes[at] = kept;
    }
    free(bytes);
    detector_case_free(&c);
    scratch_remove(folder);
}

static void missing_files_are_named(void **state)
{
    struct error err = {0};
    struct detector *detector;
    (void)state;
    assert_int_equal(detector_read(&detector, "/nowhere/yunet.onnx", &err), STATUS_FAILED);
    assert_non_null(strstr(err.message, "/nowhere/yunet.onnx"));
}

/* ---- photographs ------------------------------------------------------------------------------------------------- */

static const char *material(void)
{
    const char *folder = getenv("RMFER_TEST_MATERIAL");
    return folder != NULL ? folder : "../shared";
}

static double item_number(const cJSON *array, int index)
{
    const cJSON *item = cJSON_GetArrayItem(array, index);
    assert_true(cJSON_IsNumber(item));
    return item->valuedouble;
}

/* To 1e-3, in pixels of the network's picture as in scores: larger pictures scale the error with the box. */
static void compare_face(const struct detected_face *face, const cJSON *golden, double scale)
{
    const struct image_box *box = &face->shape.box;
    const double got[4] = {box->x, box->y, box->width, box->height};
    double bound = 1e-3 * scale;
    assert_true(fabs(face->score - cJSON_GetObjectItem(golden, "score")->valuedouble) < 1e-3);
    for (int i = 0; i < 4; i++)
        if (!(fabs(got[i] - item_number(cJSON_GetObjectItem(golden, "box"), i)) < bound))
            fail_msg("box %d is %.5f", i, got[i]);
    for (int i = 0; i < FACE_LANDMARKS; i++) {
        const cJSON *point = cJSON_GetArrayItem(cJSON_GetObjectItem(golden, "landmarks"), i);
        for (int j = 0; j < 2; j++) assert_true(fabs(face->shape.landmarks[i][j] - item_number(point, j)) < bound);
    }
}

static void compare_picture(const struct detector *detector, const cJSON *golden)
{
    struct error err = {0};
    struct image image;
    struct detector_workspace workspace = {0};
    struct detected_face *faces;
    size_t count;
    char path[512];
    struct detector_options options = detector_options_defaults();
    options.min_score = 0.5;
    options.detect_size = (int)cJSON_GetObjectItem(golden, "size")->valuedouble;
    snprintf(path, sizeof path, "%s/photos/%s", material(), cJSON_GetObjectItem(golden, "file")->valuestring);
    if (image_read(path, NULL, &image, &err) != STATUS_OK) fail_msg("%s", err.message);
    assert_int_equal(detector_find(detector, &workspace, &image, &options, &faces, &count, &err), STATUS_OK);
    const cJSON *expected = cJSON_GetObjectItem(golden, "faces");
    if ((int)count != cJSON_GetArraySize(expected))
        fail_msg("%s at %d: %zu faces instead of %d", path, options.detect_size, count, cJSON_GetArraySize(expected));
    int longer = image.width > image.height ? image.width : image.height;
    double scale = options.detect_size > 0 && longer > options.detect_size ? (double)longer / options.detect_size : 1;
    for (size_t i = 0; i < count; i++) compare_face(&faces[i], cJSON_GetArrayItem(expected, (int)i), scale);
    memory_free(faces);
    detector_workspace_free(&workspace);
    image_free(&image);
}

static void photographs_equal_onnx_runtime(void **state)
{
    static const char *const files[] = {"yunet_n_dynamic.onnx", "yunet_n_640_640.onnx", "yunet_n_320_320.onnx"};
    char path[512];
    uint8_t *text;
    size_t size;
    struct error err = {0};
    (void)state;
    snprintf(path, sizeof path, "%s/photos/two_people.jpg", material());
    if (!file_exists(path)) {
        printf("skipped: real photographs are not there (%s)\n", path);
        skip();
    }
    assert_int_equal(file_read("tests/golden/predict/detections.json", 1 << 20, &text, &size, &err), STATUS_OK);
    cJSON *golden = cJSON_Parse((const char *)text);
    assert_non_null(golden);
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        struct detector *detector;
        const cJSON *picture;
        int pictures = 0;
        snprintf(path, sizeof path, "%s/models/%s", material(), files[i]);
        if (detector_read(&detector, path, &err) != STATUS_OK) fail_msg("%s", err.message);
        cJSON_ArrayForEach(picture, cJSON_GetObjectItem(golden, "pictures"))
        {
            if (i > 0 && cJSON_GetObjectItem(picture, "size")->valuedouble != 320) continue; /* the same weights */
            compare_picture(detector, picture);
            pictures++;
        }
        assert_true(pictures >= 7);
        detector_free(detector);
    }
    cJSON_Delete(golden);
    memory_free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(network_equals_plain_loops),
        cmocka_unit_test(other_channel_counts_are_refused),
        cmocka_unit_test(faces_are_where_they_are),
        cmocka_unit_test(large_pictures_are_scaled_down),
        cmocka_unit_test(options_choose_faces),
        cmocka_unit_test(neighbours_are_suppressed),
        cmocka_unit_test(huge_pictures_need_a_detect_size),
        cmocka_unit_test(failing_allocations_are_errors),
        cmocka_unit_test(scores_and_boxes_are_the_formulas),
        cmocka_unit_test(foreign_numbers_do_no_harm),
        cmocka_unit_test(onnx_files_are_read),
        cmocka_unit_test(other_networks_are_refused),
        cmocka_unit_test(damaged_files_do_no_harm),
        cmocka_unit_test(missing_files_are_named),
        cmocka_unit_test(photographs_equal_onnx_runtime),
    };
    return cmocka_run_group_tests_name("detector", tests, NULL, NULL);
}
