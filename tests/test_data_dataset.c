/* Every reader over sets made here: which rows become samples, which are left out and why, and what is said about
 * damaged ones. The split and the choice of labelled samples. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "rmfer/base/file.h"
#include "rmfer/base/log.h"
#include "rmfer/base/memory.h"
#include "rmfer/data/dataset.h"
#include "support/scratch.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

static char *eight[] = {"Neutral", "Happiness", "Sadness", "Surprise", "Fear", "Disgust", "Anger", "Contempt"};
static char *alphabetical[] = {"Anger", "Disgust", "Fear", "Happiness", "Neutral", "Sadness", "Surprise"};
static char empty[] = "";

static struct config_data options_of(enum config_data_kind kind, char *root)
{
    return (struct config_data){.kind = kind,
                                .root = root,
                                .images = empty,
                                .train = empty,
                                .valid = empty,
                                .test = empty,
                                .classes = {eight, 8},
                                .crop = CROP_BOX,
                                .valid_fraction = 0,
                                .max_bad = 0.5};
}

static struct dataset opened(const struct config_data *options, enum dataset_split split)
{
    struct dataset dataset;
    struct error err = {0};
    if (dataset_open(&dataset, options, split, &err) != STATUS_OK) fail_msg("%s", err.message);
    return dataset;
}

static void assert_error(const struct config_data *options, enum dataset_split split, const char *wanted)
{
    struct dataset dataset;
    struct error err = {0};
    status result = dataset_open(&dataset, options, split, &err);
    if (result == STATUS_OK) fail_msg("no error where '%s' was expected", wanted);
    if (strstr(err.message, wanted) == NULL) fail_msg("'%s' lacks '%s'", err.message, wanted);
    dataset_free(&dataset);
}

/* The sample of that file name, a failure when there is none. */
static const struct dataset_sample *sample_of(const struct dataset *dataset, const char *name)
{
    for (size_t i = 0; i < dataset->count; i++)
        if (strcmp(path_name(dataset_path(dataset, i)), name) == 0) return &dataset->samples[i];
    fail_msg("no sample %s", name);
    return NULL;
}

static void assert_note(const struct dataset *dataset, const char *reason, size_t count, const char *example)
{
    for (size_t i = 0; i < dataset->note_count; i++) {
        if (strcmp(dataset->notes[i].reason, reason) != 0) continue;
        assert_int_equal(dataset->notes[i].count, count);
        if (strstr(dataset->notes[i].example, example) == NULL)
            fail_msg("'%s' lacks '%s'", dataset->notes[i].example, example);
        return;
    }
    fail_msg("no note '%s'", reason);
}

static void touch(const char *folder, const char *name)
{
    scratch_text(folder, name, "x");
}

/* ---- AffectNet --------------------------------------------------------------------------------------------------- */

static const char affectnet_header[] = "subDirectory_filePath,face_x,face_y,face_width,face_height,facial_landmarks,"
                                       "expression,valence,arousal\r\n";
static const char affectnet_rows[] = "1/a.JPG,10,20,100,80,1;2;3,1,0.1,0.2\r\n"
                                     "1/b.jpeg,0,0,50,50,1;2,0,0,0\r\n"
                                     "2/c.PnG,0,0,50,50,\"1;2\",7,0,0\r\n"
                                     "2/d.heic,0,0,50,50,,3,0,0\r\n"
                                     "2/e.JP2,0,0,50,50,,3,0,0\r\n"
                                     "2/f.jp2,0,0,50,50,,4,0,0\r\n"
                                     "2/g.jpg,NULL,NULL,NULL,NULL,NULL,10,-2,-2\r\n"
                                     "2/h.jpg,-1,-1,-1,-1,,5,-2,-2\r\n"
                                     "2/i.jpg,0,0,9,9,,8,-2,-2\r\n"
                                     "2/j.jpg,0,0,9,9,,9,-2,-2\r\n"
                                     "1/a.JPG,10,20,100,80,1;2;3,1,0.1,0.2\r\n"
                                     "1/a.JPG,30,20,100,80,1;2;3,6,0.1,0.2\r\n"
                                     "1/b.jpeg,0,0,50,50,1;2,2,0,0";

static void fill_affectnet(const char *folder, const char *list, bool header)
{
    struct text text = {0};
    assert_int_equal(text_append_format(&text, NULL, "\xef\xbb\xbf%s%s", header ? affectnet_header : "",
                                        affectnet_rows),
                     STATUS_OK);
    scratch_text(folder, list, text.bytes);
    text_free(&text);
    touch(folder, "1/a.JPG");
    touch(folder, "1/b.jpeg");
    touch(folder, "2/c.PnG");
    touch(folder, "2/h.jpg");
}

static void check_affectnet(const struct dataset *dataset)
{
    assert_int_equal(dataset->count, 4);
    assert_int_equal(dataset->listed, 13);
    assert_int_equal(sample_of(dataset, "a.JPG")->label, 1);
    assert_int_equal(sample_of(dataset, "b.jpeg")->label, 0);
    assert_int_equal(sample_of(dataset, "c.PnG")->label, 7);
    assert_int_equal(dataset->samples[3].label, 6);
    assert_true(dataset->samples[3].box.x == 30 - 25); /* a margin of half of 100 */
    assert_note(dataset, "HEIF or AVIF is not supported", 1, "2/d.heic");
    assert_note(dataset, "JPEG 2000 is not supported", 2, "2/e.JP2");
    assert_note(dataset, "labelled None (8)", 1, "2/i.jpg");
    assert_note(dataset, "labelled Uncertain (9)", 1, "2/j.jpg");
    assert_note(dataset, "labelled No-Face (10)", 1, "2/g.jpg");
    assert_note(dataset, "without a face box", 1, "2/h.jpg");
    assert_note(dataset, "the same picture as in an earlier row", 1, "1/a.JPG");
    assert_note(dataset, "the same picture as in an earlier row, labelled otherwise", 1, "1/b.jpeg");
    assert_int_equal(dataset->class_counts[0], 1);
    assert_int_equal(dataset->class_counts[2], 0);
}

static void test_affectnet_original(void **state)
{
    (void)state;
    for (int header = 0; header < 2; header++) {
        char *folder = scratch_make();
        fill_affectnet(folder, "training.csv", header == 1);
        struct config_data options = options_of(DATA_AFFECTNET, folder);
        options.crop_margin = 0.5;
        struct dataset dataset = opened(&options, SPLIT_TRAIN);
        check_affectnet(&dataset);
        const struct image_box *box = &sample_of(&dataset, "a.JPG")->box;
        assert_true(box->x == -15 && box->y == 0 && box->width == 150 && box->height == 120);
        assert_string_equal(path_name(dataset.lists[dataset.samples[0].list]), "training.csv");
        assert_int_equal(dataset.samples[0].row, header == 1 ? 2 : 1);
        dataset_free(&dataset);
        assert_error(&options, SPLIT_TEST, "no test split of kind affectnet");
        options.crop = CROP_NONE;
        dataset = opened(&options, SPLIT_TRAIN_WHOLE);
        assert_true(sample_of(&dataset, "h.jpg")->box.width == 0);
        assert_int_equal(dataset.count, 4); /* the box no longer tells two rows of a.JPG apart */
        dataset_free(&dataset);
        scratch_remove(folder);
    }
}

