/* The loader: the same batches whatever the number of workers, the cache or the place it starts from; what happens to
 * unreadable pictures; contrastive pictures from a source made here and from an RMset. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "rmfer/base/log.h"
#include "rmfer/base/memory.h"
#include "rmfer/base/threads.h"
#include "rmfer/data/image.h"
#include "rmfer/data/loader.h"
#include "rmfer/data/picture_file.h"
#include "rmfer/data/resize.h"
#include "rmfer/data/rmset_index.h"
#include "support/loader_case.h"
#include "support/scratch.h"
#include "support/tasks.h"

#include <math.h>
#include <omp.h>
#include <stdio.h>
#include <string.h>

enum { PICTURES = 30, SIDE = 20, VALUES = SIDE * SIDE * 3, CLASSES = 3, BATCH = 8 };

static char *classes[] = {"Neutral", "Happiness", "Sadness"};
static char empty[] = "";
static char *folder;

/* The data set's samples in some order; one loader at a time. */
static struct dataset_source ordered;

/* 30 pictures of different sizes and kinds in three classes of 15, 10 and 5; numbers 4 and 11 are damaged. */
static int make_pictures(void **state)
{
    (void)state;
    log_set_level(LOG_QUIET);
    folder = scratch_make();
    struct text list = {0};
    if (text_append_format(&list, NULL, "path,label,valence,arousal\n") != STATUS_OK) return -1;
    for (int i = 0; i < PICTURES; i++) {
        char name[32];
        snprintf(name, sizeof name, "%02d.%s", i, i % 3 == 0 ? "png" : "jpg");
        if (i == 4 || i == 11)
            scratch_text(folder, name, "this is no picture");
        else
            scratch_picture(folder, name, 12 + 3 * i, 70 - 2 * i, (unsigned)i);
        int label = i < 15 ? 0 : i < 25 ? 1 : 2;
        /* Of every fifth picture valence and arousal are not known. */
        char affect[32] = ",";
        if (i % 5 != 0) snprintf(affect, sizeof affect, "%.2f,%.2f", 0.01 * i, -0.02 * i);
        if (text_append_format(&list, NULL, "%s,%d,%s\n", name, label, affect) != STATUS_OK) return -1;
    }
    scratch_text(folder, "train.csv", list.bytes);
    text_free(&list);
    return 0;
}

static int remove_pictures(void **state)
{
    (void)state;
    dataset_source_free(&ordered);
    scratch_remove(folder);
    log_set_level(LOG_NORMAL);
    return 0;
}

static struct dataset opened(void)
{
    struct config_data options = {.kind = DATA_CSV,
                                  .root = folder,
                                  .images = empty,
                                  .train = empty,
                                  .valid = empty,
                                  .test = empty,
                                  .reads_affect = true,
                                  .classes = {classes, CLASSES}};
    struct dataset dataset;
    struct error err = {0};
    if (dataset_open(&dataset, &options, SPLIT_TRAIN_WHOLE, &err) != STATUS_OK) fail_msg("%s", err.message);
    assert_int_equal(dataset.count, PICTURES);
    return dataset;
}

static const struct config_augment augment = {.enabled = true,
                                              .mode = AUGMENT_ONE_OF,
                                              .grayscale_p = 0.1,
                                              .flip_p = 0.5,
                                              .brightness = 0.25,
                                              .contrast = 0.25,
                                              .saturation = 0.25,
                                              .hue = 0.125,
                                              .rotation = 10,
                                              .erasing_p = 0.3};

static struct picture_source in_order(const struct dataset *dataset, enum sampler_order order)
{
    struct error err = {0};
    dataset_source_free(&ordered);
    if (dataset_source_init(&ordered, dataset, order, 5, true, &err) != STATUS_OK) fail_msg("%s", err.message);
    return dataset_picture_source(&ordered);
}

