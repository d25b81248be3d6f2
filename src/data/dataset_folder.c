/* One's own data: ROOT/SPLIT/CLASS/.../picture, and lists with the columns path, label and perhaps split, valence,
 * arousal. */
#include "data/dataset_reader.h"
#include "rmfer/base/file.h"
#include "rmfer/base/folder_list.h"
#include "rmfer/base/log.h"
#include "rmfer/base/memory.h"
#include "rmfer/data/csv.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum {
    NAMES_OF_A_PART = 3,
    MOST_FOLDER_DEPTH = 16 /* a link that leads back is an error by then; systems pass over it after 40 rounds */
};

/* What the parts are called, as folders and in a column `split`. */
static const char *const part_names[][NAMES_OF_A_PART] = {
    [PART_TRAIN] = {"train", "training", "train_set"},
    [PART_VALID] = {"valid", "val", "validation"},
    [PART_TEST] = {"test", "testing", "test_set"},
};

static const char dropped[] = "of a class that data.classes does not name";

/* ---- class folders ----------------------------------------------------------------------------------------------- */

/* A class's pictures, and those in folders below its own, wherever a link may lead. */
static status read_class(struct dataset_reader *reader, const char *folder, int label, int depth, struct error *err)
{
    struct folder_list list;
    if (depth > MOST_FOLDER_DEPTH) return error_set(err, "%s: folders in folders, too deep", folder);
    status result = folder_list_read(&list, folder, err);
    if (result != STATUS_OK) return result;
    for (size_t i = 0; i < list.count && result == STATUS_OK; i++) {
        const struct dataset_row row = {.folder = folder, .name = list.names[i], .label = label};
        bool is_picture = image_kind_of_name(row.name) != IMAGE_UNKNOWN; /* which need not be looked at */
        char *below = is_picture ? NULL : path_join(folder, row.name, err);
        if (!is_picture && below == NULL)
            result = STATUS_FAILED;
        else if (!is_picture && folder_exists(below))
            result = read_class(reader, below, label, depth + 1, err);
        else
            result = reader_add_entry(reader, &row, dropped, err);
        memory_free(below);
    }
    folder_list_free(&list);
    return result;
}

/* By name, or by number where data.numbers says what numbers mean. */
static int class_of_folder(const struct dataset_reader *reader, const char *name)
{
    int label = reader_class_of_name(reader, name);
    return label != CLASS_UNKNOWN ? label : reader_class_of_number(reader, reader->options->numbers, name);
}

static status unknown_folder(const struct dataset_reader *reader, const char *path, struct error *err)
{
    int64_t number;
    if (reader->options->numbers == NUMBERS_UNSAID && text_to_integer(path_name(path), &number))
        return error_set_usage(err,
                               "%s: folders called by numbers mean another class in each data set: data.numbers = "
                               "affectnet, rafdb, ferplus, 0-based or 1-based says which",
                               path);
    return error_set(err, "%s: not one of data.classes%s", path,
                     reader->options->numbers == NUMBERS_UNSAID ? "" : ", nor a number of data.numbers");
}

static status read_classes(struct dataset_reader *reader, const char *folder, struct error *err)
{
    struct folder_list list;
    status result = reader_begin_list(reader, folder, err);
    if (result == STATUS_OK) result = folder_list_read(&list, folder, err);
    if (result != STATUS_OK) return result;
    for (size_t i = 0; i < list.count && result == STATUS_OK; i++) {
        char *path = path_join(folder, list.names[i], err);
        int label = class_of_folder(reader, list.names[i]);
        if (path == NULL)
            result = STATUS_FAILED;
        else if (!folder_exists(path))
            result = reader_leave_out(reader, "not in a class folder", 0, list.names[i], err);
        else if (label == CLASS_UNKNOWN)
            result = unknown_folder(reader, path, err);
        else
            result = reader_note_mapping(reader, list.names[i], label, err);
        if (path != NULL && result == STATUS_OK && folder_exists(path))
            result = read_class(reader, path, label, 0, err);
        memory_free(path);
    }
    folder_list_free(&list);
    return result;
}

status folder_read(struct dataset_reader *reader, bool *exists, struct error *err)
{
    const char *wanted = reader_wanted(reader);
    for (size_t i = 0; i < NAMES_OF_A_PART && !*exists; i++) {
        char *folder = reader_path(reader, wanted, part_names[reader->part][i], err);
        if (folder == NULL) return STATUS_FAILED;
        status result = STATUS_OK;
        if (wanted[0] != '\0' || folder_exists(folder)) {
            *exists = true;
            if (!reader->only_asks) result = read_classes(reader, folder, err);
        }
        memory_free(folder);
        if (result != STATUS_OK) return result;
    }
    return STATUS_OK;
}

/* ---- lists ------------------------------------------------------------------------------------------------------- */

struct list_columns {
    int path, label, split, valence, arousal; /* -1 = not there */
};