static void test_affectnet_as_downloaded(void **state)
{
    (void)state;
    char *folder = scratch_make();
    scratch_text(folder, "Manually_Annotated_file_lists/validation.csv", "5/x.jpg,0,0,5,5,,0,0,0\n");
    touch(folder, "Manually_Annotated_Images/5/x.jpg");
    struct config_data options = options_of(DATA_AFFECTNET, folder);
    struct dataset dataset = opened(&options, SPLIT_TEST);
    assert_int_equal(dataset.count, 1);
    assert_non_null(strstr(dataset_path(&dataset, 0), "Manually_Annotated_Images/5/x.jpg"));
    dataset_free(&dataset);
    char images[1024];
    snprintf(images, sizeof images, "%s/elsewhere", folder);
    touch(folder, "elsewhere/5/x.jpg");
    options.images = images;
    dataset = opened(&options, SPLIT_TEST);
    assert_non_null(strstr(dataset_path(&dataset, 0), "elsewhere/5/x.jpg"));
    dataset_free(&dataset);
    scratch_remove(folder);
}

/* Seven classes in another order: contempt is left out, the others are at their new places. */
static void test_classes_reorder_and_drop(void **state)
{
    (void)state;
    char *folder = scratch_make();
    fill_affectnet(folder, "training.csv", true);
    struct config_data options = options_of(DATA_AFFECTNET, folder);
    options.classes.items = alphabetical;
    options.classes.count = 7;
    struct dataset dataset = opened(&options, SPLIT_TRAIN);
    assert_int_equal(dataset.count, 3);
    assert_int_equal(sample_of(&dataset, "a.JPG")->label, 3);
    assert_int_equal(sample_of(&dataset, "b.jpeg")->label, 4);
    assert_note(&dataset, "of a class that data.classes does not name", 1, "2/c.PnG");
    float target[7];
    dataset_target(&dataset, 0, target);
    for (int i = 0; i < 7; i++) assert_true(target[i] == (i == 3 ? 1.0f : 0.0f));
    dataset_free(&dataset);
    char *misspelt[] = {"Neutral", "Hapiness"}, *twice[] = {"Neutral", "Happy", "Happiness"};
    options.classes.items = misspelt;
    options.classes.count = 2;
    assert_error(&options, SPLIT_TRAIN, "'Hapiness' is no expression of affectnet (did you mean Happiness?)");
    options.classes.items = twice;
    options.classes.count = 3;
    assert_error(&options, SPLIT_TRAIN, "'Happiness' is there twice");
    scratch_remove(folder);
}

static void test_affectnet_errors_name_the_row(void **state)
{
    (void)state;
    char *folder = scratch_make();
    struct config_data options = options_of(DATA_AFFECTNET, folder);
    assert_error(&options, SPLIT_TRAIN, "no training split of kind affectnet");
    scratch_text(folder, "training.csv", "1/a.jpg,0,0,5,5,,1,0,0\n1/b.jpg,0,0,5,5,,11,0,0\n");
    assert_error(&options, SPLIT_TRAIN, "training.csv:2: expression '11': not an id");
    scratch_text(folder, "training.csv", "1/a.jpg,0,0,5,5\n");
    assert_error(&options, SPLIT_TRAIN, "training.csv:1: expression '': not an id");
    scratch_text(folder, "training.csv", "subDirectory_filePath,face_x\n1/a.jpg,0\n");
    assert_error(&options, SPLIT_TRAIN, "training.csv:1: the header lacks expression");
    scratch_text(folder, "training.csv", "");
    assert_error(&options, SPLIT_TRAIN, "the train split has no samples");
    char missing[] = "gone.csv";
    options.train = missing;
    assert_error(&options, SPLIT_TRAIN, "gone.csv");
    char nowhere[] = "/no/such/root";
    options.root = nowhere;
    assert_error(&options, SPLIT_TRAIN, "there is no such folder");
    options.root = empty;
    assert_error(&options, SPLIT_TRAIN, "data.root is not given");
    scratch_remove(folder);
}

/* A 0-d array in format version 1.0. */
static void write_npy(const char *folder, const char *name, const char *type, const void *data, size_t size)
{
    uint8_t file[256] = "\x93NUMPY\x01\x00";
    int length = snprintf((char *)file + 10, 118, "{'descr': '%s', 'fortran_order': False, 'shape': (), }", type);
    memset(file + 10 + length, ' ', 118 - (size_t)length);
    file[127] = '\n';
    file[8] = 118;
    memcpy(file + 128, data, size);
    scratch_write(folder, name, file, 128 + size);
}

static void test_affectnet_later(void **state)
{
    (void)state;
    char *folder = scratch_make();
    static const char *const pictures[] = {"0.jpg", "2.JPG", "10.jpg", "11.png", "12.jpg", "13.jpg", "14.jpg"};
    for (size_t i = 0; i < 7; i++) {
        char name[64];
        snprintf(name, sizeof name, "train_set/images/%s", pictures[i]);
        touch(folder, name);
    }
    scratch_text(folder, "train_set/images/Thumbs.db", "not of the data set");
    int64_t four = 4;
    double five = 5;
    uint8_t big[4] = {0, 0, 0, 6};
    write_npy(folder, "train_set/annotations/0_exp.npy", "<U1", "3\0\0", 4);
    write_npy(folder, "train_set/annotations/2_exp.npy", "<i8", &four, 8);
    write_npy(folder, "train_set/annotations/10_exp.npy", "<f8", &five, 8);
    write_npy(folder, "train_set/annotations/11_exp.npy", ">i4", big, 4);
    write_npy(folder, "train_set/annotations/12_exp.npy", "|S2", "7", 2);
    write_npy(folder, "train_set/annotations/13_exp.npy", "<U2",
              "1\0\0\0"
              "0\0\0",
              8);
    write_npy(folder, "train_set/annotations/0_aro.npy", "<f8", &five, 8);
    struct config_data options = options_of(DATA_AFFECTNET, folder);
    struct dataset dataset = opened(&options, SPLIT_TRAIN);
    assert_int_equal(dataset.count, 5);
    static const int labels[] = {3, 4, 5, 6, 7};
    for (size_t i = 0; i < 5; i++) {
        assert_string_equal(path_name(dataset_path(&dataset, i)), pictures[i]);
        assert_int_equal(dataset.samples[i].label, labels[i]);
    }
    assert_note(&dataset, "labelled No-Face (10)", 1, "13.jpg");
    assert_note(&dataset, "without an annotation", 1, "14.jpg");
    assert_note(&dataset, "not a picture by name", 1, "Thumbs.db");
    dataset_free(&dataset);
    options.images = folder;
    assert_error(&options, SPLIT_TRAIN, "not in AffectNet's later release");
    options.images = empty;
    write_npy(folder, "train_set/annotations/0_exp.npy", "<U1", "x\0\0", 4);
    assert_error(&options, SPLIT_TRAIN, "the expression of 0.jpg is not an id");
    int64_t below = -1;
    write_npy(folder, "train_set/annotations/0_exp.npy", "<i8", &below, 8);
    assert_error(&options, SPLIT_TRAIN, "the expression of 0.jpg is not an id");
    scratch_text(folder, "train_set/annotations/0_exp.npy", "3");
    assert_error(&options, SPLIT_TRAIN, "the expression of 0.jpg is not an id");
    scratch_text(folder, "train_set/annotations/0_exp.npy", "");
    assert_error(&options, SPLIT_TRAIN, "the expression of 0.jpg is not an id");
    scratch_remove(folder);
}

/* A folder where the file should be stands for every file that is there and that cannot be read: those are not the
 * files that were never written. */
static void test_unreadable_annotations_are_errors(void **state)
{
    (void)state;
    char *folder = scratch_make();
    for (int i = 0; i < 40; i++) {
        char name[64];
        snprintf(name, sizeof name, "val_set/images/%d.jpg", i);
        touch(folder, name);
        snprintf(name, sizeof name, "val_set/annotations/%d_exp.npy", i);
        write_npy(folder, name, "|S1", "2", 1);
    }
    scratch_text(folder, "val_set/annotations/38_aro.npy/inside", "");
    struct config_data options = options_of(DATA_AFFECTNET, folder);
    struct dataset dataset = opened(&options, SPLIT_TEST); /* nobody reads 38_aro.npy */
    assert_int_equal(dataset.count, 40);
    dataset_free(&dataset);
    options.reads_affect = true;
    assert_error(&options, SPLIT_TEST, "val_set/annotations/38_aro.npy: not a regular file");
    touch(folder, "val_set/images/x.jpg");
    touch(folder, "val_set/images/a.jpg");
    scratch_text(folder, "val_set/annotations/x_exp.npy/inside", "");
    scratch_text(folder, "val_set/annotations/a_exp.npy/inside", "");
    options.reads_affect = false;
    assert_error(&options, SPLIT_TEST, "val_set/annotations/a_exp.npy: not a regular file"); /* the first of them */
    scratch_remove(folder);
}

