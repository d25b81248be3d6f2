/* Drawn data: every layout is read back with the labels that were drawn, the RMset opens and can be drawn from, and
 * an RMset made of a labelled set keeps its promises. */
#define _GNU_SOURCE
#include "rmfer/synth/synth.h"

#include "rmfer/base/file.h"
#include "rmfer/base/log.h"
#include "rmfer/base/memory.h"
#include "rmfer/data/dataset.h"
#include "rmfer/data/rmset_index.h"

#include <ftw.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static char folder[64];
static struct error err;

static int remove_entry(const char *path, const struct stat *facts, int kind, struct FTW *where)
{
    (void)facts, (void)kind, (void)where;
    return remove(path);
}

static int draw_all(void **state)
{
    (void)state;
    log_set_level(LOG_QUIET);
    strcpy(folder, "/tmp/rmfer-synth-XXXXXX");
    if (mkdtemp(folder) == NULL) return -1;
    const struct synth_options options = {.folder = folder, .faces = 160, .size = 48, .seed = 1};
    return synth_write(&options, &err) == STATUS_OK ? 0 : -1;
}

static int remove_all(void **state)
{
    (void)state;
    return nftw(folder, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

/* ---- pictures ---------------------------------------------------------------------------------------------------- */

static void draw_one(uint64_t person, uint64_t view_number, enum expression expression, struct image *image)
{
    struct synth_identity identity = synth_identity(1, person);
    struct synth_view view = synth_view(1, view_number);
    struct synth_look look = synth_look(expression, 1, 7);
    struct image_box square = {0, 0, 32, 32};
    view.noise = 0;
    assert_int_equal(synth_draw(&identity, &view, &look, &square, 32, 32, image, &err), STATUS_OK);
}

/* Mean absolute difference in grey levels. */
static double difference(const struct image *a, const struct image *b)
{
    double sum = 0;
    size_t count = 3 * (size_t)a->width * (size_t)a->height;
    for (size_t i = 0; i < count; i++) sum += fabs((double)a->rgb[i] - b->rgb[i]);
    return sum / (double)count;
}

static void test_faces_vary_as_they_should(void **state)
{
    (void)state;
    struct image base, same, person, view, expression;
    draw_one(1, 2, EXPRESSION_NEUTRAL, &base);
    draw_one(1, 2, EXPRESSION_NEUTRAL, &same);
    draw_one(5, 2, EXPRESSION_NEUTRAL, &person);
    draw_one(1, 9, EXPRESSION_NEUTRAL, &view);
    draw_one(1, 2, EXPRESSION_SURPRISE, &expression);
    assert_true(difference(&base, &same) == 0);
    assert_true(difference(&base, &person) > 5);
    assert_true(difference(&base, &view) > 5);
    assert_true(difference(&base, &expression) > 1); /* few pixels, but some */
    assert_true(difference(&base, &expression) < difference(&base, &view));
    image_free(&base), image_free(&same), image_free(&person), image_free(&view), image_free(&expression);
}

static void test_every_expression_looks_different(void **state)
{
    (void)state;
    struct image pictures[EXPRESSION_COUNT];
    for (int i = 0; i < EXPRESSION_COUNT; i++) draw_one(3, 4, (enum expression)i, &pictures[i]);
    for (int i = 0; i < EXPRESSION_COUNT; i++)
        for (int j = 0; j < i; j++) assert_true(difference(&pictures[i], &pictures[j]) > 0.4);
    for (int i = 0; i < EXPRESSION_COUNT; i++) image_free(&pictures[i]);
}

/* ---- layouts ----------------------------------------------------------------------------------------------------- */

static void load(struct config *config, const char *kind, const char *place, const char *more)
{
    char kind_key[64], root_key[128];
    snprintf(kind_key, sizeof kind_key, "data.kind=%s", kind);
    snprintf(root_key, sizeof root_key, "data.root=%s/%s", folder, place);
    const char *overrides[] = {kind_key, root_key, "data.on_error=fail", more};
    status result = config_defaults(config, overrides, more == NULL ? 3 : 4, &err);
    if (result != STATUS_OK) print_error("%s\n", err.message);
    assert_int_equal(result, STATUS_OK);
}

/* The split has so many samples, of every class about equally many, and all decode. */
static void assert_split(const struct config *config, enum dataset_split split, size_t count)
{
    struct dataset dataset;
    err = (struct error){0};
    status result = dataset_open(&dataset, &config->data, split, &err);
    if (result != STATUS_OK) print_error("%s\n", err.message);
    assert_int_equal(result, STATUS_OK);
    assert_int_equal(dataset.count, count);
    for (int class = 0; class < dataset.class_count; class ++) assert_true(dataset.class_counts[class] > 0);
    for (size_t i = 0; i < dataset.count && dataset.samples[i].pixels == NO_PIXELS; i++) {
        struct image image;
        assert_int_equal(image_read(dataset_path(&dataset, i), NULL, &image, &err), STATUS_OK);
        const struct image_box *box = &dataset.samples[i].box;
        assert_true(box->x + box->width <= image.width && box->y + box->height <= image.height);
        image_free(&image);
    }
    dataset_free(&dataset);
}

static void test_every_layout_reads_back(void **state)
{
    (void)state;
    static const char seven[] = "data.classes=Surprise,Fear,Disgust,Happiness,Sadness,Anger,Neutral";
    static const struct {
        const char *kind, *place, *more;
        size_t whole, valid, test; /* valid 0: a share of training */
    } layouts[] = {
        {"affectnet", "affectnet", NULL, 160, 0, 40},
        {"affectnet", "affectnet", "data.crop=none", 160, 0, 40},
        {"affectnet", "affectnet-later", NULL, 32, 0, 16},
        {"rafdb", "rafdb", seven, 32, 0, 16},
        {"folder", "folder", NULL, 32, 16, 16},
        {"csv", "csv", NULL, 32, 16, 16},
    };
    for (size_t i = 0; i < sizeof layouts / sizeof layouts[0]; i++) {
        struct config config;
        load(&config, layouts[i].kind, layouts[i].place, layouts[i].more);
        assert_split(&config, SPLIT_TRAIN_WHOLE, layouts[i].whole);
        assert_split(&config, SPLIT_TEST, layouts[i].test);
        if (layouts[i].valid > 0) assert_split(&config, SPLIT_VALID, layouts[i].valid);
        config_free(&config);
    }
}

static void test_rafdb_has_its_original_pictures(void **state)
{
    (void)state;
    struct config config;
    load(&config, "rafdb", "rafdb", "data.rafdb_images=original");
    struct dataset dataset;
    assert_int_equal(dataset_open(&dataset, &config.data, SPLIT_TEST, &err), STATUS_OK);
    assert_int_equal(dataset.count, 16);
    for (size_t i = 0; i < dataset.count; i++) assert_true(fabs(dataset.samples[i].box.width - 48) < 1e-3);
    dataset_free(&dataset);
    config_free(&config);
}

/* Votes disagree now and then; both layouts are read, with every rule. */
static void test_ferplus_layouts_read_back(void **state)
{
    (void)state;
    static const char *const places[] = {"ferplus", "ferplus-csv"};
    static const char *const rules[] = {"data.votes=argmax", "data.votes=majority", "data.votes=probability"};
    static const enum dataset_split splits[] = {SPLIT_TRAIN, SPLIT_VALID, SPLIT_TEST};
    for (size_t i = 0; i < 9 * 2; i++) {
        struct config config;
        struct dataset dataset;
        load(&config, "ferplus", places[i / 9], rules[i % 3]);
        assert_int_equal(dataset_open(&dataset, &config.data, splits[i / 3 % 3], &err), STATUS_OK);
        assert_int_equal(dataset.listed, i / 3 % 3 == 0 ? 32 : 16);
        assert_true(dataset.count * 10 >= dataset.listed * 7);
        /* Sample n was drawn with expression n % 8; its row is 1 + n, or 2 + n under a header. */
        size_t as_drawn = 0, header = i / 9;
        for (size_t s = 0; s < dataset.count; s++)
            as_drawn += dataset.samples[s].label == (int32_t)((dataset.samples[s].row - 1 - header) % 8);
        assert_true(as_drawn * 10 >= dataset.count * 9);
        dataset_free(&dataset);
        config_free(&config);
    }
}

/* ---- the RMset --------------------------------------------------------------------------------------------------- */

static struct rmset_index *open_rmset(const char *place)
{
    char csv[160];
    snprintf(csv, sizeof csv, "%s/%s/index.csv", folder, place);
    const struct rmset_options options = {.csv = csv, .every = 1, .fraction = 1, .near = 5, .far = 30};
    struct rmset_index *index = NULL;
    err = (struct error){0};
    status result = rmset_index_open(&index, &options, &err);
    if (result != STATUS_OK) print_error("%s\n", err.message);
    assert_int_equal(result, STATUS_OK);
    return index;
}

static void test_the_drawn_rmset_can_be_drawn_from(void **state)
{
    (void)state;
    struct rmset_index *index = open_rmset("rmset");
    assert_int_equal(rmset_index_videos(index), 2);
    for (uint64_t row = 0; row < rmset_index_faces(index); row++) {
        uint8_t *bytes;
        size_t size;
        struct image image;
        assert_int_equal(rmset_index_read(index, row, &bytes, &size, &err), STATUS_OK);
        assert_int_equal(image_decode(bytes, size, NULL, &image, &err), STATUS_OK);
        assert_int_equal(image.width, 48);
        image_free(&image);
        memory_free(bytes);
    }
    uint64_t rows[101];
    for (uint64_t step = 0; step < 20; step++)
        assert_int_equal(rmset_index_draw(index, 0, step, 0, 50, 50, rows, &err), STATUS_OK);
    rmset_index_close(index);
}

/* A source picture's name, "faces/0000017.jpg", as its number. */
static size_t source_of(const struct rmset_index *index, uint64_t row)
{
    struct text path = {0};
    int64_t offset;
    assert_int_equal(rmset_index_path(index, row, &path, &offset, &err), STATUS_OK);
    size_t number = (size_t)strtoul(strstr(path.bytes, "/faces/") + 7, NULL, 10);
    text_free(&path);
    return number;
}

/* At each moment pictures are different ones; the share with the moment's commonest label is near the agreement. */
static void assert_moments(const struct rmset_index *index, const struct dataset *faces, uint64_t persons, double least)
{
    uint64_t rows = rmset_index_faces(index), agreeing = 0;
    for (uint64_t first = 0; first < rows; first += persons) {
        size_t counts[EXPRESSION_COUNT] = {0}, most = 0;
        for (uint64_t i = 0; i < persons; i++) {
            struct rmset_face face = rmset_index_face(index, first + i);
            assert_int_equal(face.person, i);
            assert_int_equal(face.frame % 31, 0);
            size_t source = source_of(index, first + i);
            assert_true(source < faces->count);
            counts[faces->samples[source].label]++;
            for (uint64_t j = 0; j < i; j++) assert_true(source_of(index, first + j) != source);
        }
        for (int class = 0; class < EXPRESSION_COUNT; class ++) most = counts[class] > most ? counts[class] : most;
        agreeing += most;
    }
    assert_true((double)agreeing / (double)rows > least);
}

static void test_a_labelled_set_becomes_an_rmset(void **state)
{
    (void)state;
    struct config config;
    load(&config, "affectnet", "affectnet", NULL);
    char place[128];
    snprintf(place, sizeof place, "%s/mashup", folder);
    struct synth_mashup_options options = {
        .folder = place, .source = &config, .persons = 8, .moments = 6, .agreement = 0.8, .seed = 2};
    struct synth_mashup_counts counts;
    assert_int_equal(synth_mashup(&options, &counts, &err), STATUS_OK);
    struct dataset faces;
    assert_int_equal(dataset_open(&faces, &config.data, SPLIT_TRAIN, &err), STATUS_OK);
    struct rmset_index *index = open_rmset("mashup");
    assert_int_equal(rmset_index_videos(index), (faces.count + 47) / 48);
    assert_int_equal(rmset_index_faces(index), counts.rows);
    assert_true(counts.agreeing > 0.7 && counts.agreeing < 0.9);
    assert_moments(index, &faces, 8, 0.7);
    for (uint64_t row = 0; row < rmset_index_faces(index); row++) {
        uint8_t *bytes;
        size_t size;
        struct image image;
        assert_int_equal(rmset_index_read(index, row, &bytes, &size, &err), STATUS_OK);
        assert_int_equal(image_decode(bytes, size, NULL, &image, &err), STATUS_OK);
        assert_int_equal(image.width, 48); /* the face box alone, of pictures of 60 */
        image_free(&image);
        memory_free(bytes);
    }
    rmset_index_close(index);
    dataset_free(&faces);
    config_free(&config);
}

/* An RMset of that set's samples without labels shows none of the labelled ones. */
static void assert_labelled_stay_out(const char *kind, const char *source, size_t wanted)
{
    struct config config;
    char labels[64], name[64], place[192];
    snprintf(labels, sizeof labels, "data.labelled=%zu", wanted);
    load(&config, kind, source, labels);
    snprintf(name, sizeof name, "rest-%s", source);
    snprintf(place, sizeof place, "%s/%s", folder, name);
    struct synth_mashup_options options = {
        .folder = place, .source = &config, .persons = 4, .moments = 10, .videos = 6, .agreement = 1};
    struct synth_mashup_counts counts;
    assert_int_equal(synth_mashup(&options, &counts, &err), STATUS_OK);
    assert_int_equal(counts.rows, 240);
    struct dataset all, labelled;
    assert_int_equal(dataset_open(&labelled, &config.data, SPLIT_TRAIN, &err), STATUS_OK);
    config.data.labelled = 0;
    assert_int_equal(dataset_open(&all, &config.data, SPLIT_TRAIN, &err), STATUS_OK);
    assert_int_equal(labelled.count, wanted);
    assert_int_equal(counts.sources, all.count - wanted);
    assert_true(counts.agreeing == 1 || all.count < 64); /* of too few pictures a class, others' fill the moment */
    struct rmset_index *index = open_rmset(name);
    if (counts.agreeing == 1) assert_moments(index, &all, 4, 0.999);
    for (uint64_t row = 0; row < rmset_index_faces(index); row++) {
        const char *path = dataset_path(&all, source_of(index, row));
        for (size_t i = 0; i < labelled.count; i++) assert_string_not_equal(dataset_path(&labelled, i), path);
    }
    rmset_index_close(index);
    dataset_free(&all);
    dataset_free(&labelled);
    config_free(&config);
}

/* With data.labelled the labelled samples are not in the RMset, whether a list or the folders tell the classes. */
static void test_labelled_samples_stay_out(void **state)
{
    (void)state;
    assert_labelled_stay_out("affectnet", "affectnet", 64);
    assert_labelled_stay_out("affectnet", "affectnet-later", 16);
    assert_labelled_stay_out("folder", "folder", 16);
    assert_labelled_stay_out("csv", "csv", 16);
}

static void test_too_many_persons_are_refused(void **state)
{
    (void)state;
    struct config config;
    load(&config, "csv", "csv", NULL);
    struct synth_mashup_options options = {
        .folder = folder, .source = &config, .persons = 500, .moments = 2, .agreement = 1};
    struct synth_mashup_counts counts;
    err = (struct error){0};
    assert_int_equal(synth_mashup(&options, &counts, &err), STATUS_USAGE);
    assert_string_equal(err.message, "--persons 500: the set has only 32 faces to use");
    config_free(&config);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_faces_vary_as_they_should),
        cmocka_unit_test(test_every_expression_looks_different),
        cmocka_unit_test(test_every_layout_reads_back),
        cmocka_unit_test(test_rafdb_has_its_original_pictures),
        cmocka_unit_test(test_ferplus_layouts_read_back),
        cmocka_unit_test(test_the_drawn_rmset_can_be_drawn_from),
        cmocka_unit_test(test_a_labelled_set_becomes_an_rmset),
        cmocka_unit_test(test_labelled_samples_stay_out),
        cmocka_unit_test(test_too_many_persons_are_refused),
    };
    return cmocka_run_group_tests(tests, draw_all, remove_all);
}
