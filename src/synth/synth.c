/* The labelled layouts. Sample n of every layout is drawn from its own number: who it is, how it is seen, what it
 * shows. Splits have different persons; a person appears with several expressions. */
#include "synth/synth_internal.h"

#include "rmfer/base/file_write.h"
#include "rmfer/base/memory.h"
#include "rmfer/base/random.h"
#include "rmfer/data/votes.h"

#include <stdlib.h>
#include <string.h>

/* Numbers of samples start here, so that no layout or split shares faces with another. */
enum { SPLIT_NUMBERS = 1 << 24, LAYOUT_NUMBERS = 1 << 28, SAMPLES_A_PERSON = 4, SMALLEST_SPLIT = 16 };

enum layout_kind {
    LAYOUT_AFFECTNET,
    LAYOUT_AFFECTNET_LATER,
    LAYOUT_RAFDB,
    LAYOUT_FERPLUS,
    LAYOUT_FERPLUS_CSV,
    LAYOUT_FOLDER,
    LAYOUT_CSV
};

/* One split of one layout. */
struct split {
    const struct synth_options *options;
    enum layout_kind kind;
    int index;        /* 0 train, 1 valid, 2 test */
    const char *name; /* as the layout calls it */
    size_t count;
    int expressions; /* 7 leaves Contempt out */
    int side;        /* of the face's square, pixels */
    int margin;      /* pixels around it; the square moves inside */
    uint8_t *gray;   /* LAYOUT_FERPLUS_CSV: [count, PIXELS], filled by ferplus_pixels */
};

enum { FERPLUS_SIDE = 48, FERPLUS_PIXELS = FERPLUS_SIDE * FERPLUS_SIDE };

static uint64_t sample_number(const struct split *split, size_t index)
{
    return (uint64_t)split->kind * LAYOUT_NUMBERS + (uint64_t)split->index * SPLIT_NUMBERS + index;
}

static enum expression sample_expression(const struct split *split, size_t index)
{
    return (enum expression)(index % (size_t)split->expressions);
}

static struct synth_look sample_look(const struct split *split, size_t index)
{
    return synth_look(sample_expression(split, index), split->options->seed, sample_number(split, index));
}

static struct synth_affect sample_affect(const struct split *split, size_t index)
{
    struct synth_look look = sample_look(split, index);
    return synth_affect(&look);
}

/* Where the face's square stands in the picture. */
static struct image_box sample_square(const struct split *split, size_t index)
{
    struct random_stream stream = random_stream(split->options->seed, RANDOM_SYNTHESIS, 100,
                                                sample_number(split, index));
    double side = split->side;
    double x = (double)random_below(&stream, (uint64_t)split->margin + 1);
    double y = (double)random_below(&stream, (uint64_t)split->margin + 1);
    return (struct image_box){x, y, side, side};
}

static status draw_sample(const struct split *split, size_t index, struct image *image, struct error *err)
{
    uint64_t seed = split->options->seed, number = sample_number(split, index);
    /* A person's samples lie apart, so that they show different expressions. */
    size_t persons = split->count / SAMPLES_A_PERSON | 1; /* odd: not a multiple of the expressions */
    uint64_t person = sample_number(split, index % persons);
    struct synth_identity identity = synth_identity(seed, person);
    struct synth_view view = synth_view(seed, number);
    struct synth_look look = sample_look(split, index);
    struct image_box square = sample_square(split, index);
    int side = split->side + split->margin;
    return synth_draw(&identity, &view, &look, &square, side, side, image, err);
}

static status draw_jpeg(const struct split *split, size_t index, const char *path, struct error *err)
{
    struct image image = {0};
    status result = draw_sample(split, index, &image, err);
    if (result == STATUS_OK) result = image_write_jpeg(path, &image, SYNTH_JPEG_QUALITY, err);
    image_free(&image);
    return result;
}

/* ITU-R 601 luma. */
static uint8_t luma(const uint8_t *rgb)
{
    return (uint8_t)((rgb[0] * 299 + rgb[1] * 587 + rgb[2] * 114 + 500) / 1000);
}

/* ---- affectnet, as first released -------------------------------------------------------------------------------- */

/* Sub-folders are numbered in the original; so many are enough here. */
enum { AFFECTNET_FOLDERS = 8, LANDMARKS = 68 };