/* ---- valence and arousal ----------------------------------------------------------------------------------------- */

/* NaN for none. */
static void assert_affect(const struct dataset *dataset, const char *name, double valence, double arousal)
{
    const float *affect = dataset->affect + 2 * (sample_of(dataset, name) - dataset->samples);
    if (isnan(valence))
        assert_true(isnan(affect[0]) && isnan(affect[1]));
    else
        assert_true(fabs((double)affect[0] - valence) < 1e-6 && fabs((double)affect[1] - arousal) < 1e-6);
}

static void test_affect_of_affectnet(void **state)
{
    (void)state;
    char *folder = scratch_make();
    static const char *const names[] = {"a.jpg", "b.jpg", "c.jpg", "d.jpg"};
    for (size_t i = 0; i < 4; i++) touch(folder, names[i]);
    scratch_text(folder, "training.csv",
                 "subDirectory_filePath,face_x,face_y,face_width,face_height,arousal,valence,expression\n"
                 "a.jpg,0,0,9,9,-2,-2,1\nb.jpg,0,0,9,9,0.25,-0.5,1\nc.jpg,0,0,9,9,0.25,3,1\nd.jpg,0,0,9,9,1,-1,2\n");
    struct config_data options = options_of(DATA_AFFECTNET, folder);
    struct dataset dataset = opened(&options, SPLIT_TRAIN_WHOLE);
    assert_null(dataset.affect); /* nobody wants them */
    dataset_free(&dataset);
    options.reads_affect = true;
    dataset = opened(&options, SPLIT_TRAIN_WHOLE);
    assert_affect(&dataset, "a.jpg", NAN, NAN);
    assert_affect(&dataset, "b.jpg", -0.5, 0.25);
    assert_affect(&dataset, "c.jpg", NAN, NAN);
    assert_affect(&dataset, "d.jpg", -1, 1);
    assert_int_equal(dataset_affect_count(&dataset), 2);
    dataset_free(&dataset);
    char *happy[] = {"Sadness", "Neutral"};
    options.classes.items = happy; /* d.jpg stays, and what is known of it */
    options.classes.count = 2;
    dataset = opened(&options, SPLIT_TRAIN_WHOLE);
    assert_int_equal(dataset.count, 1);
    assert_affect(&dataset, "d.jpg", -1, 1);
    dataset_free(&dataset);
    scratch_remove(folder);
}

static void test_affect_of_affectnet_later(void **state)
{
    (void)state;
    char *folder = scratch_make();
    double valence = -0.25;
    touch(folder, "val_set/images/3.jpg");
    touch(folder, "val_set/images/4.jpg");
    write_npy(folder, "val_set/annotations/3_exp.npy", "<U1", "1\0\0", 4);
    write_npy(folder, "val_set/annotations/3_val.npy", "<f8", &valence, 8);
    write_npy(folder, "val_set/annotations/3_aro.npy", "|S4", "0.75", 4);
    write_npy(folder, "val_set/annotations/4_exp.npy", "|S1", "2", 1);
    struct config_data options = options_of(DATA_AFFECTNET, folder);
    options.reads_affect = true;
    struct dataset dataset = opened(&options, SPLIT_TEST);
    assert_affect(&dataset, "3.jpg", -0.25, 0.75);
    assert_affect(&dataset, "4.jpg", NAN, NAN);
    dataset_free(&dataset);
    scratch_remove(folder);
}

static void test_affect_of_lists(void **state)
{
    (void)state;
    char *folder = scratch_make();
    static const char *const names[] = {"a.jpg", "b.jpg", "c.jpg", "d.jpg"};
    for (size_t i = 0; i < 4; i++) touch(folder, names[i]);
    struct config_data options = options_of(DATA_CSV, folder);
    options.reads_affect = true;
    scratch_text(folder, "train.csv",
                 "arousal,path,label,valence\n,a.jpg,1,\n0.5,b.jpg,1,-1\n-2,c.jpg,1,-2\n,d.jpg,1,0.5\n");
    struct dataset dataset = opened(&options, SPLIT_TRAIN_WHOLE);
    assert_affect(&dataset, "a.jpg", NAN, NAN);
    assert_affect(&dataset, "b.jpg", -1, 0.5);
    assert_affect(&dataset, "c.jpg", NAN, NAN);
    assert_affect(&dataset, "d.jpg", NAN, NAN); /* half of it is nothing */
    dataset_free(&dataset);
    /* What the validation split knows is nothing to training, whose rows are read behind it. */
    scratch_text(folder, "valid.csv", "path,label,valence,arousal\nc.jpg,1,0.5,0.5\nd.jpg,1,0.5,0.5\n");
    scratch_text(folder, "train.csv", "path,label\na.jpg,1\nb.jpg,2\n");
    dataset = opened(&options, SPLIT_TRAIN);
    assert_null(dataset.affect);
    assert_int_equal(dataset_affect_count(&dataset), 0);
    dataset_free(&dataset);
    dataset = opened(&options, SPLIT_VALID);
    assert_int_equal(dataset_affect_count(&dataset), 2);
    dataset_free(&dataset);
    scratch_text(folder, "train.csv", "path,label,valence,arousal\na.jpg,1,0.5,0.5\nb.jpg,1,1.5,0\n");
    assert_error(&options, SPLIT_TRAIN_WHOLE, "train.csv:3: valence '1.5' is no number from -1 to 1");
    options.reads_affect = false;
    dataset = opened(&options, SPLIT_TRAIN_WHOLE);
    assert_int_equal(dataset.count, 2);
    dataset_free(&dataset);
    scratch_remove(folder);
}

/* ---- RAF-DB ------------------------------------------------------------------------------------------------------ */