static int find_any(const struct csv_reader *csv, const char *const *names, size_t count)
{
    int found = -1;
    for (size_t i = 0; i < count && found < 0; i++) found = csv_find(csv, names[i]);
    return found;
}

/* The places of the columns; false when the row is no header. */
static bool read_header(const struct csv_reader *csv, struct list_columns *columns)
{
    static const char *const paths[] = {"path", "image", "file", "filename"};
    static const char *const labels[] = {"label", "class", "expression", "emotion"};
    static const char *const splits[] = {"split", "set", "usage"};
    struct list_columns found = {find_any(csv, paths, 4), find_any(csv, labels, 4), find_any(csv, splits, 3),
                                 csv_find(csv, "valence"), csv_find(csv, "arousal")};
    if (found.path < 0 || found.label < 0) return false;
    *columns = found;
    return true;
}

static bool belongs_to_part(const char *split, enum dataset_part part)
{
    for (size_t i = 0; i < NAMES_OF_A_PART; i++)
        if (text_equal_ignoring_case(split, part_names[part][i])) return true;
    return false;
}

/* What numbers in lists mean: places in data.classes from 0 unless data.numbers says otherwise. */
static enum config_numbers list_numbers(const struct dataset_reader *reader)
{
    enum config_numbers numbers = reader->options->numbers;
    return numbers == NUMBERS_UNSAID ? NUMBERS_FROM_0 : numbers;
}

/* A class by name, another word for it, or its number. */
static int class_of_label(const struct dataset_reader *reader, const char *label)
{
    int class = reader_class_of_name(reader, label);
    return class != CLASS_UNKNOWN ? class : reader_class_of_number(reader, list_numbers(reader), label);
}

/* The first number of a list puts into the data set's description what all of them are taken for. */
static status note_numbers(struct dataset_reader *reader, const struct csv_reader *csv, const char *label,
                           struct error *err)
{
    int64_t number;
    if (reader->dataset->mappings.length > 0 || reader_class_of_name(reader, label) != CLASS_UNKNOWN) return STATUS_OK;
    if (!text_to_integer(label, &number)) return STATUS_OK;
    if (reader->options->numbers == NUMBERS_UNSAID)
        log_warning("%s:%zu: numbers for classes are taken as places in data.classes, from 0; data.numbers says what "
                    "they are",
                    csv->name, csv->line);
    status result = STATUS_OK;
    int64_t most = (int64_t)reader_places(reader) > EXPRESSION_COUNT ? (int64_t)reader_places(reader)
                                                                     : EXPRESSION_COUNT;
    for (number = 0; number <= most && result == STATUS_OK; number++) {
        char name[32];
        snprintf(name, sizeof name, "%lld", (long long)number);
        int class = reader_class_of_number(reader, list_numbers(reader), name);
        if (class != CLASS_UNKNOWN) result = reader_note_mapping(reader, name, class, err);
    }
    return result;
}

/* Empty fields and -2 say that there is none. */
static status parse_affect(const struct csv_reader *csv, const struct list_columns *columns, float affect[2],
                           struct error *err)
{
    static const char *const names[] = {"valence", "arousal"};
    const int places[] = {columns->valence, columns->arousal};
    for (size_t i = 0; i < 2; i++) {
        const char *field = places[i] < 0 ? "" : csv_field(csv, (size_t)places[i]);
        double number;
        if (field[0] == '\0') continue;
        if (!text_to_real(field, &number) || !reader_affect(number, &affect[i]))
            return error_set(err, "%s:%zu: %s '%.40s' is no number from -1 to 1 (-2 or nothing: there is none)",
                             csv->name, csv->line, names[i], field);
    }
    return STATUS_OK;
}

static status unknown_label(const struct dataset_reader *reader, const struct csv_reader *csv, const char *label,
                            struct error *err)
{
    int64_t first = 0, last = EXPRESSION_COUNT - 1;
    const char *of = "";
    switch (list_numbers(reader)) {
    case NUMBERS_AFFECTNET: of = "AffectNet's "; break;
    case NUMBERS_FERPLUS: of = "FERPlus' "; break;
    case NUMBERS_RAFDB: of = "RAF-DB's ", first = 1, last = 7; break;
    case NUMBERS_FROM_1: first = 1, last = (int64_t)reader_places(reader); break;
    default: last = (int64_t)reader_places(reader) - 1; break;
    }
    return error_set(err, "%s:%zu: label '%.40s' is not one of data.classes, nor a number of %s%d to %d%s", csv->name,
                     csv->line, label, of, (int)first, (int)last,
                     reader->options->numbers == NUMBERS_UNSAID ? " (data.numbers counts otherwise)" : "");
}