static void affectnet_name(const struct split *split, size_t index, char name[64])
{
    snprintf(name, 64, "%zu/%s%06zu.jpg", index % AFFECTNET_FOLDERS + 1, split->name, index);
}

static status affectnet_picture(const void *context, size_t index, struct error *err)
{
    const struct split *split = context;
    char name[64], path[SYNTH_PATH_BYTES];
    affectnet_name(split, index, name);
    status result = synth_path(path, err, "%s/affectnet/%s", split->options->folder, name);
    return result == STATUS_OK ? draw_jpeg(split, index, path, err) : result;
}

static void affectnet_row(const struct split *split, size_t index, FILE *out)
{
    char name[64];
    struct image_box square = sample_square(split, index);
    struct synth_affect affect = sample_affect(split, index);
    affectnet_name(split, index, name);
    fprintf(out, "%s,%.0f,%.0f,%.0f,%.0f,", name, square.x, square.y, square.width, square.height);
    for (int i = 0; i < LANDMARKS; i++)
        fprintf(out, "%s%.2f;%.2f", i > 0 ? ";" : "", square.x + square.width * (.3 + .4 * i / LANDMARKS),
                square.y + square.height * (.3 + .4 * ((i * 7) % LANDMARKS) / LANDMARKS));
    fprintf(out, ",%d,%.6f,%.6f\n", (int)sample_expression(split, index), (double)affect.valence,
            (double)affect.arousal);
}

static status write_affectnet(const struct split *split, struct error *err)
{
    struct atomic_file out = {0};
    const char *folder = split->options->folder;
    status result = STATUS_OK;
    for (int i = 1; i <= AFFECTNET_FOLDERS && result == STATUS_OK; i++)
        result = synth_folder(err, "%s/affectnet/%d", folder, i);
    if (result == STATUS_OK) result = synth_run(affectnet_picture, split, split->count, err);
    if (result == STATUS_OK) result = synth_list(&out, err, "%s/affectnet/%s.csv", folder, split->name);
    if (result != STATUS_OK) return result;
    fprintf(out.stream, "subDirectory_filePath,face_x,face_y,face_width,face_height,facial_landmarks,expression,"
                        "valence,arousal\n");
    for (size_t i = 0; i < split->count; i++) affectnet_row(split, i, out.stream);
    return atomic_file_commit(&out, err);
}

/* ---- affectnet, the later release -------------------------------------------------------------------------------- */

/* FOLDER/affectnet-later/SPLIT/annotations/INDEX_KIND.npy as that release has it: a 0-d NumPy array of a short text
 * (format version 1.0). */
static status write_annotation(const struct split *split, size_t index, const char *kind, const char *text,
                               struct error *err)
{
    enum { MAGIC_BYTES = 10, HEADER_BYTES = 118, MOST_TEXT = 16 }; /* what precedes the data is a multiple of 64 */
    static const char magic[MAGIC_BYTES] = {(char)0x93, 'N', 'U', 'M', 'P', 'Y', 1, 0, HEADER_BYTES, 0};
    char bytes[MAGIC_BYTES + HEADER_BYTES + 4 * MOST_TEXT] = {0}; /* the text: UTF-32, little-endian */
    char path[SYNTH_PATH_BYTES], description[HEADER_BYTES];
    size_t length = strlen(text);
    BUG_UNLESS(length <= MOST_TEXT);
    int written = snprintf(description, sizeof description, "{'descr': '<U%zu', 'fortran_order': False, 'shape': (), }",
                           length);
    memcpy(bytes, magic, MAGIC_BYTES);
    memset(bytes + MAGIC_BYTES, ' ', HEADER_BYTES);
    memcpy(bytes + MAGIC_BYTES, description, (size_t)written);
    bytes[MAGIC_BYTES + HEADER_BYTES - 1] = '\n';
    for (size_t i = 0; i < length; i++) bytes[MAGIC_BYTES + HEADER_BYTES + 4 * i] = text[i];
    status result = synth_path(path, err, "%s/affectnet-later/%s/annotations/%zu_%s.npy", split->options->folder,
                               split->name, index, kind);
    if (result != STATUS_OK) return result;
    return atomic_file_write_bytes(path, bytes, MAGIC_BYTES + HEADER_BYTES + 4 * length, err);
}