static void test_rafdb_official(void **state)
{
    (void)state;
    char *folder = scratch_make();
    scratch_text(folder, "basic/EmoLabel/list_patition_label.txt",
                 "train_00001.jpg 5\r\ntrain_00002.jpg 1\r\ntest_0001.jpg 7\r\n");
    touch(folder, "basic/Image/aligned/train_00001_aligned.jpg");
    touch(folder, "basic/Image/aligned/train_00002_aligned.jpg");
    touch(folder, "basic/Image/aligned/test_0001_aligned.jpg");
    touch(folder, "basic/Image/original/train_00001.jpg");
    touch(folder, "basic/Image/original/train_00002.jpg");
    scratch_text(folder, "basic/Annotation/boundingbox/train_00001_boundingbox.txt", "10.5 20 110.5 140 \n");
    struct config_data options = options_of(DATA_RAFDB, folder);
    struct dataset dataset = opened(&options, SPLIT_TRAIN);
    assert_int_equal(dataset.count, 2);
    assert_int_equal(sample_of(&dataset, "train_00001_aligned.jpg")->label, 2);
    assert_int_equal(sample_of(&dataset, "train_00002_aligned.jpg")->label, 3);
    assert_true(dataset.samples[0].box.width == 0);
    dataset_free(&dataset);
    dataset = opened(&options, SPLIT_TEST);
    assert_int_equal(dataset.count, 1);
    assert_int_equal(dataset.samples[0].label, 0);
    dataset_free(&dataset);
    options.rafdb_images = RAFDB_ORIGINAL;
    dataset = opened(&options, SPLIT_TRAIN);
    const struct image_box *box = &sample_of(&dataset, "train_00001.jpg")->box;
    assert_true(box->x == 10.5 && box->y == 20 && box->width == 100 && box->height == 120);
    assert_true(sample_of(&dataset, "train_00002.jpg")->box.width == 0);
    dataset_free(&dataset);
    /* A list may name the aligned pictures, too. */
    scratch_text(folder, "basic/EmoLabel/list_patition_label.txt",
                 "train_00001_aligned.jpg 5\ntrain_00002_aligned.jpg 1\n");
    dataset = opened(&options, SPLIT_TRAIN);
    assert_int_equal(dataset.count, 2);
    assert_true(sample_of(&dataset, "train_00001.jpg")->box.width == 100);
    dataset_free(&dataset);
    scratch_text(folder, "basic/Annotation/boundingbox/train_00001_boundingbox.txt", "10.5 20 110.5\n");
    assert_error(&options, SPLIT_TRAIN, "train_00001_boundingbox.txt: not the four numbers of a box");
    scratch_text(folder, "basic/Annotation/boundingbox/train_00001_boundingbox.txt", "1 2 3 4\n");
    scratch_text(folder, "basic/Annotation/boundingbox/train_00002_boundingbox.txt/inside", "");
    assert_error(&options, SPLIT_TRAIN, "train_00002_boundingbox.txt: not a regular file");
    scratch_text(folder, "basic/EmoLabel/list_patition_label.txt", "train_00001.jpg 5\ntrain_00002.jpg 8\n");
    assert_error(&options, SPLIT_TRAIN, "list_patition_label.txt:2: label '8': not one of RAF-DB");
    scratch_text(folder, "basic/EmoLabel/list_patition_label.txt", "img_1.jpg 5\n");
    assert_error(&options, SPLIT_TRAIN, "list_patition_label.txt:1: 'img_1.jpg'");
    scratch_remove(folder);
}

static void test_rafdb_rearranged(void **state)
{
    (void)state;
    char *folder = scratch_make();
    scratch_text(folder, "train_labels.csv", "image,label\ntrain_00001_aligned.jpg,5\ntrain_00002_aligned.jpg,6\n");
    touch(folder, "DATASET/train/5/train_00001_aligned.jpg");
    touch(folder, "DATASET/train/6/train_00002_aligned.jpg");
    touch(folder, "DATASET/train/6/not_in_the_list.jpg");
    touch(folder, "DATASET/test/7/test_0001_aligned.jpg");
    scratch_text(folder, "DATASET/test/7/Thumbs.db", "not of the data set");
    scratch_text(folder, "DATASET/test/1/empty.txt", "");
    struct config_data options = options_of(DATA_RAFDB, folder);
    struct dataset dataset = opened(&options, SPLIT_TRAIN);
    assert_int_equal(dataset.count, 2);
    assert_int_equal(sample_of(&dataset, "train_00002_aligned.jpg")->label, 6);
    dataset_free(&dataset);
    dataset = opened(&options, SPLIT_TEST); /* without a list: by folder */
    assert_int_equal(dataset.count, 1);
    assert_int_equal(dataset.samples[0].label, 0);
    assert_note(&dataset, "not a picture by name", 2, "empty.txt");
    dataset_free(&dataset);
    scratch_text(folder, "train_labels.csv", "image,label\ntrain_00001_aligned.jpg,0\n");
    assert_error(&options, SPLIT_TRAIN, "train_labels.csv:2: label '0'");
    scratch_remove(folder);
}

/* ---- FERPlus ----------------------------------------------------------------------------------------------------- */

static void append_pixels(struct text *text, int first)
{
    for (int i = 0; i < PIXEL_SIDE * PIXEL_SIDE; i++)
        assert_int_equal(text_append_format(text, NULL, "%s%d", i == 0 ? "" : " ", (first + i) % 256), STATUS_OK);
}

static void write_ferplus_pair(const char *folder, int broken_row, const char *usage_of_last)
{
    struct text pixels = {0};
    static const char *const usages[] = {"Training", "Training", "PublicTest", "Training", "PrivateTest"};
    assert_int_equal(text_append_format(&pixels, NULL, "emotion,pixels,Usage\n"), STATUS_OK);
    for (int row = 0; row < 5; row++) {
        assert_int_equal(text_append_format(&pixels, NULL, "0,"), STATUS_OK);
        if (row == broken_row)
            assert_int_equal(text_append_format(&pixels, NULL, "1 2 3"), STATUS_OK);
        else
            append_pixels(&pixels, 10 * row);
        assert_int_equal(text_append_format(&pixels, NULL, ",%s\n", row == 4 ? usage_of_last : usages[row]), STATUS_OK);
    }
    scratch_text(folder, "fer2013.csv", pixels.bytes);
    text_free(&pixels);
    scratch_text(folder, "fer2013new.csv",
                 "Usage,Image name,neutral,happiness,surprise,sadness,anger,disgust,fear,contempt,unknown,NF\r\n"
                 "Training,fer0000000.png,4,0,0,1,3,2,0,0,0,0\r\n"
                 "Training,,0,10,0,0,0,0,0,0,0,0\r\n"
                 "PublicTest,fer0028638.png,0,10,0,0,0,0,0,0,0,0\r\n"
                 "Training,fer0000002.png,0,0,0,0,0,0,0,0,2,8\r\n"
                 "PrivateTest,fer0032220.png,0,0,0,0,0,0,8,2,0,0\r\n");
}

static void test_ferplus_pair(void **state)
{
    (void)state;
    char *folder = scratch_make();
    write_ferplus_pair(folder, -1, "PrivateTest");
    struct config_data options = options_of(DATA_FERPLUS, folder);
    struct dataset dataset = opened(&options, SPLIT_TRAIN);
    assert_int_equal(dataset.count, 1);
    assert_int_equal(dataset.samples[0].label, 0);
    assert_int_not_equal(dataset.samples[0].pixels, NO_PIXELS);
    assert_int_equal(dataset.pixels[dataset.samples[0].pixels + 300], 300 % 256);
    assert_non_null(strstr(dataset_path(&dataset, 0), "fer2013.csv:2"));
    assert_note(&dataset, "without an image name", 1, "fer2013new.csv:3");
    assert_note(&dataset, "without enough votes for one expression, or won by unknown or NF", 1, "fer2013new.csv:5");
    dataset_free(&dataset);
    dataset = opened(&options, SPLIT_VALID);
    assert_int_equal(dataset.count, 1);
    assert_int_equal(dataset.samples[0].label, 1);
    assert_int_equal(dataset.pixels[dataset.samples[0].pixels], 20);
    dataset_free(&dataset);
    options.votes = VOTES_PROBABILITY;
    dataset = opened(&options, SPLIT_TRAIN);
    float target[8];
    dataset_target(&dataset, 0, target);
    assert_true(target[0] == 4.0f / 7 && target[6] == 3.0f / 7 && target[5] == 0);
    dataset_free(&dataset);
    options.votes = VOTES_MAJORITY;
    assert_error(&options, SPLIT_TRAIN, "the train split has no samples");
    options.votes = VOTES_ARGMAX;
    write_ferplus_pair(folder, 0, "PrivateTest");
    assert_error(&options, SPLIT_TRAIN, "fer2013.csv:2: the pixels are not 2304 numbers");
    write_ferplus_pair(folder, -1, "Training");
    assert_error(&options, SPLIT_TRAIN, "of different usage");
    scratch_text(folder, "fer2013new.csv", "Training,a.png,1,0,0,0,0,0,0,0,0,0\n");
    assert_error(&options, SPLIT_TRAIN, "has more rows than the other");
    scratch_remove(folder);
}

