/* AffectNet as it comes: the original release (lists with a face box and an expression for each picture) and the
 * later one (folders of pictures, each with its label in an .npy file). Both carry valence and arousal. Its validation
 * list serves as the test split, since the real one was never given out. */
#include "data/dataset_reader.h"
#include "data/npy_scalar.h"
#include "data/parallel.h"
#include "rmfer/base/file.h"
#include "rmfer/base/folder_list.h"
#include "rmfer/base/memory.h"
#include "rmfer/data/csv.h"

#include <math.h>
#include <pthread.h>
#include <string.h>

enum { NOT_AN_EXPRESSION = 8, LAST_ID = 10, READING_THREADS = 16, NPY_MOST_BYTES = 1 << 16 };

/* Where the columns are; the release's order when the list has no header. */
struct columns {
    size_t path, x, y, width, height, expression, valence, arousal;
};

/* What an id of AffectNet means: an output, or CLASS_DROPPED with a reason. */
static int output_of_id(const struct dataset_reader *reader, int64_t id, const char **reason)
{
    static const char *const without_expression[] = {"labelled None (8)", "labelled Uncertain (9)",
                                                     "labelled No-Face (10)"};
    if (id >= NOT_AN_EXPRESSION) {
        *reason = without_expression[id - NOT_AN_EXPRESSION];
        return CLASS_DROPPED;
    }
    *reason = "of a class that data.classes does not name";
    return reader->output_of[id];
}

/* NULL, -1 and anything else that is not a box with an area: no box. */
static struct image_box parse_box(const struct dataset_reader *reader, const struct csv_reader *csv,
                                  const struct columns *columns)
{
    double x, y, width, height;
    bool found = text_to_real(csv_field(csv, columns->x), &x) && text_to_real(csv_field(csv, columns->y), &y) &&
                 text_to_real(csv_field(csv, columns->width), &width) &&
                 text_to_real(csv_field(csv, columns->height), &height);
    return found ? reader_box(reader, x, y, width, height) : (struct image_box){0};
}

/* What is no number from -1 to 1 is none: nobody's faces are left out for it. */
static void parse_affect(const struct csv_reader *csv, const struct columns *columns, float affect[2])
{
    const size_t places[] = {columns->valence, columns->arousal};
    for (size_t i = 0; i < 2; i++) {
        double number;
        if (!text_to_real(csv_field(csv, places[i]), &number) || !reader_affect(number, &affect[i])) affect[i] = NAN;
    }
}

static status add_row(struct dataset_reader *reader, const struct csv_reader *csv, const struct columns *columns,
                      const char *images, struct error *err)
{
    const char *name = csv_field(csv, columns->path), *label = csv_field(csv, columns->expression);
    int64_t id;
    if (!text_to_integer(label, &id) || id < 0 || id > LAST_ID)
        return error_set(err, "%s:%zu: expression '%.40s': not an id of AffectNet (0 to 10)", csv->name, csv->line,
                         label);
    const char *reason;
    int output = output_of_id(reader, id, &reason);
    if (output < 0) return reader_leave_out(reader, reason, csv->line, name, err);
    float affect[2];
    struct dataset_row row = {.folder = images, .name = name, .row = csv->line, .label = output};
    if (reader->options->reads_affect) {
        parse_affect(csv, columns, affect);
        row.affect = affect;
    }
    if (reader->options->crop == CROP_BOX) {
        row.box = parse_box(reader, csv, columns);
        if (row.box.width == 0) return reader_leave_out(reader, "without a face box", csv->line, name, err);
    }
    return reader_add(reader, &row, err);
}

/* Takes the columns' places from a header; false when the row is none. */
static bool read_header(const struct csv_reader *csv, struct columns *columns)
{
    static const char *const names[] = {"subDirectory_filePath", "face_x",     "face_y",  "face_width",
                                        "face_height",           "expression", "valence", "arousal"};
    size_t *places[] = {&columns->path,   &columns->x,          &columns->y,       &columns->width,
                        &columns->height, &columns->expression, &columns->valence, &columns->arousal};
    int path = csv_find(csv, names[0]), expression = csv_find(csv, names[5]);
    if (path < 0 && expression < 0) return false;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        int found = csv_find(csv, names[i]);
        *places[i] = found >= 0 ? (size_t)found : CSV_MOST_FIELDS;
    }
    return true;
}

