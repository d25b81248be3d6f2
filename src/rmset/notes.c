/* Notes beside a film: three small CSV files, every number checked. */
#include "rmfer/rmset/notes.h"

#include "rmfer/base/file.h"
#include "rmfer/base/log.h"
#include "rmfer/base/memory.h"
#include "rmfer/data/csv.h"
#include "rmfer/data/draw.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const double LARGEST_NUMBER = 1e6;

void rmset_notes_free(struct rmset_notes *notes)
{
    memory_free(notes->areas);
    memory_free(notes->corrections);
    memory_free(notes->detections);
    *notes = (struct rmset_notes){0};
}

/* Room for one more; arrays have room for powers of two. */
static void *one_more(void *items, size_t count, size_t size, struct error *err)
{
    if ((count & (count - 1)) != 0) return items;
    return memory_grow(items, count, count == 0 ? 1 : 2 * count, size, "the notes of a film", err);
}

status rmset_notes_append_area(struct rmset_notes *notes, const struct rmset_area *area, struct error *err)
{
    struct rmset_area *grown = one_more(notes->areas, notes->area_count, sizeof *grown, err);
    if (grown == NULL) return STATUS_FAILED;
    notes->areas = grown;
    notes->areas[notes->area_count++] = *area;
    return STATUS_OK;
}

static status add_correction(struct rmset_notes *notes, const struct rmset_correction *correction, struct error *err)
{
    struct rmset_correction *grown = one_more(notes->corrections, notes->correction_count, sizeof *grown, err);
    if (grown == NULL) return STATUS_FAILED;
    notes->corrections = grown;
    notes->corrections[notes->correction_count++] = *correction;
    return STATUS_OK;
}

static status add_detection(struct rmset_notes *notes, const struct rmset_detection *detection, struct error *err)
{
    struct rmset_detection *grown = one_more(notes->detections, notes->detection_count, sizeof *grown, err);
    if (grown == NULL) return STATUS_FAILED;
    notes->detections = grown;
    notes->detections[notes->detection_count++] = *detection;
    return STATUS_OK;
}

/* ---- fields ------------------------------------------------------------------------------------------------------ */

static bool box_of(const char *const fields[4], struct image_box *box)
{
    double numbers[4];
    for (int i = 0; i < 4; i++)
        if (!text_to_real(fields[i], &numbers[i]) || fabs(numbers[i]) > LARGEST_NUMBER) return false;
    *box = (struct image_box){numbers[0], numbers[1], numbers[2], numbers[3]};
    return box->width > 0 && box->height > 0;
}

static bool csv_box(const struct csv_reader *csv, size_t first, struct image_box *box)
{
    const char *const fields[4] = {csv_field(csv, first), csv_field(csv, first + 1), csv_field(csv, first + 2),
                                   csv_field(csv, first + 3)};
    return box_of(fields, box);
}

static bool frame_of(const char *field, int64_t fallback, int64_t *frame)
{
    *frame = fallback;
    return field[0] == '\0' || (text_to_integer(field, frame) && *frame >= 0);
}

static status film_row(struct rmset_notes *notes, const struct csv_reader *csv, struct error *err)
{
    struct rmset_area area;
    if (!csv_box(csv, 0, &area.box) || !frame_of(csv_field(csv, 4), 0, &area.from) ||
        !frame_of(csv_field(csv, 5), INT64_MAX, &area.to) || area.from > area.to)
        return error_set(err, "not x,y,w,h[,from,to] with a positive width and height");
    return rmset_notes_append_area(notes, &area, err);
}

static status faces_row(struct rmset_notes *notes, const struct csv_reader *csv, struct error *err)
{
    struct rmset_correction correction;
    const char *action = csv_field(csv, 4);
    correction.is_removal = strcmp(action, "remove") == 0;
    if (!csv_box(csv, 0, &correction.box) ||
        (!correction.is_removal && action[0] != '\0' && strcmp(action, "add") != 0))
        return error_set(err, "not x,y,w,h[,add|remove] with a positive width and height");
    return add_correction(notes, &correction, err);
}

static status detections_row(struct rmset_notes *notes, const struct csv_reader *csv, struct error *err)
{
    struct rmset_detection detection = {.score = 1};
    const char *score = csv_field(csv, 5);
    if (!text_to_integer(csv_field(csv, 0), &detection.frame) || detection.frame < 0 ||
        !csv_box(csv, 1, &detection.box) || (score[0] != '\0' && !text_to_real(score, &detection.score)))
        return error_set(err, "not frame,x,y,w,h[,score] with a positive width and height");
    return add_detection(notes, &detection, err);
}

/* ---- files ------------------------------------------------------------------------------------------------------- */

/* What a file beside a film is called after its stem, what its header begins with, and who takes its rows. */
struct note_kind {
    const char *ending, *header;
    status (*row)(struct rmset_notes *, const struct csv_reader *, struct error *);
};