static void test_ferplus_folders(void **state)
{
    (void)state;
    char *folder = scratch_make();
    scratch_text(folder, "FER2013Train/label.csv",
                 "fer0000000.png,\"(0, 0, 48, 48)\",4,0,0,1,3,2,0,0,0,0\n"
                 "fer0000001.png,\"(4, 2, 44, 48)\",0,9,0,1,0,0,0,0,0,0\n"
                 "fer0000002.png,\"(0, 0, 48, 48)\",0,0,0,0,0,0,0,10,0,0\n");
    for (int i = 0; i < 3; i++) {
        char name[64];
        snprintf(name, sizeof name, "FER2013Train/fer000000%d.png", i);
        touch(folder, name);
    }
    scratch_text(folder, "FER2013Valid/label.csv",
                 "Image name,neutral,happiness,surprise,sadness,anger,disgust,fear,contempt,unknown,NF\n"
                 "fer0000009.png,0,0,0,0,10,0,0,0,0,0\n");
    touch(folder, "FER2013Valid/fer0000009.png");
    struct config_data options = options_of(DATA_FERPLUS, folder);
    struct dataset dataset = opened(&options, SPLIT_TRAIN);
    assert_int_equal(dataset.count, 3);
    assert_true(dataset.samples[0].box.width == 0);
    assert_true(dataset.samples[1].box.x == 4 && dataset.samples[1].box.width == 40);
    dataset_free(&dataset);
    options.crop_margin = 0.5; /* of boxes, not of whole pictures */
    dataset = opened(&options, SPLIT_TRAIN);
    assert_true(dataset.samples[0].box.width == 0);
    assert_true(dataset.samples[1].box.x == 4 - 10 && dataset.samples[1].box.width == 60);
    assert_true(dataset.samples[1].box.y == 2 - 11.5 && dataset.samples[1].box.height == 69);
    dataset_free(&dataset);
    options.crop_margin = 0;
    dataset = opened(&options, SPLIT_VALID);
    assert_int_equal(dataset.count, 1);
    assert_int_equal(dataset.samples[0].label, 6);
    dataset_free(&dataset);
    options.classes.items = alphabetical;
    options.classes.count = 7;
    dataset = opened(&options, SPLIT_TRAIN);
    assert_int_equal(dataset.count, 2);
    assert_note(&dataset, "of a class that data.classes does not name", 1, "label.csv:3");
    dataset_free(&dataset);
    scratch_text(folder, "FER2013Train/label.csv", "a.png,\"(0, 0, 48, 48)\",4,0,0,1,3,2,0,0,0,many\n");
    assert_error(&options, SPLIT_TRAIN, "label.csv:1: 'many' is not a number of votes");
    scratch_text(folder, "FER2013Train/label.csv", "a.png,4,0\n");
    assert_error(&options, SPLIT_TRAIN, "label.csv:1: 3 fields");
    scratch_remove(folder);
}

/* ---- folders and lists ------------------------------------------------------------------------------------------- */

static void test_class_folders(void **state)
{
    (void)state;
    char *folder = scratch_make();
    touch(folder, "train/happy/b10.jpg");
    touch(folder, "train/happy/b9.JPG");
    touch(folder, "train/happy/.hidden.jpg");
    touch(folder, "train/happy/notes.txt");
    touch(folder, "train/happy/old.heic");
    scratch_picture(folder, "train/happy/jpeg.heic.jpg", 8, 8, 1);
    assert_int_equal(rename(scratch_path(folder, "train/happy/jpeg.heic.jpg"),
                            scratch_path(folder, "train/happy/jpeg.heic")),
                     0);
    touch(folder, "train/Neutral/a.PNG");
    touch(folder, "train/Contempt/c.jpeg");
    touch(folder, "train/readme.md");
    touch(folder, "val/5/v.png");
    struct config_data options = options_of(DATA_FOLDER, folder);
    options.classes.items = alphabetical;
    options.classes.count = 7;
    struct dataset dataset = opened(&options, SPLIT_TRAIN);
    assert_int_equal(dataset.count, 4); /* jpeg.heic among them: its bytes are a JPEG's */
    assert_string_equal(path_name(dataset_path(&dataset, 1)), "b9.JPG"); /* 9 before 10 */
    assert_int_equal(sample_of(&dataset, "b10.jpg")->label, 3);
    assert_int_equal(sample_of(&dataset, "a.PNG")->label, 4);
    assert_note(&dataset, "HEIF or AVIF is not supported", 1, "old.heic");
    assert_note(&dataset, "not a picture by name", 1, "notes.txt");
    assert_note(&dataset, "not in a class folder", 1, "readme.md");
    assert_note(&dataset, "of a class that data.classes does not name", 1, "c.jpeg");
    dataset_free(&dataset);
    /* Numbers mean nothing until somebody says what: alphabetical is Anger, Disgust, Fear, Happiness, Neutral, ... */
    assert_error(&options, SPLIT_VALID, "data.numbers = affectnet, rafdb, ferplus, 0-based or 1-based");
    static const struct {
        enum config_numbers numbers;
        int label; /* of 5 */
    } meanings[] = {
        {NUMBERS_AFFECTNET, 1}, {NUMBERS_RAFDB, 5}, {NUMBERS_FERPLUS, 1}, {NUMBERS_FROM_0, 5}, {NUMBERS_FROM_1, 4}};
    for (size_t i = 0; i < sizeof meanings / sizeof *meanings; i++) {
        options.numbers = meanings[i].numbers;
        dataset = opened(&options, SPLIT_VALID);
        assert_int_equal(dataset.samples[0].label, meanings[i].label);
        struct text said = {0};
        char wanted[64];
        snprintf(wanted, sizeof wanted, "class folders: 5 = %s", alphabetical[meanings[i].label]);
        assert_int_equal(dataset_describe(&dataset, &said, NULL), STATUS_OK);
        assert_non_null(strstr(text_string(&said), wanted));
        text_free(&said);
        dataset_free(&dataset);
    }
    assert_error(&options, SPLIT_TEST, "no test split of kind folder");
    touch(folder, "test/8/x.jpg");
    assert_error(&options, SPLIT_TEST, "test/8: not one of data.classes, nor a number of data.numbers");
    touch(folder, "train/bored/x.jpg");
    assert_error(&options, SPLIT_TRAIN, "train/bored: not one of data.classes");
    scratch_remove(folder);
}

/* Pictures in folders below a class's are the class's too, as torchvision's ImageFolder has it. */
static void test_folders_in_class_folders(void **state)
{
    (void)state;
    static const char *const wanted[] = {"train/Anger/s2/9.jpg", "train/Anger/s2/10.jpg", "train/Anger/s10/deep/a.jpg",
                                         "train/Anger/z.jpg", "train/Fear/linked/10.jpg"};
    char *folder = scratch_make(), target[1024];
    for (size_t i = 0; i < 4; i++) touch(folder, wanted[i]);
    touch(folder, "train/Anger/s2/notes.txt");
    touch(folder, "train/Anger/.trash/b.jpg");
    touch(folder, "elsewhere/10.jpg");
    touch(folder, "train/Fear/notes.txt");
    snprintf(target, sizeof target, "%s/elsewhere", folder);
    assert_int_equal(symlink(target, scratch_path(folder, "train/Fear/linked")), 0);
    struct config_data options = options_of(DATA_FOLDER, folder);
    struct dataset dataset = opened(&options, SPLIT_TRAIN);
    assert_int_equal(dataset.count, 5);
    for (size_t i = 0; i < 5; i++) {
        assert_string_equal(dataset_path(&dataset, i) + strlen(folder) + 1, wanted[i]);
        assert_int_equal(dataset.samples[i].label, i < 4 ? 6 : 4);
    }
    assert_note(&dataset, "not a picture by name", 2, "notes.txt");
    dataset_free(&dataset);
    assert_int_equal(symlink(".", scratch_path(folder, "train/Fear/round")), 0);
    assert_error(&options, SPLIT_TRAIN, "folders in folders, too deep");
    scratch_remove(folder);
}

