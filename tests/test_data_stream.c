/* Streams beside the labelled one: the unlabelled rest of a data set, RMset faces and moments, several views of a
 * picture. Their order, that workers and the place of a start change nothing, what happens to unreadable pictures.
 * The labelled stream and ACL's draws are tested in test_data_loader.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "rmfer/base/log.h"
#include "rmfer/base/memory.h"
#include "rmfer/data/loader.h"
#include "support/loader_case.h"
#include "support/scratch.h"

#include <stdio.h>
#include <string.h>

enum { PICTURES = 40, LABELLED = 12, REST = PICTURES - LABELLED, SIDE = 16, VALUES = SIDE * SIDE * 3, CLASSES = 2 };
enum { ROWS = 4, REST_ROWS = 10, PERSONS = 3, MOMENT_ROWS = 2 * PERSONS, BATCHES = LABELLED / ROWS };
enum stream_place { LABELLED_ROWS, UNLABELLED_ROWS, FACE_ROWS, MOMENTS };

static char *classes[] = {"Neutral", "Happiness"};
static char empty[] = "";
static char *folder;

/* Everything that the four streams stand on. */
static struct {
    struct dataset labelled, rest;
    struct dataset_source labelled_source, rest_source;
    struct rmset_index *index;
    struct rmset_source faces;
} given;

static const struct config_augment augment = {.enabled = true,
                                              .mode = AUGMENT_ALL,
                                              .flip_p = 0.5,
                                              .brightness = 0.25,
                                              .weak = {.flip_p = 0.5, .shift = 0.125},
                                              .strong = {.operations = 3, .cutout = 0.5, .after_weak = true}};

static void open_split(struct dataset *dataset, enum dataset_split split)
{
    struct config_data options = {.kind = DATA_CSV,
                                  .root = folder,
                                  .images = empty,
                                  .train = empty,
                                  .valid = empty,
                                  .test = empty,
                                  .labelled = LABELLED,
                                  .classes = {classes, CLASSES}};
    struct error err = {0};
    if (dataset_open(dataset, &options, split, &err) != STATUS_OK) fail_msg("%s", err.message);
}

/* 40 pictures; of one video of 4 persons 24 frames, every sixth without the last two persons. */
static void write_material(void)
{
    struct text list = {0}, index = {0};
    assert_int_equal(text_append_format(&index, NULL, "video,frame,face,path\n"), STATUS_OK);
    for (int i = 0; i < PICTURES; i++) {
        char name[32];
        snprintf(name, sizeof name, "%02d.png", i);
        scratch_picture(folder, name, 20 + i, 50 - i, (unsigned)i);
        assert_int_equal(text_append_format(&list, NULL, "%s,%d\n", name, i % CLASSES), STATUS_OK);
    }
    for (int frame = 0; frame < 24; frame++)
        for (int face = 0; face < (frame % 6 == 5 ? 2 : 4); face++)
            assert_int_equal(text_append_format(&index, NULL, "v,%d,%d,%02d.png\n", frame, face,
                                                (frame * 4 + face) % PICTURES),
                             STATUS_OK);
    scratch_text(folder, "train.csv", list.bytes);
    scratch_text(folder, "index.csv", index.bytes);
    text_free(&list);
    text_free(&index);
}

static int make_material(void **state)
{
    (void)state;
    log_set_level(LOG_QUIET);
    folder = scratch_make();
    write_material();
    open_split(&given.labelled, SPLIT_TRAIN_WHOLE);
    open_split(&given.rest, SPLIT_TRAIN_WHOLE_UNLABELLED);
    struct rmset_options rmset = {
        .csv = scratch_path(folder, "index.csv"), .every = 1, .fraction = 1, .near = 2, .far = 6};
    if (rmset_index_open(&given.index, &rmset, NULL) != STATUS_OK) return -1;
    given.faces = (struct rmset_source){.index = given.index, .seed = 3, .persons = PERSONS};
    return 0;
}