static const struct note_kind film_notes = {"film.csv", "x", film_row};
static const struct note_kind faces_notes = {"faces.csv", "x", faces_row};
static const struct note_kind detections_notes = {"detections.csv", "frame", detections_row};

/* Every row but a header, which is known by its first column's name: a slip in the first row is not passed over. */
static status read_rows(struct rmset_notes *notes, const char *path, const struct note_kind *kind, struct error *err)
{
    struct csv_reader csv;
    status result = csv_open(&csv, path, CSV_COMMA, err);
    if (result != STATUS_OK) return result;
    bool found = true;
    for (bool first = true; result == STATUS_OK; first = false) {
        result = csv_next(&csv, &found, err);
        if (result != STATUS_OK || !found) break;
        if (first && csv_find(&csv, kind->header) == 0) continue;
        result = kind->row(notes, &csv, err);
        if (result != STATUS_OK) result = error_add_context(err, "%s:%zu", path, csv.line);
    }
    csv_close(&csv);
    return result;
}

struct rmset_stem rmset_film_stem(const char *film)
{
    struct rmset_stem stem = {0, strlen(film)};
    bool is_folder = folder_exists(film);
    while (stem.end > 1 && film[stem.end - 1] == '/') stem.end--;
    stem.begin = stem.end;
    while (stem.begin > 0 && film[stem.begin - 1] != '/') stem.begin--;
    for (size_t at = stem.end; !is_folder && at > stem.begin + 1; at--)
        if (film[at - 1] == '.') {
            stem.end = at - 1;
            break;
        }
    return stem;
}

/* Reads the film's own, where there is one. */
static status read_beside(struct rmset_notes *notes, const char *film, const struct note_kind *kind, bool *there,
                          struct error *err)
{
    struct text path = {0};
    status result = text_append_format(&path, err, "%.*s.%s", (int)rmset_film_stem(film).end, film, kind->ending);
    *there = result == STATUS_OK && file_exists(text_string(&path));
    if (*there) result = read_rows(notes, text_string(&path), kind, err);
    text_free(&path);
    return result;
}

static int compare_detections(const void *a, const void *b)
{
    const struct rmset_detection *left = a, *right = b;
    if (left->frame != right->frame) return left->frame < right->frame ? -1 : 1;
    if (left->box.y != right->box.y) return left->box.y < right->box.y ? -1 : 1;
    return (left->box.x > right->box.x) - (left->box.x < right->box.x);
}

status rmset_notes_read(struct rmset_notes *notes, const char *film, const char *detections, bool wants_detections,
                        struct error *err)
{
    bool there;
    status result = read_beside(notes, film, &film_notes, &there, err);
    if (result == STATUS_OK) result = read_beside(notes, film, &faces_notes, &there, err);
    if (result == STATUS_OK && detections != NULL) {
        notes->has_detections = true;
        result = read_rows(notes, detections, &detections_notes, err);
    } else if (result == STATUS_OK && wants_detections) {
        result = read_beside(notes, film, &detections_notes, &notes->has_detections, err);
    }
    if (notes->detection_count > 0)
        qsort(notes->detections, notes->detection_count, sizeof *notes->detections, compare_detections);
    return result;
}

void rmset_notes_leave_out(struct rmset_notes *notes, double least_score, double least_side)
{
    size_t kept = 0;
    for (size_t i = 0; i < notes->detection_count; i++) {
        const struct rmset_detection *face = &notes->detections[i];
        if (face->score >= least_score && face->box.width >= least_side && face->box.height >= least_side)
            notes->detections[kept++] = *face;
    }
    notes->detection_count = kept;
}

void rmset_notes_warn_of_detector(const struct rmset_notes *notes, const char *film)
{
    if (!notes->has_detections) return;
    log_warning("%s: its list of detections is used; --windows and --detect-size are about the detector", film);
}

status rmset_notes_add_area(struct rmset_notes *notes, const char *text, struct error *err)
{
    struct rmset_area area = {.to = INT64_MAX};
    char *copy = memory_copy_string(text, err);
    if (copy == NULL) return STATUS_FAILED;
    const char *fields[4] = {copy, "", "", ""};
    char *span = strchr(copy, '@'), *to = span == NULL ? NULL : strchr(span, '-');
    if (to != NULL) *to++ = '\0';
    if (span != NULL) *span++ = '\0';
    char *at = copy;
    int count = 1;
    for (; count < 4 && (at = strchr(at, ',')) != NULL; count++) {
        *at++ = '\0';
        fields[count] = at;
    }
    bool good = box_of(fields, &area.box) && (span == NULL || to != NULL);
    if (good && span != NULL) good = frame_of(span, 0, &area.from) && frame_of(to, INT64_MAX, &area.to);
    memory_free(copy);
    if (!good || area.from > area.to)
        return error_set_usage(err, "--remove %s: not X,Y,W,H or X,Y,W,H@FROM-TO (pixels, frames)", text);
    return rmset_notes_append_area(notes, &area, err);
}

