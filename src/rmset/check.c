/* Counting through the index, then every picture: there, whole, as many as videos.csv says. */
#include "rmfer/rmset/check.h"

#include "rmfer/base/file.h"
#include "rmfer/base/memory.h"
#include "rmfer/base/text.h"
#include "rmfer/data/csv.h"
#include "rmfer/data/image.h"
#include "rmfer/data/rmset_index.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>
#include <stdio.h>
#include <string.h>

enum { ROWS_AT_ONCE = 256 };

static status open_index(const char *folder, struct rmset_index **index, struct error *err)
{
    char *csv = path_join(folder, "index.csv", err);
    if (csv == NULL) return STATUS_FAILED;
    struct rmset_options options = {.csv = csv, .every = 1, .fraction = 1, .near = 3, .far = 30};
    status result = rmset_index_open(index, &options, err);
    memory_free(csv);
    return result;
}

/* ---- counting ---------------------------------------------------------------------------------------------------- */

/* The faces of each person of one video. */
struct persons {
    struct person {
        uint32_t face;
        uint64_t count;
    } * items; /* by face, ascending */
    size_t count, capacity;
};

static status count_person(struct persons *persons, uint32_t face, struct error *err)
{
    size_t low = 0, high = persons->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (persons->items[middle].face < face)
            low = middle + 1;
        else
            high = middle;
    }
    if (low < persons->count && persons->items[low].face == face) {
        persons->items[low].count++;
        return STATUS_OK;
    }
    if (persons->count == persons->capacity) {
        size_t capacity = persons->capacity == 0 ? 32 : 2 * persons->capacity;
        struct person *grown = memory_grow(persons->items, persons->count, capacity, sizeof *grown, "the persons", err);
        if (grown == NULL) return STATUS_FAILED;
        persons->items = grown;
        persons->capacity = capacity;
    }
    memmove(persons->items + low + 1, persons->items + low, (persons->count - low) * sizeof *persons->items);
    persons->items[low] = (struct person){face, 1};
    persons->count++;
    return STATUS_OK;
}

static void end_video(struct persons *persons, struct rmset_stats *stats)
{
    stats->persons += persons->count;
    for (size_t i = 0; i < persons->count; i++)
        if (persons->items[i].count > stats->faces_of_person) stats->faces_of_person = persons->items[i].count;
    persons->count = 0;
}

static status count_rows(const struct rmset_index *index, struct rmset_stats *stats, struct error *err)
{
    struct persons persons = {0};
    struct rmset_face last = {0};
    uint64_t in_frame = 0;
    status result = STATUS_OK;
    stats->faces = rmset_index_faces(index);
    stats->videos = rmset_index_videos(index);
    for (uint64_t row = 0; row < stats->faces && result == STATUS_OK; row++) {
        struct rmset_face face = rmset_index_face(index, row);
        bool is_new_video = row == 0 || face.video != last.video;
        if (row > 0 && is_new_video) end_video(&persons, stats);
        if (is_new_video || face.frame != last.frame) {
            stats->frames++;
            in_frame = 0;
        }
        if (++in_frame > stats->faces_of_frame) stats->faces_of_frame = in_frame;
        result = count_person(&persons, face.person, err);
        last = face;
    }
    end_video(&persons, stats);
    memory_free(persons.items);
    return result;
}

/* Adds up the columns of videos.csv; false where there is none. */
static status read_videos(const char *folder, bool *there, struct rmset_stats *listed, struct error *err)
{
    struct csv_reader csv;
    char *path = path_join(folder, "videos.csv", err);
    if (path == NULL) return STATUS_FAILED;
    *there = file_exists(path);
    status result = *there ? csv_open(&csv, path, CSV_COMMA, err) : STATUS_OK;
    if (!*there || result != STATUS_OK) {
        memory_free(path);
        return result;
    }
    bool found = true;
    for (bool first = true; result == STATUS_OK; first = false) {
        int64_t frames, faces, persons;
        result = csv_next(&csv, &found, err);
        if (result != STATUS_OK || !found) break;
        if (first) continue;
        if (!text_to_integer(csv_field(&csv, 2), &frames) || !text_to_integer(csv_field(&csv, 3), &faces) ||
            !text_to_integer(csv_field(&csv, 4), &persons) || frames < 0 || faces < 0 || persons < 0) {
            result = error_set(err, "%s:%zu: not video,fps,frames,faces,persons,removal_areas", path, csv.line);
            break;
        }
        listed->videos++;
        listed->frames_read += (uint64_t)frames;
        listed->faces += (uint64_t)faces;
        listed->persons += (uint64_t)persons;
    }
    csv_close(&csv);
    memory_free(path);
    return result;
}