static status write_annotations(const struct split *split, size_t index, struct error *err)
{
    struct synth_affect affect = sample_affect(split, index);
    char expression[16], valence[16], arousal[16];
    snprintf(expression, sizeof expression, "%d", (int)sample_expression(split, index));
    snprintf(valence, sizeof valence, "%.6f", (double)affect.valence);
    snprintf(arousal, sizeof arousal, "%.6f", (double)affect.arousal);
    status result = write_annotation(split, index, "exp", expression, err);
    if (result == STATUS_OK) result = write_annotation(split, index, "val", valence, err);
    return result == STATUS_OK ? write_annotation(split, index, "aro", arousal, err) : result;
}

static status later_picture(const void *context, size_t index, struct error *err)
{
    const struct split *split = context;
    char path[SYNTH_PATH_BYTES];
    const char *folder = split->options->folder;
    status result = synth_path(path, err, "%s/affectnet-later/%s/images/%zu.jpg", folder, split->name, index);
    if (result == STATUS_OK) result = draw_jpeg(split, index, path, err);
    return result == STATUS_OK ? write_annotations(split, index, err) : result;
}

static status write_affectnet_later(const struct split *split, struct error *err)
{
    const char *folder = split->options->folder;
    status result = synth_folder(err, "%s/affectnet-later/%s/images", folder, split->name);
    if (result == STATUS_OK) result = synth_folder(err, "%s/affectnet-later/%s/annotations", folder, split->name);
    return result == STATUS_OK ? synth_run(later_picture, split, split->count, err) : result;
}

/* ---- rafdb ------------------------------------------------------------------------------------------------------- */

/* RAF-DB's labels 1..7, by expression. */
static const int RAFDB_LABEL[EXPRESSION_COUNT] = {7, 4, 5, 1, 2, 3, 6, 0};

/* "train_00001", "test_0001": the original counts with so many digits. */
static void rafdb_name(const char *split, size_t index, char name[32])
{
    snprintf(name, 32, strcmp(split, "train") == 0 ? "%s_%05zu" : "%s_%04zu", split, index + 1);
}

/* The same face with its surroundings, and where it is. */
static status rafdb_original(const struct split *split, size_t index, const char *name, struct error *err)
{
    struct split wide = *split;
    char path[SYNTH_PATH_BYTES], corners[128];
    const char *folder = split->options->folder;
    wide.margin = split->side / 4;
    struct image_box box = sample_square(&wide, index);
    status result = synth_path(path, err, "%s/rafdb/Image/original/%s.jpg", folder, name);
    if (result == STATUS_OK) result = draw_jpeg(&wide, index, path, err);
    if (result == STATUS_OK)
        result = synth_path(path, err, "%s/rafdb/Annotation/boundingbox/%s_boundingbox.txt", folder, name);
    int length = snprintf(corners, sizeof corners, "%.6f %.6f %.6f %.6f\n", box.x, box.y, box.x + box.width,
                          box.y + box.height);
    return result == STATUS_OK ? atomic_file_write_bytes(path, corners, (size_t)length, err) : result;
}

static status rafdb_picture(const void *context, size_t index, struct error *err)
{
    const struct split *split = context;
    char name[32], path[SYNTH_PATH_BYTES];
    rafdb_name(split->name, index, name);
    status result = synth_path(path, err, "%s/rafdb/Image/aligned/%s_aligned.jpg", split->options->folder, name);
    if (result == STATUS_OK) result = draw_jpeg(split, index, path, err);
    return result == STATUS_OK ? rafdb_original(split, index, name, err) : result;
}

static void rafdb_rows(const struct split *split, const char *name, size_t count, FILE *out)
{
    for (size_t i = 0; i < count; i++) {
        char picture[32];
        rafdb_name(name, i, picture);
        fprintf(out, "%s.jpg %d\n", picture, RAFDB_LABEL[sample_expression(split, i)]);
    }
}