static status read_list(struct dataset_reader *reader, const char *path, const char *images, struct error *err)
{
    struct columns columns = {0, 1, 2, 3, 4, 6, 7, 8};
    struct csv_reader csv;
    status result = csv_open(&csv, path, CSV_COMMA, err);
    bool found = false, is_first = true;
    while (result == STATUS_OK && (result = csv_next(&csv, &found, err)) == STATUS_OK && found) {
        bool is_header = is_first && read_header(&csv, &columns);
        is_first = false;
        if (is_header && (columns.path == CSV_MOST_FIELDS || columns.expression == CSV_MOST_FIELDS))
            result = error_set(err, "%s:%zu: the header lacks %s", path, csv.line,
                               columns.path == CSV_MOST_FIELDS ? "subDirectory_filePath" : "expression");
        else if (!is_header)
            result = add_row(reader, &csv, &columns, images, err);
    }
    csv_close(&csv);
    return result;
}

/* The first of root/candidates that is there; NULL (and no error) when none is. */
static char *first_existing(const struct dataset_reader *reader, const char *const *candidates, size_t count,
                            bool (*exists)(const char *path), struct error *err)
{
    for (size_t i = 0; i < count; i++) {
        char *path = path_join(reader->options->root, candidates[i], err);
        if (path == NULL || exists(path)) return path;
        memory_free(path);
    }
    return NULL;
}

static status read_original(struct dataset_reader *reader, bool *exists, struct error *err)
{
    static const char *const training[] = {"training.csv", "Manually_Annotated_file_lists/training.csv"};
    static const char *const validation[] = {"validation.csv", "Manually_Annotated_file_lists/validation.csv"};
    static const char *const folders[] = {"Manually_Annotated_Images", "Manually_Annotated/Manually_Annotated_Images"};
    const char *wanted = reader_wanted(reader);
    char *list = NULL, *images = NULL;
    if (wanted[0] != '\0')
        list = reader_path(reader, wanted, "", err);
    else if (reader->part != PART_VALID)
        list = first_existing(reader, reader->part == PART_TRAIN ? training : validation, 2, file_exists, err);
    if (list == NULL) return err != NULL && err->code != STATUS_OK ? err->code : STATUS_OK;
    *exists = true;
    if (reader->only_asks) {
        memory_free(list);
        return STATUS_OK;
    }
    if (reader->options->images != NULL && reader->options->images[0] != '\0')
        images = memory_copy_string(reader->options->images, err);
    else
        images = first_existing(reader, folders, 2, folder_exists, err);
    status result = reader_begin_list(reader, list, err);
    if (result == STATUS_OK) result = read_list(reader, list, images == NULL ? reader->options->root : images, err);
    memory_free(list);
    memory_free(images);
    return result;
}

/* ---- the later release ------------------------------------------------------------------------------------------- */

enum { NO_ANNOTATION = -1, NOT_AN_ID = -2 };

struct annotations {
    const char *folder;
    struct folder_list pictures;
    int64_t *ids;  /* [count]; or one of the two above */
    float *affect; /* [count, 2]; NULL = not wanted */
    pthread_mutex_t lock;
    size_t failed; /* the first picture of which an annotation is there and cannot be read; count = none */
    struct error failure;
};

/* FOLDER/annotations/STEM_KIND.npy; *there is false when it was never written. */
static status read_npy(const char *folder, const char *picture, const char *kind, bool *there, uint8_t **bytes,
                       size_t *size, struct error *err)
{
    const char *dot = strrchr(picture, '.');
    struct text path = {0};
    int stem = (int)(dot == NULL ? strlen(picture) : (size_t)(dot - picture));
    *bytes = NULL;
    status result = text_append_format(&path, err, "%s/annotations/%.*s_%s.npy", folder, stem, picture, kind);
    if (result == STATUS_OK) result = file_read_if_there(text_string(&path), NPY_MOST_BYTES, there, bytes, size, err);
    text_free(&path);
    return result;
}

static status read_expression(const char *folder, const char *picture, int64_t *id, struct error *err)
{
    uint8_t *bytes;
    size_t size;
    bool there;
    status result = read_npy(folder, picture, "exp", &there, &bytes, &size, err);
    *id = NO_ANNOTATION;
    if (result == STATUS_OK && there && (!npy_whole_number(bytes, size, id) || *id < 0)) *id = NOT_AN_ID;
    memory_free(bytes);
    return result;
}

static status read_affect(const char *folder, const char *picture, float affect[2], struct error *err)
{
    static const char *const kinds[] = {"val", "aro"};
    status result = STATUS_OK;
    for (size_t i = 0; i < 2 && result == STATUS_OK; i++) {
        uint8_t *bytes;
        size_t size;
        double number;
        bool there;
        result = read_npy(folder, picture, kinds[i], &there, &bytes, &size, err);
        bool known = result == STATUS_OK && there && npy_number(bytes, size, &number) &&
                     reader_affect(number, &affect[i]);
        if (!known) affect[i] = NAN;
        memory_free(bytes);
    }
    return result;
}