static struct loader_options training(const struct dataset *dataset, int workers)
{
    return (struct loader_options){.stream_count = 1,
                                   .streams = {{.source = in_order(dataset, ORDER_BALANCED),
                                                .rows = BATCH,
                                                .views = 1,
                                                .kinds = {VIEW_PLAIN},
                                                .augment = &augment,
                                                .mean = {0.5, 0.4, 0.3},
                                                .std = {0.2, 0.3, 0.25}}},
                                   .seed = 5,
                                   .drop_last = true,
                                   .replace_bad = true,
                                   .image_size = SIDE,
                                   .workers = workers,
                                   .prefetch = 3,
                                   .max_bad = 0.1};
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
        if (stream->targets != NULL) hash = loader_case_hash(hash, stream->targets, rows * CLASSES * sizeof(float));
        if (stream->affect != NULL) hash = loader_case_hash(hash, stream->affect, rows * 2 * sizeof(float));
        hash = loader_case_hash(hash, stream->labels, rows * sizeof *stream->labels);
        hash = loader_case_hash(hash, stream->ids, rows * sizeof *stream->ids);
    }
    return hash;
}

static void test_workers_and_cache_change_nothing(void **state)
{
    (void)state;
    enum { BATCHES = 12 };
    struct dataset dataset = opened();
    uint64_t wanted[BATCHES];
    static const struct {
        int workers, prefetch;
        size_t cache;
    } ways[] = {{1, 1, 0}, {4, 3, 0}, {4, 1, 1 << 20}, {3, 5, 5000}, {1, 2, 1 << 20}};
    for (size_t way = 0; way < sizeof ways / sizeof *ways; way++) {
        struct loader_options options = training(&dataset, ways[way].workers);
        options.prefetch = ways[way].prefetch;
        options.cache_bytes = ways[way].cache;
        struct loader *loader = loader_case_made(&options);
        assert_int_equal(loader_batches_per_epoch(loader), 3);
        for (int i = 0; i < BATCHES; i++) {
            struct batch batch = loader_case_next(loader);
            assert_int_equal(batch.streams[0].rows, BATCH);
            assert_int_equal(batch.epoch, i / 3);
            assert_int_equal(batch.index, i % 3);
            uint64_t hash = hash_batch(&batch);
            if (way == 0)
                wanted[i] = hash;
            else if (hash != wanted[i])
                fail_msg("way %zu differs in batch %d", way, i);
        }
        assert_int_equal(loader_bad_pictures(loader), 2);
        assert_true(loader_bytes(loader) > BATCH * VALUES * (sizeof(float) + 2));
        assert_true(loader_wait_seconds(loader) >= 0);
        loader_free(loader);
    }
    for (int i = 1; i < BATCHES; i++) assert_true(wanted[i] != wanted[i - 1]);
    dataset_free(&dataset);
}

static void test_starting_anywhere(void **state)
{
    (void)state;
    struct dataset dataset = opened();
    struct loader_options options = training(&dataset, 2);
    struct loader *whole = loader_case_made(&options);
    uint64_t hashes[9];
    for (int i = 0; i < 9; i++) {
        struct batch batch = loader_case_next(whole);
        hashes[i] = hash_batch(&batch);
    }
    loader_free(whole);
    for (int start = 0; start < 9; start++) {
        options.start_epoch = (uint64_t)start / 3;
        options.start_batch = (uint64_t)start % 3;
        struct loader *part = loader_case_made(&options);
        struct batch batch = loader_case_next(part);
        assert_true(hash_batch(&batch) == hashes[start]);
        loader_free(part);
    }
    /* start_batch = batches_per_epoch is the beginning of the next epoch. */
    options.start_epoch = 0;
    options.start_batch = 3;
    struct loader *part = loader_case_made(&options);
    struct batch batch = loader_case_next(part);
    assert_true(batch.epoch == 1 && hash_batch(&batch) == hashes[3]);
    loader_free(part);
    dataset_free(&dataset);
}

