/* RAF-DB (basic expressions): the official layout, one list for both splits, and the common rearrangement into
 * folders 1 to 7 with train_labels.csv and test_labels.csv. */
#include "data/dataset_reader.h"
#include "rmfer/base/file.h"
#include "rmfer/base/folder_list.h"
#include "rmfer/base/memory.h"
#include "rmfer/data/csv.h"

#include <stdio.h>
#include <string.h>

enum { LABELS = 7, BOX_MOST_BYTES = 1 << 16 };

static const char dropped[] = "of a class that data.classes does not name";

static status parse_label(const struct dataset_reader *reader, const struct csv_reader *csv, const char *text,
                          int *output, struct error *err)
{
    int64_t label;
    if (!text_to_integer(text, &label) || label < 1 || label > LABELS)
        return error_set(err, "%s:%zu: label '%.40s': not one of RAF-DB (1 to 7)", csv->name, csv->line, text);
    *output = reader->output_of[rafdb_expression(label)];
    return STATUS_OK;
}

/* ---- the official layout ----------------------------------------------------------------------------------------- */

struct official {
    char *images, *boxes; /* folders */
};

/* "x1 y1 x2 y2"; what has no area is no box. */
static status parse_box(const struct dataset_reader *reader, const uint8_t *bytes, size_t size, const char *path,
                        struct image_box *box, struct error *err)
{
    struct csv_reader csv;
    double edges[4];
    bool complete;
    csv_open_bytes(&csv, bytes, size, path, CSV_BLANKS);
    status result = csv_next(&csv, &complete, err);
    for (size_t i = 0; i < 4 && complete && result == STATUS_OK; i++)
        complete = text_to_real(csv_field(&csv, i), &edges[i]);
    csv_close(&csv);
    if (result != STATUS_OK) return result;
    if (!complete) return error_set(err, "%s: not the four numbers of a box", path);
    *box = reader_box(reader, edges[0], edges[1], edges[2] - edges[0], edges[3] - edges[1]);
    return STATUS_OK;
}

/* Annotation/boundingbox/STEM_boundingbox.txt; no such file is no box. */
static status read_box(const struct dataset_reader *reader, const char *folder, const char *stem, struct image_box *box,
                       struct error *err)
{
    struct text path = {0};
    uint8_t *bytes = NULL;
    size_t size;
    bool there = false;
    status result = text_append_format(&path, err, "%s/%s_boundingbox.txt", folder, stem);
    if (result == STATUS_OK)
        result = file_read_if_there(text_string(&path), BOX_MOST_BYTES, &there, &bytes, &size, err);
    if (result == STATUS_OK && there) result = parse_box(reader, bytes, size, text_string(&path), box, err);
    memory_free(bytes);
    text_free(&path);
    return result;
}

/* train_00001.jpg is train_00001_aligned.jpg in the aligned folder; a list may name either. Fills `stem`, which is
 * the original's, and `file`, the name in the folder that is read. */
static void name_picture(const char *name, bool aligned, char stem[128], char file[160])
{
    static const char ending[] = "_aligned";
    const char *dot = strrchr(name, '.');
    snprintf(stem, 128, "%.*s", (int)(dot == NULL ? strlen(name) : (size_t)(dot - name)), name);
    if (text_ends_with_ignoring_case(stem, ending)) stem[strlen(stem) - strlen(ending)] = '\0';
    snprintf(file, 160, "%s%s%s", stem, aligned ? ending : "", dot == NULL ? ".jpg" : dot);
}

static status add_official(struct dataset_reader *reader, const struct csv_reader *csv, const struct official *folders,
                           struct error *err)
{
    const char *name = csv_field(csv, 0);
    bool is_train = strncmp(name, "train", 5) == 0, is_test = strncmp(name, "test", 4) == 0;
    if (!is_train && !is_test)
        return error_set(err, "%s:%zu: '%.60s': a name of RAF-DB begins with train or test", csv->name, csv->line,
                         name);
    if (is_train != (reader->part != PART_TEST)) return STATUS_OK;
    int output = CLASS_DROPPED;
    status result = parse_label(reader, csv, csv_field(csv, 1), &output, err);
    if (result != STATUS_OK) return result;
    if (output < 0) return reader_leave_out(reader, dropped, csv->line, name, err);
    char stem[128], file[160];
    bool aligned = reader->options->rafdb_images == RAFDB_ALIGNED;
    name_picture(name, aligned, stem, file);
    struct dataset_row row = {.folder = folders->images, .name = file, .row = csv->line, .label = output};
    if (!aligned && reader->options->crop == CROP_BOX) result = read_box(reader, folders->boxes, stem, &row.box, err);
    return result == STATUS_OK ? reader_add(reader, &row, err) : result;
}

static status read_official(struct dataset_reader *reader, const char *list, const struct official *folders,
                            struct error *err)
{
    struct csv_reader csv;
    status result = reader_begin_list(reader, list, err);
    if (result != STATUS_OK || (result = csv_open(&csv, list, CSV_BLANKS, err)) != STATUS_OK) return result;
    bool found = false;
    while ((result = csv_next(&csv, &found, err)) == STATUS_OK && found) {
        result = add_official(reader, &csv, folders, err);
        if (result != STATUS_OK) break;
    }
    csv_close(&csv);
    return result;
}