/* Of several, the first in the folder's order is told, whichever thread came first. */
static void note_failure(struct annotations *work, size_t picture, const struct error *failure)
{
    pthread_mutex_lock(&work->lock);
    if (picture < work->failed) {
        work->failed = picture;
        work->failure = *failure;
    }
    pthread_mutex_unlock(&work->lock);
}

static void read_annotations(void *context, size_t begin, size_t end)
{
    struct annotations *work = context;
    struct error err = {0};
    for (size_t i = begin; i < end; i++) {
        const char *name = work->pictures.names[i];
        status result = read_expression(work->folder, name, &work->ids[i], &err);
        if (result == STATUS_OK && work->affect != NULL)
            result = read_affect(work->folder, name, work->affect + 2 * i, &err);
        if (result == STATUS_OK) continue;
        note_failure(work, i, &err);
        return;
    }
}

/* A label that is there and cannot be read ends the run, as a list that cannot be read does, whatever data.on_error
 * says of pictures: without it the split would be another one. */
static status read_all_annotations(struct annotations *work, struct error *err)
{
    work->failed = work->pictures.count;
    parallel_run(work->pictures.count, READING_THREADS, read_annotations, work);
    return work->failed < work->pictures.count ? error_set(err, "%s", work->failure.message) : STATUS_OK;
}

static status add_annotated(struct dataset_reader *reader, const struct annotations *work, const char *images,
                            struct error *err)
{
    for (size_t i = 0; i < work->pictures.count; i++) {
        const char *name = work->pictures.names[i];
        if (work->ids[i] == NOT_AN_ID || work->ids[i] > LAST_ID)
            return error_set(err, "%s/annotations: the expression of %s is not an id of AffectNet (0 to 10)",
                             work->folder, name);
        const char *reason = "without an annotation";
        int output = work->ids[i] == NO_ANNOTATION ? CLASS_DROPPED : output_of_id(reader, work->ids[i], &reason);
        struct dataset_row row = {.folder = images, .name = name, .label = output};
        if (work->affect != NULL) row.affect = work->affect + 2 * i;
        status result = reader_add_entry(reader, &row, reason, err);
        if (result != STATUS_OK) return result;
    }
    return STATUS_OK;
}

static status read_annotated_folder(struct dataset_reader *reader, const char *folder, struct error *err)
{
    struct annotations work = {.folder = folder, .lock = PTHREAD_MUTEX_INITIALIZER};
    char *images = path_join(folder, "images", err);
    status result = images == NULL ? STATUS_FAILED : folder_list_read(&work.pictures, images, err);
    if (result == STATUS_OK) {
        work.ids = memory_allocate(work.pictures.count, sizeof *work.ids, "annotations", err);
        result = work.ids == NULL ? STATUS_FAILED : reader_begin_list(reader, folder, err);
    }
    if (result == STATUS_OK && reader->options->reads_affect) {
        work.affect = memory_allocate(work.pictures.count, 2 * sizeof *work.affect, "annotations", err);
        if (work.affect == NULL) result = STATUS_FAILED;
    }
    if (result == STATUS_OK) result = read_all_annotations(&work, err);
    if (result == STATUS_OK) result = add_annotated(reader, &work, images, err);
    memory_free(work.ids);
    memory_free(work.affect);
    folder_list_free(&work.pictures);
    memory_free(images);
    return result;
}

static status read_later(struct dataset_reader *reader, bool *exists, struct error *err)
{
    const char *wanted = reader_wanted(reader), *given = reader->options->images;
    if (given != NULL && given[0] != '\0')
        return error_set_usage(err, "data.images = %s: not in AffectNet's later release, whose pictures are in images/",
                               given);
    if (reader->part == PART_VALID && wanted[0] == '\0') return STATUS_OK;
    char *folder = reader_path(reader, wanted, reader->part == PART_TRAIN ? "train_set" : "val_set", err);
    if (folder == NULL) return STATUS_FAILED;
    *exists = wanted[0] != '\0' || folder_exists(folder);
    status result = *exists && !reader->only_asks ? read_annotated_folder(reader, folder, err) : STATUS_OK;
    memory_free(folder);
    return result;
}

static status find_release(const struct dataset_reader *reader, bool *is_later, struct error *err)
{
    static const char *const folders[] = {"train_set", "val_set"};
    *is_later = reader->options->affectnet_release == AFFECTNET_LATER;
    if (reader->options->affectnet_release != AFFECTNET_AUTO) return STATUS_OK;
    char *folder = first_existing(reader, folders, 2, folder_exists, err);
    *is_later = folder != NULL;
    memory_free(folder);
    return err != NULL ? err->code : STATUS_OK;
}

status affectnet_read(struct dataset_reader *reader, bool *exists, struct error *err)
{
    bool is_later;
    status result = find_release(reader, &is_later, err);
    if (result != STATUS_OK) return result;
    return is_later ? read_later(reader, exists, err) : read_original(reader, exists, err);
}