status rmset_stats(const char *folder, struct rmset_stats *stats, struct error *err)
{
    struct rmset_index *index;
    struct rmset_stats listed = {0};
    bool there;
    *stats = (struct rmset_stats){0};
    status result = open_index(folder, &index, err);
    if (result != STATUS_OK) return result;
    result = count_rows(index, stats, err);
    if (result == STATUS_OK) result = read_videos(folder, &there, &listed, err);
    stats->frames_read = listed.frames_read;
    rmset_index_close(index);
    return result;
}

/* ---- checking ---------------------------------------------------------------------------------------------------- */

static void complain(struct rmset_complaints *complaints, const char *message)
{
    complaints->count++;
    complaints->tell(complaints->context, message);
}

/* Decodes one row's picture; the error names its file. */
static void check_row(const struct rmset_index *index, uint64_t row, struct error *err)
{
    struct text path = {0};
    struct image image = {0};
    uint8_t *bytes = NULL;
    size_t size;
    int64_t offset;
    if (rmset_index_read(index, row, &bytes, &size, err) == STATUS_OK &&
        image_decode(bytes, size, NULL, &image, err) != STATUS_OK &&
        rmset_index_path(index, row, &path, &offset, NULL) == STATUS_OK) {
        if (offset >= 0)
            error_add_context(err, "%s#%" PRId64, text_string(&path), offset);
        else
            error_add_context(err, "%s", text_string(&path));
    }
    image_free(&image);
    memory_free(bytes);
    text_free(&path);
}

static status check_pictures(const struct rmset_index *index, int threads, struct rmset_complaints *complaints,
                             struct error *err)
{
    struct error *errors = memory_allocate(ROWS_AT_ONCE, sizeof *errors, "what is wrong", err);
    if (errors == NULL) return STATUS_FAILED;
    uint64_t rows = rmset_index_faces(index);
    for (uint64_t begin = 0; begin < rows; begin += ROWS_AT_ONCE) {
        int64_t count = rows - begin < ROWS_AT_ONCE ? (int64_t)(rows - begin) : ROWS_AT_ONCE;
#pragma omp parallel for schedule(dynamic) num_threads(threads)
        for (int64_t i = 0; i < count; i++) check_row(index, begin + (uint64_t)i, &errors[i]);
        for (int64_t i = 0; i < count; i++) {
            if (errors[i].code != STATUS_OK) complain(complaints, errors[i].message);
            error_clear(&errors[i]);
        }
    }
    memory_free(errors);
    return STATUS_OK;
}

static void compare(struct rmset_complaints *complaints, const char *what, uint64_t listed, uint64_t counted)
{
    char message[160];
    if (listed == counted) return;
    snprintf(message, sizeof message, "videos.csv has %" PRIu64 " %s, index.csv %" PRIu64, listed, what, counted);
    complain(complaints, message);
}

status rmset_check(const char *folder, int threads, struct rmset_complaints *complaints, struct rmset_stats *stats,
                   struct error *err)
{
    struct rmset_index *index;
    struct rmset_stats listed = {0};
    bool there = false;
    *stats = (struct rmset_stats){0};
    status result = open_index(folder, &index, err);
    if (result != STATUS_OK) return result;
    result = count_rows(index, stats, err);
    if (result == STATUS_OK) result = read_videos(folder, &there, &listed, err);
    if (result == STATUS_OK && there) {
        compare(complaints, "videos", listed.videos, stats->videos);
        compare(complaints, "persons", listed.persons, stats->persons);
        compare(complaints, "faces", listed.faces, stats->faces);
    }
    stats->frames_read = listed.frames_read;
    if (result == STATUS_OK) result = check_pictures(index, threads, complaints, err);
    rmset_index_close(index);
    return result;
}