/* The archive keeps everything in a folder `basic`, which may or may not be part of the root. */
static status read_official_below(struct dataset_reader *reader, const char *base, bool *exists, struct error *err)
{
    const char *wanted = reader_wanted(reader);
    char *list = wanted[0] != '\0' ? reader_path(reader, wanted, "", err)
                                   : path_join(base, "EmoLabel/list_patition_label.txt", err);
    bool aligned = reader->options->rafdb_images == RAFDB_ALIGNED;
    struct official folders = {path_join(base, aligned ? "Image/aligned" : "Image/original", err),
                               path_join(base, "Annotation/boundingbox", err)};
    status result = list == NULL || folders.images == NULL || folders.boxes == NULL ? STATUS_FAILED : STATUS_OK;
    if (result == STATUS_OK && file_exists(list)) {
        *exists = true;
        if (!reader->only_asks) result = read_official(reader, list, &folders, err);
    }
    memory_free(list);
    memory_free(folders.images);
    memory_free(folders.boxes);
    return result;
}

/* ---- the rearrangement ------------------------------------------------------------------------------------------- */

/* A list `image,label`: the picture is in the folder of its label. */
static status read_labels(struct dataset_reader *reader, const char *list, const char *folder, struct error *err)
{
    struct csv_reader csv;
    status result = reader_begin_list(reader, list, err);
    if (result != STATUS_OK || (result = csv_open(&csv, list, CSV_COMMA, err)) != STATUS_OK) return result;
    bool found = false, is_first = true;
    while (result == STATUS_OK && (result = csv_next(&csv, &found, err)) == STATUS_OK && found) {
        bool is_header = is_first && csv_find(&csv, "label") >= 0;
        is_first = false;
        if (is_header) continue;
        const char *name = csv_field(&csv, 0), *label = csv_field(&csv, 1);
        char file[256];
        snprintf(file, sizeof file, "%.8s/%.240s", label, path_name(name));
        int output = CLASS_DROPPED;
        result = parse_label(reader, &csv, label, &output, err);
        if (result != STATUS_OK) break;
        struct dataset_row row = {.folder = folder, .name = file, .row = csv.line, .label = output};
        result = output < 0 ? reader_leave_out(reader, dropped, csv.line, name, err) : reader_add(reader, &row, err);
    }
    csv_close(&csv);
    return result;
}

static status read_label_folder(struct dataset_reader *reader, const char *folder, int label, struct error *err)
{
    char number[16];
    snprintf(number, sizeof number, "%d", label);
    char *path = path_join(folder, number, err);
    struct folder_list list = {0};
    status result = path == NULL ? STATUS_FAILED : STATUS_OK;
    if (result == STATUS_OK && folder_exists(path)) result = folder_list_read(&list, path, err);
    int output = reader->output_of[rafdb_expression(label)];
    for (size_t i = 0; i < list.count && result == STATUS_OK; i++) {
        struct dataset_row row = {.folder = path, .name = list.names[i], .label = output};
        result = reader_add_entry(reader, &row, dropped, err);
    }
    folder_list_free(&list);
    memory_free(path);
    return result;
}

static status read_rearranged(struct dataset_reader *reader, const char *folder, const char *list, struct error *err)
{
    if (file_exists(list)) return read_labels(reader, list, folder, err);
    status result = reader_begin_list(reader, folder, err);
    for (int label = 1; label <= LABELS && result == STATUS_OK; label++)
        result = read_label_folder(reader, folder, label, err);
    return result;
}

/* DATASET/train or train; the list stands beside DATASET or beside train. */
static status read_rearranged_below(struct dataset_reader *reader, const char *base, bool *exists, struct error *err)
{
    const char *name = reader->part == PART_TEST ? "test" : "train";
    const char *wanted = reader_wanted(reader);
    char *folder = wanted[0] != '\0' ? reader_path(reader, wanted, "", err) : path_join(base, name, err);
    char list_name[32];
    snprintf(list_name, sizeof list_name, "%s_labels.csv", name);
    char *list = path_join(base, list_name, err), *outer = path_join(reader->options->root, list_name, err);
    status result = folder == NULL || list == NULL || outer == NULL ? STATUS_FAILED : STATUS_OK;
    if (result == STATUS_OK && folder_exists(folder)) {
        *exists = true;
        bool is_own_folder = wanted[0] != '\0';
        if (!reader->only_asks)
            result = read_rearranged(reader, folder, is_own_folder ? "" : file_exists(list) ? list : outer, err);
    }
    memory_free(folder);
    memory_free(list);
    memory_free(outer);
    return result;
}

status rafdb_read(struct dataset_reader *reader, bool *exists, struct error *err)
{
    static const char *const official[] = {"", "basic"}, *const rearranged[] = {"", "DATASET"};
    const char *wanted = reader_wanted(reader);
    if (reader->part == PART_VALID && wanted[0] == '\0') return STATUS_OK;
    status result = STATUS_OK;
    for (size_t i = 0; i < 4 && result == STATUS_OK && !*exists; i++) {
        char *base = path_join(reader->options->root, i < 2 ? official[i] : rearranged[i - 2], err);
        if (base == NULL) return STATUS_FAILED;
        result = i < 2 ? read_official_below(reader, base, exists, err)
                       : read_rearranged_below(reader, base, exists, err);
        memory_free(base);
    }
    if (result == STATUS_OK && !*exists && wanted[0] != '\0')
        result = error_set(err, "%s/%s: neither a list nor a folder", reader->options->root, wanted);
    return result;
}
