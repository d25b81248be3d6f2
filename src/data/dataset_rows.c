/* The rows of a data set as readers add them: names, notes on what is left out, samples, targets, pixels. What kind of
 * data set it is, and which split is wanted, dataset.c knows. */
#include "data/dataset_reader.h"
#include "rmfer/base/file.h"
#include "rmfer/base/hash.h"
#include "rmfer/base/memory.h"
#include "rmfer/base/text.h"
#include "rmfer/data/picture_file.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { FIRST_CAPACITY = 256 };

/* ---- names and notes --------------------------------------------------------------------------------------------- */

static status add_name(struct dataset *dataset, const char *folder, const char *name, size_t *place, struct error *err)
{
    char *path = path_join(folder, name, err);
    if (path == NULL) return STATUS_FAILED;
    *place = dataset->names.length;
    status result = text_append(&dataset->names, path, strlen(path) + 1, err);
    memory_free(path);
    return result;
}

const char *dataset_path(const struct dataset *dataset, size_t sample)
{
    return dataset->names.bytes + dataset->samples[sample].path;
}

status reader_begin_list(struct dataset_reader *reader, const char *path, struct error *err)
{
    struct dataset *dataset = reader->dataset;
    char **lists = memory_grow(dataset->lists, dataset->list_count, dataset->list_count + 1, sizeof *lists, "lists",
                               err);
    if (lists == NULL) return STATUS_FAILED;
    dataset->lists = lists;
    lists[dataset->list_count] = memory_copy_string(path, err);
    if (lists[dataset->list_count] == NULL) return STATUS_FAILED;
    reader->list = (uint32_t)dataset->list_count++;
    return STATUS_OK;
}

static struct dataset_note *find_note(struct dataset *dataset, const char *reason)
{
    for (size_t i = 0; i < dataset->note_count; i++)
        if (strcmp(dataset->notes[i].reason, reason) == 0) return &dataset->notes[i];
    return NULL;
}

/* Counts one more of that reason; the first is the example, with its line of the list where it has one. */
static status add_note(struct dataset *dataset, const char *reason, uint32_t list, size_t row, const char *name,
                       struct error *err)
{
    struct dataset_note *earlier = find_note(dataset, reason);
    if (earlier != NULL) {
        earlier->count++;
        return STATUS_OK;
    }
    struct dataset_note *notes = memory_grow(dataset->notes, dataset->note_count, dataset->note_count + 1,
                                             sizeof *notes, "notes", err);
    if (notes == NULL) return STATUS_FAILED;
    dataset->notes = notes;
    struct dataset_note *note = &notes[dataset->note_count++];
    struct text example = {0};
    note->count = 1;
    note->reason = memory_copy_string(reason, err);
    status result = note->reason == NULL ? STATUS_FAILED : STATUS_OK;
    if (result == STATUS_OK && row > 0)
        result = text_append_format(&example, err, "%s:%zu: %s", path_name(dataset->lists[list]), row, name);
    else if (result == STATUS_OK)
        result = text_append_format(&example, err, "%s", name);
    if (example.bytes != NULL) text_make_printable(example.bytes);
    note->example = example.bytes;
    return result;
}

status reader_leave_out(struct dataset_reader *reader, const char *reason, size_t row, const char *name,
                        struct error *err)
{
    reader->dataset->listed++;
    return add_note(reader->dataset, reason, reader->list, row, name, err);
}

/* ---- samples ----------------------------------------------------------------------------------------------------- */

static status grow_samples(struct dataset *dataset, struct error *err)
{
    if (dataset->count < dataset->capacity) return STATUS_OK;
    size_t capacity = dataset->capacity == 0 ? FIRST_CAPACITY : size_multiply(dataset->capacity, 2);
    struct dataset_sample *samples = memory_grow(dataset->samples, dataset->count, capacity, sizeof *samples, "samples",
                                                 err);
    if (samples == NULL) return STATUS_FAILED;
    dataset->samples = samples;
    if (dataset->targets != NULL) {
        size_t classes = (size_t)dataset->class_count;
        float *targets = memory_grow(dataset->targets, dataset->count * classes, size_multiply(capacity, classes),
                                     sizeof *targets, "soft targets", err);
        if (targets == NULL) return STATUS_FAILED;
        dataset->targets = targets;
    }
    if (dataset->affect != NULL) {
        float *affect = memory_grow(dataset->affect, 2 * dataset->count, size_multiply(capacity, 2), sizeof *affect,
                                    "valence and arousal", err);
        if (affect == NULL) return STATUS_FAILED;
        dataset->affect = affect;
    }
    dataset->capacity = capacity;
    return STATUS_OK;
}