static status add_row(struct dataset_reader *reader, const struct csv_reader *csv, const struct list_columns *columns,
                      const char *folder, struct error *err)
{
    const char *name = csv_field(csv, (size_t)columns->path), *label = csv_field(csv, (size_t)columns->label);
    if (columns->split >= 0) {
        const char *split = csv_field(csv, (size_t)columns->split);
        bool is_known = false;
        for (int part = PART_TRAIN; part <= PART_TEST; part++)
            is_known |= belongs_to_part(split, (enum dataset_part)part);
        if (!is_known)
            return error_set(err, "%s:%zu: split '%.40s' is not train, valid or test", csv->name, csv->line, split);
        if (!belongs_to_part(split, reader->part)) return STATUS_OK;
    }
    if (name[0] == '\0') return error_set(err, "%s:%zu: the path is empty", csv->name, csv->line);
    int class = class_of_label(reader, label);
    if (class == CLASS_UNKNOWN) return unknown_label(reader, csv, label, err);
    status result = note_numbers(reader, csv, label, err);
    if (result != STATUS_OK) return result;
    if (class == CLASS_DROPPED) return reader_leave_out(reader, dropped, csv->line, name, err);
    float affect[2] = {NAN, NAN};
    struct dataset_row row = {.folder = folder, .name = name, .row = csv->line, .label = class, .affect = affect};
    if (reader->options->reads_affect) result = parse_affect(csv, columns, affect, err);
    return result == STATUS_OK ? reader_add(reader, &row, err) : result;
}

/* A first row that is neither a header nor a good row may well be a header of other words, or its commas none. */
static status suspect_header(const struct csv_reader *csv, struct error *err)
{
    if (err == NULL) return STATUS_FAILED;
    struct error row = *err;
    error_clear(err);
    return error_set(err,
                     "%s; no header with path and label was found in line %zu (path, image, file or filename; label, "
                     "class, expression or emotion; separated by commas)",
                     row.message, csv->line);
}

/* `shared`: the list is for all parts, by its column split; without one it is all training. */
static status read_list(struct dataset_reader *reader, const char *list, const char *folder, bool shared,
                        struct error *err)
{
    struct list_columns columns = {0, 1, -1, -1, -1};
    struct csv_reader csv = {0};
    status result = reader_begin_list(reader, list, err);
    if (result == STATUS_OK) result = csv_open(&csv, list, CSV_COMMA, err);
    bool found = false, is_first = true;
    while (result == STATUS_OK && (result = csv_next(&csv, &found, err)) == STATUS_OK && found) {
        bool was_first = is_first, is_header = is_first && read_header(&csv, &columns);
        if (is_first && !is_header && csv.field_count >= 3) columns.split = 2;
        is_first = false;
        if (is_header) continue;
        if (shared && columns.split < 0 && reader->part != PART_TRAIN) break;
        result = add_row(reader, &csv, &columns, folder, err);
        if (result != STATUS_OK && was_first) result = suspect_header(&csv, err);
    }
    csv_close(&csv);
    return result;
}

/* root/name when it is a file, NULL otherwise. */
static char *existing_list(const struct dataset_reader *reader, const char *name, struct error *err)
{
    char *path = path_join(reader->options->root, name, err);
    if (path != NULL && !file_exists(path)) {
        memory_free(path);
        path = NULL;
    }
    return path;
}

/* The part's list: data.train and the like, root itself, train.csv, or one list for all. */
static char *find_list(const struct dataset_reader *reader, bool *shared, struct error *err)
{
    static const char *const own[][NAMES_OF_A_PART] = {
        [PART_TRAIN] = {"train.csv", "training.csv", "train_labels.csv"},
        [PART_VALID] = {"valid.csv", "val.csv", "validation.csv"},
        [PART_TEST] = {"test.csv", "testing.csv", "test_labels.csv"},
    };
    static const char *const common[] = {"labels.csv", "list.csv", "data.csv"};
    const char *wanted = reader_wanted(reader), *root = reader->options->root;
    *shared = false;
    if (wanted[0] != '\0') return reader_path(reader, wanted, "", err);
    for (size_t i = 0; i < NAMES_OF_A_PART; i++) {
        char *list = existing_list(reader, own[reader->part][i], err);
        if (list != NULL) return list;
    }
    *shared = true;
    if (file_exists(root)) return memory_copy_string(root, err);
    for (size_t i = 0; i < sizeof common / sizeof *common; i++) {
        char *list = existing_list(reader, common[i], err);
        if (list != NULL) return list;
    }
    return NULL;
}

status csv_list_read(struct dataset_reader *reader, bool *exists, struct error *err)
{
    bool shared;
    char *list = find_list(reader, &shared, err);
    if (list == NULL) return err != NULL && err->code != STATUS_OK ? err->code : STATUS_OK;
    const char *root = reader->options->root;
    char *folder = file_exists(root) ? path_folder(root, err) : memory_copy_string(root, err);
    size_t before = reader->dataset->listed;
    status result = folder == NULL ? STATUS_FAILED : read_list(reader, list, folder, shared, err);
    *exists = !shared || reader->dataset->listed > before;
    memory_free(folder);
    memory_free(list);
    return result;
}