/* A header of other words or another separator looks like a bad row: what a header may be is said, of line 1 alone. */
static void test_headers_that_are_not_understood(void **state)
{
    (void)state;
    static const char *const lists[] = {"img_path,emo\na.jpg,1\n", "path;label\na.jpg;1\n", "path\tlabel\na.jpg\t1\n",
                                        "img,emo,part\na.jpg,1,train\n"};
    static const char
        said[] = "no header with path and label was found in line 1 (path, image, file or filename; label, "
                 "class, expression or emotion; separated by commas)";
    char *folder = scratch_make();
    struct config_data options = options_of(DATA_CSV, folder);
    touch(folder, "a.jpg");
    for (size_t i = 0; i < 4; i++) {
        scratch_text(folder, "train.csv", lists[i]);
        assert_error(&options, SPLIT_TRAIN, said);
    }
    scratch_text(folder, "train.csv", "a.jpg,1\nb.jpg,bored\n");
    struct dataset dataset;
    struct error err = {0};
    assert_int_equal(dataset_open(&dataset, &options, SPLIT_TRAIN, &err), STATUS_FAILED);
    assert_null(strstr(err.message, "header"));
    dataset_free(&dataset);
    scratch_remove(folder);
}

static void test_lists(void **state)
{
    (void)state;
    char *folder = scratch_make();
    scratch_text(
        folder, "labels.csv",
        "label,path,split\n"
        "Happiness,a.jpg,train\nhappy,\"b, c.jpg\",Train\n0,d.jpg,valid\nSad,sub/e.jpg,test\nfear,/abs.jpg,test\n");
    static const char *const names[] = {"a.jpg", "b, c.jpg", "d.jpg", "sub/e.jpg"};
    for (size_t i = 0; i < 4; i++) touch(folder, names[i]);
    struct config_data options = options_of(DATA_CSV, folder);
    struct dataset dataset = opened(&options, SPLIT_TRAIN);
    assert_int_equal(dataset.count, 2);
    assert_int_equal(sample_of(&dataset, "b, c.jpg")->label, 1);
    dataset_free(&dataset);
    dataset = opened(&options, SPLIT_VALID);
    assert_true(dataset.count == 1 && dataset.samples[0].label == 0);
    dataset_free(&dataset);
    dataset = opened(&options, SPLIT_TEST);
    assert_int_equal(dataset.count, 1);
    assert_int_equal(dataset.unreadable, 1);
    dataset_free(&dataset);
    /* One list and no column split: all of it is training. */
    scratch_text(folder, "mine.txt", "a.jpg,1\nd.jpg,1\n");
    char list[1024];
    snprintf(list, sizeof list, "%s/mine.txt", folder);
    options.root = list;
    options.valid_fraction = 0.5;
    dataset = opened(&options, SPLIT_VALID);
    assert_true(dataset.count == 1);
    dataset_free(&dataset);
    assert_error(&options, SPLIT_TEST, "no test split of kind csv");
    options.root = folder;
    scratch_text(folder, "labels.csv", "path,label\na.jpg,1\nd.jpg,Boredom\n");
    assert_error(&options, SPLIT_TRAIN, "labels.csv:3: label 'Boredom' is not one of data.classes");
    scratch_text(folder, "labels.csv", "path,label\na.jpg,8\n");
    assert_error(&options, SPLIT_TRAIN, "labels.csv:2: label '8'");
    scratch_text(folder, "labels.csv", "a.jpg,1,somewhere\n");
    assert_error(&options, SPLIT_TRAIN, "labels.csv:1: split 'somewhere'");
    scratch_text(folder, "labels.csv", ",1\n");
    assert_error(&options, SPLIT_TRAIN, "labels.csv:1: the path is empty");
    static const struct {
        enum config_numbers numbers;
        const char *label, *wanted;
    } ranges[] = {{NUMBERS_UNSAID, "8", "a number of 0 to 7 (data.numbers counts otherwise)"},
                  {NUMBERS_FROM_1, "0", "a number of 1 to 8"},
                  {NUMBERS_RAFDB, "0", "a number of RAF-DB's 1 to 7"},
                  {NUMBERS_FERPLUS, "8", "a number of FERPlus' 0 to 7"}};
    for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++) {
        char row[64];
        snprintf(row, sizeof row, "path,label\na.jpg,%s\n", ranges[i].label);
        scratch_text(folder, "labels.csv", row);
        options.numbers = ranges[i].numbers;
        assert_error(&options, SPLIT_TRAIN, ranges[i].wanted);
    }
    options.numbers = NUMBERS_UNSAID;
    /* Numbers count in the order of places, where the outputs are a checkpoint's in another; what it does not know
     * goes. */
    char *places[] = {"Fear", "Sadness", "Puzzlement"};
    options.places = (struct config_strings){places, 3};
    scratch_text(folder, "labels.csv", "path,label\na.jpg,1\nd.jpg,0\nsub/e.jpg,2\n");
    dataset = opened(&options, SPLIT_TRAIN_WHOLE);
    assert_true(dataset.count == 2 && dataset.samples[0].label == 2 && dataset.samples[1].label == 4);
    assert_note(&dataset, "of a class that data.classes does not name", 1, "sub/e.jpg");
    assert_string_equal(text_string(&dataset.mappings), "0 = Fear, 1 = Sadness, 2 = left out");
    dataset_free(&dataset);
    scratch_text(folder, "labels.csv", "path,label\na.jpg,3\n");
    assert_error(&options, SPLIT_TRAIN, "labels.csv:2: label '3' is not one of data.classes, nor a number of 0 to 2");
    options.places.count = 0;
    scratch_text(folder, "train.csv", "d.jpg,3\n"); /* a list of its own goes before the common one */
    dataset = opened(&options, SPLIT_TRAIN_WHOLE);
    assert_true(dataset.count == 1 && dataset.samples[0].label == 3);
    dataset_free(&dataset);
    scratch_remove(folder);
}

/* ---- missing files ----------------------------------------------------------------------------------------------- */

static void test_missing_files(void **state)
{
    (void)state;
    char *folder = scratch_make();
    struct text list = {0};
    for (int i = 0; i < 40; i++) {
        char name[32];
        snprintf(name, sizeof name, "%d.JPG", i);
        assert_int_equal(text_append_format(&list, NULL, "%s,%d\n", name, i % 8), STATUS_OK);
        if (i == 5) continue;
        if (i == 7)
            scratch_text(folder, name, "");
        else if (i == 9)
            touch(folder, "9.jpg");
        else
            touch(folder, name);
    }
    scratch_text(folder, "train.csv", list.bytes);
    struct config_data options = options_of(DATA_CSV, folder);
    options.max_bad = 0.05;
    struct dataset dataset = opened(&options, SPLIT_TRAIN);
    assert_int_equal(dataset.count, 38);
    assert_int_equal(dataset.unreadable, 2);
    assert_int_equal(dataset.class_counts[5], 4);
    assert_int_equal(sample_of(&dataset, "9.jpg")->label, 1);
    struct text description = {0};
    assert_int_equal(dataset_describe(&dataset, &description, NULL), STATUS_OK);
    assert_non_null(strstr(description.bytes, "csv train: 38 pictures: Neutral 5, Happiness 5"));
    assert_non_null(strstr(description.bytes, "left out: 2, missing or empty"));
    text_free(&description);
    dataset_free(&dataset);
    options.max_bad = 0.049;
    assert_error(&options, SPLIT_TRAIN, "2 of 40 pictures are missing or empty, more than data.max_bad = 0.049");
    options.on_error = ON_ERROR_FAIL;
    options.max_bad = 1;
    assert_error(&options, SPLIT_TRAIN, "/5.JPG: missing or empty (data.on_error");
    text_free(&list);
    scratch_remove(folder);
}