/* Soft targets begin with the first row that has one. */
static status store_target(struct dataset *dataset, const float *target, struct error *err)
{
    size_t classes = (size_t)dataset->class_count;
    if (dataset->targets == NULL) {
        dataset->targets = memory_allocate(size_multiply(dataset->capacity, classes), sizeof(float), "soft targets",
                                           err);
        if (dataset->targets == NULL) return STATUS_FAILED;
    }
    memcpy(dataset->targets + dataset->count * classes, target, classes * sizeof *target);
    return STATUS_OK;
}

bool reader_affect(double number, float *value)
{
    *value = number == -2 ? NAN : (float)number;
    return number == -2 || (number >= -1 && number <= 1);
}

/* Begins with the first row that has both; a row with one of them has none. */
static status store_affect(struct dataset *dataset, const float *affect, struct error *err)
{
    bool known = affect != NULL && !isnan(affect[0]) && !isnan(affect[1]);
    if (!known && dataset->affect == NULL) return STATUS_OK;
    if (dataset->affect == NULL) {
        dataset->affect = memory_allocate(size_multiply(dataset->capacity, 2), sizeof(float), "valence and arousal",
                                          err);
        if (dataset->affect == NULL) return STATUS_FAILED;
        for (size_t i = 0; i < 2 * dataset->count; i++) dataset->affect[i] = NAN;
    }
    for (size_t i = 0; i < 2; i++) dataset->affect[2 * dataset->count + i] = known ? affect[i] : NAN;
    return STATUS_OK;
}

static status add_sample(struct dataset_reader *reader, const struct dataset_row *row, int64_t pixels, size_t path,
                         struct error *err)
{
    struct dataset *dataset = reader->dataset;
    status result = grow_samples(dataset, err);
    if (result == STATUS_OK && row->target != NULL) result = store_target(dataset, row->target, err);
    if (result == STATUS_OK) result = store_affect(dataset, row->affect, err);
    if (result != STATUS_OK) return result;
    dataset->samples[dataset->count++] = (struct dataset_sample){
        path, pixels, row->box, reader->list, (uint32_t)row->row, row->label};
    dataset->listed++;
    return STATUS_OK;
}

/* A path's ending, the case of which is the disk's own (dataset_files.c). */
static const char *ending_of(const char *path)
{
    const char *dot = strrchr(path, '.');
    return dot == NULL || strchr(dot, '/') != NULL ? path + strlen(path) : dot;
}

/* Two files whose endings differ in case alone are two pictures. */
static bool is_same_picture(const char *a, const char *b)
{
    size_t stem = (size_t)(ending_of(a) - a);
    if (strcmp(a, b) == 0) return true;
    if (strncmp(a, b, stem) != 0 || !text_equal_ignoring_case(a + stem, b + stem)) return false;
    return path_is_same(a, b) || !file_exists(a) || !file_exists(b);
}

/* Over the path, its ending in small letters, and the box. */
static uint64_t sample_hash(const struct dataset *dataset, size_t path, const struct image_box *box)
{
    const char *name = dataset->names.bytes + path, *ending = ending_of(name);
    uint64_t hash = hash_add(HASH_START, name, (size_t)(ending - name));
    return hash_add(hash_add_letters(hash, ending), box, sizeof *box);
}

static void remember(struct dataset_reader *reader, size_t sample)
{
    const struct dataset_sample *s = &reader->dataset->samples[sample];
    size_t at = (size_t)sample_hash(reader->dataset, s->path, &s->box) & (reader->seen_capacity - 1);
    while (reader->seen[at] != 0) at = (at + 1) & (reader->seen_capacity - 1);
    reader->seen[at] = sample + 1;
}