static int remove_material(void **state)
{
    (void)state;
    dataset_source_free(&given.labelled_source);
    dataset_source_free(&given.rest_source);
    dataset_free(&given.labelled);
    dataset_free(&given.rest);
    rmset_index_close(given.index);
    scratch_remove(folder);
    log_set_level(LOG_NORMAL);
    return 0;
}

static void order_samples(struct dataset_source *source, const struct dataset *dataset, bool leads)
{
    dataset_source_free(source);
    assert_int_equal(dataset_source_init(source, dataset, ORDER_SHUFFLE, 5, leads, NULL), STATUS_OK);
}

/* Labelled, its rest with a weak and a strong view, RMset faces from epoch 1 on, moments. */
static struct loader_options four_streams(int workers)
{
    struct loader_options options = {.stream_count = 4,
                                     .seed = 5,
                                     .drop_last = true,
                                     .replace_bad = true,
                                     .image_size = SIDE,
                                     .workers = workers,
                                     .prefetch = 2,
                                     .max_bad = 0.5};
    order_samples(&given.labelled_source, &given.labelled, true);
    order_samples(&given.rest_source, &given.rest, false);
    options.streams[LABELLED_ROWS] = (struct loader_stream){
        .source = dataset_picture_source(&given.labelled_source), .rows = ROWS, .views = 1, .kinds = {VIEW_PLAIN}};
    options.streams[UNLABELLED_ROWS] = (struct loader_stream){.source = dataset_picture_source(&given.rest_source),
                                                              .rows = REST_ROWS,
                                                              .views = 3,
                                                              .kinds = {VIEW_WEAK, VIEW_STRONG, VIEW_STRONG}};
    options.streams[FACE_ROWS] = (struct loader_stream){
        .source = rmset_faces(&given.faces), .rows = 5, .first_epoch = 1, .views = 1, .kinds = {VIEW_AS_IS}};
    options.streams[MOMENTS] = (struct loader_stream){
        .source = rmset_moments(&given.faces), .rows = MOMENT_ROWS, .views = 1, .kinds = {VIEW_WEAK}};
    for (int i = 0; i < options.stream_count; i++) {
        options.streams[i].augment = &augment;
        for (int c = 0; c < 3; c++) options.streams[i].std[c] = 0.25;
    }
    return options;
}

/* Of everything a batch says. */
static uint64_t hash_batch(const struct batch *batch)
{
    uint64_t hash = loader_case_hash(LOADER_CASE_HASH, &batch->epoch, sizeof batch->epoch);
    hash = loader_case_hash(hash, &batch->index, sizeof batch->index);
    for (int i = 0; i < batch->stream_count; i++) {
        const struct batch_stream *stream = &batch->streams[i];
        size_t rows = (size_t)stream->rows;
        for (int view = 0; view < stream->views; view++)
            hash = loader_case_hash(hash, stream->images[view], rows * VALUES * sizeof(float));
        hash = loader_case_hash(hash, stream->labels, rows * sizeof *stream->labels);
        hash = loader_case_hash(hash, stream->ids, rows * sizeof *stream->ids);
    }
    return hash;
}

/* ---- order ------------------------------------------------------------------------------------------------------- */

/* The rest has no label, none of its pictures is labelled, and each comes once a round, across epochs. */
static void test_the_unlabelled_rest(void **state)
{
    (void)state;
    assert_int_equal(given.labelled.count, LABELLED);
    assert_int_equal(given.rest.count, REST);
    for (size_t i = 0; i < REST; i++)
        for (size_t j = 0; j < LABELLED; j++)
            assert_string_not_equal(dataset_path(&given.rest, i), dataset_path(&given.labelled, j));
    struct loader_options options = four_streams(2);
    struct loader *loader = loader_case_made(&options);
    assert_int_equal(loader_batches_per_epoch(loader), BATCHES);
    int seen[REST] = {0}, drawn = 0, first_round[REST], changed = 0;
    for (int i = 0; i < 14; i++) {
        struct batch batch = loader_case_next(loader);
        const struct batch_stream *rest = &batch.streams[UNLABELLED_ROWS];
        assert_true(rest->rows == REST_ROWS && rest->group == 1 && rest->views == 3);
        for (int row = 0; row < rest->rows; row++, drawn++) {
            int64_t id = rest->ids[row];
            assert_int_equal(rest->labels[row], -1);
            for (int c = 0; c < CLASSES; c++) assert_true(rest->targets[row * CLASSES + c] == 0);
            assert_int_equal(seen[id]++, drawn / REST);
            if (drawn < REST) first_round[drawn] = (int)id;
            if (drawn >= REST && drawn < 2 * REST) changed += first_round[drawn - REST] != id;
        }
    }
    assert_int_equal(drawn, 5 * REST);
    assert_true(changed > REST / 2); /* another order in the second round */
    loader_free(loader);
}