/* One list has both splits; it is written with the test split, of which training is twice as large. */
static status write_rafdb(const struct split *split, struct error *err)
{
    struct atomic_file out = {0};
    const char *folder = split->options->folder;
    static const char *const parts[] = {"Image/aligned", "Image/original", "Annotation/boundingbox", "EmoLabel"};
    status result = STATUS_OK;
    for (size_t i = 0; i < 4 && result == STATUS_OK; i++) result = synth_folder(err, "%s/rafdb/%s", folder, parts[i]);
    if (result == STATUS_OK) result = synth_run(rafdb_picture, split, split->count, err);
    if (result != STATUS_OK || split->index != 2) return result;
    result = synth_list(&out, err, "%s/rafdb/EmoLabel/list_patition_label.txt", folder);
    if (result != STATUS_OK) return result;
    rafdb_rows(split, "train", 2 * split->count, out.stream);
    rafdb_rows(split, "test", split->count, out.stream);
    return atomic_file_commit(&out, err);
}

/* ---- ferplus ----------------------------------------------------------------------------------------------------- */

/* Ten taggers: most see the expression, some something else, now and then one none of them. */
static void sample_votes(const struct split *split, size_t index, int votes[VOTE_COLUMNS])
{
    struct random_stream stream = random_stream(split->options->seed, RANDOM_SYNTHESIS, 101,
                                                sample_number(split, index));
    enum expression expression = sample_expression(split, index);
    for (int column = 0; column < VOTE_COLUMNS; column++) votes[column] = 0;
    int agreeing = 6 + (int)random_below(&stream, 5);
    for (int column = 0; column < EXPRESSION_COUNT; column++)
        if (votes_expression(column) == expression) votes[column] = agreeing;
    for (int other = agreeing; other < 10; other++) votes[random_below(&stream, VOTE_COLUMNS - 1)]++;
}

/* Draws at the size of FER2013 and makes it gray, three equal channels. */
static status draw_gray(const struct split *split, size_t index, struct image *image, struct error *err)
{
    status result = draw_sample(split, index, image, err);
    if (result != STATUS_OK) return result;
    for (size_t i = 0; i < (size_t)image->width * (size_t)image->height; i++)
        memset(image->rgb + 3 * i, luma(image->rgb + 3 * i), 3);
    return STATUS_OK;
}

static size_t ferplus_number(const struct split *split, size_t index)
{
    return (size_t)split->index * 10000 + index;
}

static status ferplus_picture(const void *context, size_t index, struct error *err)
{
    const struct split *split = context;
    struct image image = {0};
    char path[SYNTH_PATH_BYTES];
    status result = synth_path(path, err, "%s/ferplus/%s/fer%07zu.png", split->options->folder, split->name,
                               ferplus_number(split, index));
    if (result == STATUS_OK) result = draw_gray(split, index, &image, err);
    if (result == STATUS_OK) result = image_write_png(path, &image, err);
    image_free(&image);
    return result;
}

static void print_votes(const struct split *split, size_t index, FILE *out)
{
    int votes[VOTE_COLUMNS];
    sample_votes(split, index, votes);
    for (int column = 0; column < VOTE_COLUMNS; column++) fprintf(out, ",%d", votes[column]);
    fprintf(out, "\n");
}

static status write_ferplus(const struct split *split, struct error *err)
{
    struct atomic_file out = {0};
    const char *folder = split->options->folder;
    status result = synth_folder(err, "%s/ferplus/%s", folder, split->name);
    if (result == STATUS_OK) result = synth_run(ferplus_picture, split, split->count, err);
    if (result == STATUS_OK) result = synth_list(&out, err, "%s/ferplus/%s/label.csv", folder, split->name);
    if (result != STATUS_OK) return result;
    for (size_t i = 0; i < split->count; i++) {
        fprintf(out.stream, "fer%07zu.png,\"(0, 0, 48, 48)\"", ferplus_number(split, i));
        print_votes(split, i, out.stream);
    }
    return atomic_file_commit(&out, err);
}

/* ---- ferplus, as two lists --------------------------------------------------------------------------------------- */

static status ferplus_pixels(const void *context, size_t index, struct error *err)
{
    const struct split *split = context;
    struct image image = {0};
    status result = draw_gray(split, index, &image, err);
    if (result == STATUS_OK)
        for (size_t i = 0; i < FERPLUS_PIXELS; i++) split->gray[index * FERPLUS_PIXELS + i] = image.rgb[3 * i];
    image_free(&image);
    return result;
}

/* FER2013's own label order, by expression; Contempt is not in it. */
static const int FER2013_LABEL[EXPRESSION_COUNT] = {6, 3, 4, 5, 2, 1, 0, 6};