/* Keeps the table at most half full. */
static status grow_seen(struct dataset_reader *reader, struct error *err)
{
    if (2 * (reader->dataset->count + 1) <= reader->seen_capacity) return STATUS_OK;
    size_t capacity = reader->seen_capacity == 0 ? 4 * FIRST_CAPACITY : size_multiply(reader->seen_capacity, 2);
    size_t *seen = memory_allocate(capacity, sizeof *seen, "the table of pictures", err);
    if (seen == NULL) return STATUS_FAILED;
    memory_free(reader->seen);
    reader->seen = seen;
    reader->seen_capacity = capacity;
    for (size_t i = 0; i < reader->dataset->count; i++) remember(reader, i);
    return STATUS_OK;
}

/* The earlier sample with the same picture and box, NULL when there is none. */
static const struct dataset_sample *find_seen(const struct dataset_reader *reader, size_t path,
                                              const struct image_box *box)
{
    const struct dataset *dataset = reader->dataset;
    size_t at = (size_t)sample_hash(dataset, path, box) & (reader->seen_capacity - 1);
    for (; reader->seen[at] != 0; at = (at + 1) & (reader->seen_capacity - 1)) {
        const struct dataset_sample *sample = &dataset->samples[reader->seen[at] - 1];
        if (memcmp(&sample->box, box, sizeof *box) == 0 &&
            is_same_picture(dataset->names.bytes + sample->path, dataset->names.bytes + path))
            return sample;
    }
    return NULL;
}

status reader_add(struct dataset_reader *reader, const struct dataset_row *row, struct error *err)
{
    struct dataset *dataset = reader->dataset;
    size_t path;
    status result = grow_seen(reader, err);
    if (result == STATUS_OK) result = add_name(dataset, row->folder, row->name, &path, err);
    if (result != STATUS_OK) return result;
    const struct dataset_sample *earlier = find_seen(reader, path, &row->box);
    if (earlier != NULL) {
        dataset->names.length = path;
        const char *reason = earlier->label == row->label ? "the same picture as in an earlier row"
                                                          : "the same picture as in an earlier row, labelled otherwise";
        return reader_leave_out(reader, reason, row->row, row->name, err);
    }
    result = add_sample(reader, row, NO_PIXELS, path, err);
    if (result == STATUS_OK) remember(reader, dataset->count - 1);
    return result;
}

status reader_add_entry(struct dataset_reader *reader, const struct dataset_row *row, const char *dropped,
                        struct error *err)
{
    bool is_picture = image_kind_of_name(row->name) != IMAGE_UNKNOWN;
    if (is_picture && row->label >= 0) return reader_add(reader, row, err);
    return reader_leave_out(reader, is_picture ? dropped : "not a picture by name", row->row, row->name, err);
}

struct image_box reader_box(const struct dataset_reader *reader, double x, double y, double width, double height)
{
    double margin = reader->options->crop_margin;
    if (!(width > 0) || !(height > 0)) return (struct image_box){0};
    return (struct image_box){x - width * margin / 2, y - height * margin / 2, width * (1 + margin),
                              height * (1 + margin)};
}

status reader_add_pixels(struct dataset_reader *reader, const struct dataset_row *row, const uint8_t *pixels,
                         struct error *err)
{
    struct dataset *dataset = reader->dataset;
    const size_t bytes = (size_t)PIXEL_SIDE * PIXEL_SIDE;
    if (dataset->pixel_count + bytes > dataset->pixel_capacity) {
        size_t capacity = dataset->pixel_capacity == 0 ? FIRST_CAPACITY * bytes
                                                       : size_multiply(dataset->pixel_capacity, 2);
        uint8_t *larger = memory_grow(dataset->pixels, dataset->pixel_count, capacity, 1, "pixels", err);
        if (larger == NULL) return STATUS_FAILED;
        dataset->pixels = larger;
        dataset->pixel_capacity = capacity;
    }
    size_t path;
    status result = add_name(dataset, row->folder, row->name, &path, err);
    if (result == STATUS_OK) result = add_sample(reader, row, (int64_t)dataset->pixel_count, path, err);
    if (result != STATUS_OK) return result;
    memcpy(dataset->pixels + dataset->pixel_count, pixels, bytes);
    dataset->pixel_count += bytes;
    return STATUS_OK;
}