/* What the loader delivers without augmentation is decode, resize, normalise. */
static void test_pixels_are_those_of_the_pictures(void **state)
{
    (void)state;
    struct dataset dataset = opened();
    struct loader_options options = training(&dataset, 2);
    options.streams[0].kinds[0] = VIEW_AS_IS;
    options.streams[0].source = in_order(&dataset, ORDER_SEQUENTIAL);
    options.drop_last = options.replace_bad = false;
    options.end_epoch = 2;
    options.cache_bytes = 1 << 20;
    struct loader *loader = loader_case_made(&options);
    assert_int_equal(loader_batches_per_epoch(loader), 4);
    size_t seen = 0;
    for (int i = 0; i < 8; i++) {
        struct batch batch = loader_case_next(loader);
        for (int j = 0; j < batch.streams[0].rows; j++, seen++) {
            struct image image, resized;
            assert_int_equal(image_read(dataset_path(&dataset, (size_t)batch.streams[0].ids[j]), NULL, &image, NULL),
                             STATUS_OK);
            assert_int_equal(image_resize(&image, NULL, RESIZE_BILINEAR, SIDE, SIDE, &resized, NULL), STATUS_OK);
            double sum = 0;
            for (size_t v = 0; v < VALUES; v++) {
                double value = (resized.rgb[v] / 255.0 - options.streams[0].mean[v % 3]) /
                               options.streams[0].std[v % 3];
                sum += fabs((double)batch.streams[0].images[0][(size_t)j * VALUES + v] - value);
            }
            /* The larger JPEGs are decoded at half their size. */
            assert_true(sum / VALUES < (image.width >= 70 ? 0.05 : 1e-5));
            int label = batch.streams[0].ids[j] < 15 ? 0 : batch.streams[0].ids[j] < 25 ? 1 : 2;
            assert_int_equal(batch.streams[0].labels[j], label);
            for (int c = 0; c < CLASSES; c++)
                assert_true(batch.streams[0].targets[j * CLASSES + c] == (c == label ? 1.0f : 0.0f));
            const float *affect = batch.streams[0].affect + 2 * j;
            float number = (float)batch.streams[0].ids[j];
            if (batch.streams[0].ids[j] % 5 == 0)
                assert_true(isnan(affect[0]) && isnan(affect[1]));
            else
                assert_true(fabsf(affect[0] - 0.01f * number) < 1e-6f && fabsf(affect[1] + 0.02f * number) < 1e-6f);
            image_free(&image);
            image_free(&resized);
        }
        static const int counts[] = {7, 7, 8, 6};
        assert_int_equal(batch.streams[0].rows, counts[i % 4]);
    }
    assert_int_equal(seen, 2 * (PICTURES - 2));
    for (int i = 0; i < 2; i++) {
        struct batch batch = loader_case_next(loader);
        assert_true(batch.streams[0].rows == 0 && batch.epoch == 2);
    }
    assert_int_equal(loader_bad_pictures(loader), 2);
    loader_free(loader);
    dataset_free(&dataset);
}

/* The first error within `batches` batches. */
static void assert_stops(const struct loader_options *options, int batches, const char *wanted)
{
    struct loader *loader = loader_case_made(options);
    struct error err = {0};
    struct batch batch;
    status result = STATUS_OK;
    for (int i = 0; i < batches && result == STATUS_OK; i++) result = loader_next(loader, &batch, &err);
    if (result == STATUS_OK) fail_msg("no error where '%s' was expected", wanted);
    if (strstr(err.message, wanted) == NULL) fail_msg("'%s' lacks '%s'", err.message, wanted);
    loader_free(loader);
}

/* As many workers as the program was told to use threads, whatever the machine has. */
static void test_workers_are_the_programs_threads(void **state)
{
    (void)state;
    struct dataset dataset = opened();
    struct loader_options options = training(&dataset, 0);
    const size_t before = tasks_running();
    if (before == 0) skip();
    const int kept = threads_get();
    for (int threads = 1; threads <= 3 && threads <= omp_get_thread_limit(); threads++) {
        threads_set(threads);
        struct loader *loader = loader_case_made(&options);
        assert_int_equal(tasks_running() - before, threads);
        loader_free(loader);
        assert_true(tasks_settle(before));
    }
    threads_set(kept);
    dataset_free(&dataset);
}