/* A list may name one file in both cases; two files that differ in nothing else are two pictures. */
static void test_endings_in_both_cases(void **state)
{
    (void)state;
    char *folder = scratch_make();
    touch(folder, "a.jpg");
    touch(folder, "b.jpg");
    scratch_text(folder, "b.JPG", "another picture");
    scratch_text(folder, "train.csv", "a.jpg,0\na.JPG,1\na.Jpg,0\nb.jpg,2\nb.JPG,3\n");
    struct config_data options = options_of(DATA_CSV, folder);
    struct dataset dataset = opened(&options, SPLIT_TRAIN_WHOLE);
    assert_int_equal(dataset.count, 3);
    assert_int_equal(sample_of(&dataset, "a.jpg")->label, 0);
    assert_int_equal(sample_of(&dataset, "b.jpg")->label, 2);
    assert_int_equal(sample_of(&dataset, "b.JPG")->label, 3);
    assert_note(&dataset, "the same picture as in an earlier row, labelled otherwise", 1, "a.JPG");
    assert_note(&dataset, "the same picture as in an earlier row", 1, "a.Jpg");
    dataset_free(&dataset);
    scratch_remove(folder);
}

/* The row is there where the shard that is read is: ".tar" in any case, an offset in digits. */
static void test_shards_are_looked_up(void **state)
{
    (void)state;
    char *folder = scratch_make();
    touch(folder, "s.TAR");
    touch(folder, "t.tar");
    touch(folder, "odd.tar#+5");
    scratch_text(folder, "train.csv", "s.TAR#0,0\nt.tar#512,1\nodd.tar#+5,2\nt.tar#+5,3\nu.tar#0,4\n");
    struct config_data options = options_of(DATA_CSV, folder);
    options.max_bad = 1;
    struct dataset dataset = opened(&options, SPLIT_TRAIN_WHOLE);
    assert_int_equal(dataset.count, 3);
    assert_int_equal(dataset.unreadable, 2);
    assert_int_equal(sample_of(&dataset, "s.TAR#0")->label, 0);
    assert_int_equal(sample_of(&dataset, "odd.tar#+5")->label, 2);
    dataset_free(&dataset);
    scratch_remove(folder);
}

/* ---- splits ------------------------------------------------------------------------------------------------------ */

/* A list of `each` samples of each of eight classes, and their files. */
static void write_classes(const char *folder, size_t each)
{
    struct text list = {0};
    for (size_t i = 0; i < 8 * each; i++) {
        char name[32];
        snprintf(name, sizeof name, "%zu.jpg", i);
        assert_int_equal(text_append_format(&list, NULL, "%s,%zu\n", name, i % 8), STATUS_OK);
        touch(folder, name);
    }
    scratch_text(folder, "train.csv", list.bytes);
    text_free(&list);
}

static bool contains(const struct dataset *dataset, const char *path)
{
    for (size_t i = 0; i < dataset->count; i++)
        if (strcmp(dataset_path(dataset, i), path) == 0) return true;
    return false;
}

static size_t common_samples(const struct dataset *a, const struct dataset *b)
{
    size_t common = 0;
    for (size_t i = 0; i < a->count; i++) common += contains(b, dataset_path(a, i));
    return common;
}

static void test_validation_share(void **state)
{
    (void)state;
    char *folder = scratch_make();
    write_classes(folder, 20);
    struct config_data options = options_of(DATA_CSV, folder);
    options.valid_fraction = 0.1;
    struct dataset train = opened(&options, SPLIT_TRAIN), valid = opened(&options, SPLIT_VALID);
    struct dataset whole = opened(&options, SPLIT_TRAIN_WHOLE), again = opened(&options, SPLIT_VALID);
    assert_int_equal(whole.count, 160);
    assert_int_equal(train.count, 144);
    assert_int_equal(valid.count, 16);
    for (int class = 0; class < 8; class ++) assert_int_equal(valid.class_counts[class], 2);
    assert_int_equal(common_samples(&train, &valid), 0);
    assert_int_equal(common_samples(&train, &whole), 144);
    assert_int_equal(common_samples(&valid, &again), 16);
    dataset_free(&again);
    options.split_seed = 1;
    again = opened(&options, SPLIT_VALID);
    assert_true(common_samples(&valid, &again) < 12);
    dataset_free(&again);
    options.valid_fraction = 0;
    assert_error(&options, SPLIT_VALID,
                 "none of its own, and data.valid_fraction = 0 keeps no training picture for it");
    dataset_free(&train);
    dataset_free(&valid);
    dataset_free(&whole);
    scratch_remove(folder);
}

/* Checkpoints with their classes in another order are evaluated on the same pictures, which neither was trained on. */
static void test_split_of_other_orders(void **state)
{
    (void)state;
    static char *own_words[] = {"calm", "Happy", "tired"}, *other_words[] = {"Tired", "Calm", "happiness"};
    char *folder = scratch_make();
    write_classes(folder, 20);
    struct text list = {0};
    for (size_t i = 0; i < 160; i++)
        assert_int_equal(text_append_format(&list, NULL, "%zu.jpg,%s\n", i, i % 8 == 7 ? "Neutral" : eight[i % 8]),
                         STATUS_OK);
    scratch_text(folder, "train.csv", list.bytes);
    struct config_data options = options_of(DATA_CSV, folder);
    options.valid_fraction = 0.2;
    struct dataset valid = opened(&options, SPLIT_VALID);
    options.classes = (struct config_strings){alphabetical, 7};
    struct dataset other = opened(&options, SPLIT_VALID);
    assert_int_equal(valid.count, 32);
    assert_int_equal(other.count, 32);
    assert_int_equal(common_samples(&valid, &other), 32);
    dataset_free(&valid);
    dataset_free(&other);
    list.length = 0;
    for (size_t i = 0; i < 160; i++)
        assert_int_equal(text_append_format(&list, NULL, "%zu.jpg,%s\n", i, own_words[i % 3]), STATUS_OK);
    scratch_text(folder, "train.csv", list.bytes);
    options.classes = (struct config_strings){own_words, 3};
    valid = opened(&options, SPLIT_VALID);
    options.classes = (struct config_strings){other_words, 3};
    other = opened(&options, SPLIT_VALID);
    assert_int_equal(common_samples(&valid, &other), valid.count);
    dataset_free(&valid);
    dataset_free(&other);
    text_free(&list);
    scratch_remove(folder);
}

/* A picture that nobody reads has its place in the split, whatever becomes of it there. */
static void test_unread_kinds_leave_the_split_alone(void **state)
{
    (void)state;
    char *folder = scratch_make();
    struct config_data options = options_of(DATA_CSV, folder);
    struct dataset valid[2], train[2];
    options.valid_fraction = 0.25;
    static const char *const kinds[] = {"jpg", "heic"};
    for (int i = 0; i < 2; i++) {
        struct text list = {0};
        for (int row = 0; row < 60; row++) {
            char name[32];
            snprintf(name, sizeof name, "%d.%s", row, kinds[row % 10 == 7 ? i : 0]);
            assert_int_equal(text_append_format(&list, NULL, "%s,%d\n", name, row % 2), STATUS_OK);
            touch(folder, name);
        }
        scratch_text(folder, "train.csv", list.bytes);
        text_free(&list);
        valid[i] = opened(&options, SPLIT_VALID);
        train[i] = opened(&options, SPLIT_TRAIN);
    }
    size_t unread = 0;
    for (size_t note = 0; note < valid[1].note_count; note++) unread += valid[1].notes[note].count;
    for (size_t note = 0; note < train[1].note_count; note++) unread += train[1].notes[note].count;
    assert_int_equal(unread, 6);
    assert_int_equal(valid[0].count + train[0].count, 60);
    assert_int_equal(valid[1].count + train[1].count, 54);
    assert_int_equal(common_samples(&valid[0], &valid[1]), valid[1].count);
    assert_int_equal(common_samples(&train[0], &train[1]), train[1].count);
    assert_note(&train[1], "HEIF or AVIF is not supported", train[0].count - train[1].count, "train.csv:");
    for (int i = 0; i < 2; i++) {
        dataset_free(&valid[i]);
        dataset_free(&train[i]);
    }
    scratch_remove(folder);
}