void dataset_keep(struct dataset *dataset, const bool *keep)
{
    size_t kept = 0, classes = (size_t)dataset->class_count;
    for (size_t i = 0; i < dataset->count; i++) {
        if (!keep[i]) continue;
        dataset->samples[kept] = dataset->samples[i];
        if (dataset->targets != NULL)
            memmove(dataset->targets + kept * classes, dataset->targets + i * classes, classes * sizeof(float));
        if (dataset->affect != NULL) memmove(dataset->affect + 2 * kept, dataset->affect + 2 * i, 2 * sizeof(float));
        kept++;
    }
    dataset->count = kept;
}

/* ---- pictures of kinds that are not read ------------------------------------------------------------------------- */

/* What a picture is that this build cannot read, by its name and, as names lie, by its bytes; IMAGE_UNKNOWN when it
 * can, or when reading it will tell. */
static enum image_kind unread_kind(const char *path)
{
    uint8_t bytes[PICTURE_FIRST_BYTES];
    enum image_kind named = image_kind_of_name(path);
    if (named == IMAGE_UNKNOWN || image_kind_is_read(named)) return IMAGE_UNKNOWN;
    size_t size;
    if (picture_file_begin(path, bytes, &size, NULL) != STATUS_OK) return IMAGE_UNKNOWN;
    return image_kind_is_read(image_kind_of_bytes(bytes, size)) ? IMAGE_UNKNOWN : named;
}

static status leave_out_if_unread(struct dataset *dataset, size_t sample, bool *keep, struct error *err)
{
    const struct dataset_sample *s = &dataset->samples[sample];
    const char *path = dataset_path(dataset, sample);
    enum image_kind unread = s->pixels == NO_PIXELS ? unread_kind(path) : IMAGE_UNKNOWN;
    char reason[64];
    *keep = unread == IMAGE_UNKNOWN;
    if (*keep) return STATUS_OK;
    snprintf(reason, sizeof reason, "%s is not supported", image_kind_name(unread));
    return add_note(dataset, reason, s->list, s->row, path, err);
}

status dataset_leave_out_unread(struct dataset *dataset, struct error *err)
{
    bool *keep = memory_allocate(dataset->count, sizeof *keep, "the check of the kinds", err);
    status result = keep == NULL ? STATUS_FAILED : STATUS_OK;
    for (size_t i = 0; i < dataset->count && result == STATUS_OK; i++)
        result = leave_out_if_unread(dataset, i, &keep[i], err);
    if (result == STATUS_OK) dataset_keep(dataset, keep);
    memory_free(keep);
    return result;
}

void dataset_count_classes(struct dataset *dataset)
{
    if (dataset->class_counts == NULL) return;
    memset(dataset->class_counts, 0, (size_t)dataset->class_count * sizeof *dataset->class_counts);
    for (size_t i = 0; i < dataset->count; i++)
        if (dataset->samples[i].label >= 0) dataset->class_counts[dataset->samples[i].label]++;
}

/* ---- what readers ask -------------------------------------------------------------------------------------------- */

int reader_class_of_name(const struct dataset_reader *reader, const char *name)
{
    const struct dataset *dataset = reader->dataset;
    for (int i = 0; i < dataset->class_count; i++)
        if (text_equal_ignoring_case(dataset->classes[i], name)) return i;
    int expression = expression_find(name);
    return expression < 0 ? CLASS_UNKNOWN : reader->output_of[expression];
}

status reader_note_mapping(struct dataset_reader *reader, const char *name, int label, struct error *err)
{
    struct dataset *dataset = reader->dataset;
    char printable[64];
    snprintf(printable, sizeof printable, "%s", name);
    text_make_printable(printable);
    return text_append_format(&dataset->mappings, err, "%s%s = %s", dataset->mappings.length == 0 ? "" : ", ",
                              printable, label < 0 ? "left out" : dataset->classes[label]);
}

const char *reader_wanted(const struct dataset_reader *reader)
{
    const char *wanted = reader->part == PART_TRAIN   ? reader->options->train
                         : reader->part == PART_VALID ? reader->options->valid
                                                      : reader->options->test;
    return wanted == NULL ? "" : wanted;
}

char *reader_path(const struct dataset_reader *reader, const char *wanted, const char *name, struct error *err)
{
    return path_join(reader->options->root, wanted[0] != '\0' ? wanted : name, err);
}