static void ferplus_csv_rows(const struct split *split, FILE *pixels, FILE *votes)
{
    for (size_t i = 0; i < split->count; i++) {
        fprintf(pixels, "%d,", FER2013_LABEL[sample_expression(split, i)]);
        for (size_t p = 0; p < FERPLUS_PIXELS; p++)
            fprintf(pixels, "%s%d", p > 0 ? " " : "", split->gray[i * FERPLUS_PIXELS + p]);
        fprintf(pixels, ",%s\n", split->name);
        fprintf(votes, "%s,fer%07zu.png", split->name, ferplus_number(split, i));
        print_votes(split, i, votes);
    }
}

/* All three splits stand in both lists, so that this writes them together. */
static status write_ferplus_csv(struct split splits[3], struct error *err)
{
    struct atomic_file pixels = {0}, votes = {0};
    const char *folder = splits[0].options->folder;
    status result = synth_folder(err, "%s/ferplus-csv", folder);
    if (result == STATUS_OK) result = synth_list(&pixels, err, "%s/ferplus-csv/fer2013.csv", folder);
    if (result == STATUS_OK) result = synth_list(&votes, err, "%s/ferplus-csv/fer2013new.csv", folder);
    if (result == STATUS_OK) {
        fprintf(pixels.stream, "emotion,pixels,Usage\n");
        fprintf(votes.stream, "Usage,Image name,neutral,happiness,surprise,sadness,anger,disgust,fear,contempt,unknown,"
                              "NF\n");
    }
    for (int i = 0; i < 3 && result == STATUS_OK; i++) {
        splits[i].gray = memory_allocate(splits[i].count, FERPLUS_PIXELS, "drawn faces", err);
        result = splits[i].gray == NULL ? STATUS_FAILED : synth_run(ferplus_pixels, &splits[i], splits[i].count, err);
        if (result == STATUS_OK) ferplus_csv_rows(&splits[i], pixels.stream, votes.stream);
        memory_free(splits[i].gray);
        splits[i].gray = NULL;
    }
    if (result == STATUS_OK) result = atomic_file_commit(&pixels, err);
    if (result == STATUS_OK) result = atomic_file_commit(&votes, err);
    atomic_file_abandon(&pixels);
    atomic_file_abandon(&votes);
    return result;
}

/* ---- class folders and lists ------------------------------------------------------------------------------------- */

static status folder_picture(const void *context, size_t index, struct error *err)
{
    const struct split *split = context;
    char path[SYNTH_PATH_BYTES];
    status result = synth_path(path, err, "%s/folder/%s/%s/%05zu.jpg", split->options->folder, split->name,
                               expression_name(sample_expression(split, index)), index);
    return result == STATUS_OK ? draw_jpeg(split, index, path, err) : result;
}

static status write_folder(const struct split *split, struct error *err)
{
    status result = STATUS_OK;
    for (int i = 0; i < split->expressions && result == STATUS_OK; i++)
        result = synth_folder(err, "%s/folder/%s/%s", split->options->folder, split->name,
                              expression_name((enum expression)i));
    return result == STATUS_OK ? synth_run(folder_picture, split, split->count, err) : result;
}

static status csv_picture(const void *context, size_t index, struct error *err)
{
    const struct split *split = context;
    char path[SYNTH_PATH_BYTES];
    status result = synth_path(path, err, "%s/csv/images/%s-%05zu.jpg", split->options->folder, split->name, index);
    return result == STATUS_OK ? draw_jpeg(split, index, path, err) : result;
}

static status write_csv(const struct split splits[3], struct error *err)
{
    struct atomic_file out = {0};
    const char *folder = splits[0].options->folder;
    status result = synth_folder(err, "%s/csv/images", folder);
    for (int i = 0; i < 3 && result == STATUS_OK; i++)
        result = synth_run(csv_picture, &splits[i], splits[i].count, err);
    if (result == STATUS_OK) result = synth_list(&out, err, "%s/csv/list.csv", folder);
    if (result != STATUS_OK) return result;
    fprintf(out.stream, "path,label,split,valence,arousal\n");
    for (int i = 0; i < 3; i++)
        for (size_t s = 0; s < splits[i].count; s++) {
            struct synth_affect affect = sample_affect(&splits[i], s);
            fprintf(out.stream, "images/%s-%05zu.jpg,%s,%s,%.6f,%.6f\n", splits[i].name, s,
                    expression_name(sample_expression(&splits[i], s)), splits[i].name, (double)affect.valence,
                    (double)affect.arousal);
        }
    return atomic_file_commit(&out, err);
}