static void test_too_many_bad_pictures(void **state)
{
    (void)state;
    struct dataset dataset = opened();
    for (int workers = 1; workers <= 4; workers += 3) {
        struct loader_options options = training(&dataset, workers);
        options.streams[0].source = in_order(&dataset, ORDER_SEQUENTIAL);
        options.drop_last = options.replace_bad = false;
        options.max_bad = 0.04; /* of 30: one is allowed */
        assert_stops(&options, 4, "2 of 30 pictures cannot be read, more than data.max_bad = 0.04 allows; the last is");
        options.on_error = ON_ERROR_FAIL;
        assert_stops(&options, 1, "04.jpg: not a picture (");
        options.on_error = ON_ERROR_SKIP;
        options.max_bad = 0;
        options.streams[0].source = in_order(&dataset, ORDER_BALANCED);
        options.replace_bad = true;
        assert_stops(&options, 30, "1 of 30 pictures cannot be read");
    }
    struct loader_options options = training(&dataset, 1);
    options.streams[0].rows = PICTURES + 1;
    struct loader *loader;
    struct error err = {0};
    assert_int_equal(loader_create(&loader, &options, &err), STATUS_FAILED);
    assert_non_null(strstr(err.message, "there are 30 pictures, fewer than a batch of 31"));
    assert_null(loader);
    loader_free(loader);
    dataset_free(&dataset);
}

/* ---- contrastive pictures ---------------------------------------------------------------------------------------- */

enum { POSITIVES = 3, NEGATIVES = 4, DRAWN = 1 + POSITIVES + NEGATIVES };

struct made_up {
    int64_t unreadable; /* ids divisible by this are; 0 = none */
    int64_t missing;    /* ids from this one on are; 0 = none */
};

static status draw_ids(void *context, const struct batch_place *place, uint64_t group, uint64_t attempt, int64_t *ids,
                       struct error *err)
{
    (void)context;
    (void)err;
    struct random_stream stream = random_stream(9, RANDOM_CONTRASTIVE, place->step, group + place->groups * attempt);
    for (int i = 0; i < DRAWN; i++) ids[i] = 1 + (int64_t)random_below(&stream, 1000);
    return STATUS_OK;
}

static int kind_of_id(void *context, int row)
{
    (void)context;
    return (row > 0) + (row > POSITIVES);
}

static status read_id(void *context, int64_t id, struct encoded_picture *picture, struct error *err)
{
    const struct made_up *made_up = context;
    *picture = (struct encoded_picture){0};
    if (made_up->missing != 0 && id >= made_up->missing) return error_set(err, "it is not there");
    char name[64];
    int number = (int)(id % PICTURES);
    if (number == 4 || number == 11) number++;
    snprintf(name, sizeof name, "%02d.%s", number, number % 3 == 0 ? "png" : "jpg");
    if (made_up->unreadable != 0 && id % made_up->unreadable == 0) snprintf(name, sizeof name, "train.csv");
    return picture_file_read(scratch_path(folder, name), &picture->bytes, &picture->size, err);
}

static status name_id(void *context, int64_t id, struct text *name, struct error *err)
{
    (void)context;
    return text_append_format(name, err, "face %d", (int)id);
}

static struct loader_options with_contrast(const struct dataset *dataset, int workers, struct made_up *made_up)
{
    struct loader_options options = training(dataset, workers);
    options.stream_count = 2;
    options.streams[1] = (struct loader_stream){.source = {.context = made_up,
                                                           .what = "contrastive pictures",
                                                           .group = DRAWN,
                                                           .key = 8,
                                                           .draw = draw_ids,
                                                           .kind = kind_of_id,
                                                           .read = read_id,
                                                           .name = name_id},
                                                .rows = 2 * DRAWN,
                                                .first_epoch = 1,
                                                .views = 1,
                                                .kinds = {VIEW_PLAIN},
                                                .augment = &augment,
                                                .mean = {0.1, 0.2, 0.3},
                                                .std = {1, 1, 1}};
    return options;
}