/* Streams begin with their epoch; faces are those of the index; a moment's persons are different ones of one frame.
 */
static void test_faces_and_moments(void **state)
{
    (void)state;
    struct loader_options options = four_streams(2);
    struct loader *loader = loader_case_made(&options);
    int different_frames = 0;
    for (int i = 0; i < 20; i++) {
        struct batch batch = loader_case_next(loader);
        const struct batch_stream *faces = &batch.streams[FACE_ROWS], *moments = &batch.streams[MOMENTS];
        assert_int_equal(faces->rows, batch.epoch == 0 ? 0 : 5);
        for (int row = 0; row < faces->rows; row++)
            assert_in_range(faces->ids[row], 0, rmset_index_faces(given.index) - 1);
        assert_true(moments->rows == MOMENT_ROWS && moments->group == PERSONS && moments->targets == NULL);
        struct rmset_face first = rmset_index_face(given.index, (uint64_t)moments->ids[0]);
        for (int row = 0; row < MOMENT_ROWS; row++) {
            struct rmset_face face = rmset_index_face(given.index, (uint64_t)moments->ids[row]);
            int begin = row / PERSONS * PERSONS;
            for (int other = begin; other < row; other++) {
                struct rmset_face another = rmset_index_face(given.index, (uint64_t)moments->ids[other]);
                assert_true(face.frame == another.frame && face.person != another.person);
            }
            different_frames += face.frame != first.frame;
        }
    }
    assert_true(different_frames > 30);
    loader_free(loader);
    uint64_t rows[8];
    struct error err = {0};
    assert_int_equal(rmset_index_draw_moment(given.index, 1, 0, 0, 5, rows, &err), STATUS_FAILED);
    assert_non_null(strstr(err.message, "no frame of the 1 chosen videos shows 5 persons"));
}

/* ---- views ------------------------------------------------------------------------------------------------------- */

static bool is_same(const struct batch_stream *stream, int view, int other, int row)
{
    const float *a = stream->images[view] + row * VALUES, *b = stream->images[other] + row * VALUES;
    return memcmp(a, b, VALUES * sizeof(float)) == 0;
}

/* Two views of one kind are drawn apart, and a view does not depend on how many others there are. */
static void test_views_are_drawn_apart(void **state)
{
    (void)state;
    struct loader_options options = four_streams(2);
    struct loader *loader = loader_case_made(&options);
    float weak[REST_ROWS * VALUES];
    int different = 0;
    struct batch batch = loader_case_next(loader);
    const struct batch_stream *rest = &batch.streams[UNLABELLED_ROWS];
    for (int row = 0; row < REST_ROWS; row++) different += !is_same(rest, 1, 2, row) && !is_same(rest, 0, 1, row);
    assert_true(different >= REST_ROWS - 1);
    memcpy(weak, rest->images[0], sizeof weak);
    loader_free(loader);
    options = four_streams(2);
    options.streams[UNLABELLED_ROWS].views = 1;
    loader = loader_case_made(&options);
    batch = loader_case_next(loader);
    assert_memory_equal(weak, batch.streams[UNLABELLED_ROWS].images[0], sizeof weak);
    loader_free(loader);
}

/* ---- what changes nothing ---------------------------------------------------------------------------------------- */

enum { SEEN = 3 * BATCHES };