/* ---- all of them ------------------------------------------------------------------------------------------------- */

/* A layout's three splits; a split without a name is not written. */
struct layout {
    enum layout_kind kind;
    const char *names[3];
    int expressions;
    bool has_margin;
    status (*write)(const struct split *split, struct error *err); /* NULL: all splits at once, see write_layout */
};

static const struct layout LAYOUTS[] = {
    {LAYOUT_AFFECTNET, {"training", NULL, "validation"}, 8, true, write_affectnet},
    {LAYOUT_AFFECTNET_LATER, {"train_set", NULL, "val_set"}, 8, false, write_affectnet_later},
    {LAYOUT_RAFDB, {"train", NULL, "test"}, 7, false, write_rafdb},
    {LAYOUT_FERPLUS, {"FER2013Train", "FER2013Valid", "FER2013Test"}, 8, false, write_ferplus},
    {LAYOUT_FERPLUS_CSV, {"Training", "PublicTest", "PrivateTest"}, 8, false, NULL},
    {LAYOUT_FOLDER, {"train", "valid", "test"}, 8, false, write_folder},
    {LAYOUT_CSV, {"train", "valid", "test"}, 8, false, NULL},
};

/* The quickstart trains on the first layout; the others show their form with a few faces. */
static size_t split_count(const struct synth_options *options, enum layout_kind kind, int index)
{
    size_t faces = (size_t)options->faces;
    size_t count = kind == LAYOUT_AFFECTNET ? (index == 0 ? faces : faces / 4) : faces / 16;
    if (count < SMALLEST_SPLIT) count = SMALLEST_SPLIT;
    return kind != LAYOUT_AFFECTNET && index == 0 ? 2 * count : count;
}

static struct split make_split(const struct synth_options *options, const struct layout *layout, int index)
{
    bool ferplus = layout->kind == LAYOUT_FERPLUS || layout->kind == LAYOUT_FERPLUS_CSV;
    return (struct split){
        .options = options,
        .kind = layout->kind,
        .index = index,
        .name = layout->names[index],
        .count = split_count(options, layout->kind, index),
        .expressions = layout->expressions,
        .side = ferplus ? FERPLUS_SIDE : (int)options->size,
        .margin = layout->has_margin ? (int)options->size / 4 : 0,
    };
}

static status write_layout(const struct synth_options *options, const struct layout *layout, struct error *err)
{
    struct split splits[3];
    for (int i = 0; i < 3; i++) splits[i] = make_split(options, layout, i);
    if (layout->kind == LAYOUT_FERPLUS_CSV) return write_ferplus_csv(splits, err);
    if (layout->kind == LAYOUT_CSV) return write_csv(splits, err);
    status result = STATUS_OK;
    for (int i = 0; i < 3 && result == STATUS_OK; i++)
        if (splits[i].name != NULL) result = layout->write(&splits[i], err);
    return result;
}

typedef status (*folder_task)(const char *folder, const char *what, int64_t count, struct error *err);

static status for_each_folder(const struct synth_options *options, folder_task task, struct error *err)
{
    static const char *const NAMES[] = {"affectnet",   "affectnet-later", "rafdb", "ferplus",
                                        "ferplus-csv", "folder",          "csv",   "rmset"};
    char path[SYNTH_PATH_BYTES];
    status result = STATUS_OK;
    for (size_t i = 0; i < sizeof NAMES / sizeof NAMES[0] && result == STATUS_OK; i++) {
        result = synth_path(path, err, "%s/%s", options->folder, NAMES[i]);
        if (result == STATUS_OK) result = task(path, "faces", options->faces, err);
    }
    return result;
}

status synth_write(const struct synth_options *options, struct error *err)
{
    status result = for_each_folder(options, synth_check_folder, err);
    if (result == STATUS_OK) result = for_each_folder(options, synth_note_folder, err);
    for (size_t i = 0; i < sizeof LAYOUTS / sizeof LAYOUTS[0] && result == STATUS_OK; i++)
        result = write_layout(options, &LAYOUTS[i], err);
    return result == STATUS_OK ? synth_write_rmset(options, err) : result;
}