static void test_labelled_subset(void **state)
{
    (void)state;
    char *folder = scratch_make();
    write_classes(folder, 20);
    struct config_data options = options_of(DATA_CSV, folder);
    options.labelled = 43;
    struct dataset labelled = opened(&options, SPLIT_TRAIN), rest = opened(&options, SPLIT_UNLABELLED);
    assert_int_equal(labelled.count, 43);
    assert_int_equal(rest.count, 117);
    assert_int_equal(common_samples(&labelled, &rest), 0);
    for (int class = 0; class < 8; class ++) assert_int_equal(labelled.class_counts[class], class < 3 ? 6 : 5);
    for (size_t i = 0; i < rest.count; i++) assert_int_equal(rest.samples[i].label, -1);
    struct text description = {0};
    assert_int_equal(dataset_describe(&rest, &description, NULL), STATUS_OK);
    assert_ptr_equal(strstr(text_string(&description), "csv unlabelled: 117 pictures\n"), text_string(&description));
    text_free(&description);
    float target[8];
    dataset_target(&rest, 0, target);
    for (int i = 0; i < 8; i++) assert_true(target[i] == 0);
    dataset_free(&labelled);
    dataset_free(&rest);
    double given[] = {20, 1, 2, 3, 4, 5, 6, 2};
    options.labelled_per_class = (struct config_reals){given, 8};
    labelled = opened(&options, SPLIT_TRAIN);
    for (int class = 0; class < 8; class ++) assert_int_equal(labelled.class_counts[class], (size_t)given[class]);
    dataset_free(&labelled);
    given[0] = 21;
    assert_error(&options, SPLIT_TRAIN, "21 of Neutral, of which the training split has 20");
    options.labelled_per_class.count = 7;
    assert_error(&options, SPLIT_TRAIN, "7 numbers for 8 classes");
    options.labelled_per_class.count = 0;
    options.labelled = 161;
    assert_error(&options, SPLIT_TRAIN, "data.labelled = 161: the training split has 160 samples");
    scratch_remove(folder);
}

/* RAF-DB's own numbers: Fear has 281, so 4,000 labels are 250 and six times 625; other totals are shared equally. */
static void test_rafdb_with_4000_labels(void **state)
{
    (void)state;
    static const size_t counts[8] = {0, 1290, 281, 717, 4772, 1982, 705, 2524};
    char *folder = scratch_make();
    struct text list = {0};
    size_t number = 0;
    for (int label = 1; label <= 7; label++)
        for (size_t i = 0; i < counts[label]; i++)
            assert_int_equal(text_append_format(&list, NULL, "train_%05zu.jpg %d\n", ++number, label), STATUS_OK);
    assert_int_equal(number, 12271);
    scratch_text(folder, "EmoLabel/list_patition_label.txt", list.bytes);
    text_free(&list);
    struct config_data options = options_of(DATA_RAFDB, folder);
    options.max_bad = 1; /* none of the pictures is there; the counts are what is looked at */
    options.classes.items = alphabetical;
    options.classes.count = 7;
    options.labelled = 4000;
    log_set_level(LOG_QUIET);
    struct dataset dataset;
    struct error err = {0};
    assert_int_equal(dataset_open(&dataset, &options, SPLIT_TRAIN, &err), STATUS_FAILED);
    assert_int_equal(dataset.unreadable, 4000);
    dataset_free(&dataset);
    /* With the files. */
    for (size_t i = 1; i <= number; i++) {
        char name[64];
        snprintf(name, sizeof name, "Image/aligned/train_%05zu_aligned.jpg", i);
        touch(folder, name);
    }
    dataset = opened(&options, SPLIT_TRAIN);
    for (int class = 0; class < 7; class ++) assert_int_equal(dataset.class_counts[class], class == 2 ? 250 : 625);
    dataset_free(&dataset);
    options.labelled = 2100;
    dataset = opened(&options, SPLIT_TRAIN);
    for (int class = 0; class < 7; class ++)
        assert_int_equal(dataset.class_counts[class], class == 2 ? 281 : class == 0 ? 304 : 303);
    dataset_free(&dataset);
    options.labelled = 0;
    options.valid_fraction = 0.1;
    dataset = opened(&options, SPLIT_VALID);
    assert_int_equal(dataset.count, 1227);
    dataset_free(&dataset);
    log_set_level(LOG_NORMAL);
    scratch_remove(folder);
}

static void test_split_names(void **state)
{
    (void)state;
    enum dataset_split split;
    struct error err = {0};
    assert_int_equal(dataset_split_find("validation", &split, &err), STATUS_OK);
    assert_int_equal(split, SPLIT_VALID);
    assert_int_equal(dataset_split_find("tset", &split, &err), STATUS_USAGE);
    assert_non_null(strstr(err.message, "train, valid, test"));
}

/* Real FERPlus faces in the official folders, where they are there. */
static void test_real_ferplus_faces(void **state)
{
    (void)state;
    const char *material = getenv("RMFER_TEST_MATERIAL");
    char root[512];
    snprintf(root, sizeof root, "%s/data/ferplus-mini", material == NULL ? "../shared" : material);
    if (!folder_exists(root)) {
        printf("skipped: test_real_ferplus_faces: %s is not there\n", root);
        skip();
    }
    struct config_data options = options_of(DATA_FERPLUS, root);
    options.max_bad = 0;
    static const size_t wanted[3][3] = {{2992, 596, 598}, {2656, 523, 541}, {2962, 588, 593}};
    for (int votes = VOTES_ARGMAX; votes <= VOTES_PROBABILITY; votes++) {
        for (int split = SPLIT_TRAIN; split <= SPLIT_TEST; split++) {
            options.votes = (enum config_votes)votes;
            struct dataset dataset = opened(&options, (enum dataset_split)split);
            assert_int_equal(dataset.count, wanted[votes][split]);
            dataset_free(&dataset);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_affectnet_original),
        cmocka_unit_test(test_affectnet_as_downloaded),
        cmocka_unit_test(test_classes_reorder_and_drop),
        cmocka_unit_test(test_affectnet_errors_name_the_row),
        cmocka_unit_test(test_affectnet_later),
        cmocka_unit_test(test_unreadable_annotations_are_errors),
        cmocka_unit_test(test_affect_of_affectnet),
        cmocka_unit_test(test_affect_of_affectnet_later),
        cmocka_unit_test(test_affect_of_lists),
        cmocka_unit_test(test_rafdb_official),
        cmocka_unit_test(test_rafdb_rearranged),
        cmocka_unit_test(test_ferplus_pair),
        cmocka_unit_test(test_ferplus_folders),
        cmocka_unit_test(test_class_folders),
        cmocka_unit_test(test_folders_in_class_folders),
        cmocka_unit_test(test_lists),
        cmocka_unit_test(test_headers_that_are_not_understood),
        cmocka_unit_test(test_missing_files),
        cmocka_unit_test(test_endings_in_both_cases),
        cmocka_unit_test(test_shards_are_looked_up),
        cmocka_unit_test(test_validation_share),
        cmocka_unit_test(test_split_of_other_orders),
        cmocka_unit_test(test_unread_kinds_leave_the_split_alone),
        cmocka_unit_test(test_labelled_subset),
        cmocka_unit_test(test_rafdb_with_4000_labels),
        cmocka_unit_test(test_split_names),
        cmocka_unit_test(test_real_ferplus_faces),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