static void see(const struct loader_options *options, int count, uint64_t *hashes)
{
    struct loader *loader = loader_case_made(options);
    for (int i = 0; i < count; i++) {
        struct batch batch = loader_case_next(loader);
        hashes[i] = hash_batch(&batch);
    }
    loader_free(loader);
}

static void assert_nothing_changes_batches(void)
{
    uint64_t wanted[SEEN], got[SEEN];
    struct loader_options options = four_streams(1);
    see(&options, SEEN, wanted);
    static const int workers[] = {2, 5};
    for (int way = 0; way < 4; way++) {
        options = four_streams(workers[way % 2]);
        options.cache_bytes = way < 2 ? 0 : way == 2 ? 9000 : 1 << 20;
        see(&options, SEEN, got);
        assert_memory_equal(got, wanted, sizeof got);
    }
    for (int start = 1; start < SEEN; start++) {
        options = four_streams(3);
        options.start_epoch = (uint64_t)(start / BATCHES);
        options.start_batch = (uint64_t)(start % BATCHES);
        see(&options, 2, got);
        assert_true(got[0] == wanted[start] && (start + 1 == SEEN || got[1] == wanted[start + 1]));
        assert_true(wanted[start] != wanted[start - 1]);
    }
}

static void test_workers_cache_and_start_change_nothing(void **state)
{
    (void)state;
    assert_nothing_changes_batches();
}

/* ---- unreadable pictures ----------------------------------------------------------------------------------------- */

/* Damages the files behind some unlabelled samples and, as they are the same files, behind faces and moments. */
static void test_unreadable_pictures_are_replaced(void **state)
{
    (void)state;
    struct text damaged[3] = {0};
    for (size_t i = 0; i < 3; i++) {
        const char *path = dataset_path(&given.rest, i * 7);
        assert_int_equal(text_append(&damaged[i], path, strlen(path), NULL), STATUS_OK);
        scratch_text(folder, strrchr(path, '/') + 1, "this is no picture");
    }
    struct loader_options options = four_streams(3);
    struct loader *loader = loader_case_made(&options);
    for (int i = 0; i < 12; i++) {
        struct batch batch = loader_case_next(loader);
        const struct batch_stream *rest = &batch.streams[UNLABELLED_ROWS], *moments = &batch.streams[MOMENTS];
        for (int row = 0; row < REST_ROWS; row++) assert_true(rest->ids[row] % 7 != 0 || rest->ids[row] > 14);
        for (int row = 0; row < MOMENT_ROWS; row++) {
            struct text path = {0};
            int64_t offset;
            assert_int_equal(rmset_index_path(given.index, (uint64_t)moments->ids[row], &path, &offset, NULL),
                             STATUS_OK);
            for (int j = 0; j < 3; j++)
                assert_string_not_equal(strrchr(text_string(&path), '/'), strrchr(damaged[j].bytes, '/'));
            text_free(&path);
        }
    }
    assert_true(loader_bad_pictures(loader) >= 3);
    loader_free(loader);
    assert_nothing_changes_batches();
    options = four_streams(2);
    options.max_bad = 0.05; /* of 28: one is allowed */
    loader = loader_case_made(&options);
    struct error err = {0};
    struct batch batch;
    status result = STATUS_OK;
    for (int i = 0; i < 5 && result == STATUS_OK; i++) result = loader_next(loader, &batch, &err);
    assert_int_equal(result, STATUS_FAILED);
    assert_non_null(strstr(err.message, "of 28 unlabelled pictures cannot be read, more than data.max_bad = 0.05"));
    loader_free(loader);
    for (size_t i = 0; i < 3; i++) text_free(&damaged[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_unlabelled_rest),
        cmocka_unit_test(test_faces_and_moments),
        cmocka_unit_test(test_views_are_drawn_apart),
        cmocka_unit_test(test_workers_cache_and_start_change_nothing),
        cmocka_unit_test(test_unreadable_pictures_are_replaced),
    };
    return cmocka_run_group_tests(tests, make_material, remove_material);
}