static void test_contrastive_pictures(void **state)
{
    (void)state;
    struct dataset dataset = opened();
    uint64_t wanted[12];
    for (int way = 0; way < 3; way++) {
        struct made_up made_up = {.unreadable = 7}; /* a seventh of the faces, and of the anchors */
        struct loader_options options = with_contrast(&dataset, way == 0 ? 1 : 4, &made_up);
        options.max_bad = 0.5;
        if (way == 2) {
            options.start_epoch = 1;
            options.start_batch = 1;
        }
        struct loader *loader = loader_case_made(&options);
        for (int i = way == 2 ? 4 : 0; i < 12; i++) {
            struct batch batch = loader_case_next(loader);
            assert_int_equal(batch.streams[1].rows, i < 3 ? 0 : 2 * DRAWN);
            assert_int_equal(batch.streams[1].group, DRAWN);
            for (int face = 0; face < batch.streams[1].rows; face++) assert_true(batch.streams[1].ids[face] % 7 != 0);
            uint64_t hash = hash_batch(&batch);
            if (way == 0)
                wanted[i] = hash;
            else if (hash != wanted[i])
                fail_msg("way %d differs in batch %d", way, i);
        }
        assert_true(loader_bad_pictures(loader) > 10);
        loader_free(loader);
    }
    dataset_free(&dataset);
}

static void test_contrastive_pictures_that_cannot_be_read(void **state)
{
    (void)state;
    struct dataset dataset = opened();
    struct made_up all_missing = {.missing = 1}, some = {.unreadable = 7};
    for (int workers = 1; workers <= 4; workers += 3) {
        struct loader_options options = with_contrast(&dataset, workers, &all_missing);
        options.streams[1].first_epoch = 0;
        options.max_bad = 1;
        assert_stops(&options, 1, "draws of contrastive pictures in a row cannot be read; the first: face ");
        options = with_contrast(&dataset, workers, &some);
        options.max_bad = 0.07;
        assert_stops(&options, 400, "contrastive pictures cannot be read, more than data.max_bad = 0.07");
        options.on_error = ON_ERROR_FAIL;
        options.streams[0].source = in_order(&dataset, ORDER_SEQUENTIAL);
        options.start_epoch = 1;
        options.start_batch = 2; /* labelled pictures 16 to 23 are all readable */
        assert_stops(&options, 1, ": not a picture (");
    }
    dataset_free(&dataset);
}

/* A message about contrastive pictures names one of them, also where a labelled one of the same batch is bad. */
static void test_each_stream_names_its_own_pictures(void **state)
{
    (void)state;
    struct dataset dataset = opened();
    struct made_up some = {.unreadable = 2};
    struct loader_options options = with_contrast(&dataset, 2, &some);
    options.streams[0].source = in_order(&dataset, ORDER_SEQUENTIAL); /* batch 0 begins with pictures 0 to 7 */
    options.streams[1].first_epoch = 0;
    options.streams[1].rows = 80 * DRAWN;
    options.max_bad = 0.1;
    struct loader *loader = loader_case_made(&options);
    struct error err = {0};
    struct batch batch;
    assert_int_equal(loader_next(loader, &batch, &err), STATUS_FAILED);
    assert_non_null(strstr(err.message, "contrastive pictures cannot be read"));
    assert_non_null(strstr(err.message, "; one is face "));
    loader_free(loader);
    dataset_free(&dataset);
}

static void test_an_rmset_as_source(void **state)
{
    (void)state;
    struct text csv = {0};
    assert_int_equal(text_append_format(&csv, NULL, "video,frame,face,path\n"), STATUS_OK);
    for (int frame = 0; frame < 100; frame += 5)
        for (int face = 0; face < 3; face++)
            assert_int_equal(text_append_format(&csv, NULL, "v,%d,%d,%02d.png\n", frame, face, (frame + face) % 10 * 3),
                             STATUS_OK);
    scratch_text(folder, "index.csv", csv.bytes);
    text_free(&csv);
    struct rmset_options rmset = {
        .csv = scratch_path(folder, "index.csv"), .every = 1, .fraction = 1, .near = 5, .far = 30};
    struct rmset_index *index;
    struct error err = {0};
    if (rmset_index_open(&index, &rmset, &err) != STATUS_OK) fail_msg("%s", err.message);
    struct rmset_source source = {.index = index, .seed = 3, .positives = POSITIVES, .negatives = NEGATIVES};
    struct dataset dataset = opened();
    struct made_up unused = {0};
    struct loader_options options = with_contrast(&dataset, 2, &unused);
    options.streams[1].source = rmset_draws(&source);
    options.streams[1].first_epoch = 0;
    struct loader *loader = loader_case_made(&options);
    for (int i = 0; i < 6; i++) {
        struct batch batch = loader_case_next(loader);
        for (int anchor = 0; anchor < 2; anchor++) {
            const int64_t *ids = batch.streams[1].ids + anchor * DRAWN;
            struct rmset_face whom = rmset_index_face(index, (uint64_t)ids[0]);
            for (int j = 1; j < DRAWN; j++) {
                struct rmset_face face = rmset_index_face(index, (uint64_t)ids[j]);
                int64_t apart = llabs((int64_t)face.frame - (int64_t)whom.frame);
                assert_true(j <= POSITIVES ? face.person != whom.person && apart <= 5
                                           : face.person == whom.person && apart > 30);
            }
        }
    }
    loader_free(loader);
    rmset_index_close(index);
    dataset_free(&dataset);
}