/* ---- areas in words ---------------------------------------------------------------------------------------------- */

static status print_area(const struct rmset_area *area, struct text *out, struct error *err)
{
    status result = text_append_format(out, err, "%g,%g,%g,%g", area->box.x, area->box.y, area->box.width,
                                       area->box.height);
    if (result == STATUS_OK && (area->from > 0 || area->to < INT64_MAX))
        result = text_append_format(out, err, "@%" PRId64 "-", area->from);
    if (result == STATUS_OK && area->to < INT64_MAX) result = text_append_format(out, err, "%" PRId64, area->to);
    return result;
}

status rmset_notes_print_areas(const struct rmset_notes *notes, struct text *out, struct error *err)
{
    status result = STATUS_OK;
    for (size_t i = 0; i < notes->area_count && result == STATUS_OK; i++) {
        if (i > 0) result = text_append(out, " ", 1, err);
        if (result == STATUS_OK) result = print_area(&notes->areas[i], out, err);
    }
    return result;
}

/* "FILM: removal area 640,360,640,360 COMPLAINT" */
static status warn_of(const struct rmset_area *area, const char *film, const char *complaint, struct error *err)
{
    struct text words = {0};
    status result = print_area(area, &words, err);
    if (result == STATUS_OK) log_warning("%s: removal area %s %s", film, text_string(&words), complaint);
    text_free(&words);
    return result;
}

status rmset_notes_warn_outside(const struct rmset_notes *notes, const char *film, int width, int height,
                                struct error *err)
{
    char complaint[64];
    status result = STATUS_OK;
    snprintf(complaint, sizeof complaint, "lies outside of %d x %d", width, height);
    for (size_t i = 0; i < notes->area_count && result == STATUS_OK; i++) {
        const struct image_box *box = &notes->areas[i].box;
        if (box->x >= width || box->y >= height || box->x + box->width <= 0 || box->y + box->height <= 0)
            result = warn_of(&notes->areas[i], film, complaint, err);
    }
    return result;
}

status rmset_notes_warn_late(const struct rmset_notes *notes, const char *film, int64_t last, struct error *err)
{
    char complaint[64];
    status result = STATUS_OK;
    snprintf(complaint, sizeof complaint, "begins behind the last frame looked at, %" PRId64, last);
    for (size_t i = 0; i < notes->area_count && result == STATUS_OK; i++)
        if (notes->areas[i].from > last) result = warn_of(&notes->areas[i], film, complaint, err);
    return result;
}

/* ---- use --------------------------------------------------------------------------------------------------------- */

void rmset_notes_mask(const struct rmset_notes *notes, int64_t frame, struct image *image)
{
    static const struct color black = {0, 0, 0};
    for (size_t i = 0; i < notes->area_count; i++) {
        const struct rmset_area *area = &notes->areas[i];
        if (frame < area->from || frame > area->to) continue;
        int left = (int)floor(area->box.x), top = (int)floor(area->box.y);
        int right = (int)ceil(area->box.x + area->box.width), bottom = (int)ceil(area->box.y + area->box.height);
        draw_rectangle(image, left, top, right - left, bottom - top, black);
    }
}

bool rmset_notes_hide(const struct rmset_notes *notes, int64_t frame, const struct image_box *box)
{
    double x = box->x + box->width / 2, y = box->y + box->height / 2;
    for (size_t i = 0; i < notes->area_count; i++) {
        const struct rmset_area *area = &notes->areas[i];
        const struct image_box *hidden = &area->box;
        if (frame >= area->from && frame <= area->to && x >= hidden->x && x < hidden->x + hidden->width &&
            y >= hidden->y && y < hidden->y + hidden->height)
            return true;
    }
    return false;
}

status rmset_notes_detections(const struct rmset_notes *notes, int64_t frame, struct detected_face **faces,
                              size_t *count, struct error *err)
{
    size_t low = 0, high = notes->detection_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (notes->detections[middle].frame < frame)
            low = middle + 1;
        else
            high = middle;
    }
    size_t end = low;
    while (end < notes->detection_count && notes->detections[end].frame == frame) end++;
    *count = 0;
    *faces = memory_allocate(end - low, sizeof **faces, "a frame's faces", err);
    if (*faces == NULL) return STATUS_FAILED;
    *count = end - low;
    for (size_t i = 0; i < *count; i++) {
        (*faces)[i].shape.box = notes->detections[low + i].box;
        (*faces)[i].score = notes->detections[low + i].score;
    }
    return STATUS_OK;
}