/* ---- the rest ---------------------------------------------------------------------------------------------------- */

static void test_stopping_early_and_failing_allocations(void **state)
{
    (void)state;
    struct dataset dataset = opened();
    struct made_up made_up = {.unreadable = 7};
    for (int i = 0; i < 10; i++) {
        struct loader_options options = with_contrast(&dataset, 3, &made_up);
        options.max_bad = 1;
        struct loader *loader = loader_case_made(&options);
        for (int j = 0; j < i % 4; j++) (void)loader_case_next(loader);
        loader_free(loader);
    }
    for (long nth = 1; nth < 60; nth++) {
        struct loader_options options = with_contrast(&dataset, 2, &made_up);
        options.cache_bytes = 1 << 20;
        options.max_bad = 1;
        struct loader *loader;
        struct batch batch;
        memory_fail_after(nth);
        status result = loader_create(&loader, &options, NULL);
        if (result == STATUS_OK) result = loader_next(loader, &batch, NULL);
        assert_true(result == STATUS_OK || result == STATUS_FAILED);
        memory_fail_after(0);
        loader_free(loader);
    }
    loader_free(NULL);
    dataset_free(&dataset);
}

/* Pictures without labels, in order: what cannot be read is left out, and an epoch's last batch may have none. */
static void test_unlabelled_pictures(void **state)
{
    (void)state;
    struct dataset dataset = opened();
    dataset.count = 5; /* of which number 4 is damaged */
    for (size_t i = 0; i < dataset.count; i++) dataset.samples[i].label = -1;
    struct loader_options options = {.stream_count = 1,
                                     .streams = {{.source = in_order(&dataset, ORDER_SEQUENTIAL),
                                                  .rows = 4,
                                                  .views = 1,
                                                  .mean = {0.5, 0.5, 0.5},
                                                  .std = {0.5, 0.5, 0.5}}},
                                     .image_size = SIDE,
                                     .prefetch = 1,
                                     .max_bad = 1,
                                     .end_epoch = 1};
    struct loader *loader = loader_case_made(&options);
    struct batch batch = loader_case_next(loader);
    assert_int_equal(batch.streams[0].rows, 4);
    for (int i = 0; i < 4; i++) assert_int_equal(batch.streams[0].labels[i], -1);
    for (int i = 0; i < 4 * CLASSES; i++) assert_true(batch.streams[0].targets[i] == 0);
    batch = loader_case_next(loader);
    assert_int_equal(batch.streams[0].rows, 0);
    assert_int_equal(batch.epoch, 0);
    batch = loader_case_next(loader);
    assert_int_equal(batch.epoch, 1);
    loader_free(loader);
    dataset_free(&dataset);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_workers_and_cache_change_nothing),
        cmocka_unit_test(test_starting_anywhere),
        cmocka_unit_test(test_pixels_are_those_of_the_pictures),
        cmocka_unit_test(test_workers_are_the_programs_threads),
        cmocka_unit_test(test_too_many_bad_pictures),
        cmocka_unit_test(test_contrastive_pictures),
        cmocka_unit_test(test_contrastive_pictures_that_cannot_be_read),
        cmocka_unit_test(test_each_stream_names_its_own_pictures),
        cmocka_unit_test(test_an_rmset_as_source),
        cmocka_unit_test(test_stopping_early_and_failing_allocations),
        cmocka_unit_test(test_unlabelled_pictures),
    };
    return cmocka_run_group_tests(tests, make_pictures, remove_pictures);
}
