/* What the CSV says of a row of the index: its video's name, its picture's path and bytes; and where a named face is.
 * The CSV is read in small pieces at the places the binary index keeps; no column but these is looked at. */
#define _GNU_SOURCE /* realpath */
#include "data/rmset_index_internal.h"
#include "rmfer/base/memory.h"
#include "rmfer/data/picture_file.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    FIRST_READ = 8192, /* bytes of the CSV fetched at once to find a row */
    LONGEST_BLOCK = 1 << 24,
};

/* ---- a row ------------------------------------------------------------------------------------------------------- */

/* Fills buffer[0 .. *size-1] from `place` on, at most `wanted` bytes. pread leaves no pages of the CSV resident. */
static status fetch(const struct rmset_index *index, uint64_t place, char *buffer, size_t wanted, size_t *size,
                    struct error *err)
{
    *size = 0;
    while (*size < wanted) {
        ssize_t got = pread(index->csv_descriptor, buffer + *size, wanted - *size, (off_t)(place + *size));
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return error_set_errno(err, "%s", index->csv);
        if (got == 0) break;
        *size += (size_t)got;
    }
    return STATUS_OK;
}

/* Looks for kept row `skip` of the lines in the buffer. False when more bytes are needed. */
static bool find_row(const struct rmset_index *index, const char *at, const char *end, bool is_end, uint64_t skip,
                     struct rmset_row *row, const char **wrong)
{
    while (at < end) {
        const char *next;
        const char *line_end = rmset_line_end(at, end, &next);
        if (next == end && !is_end && end[-1] != '\n') return false;
        if (at < line_end) {
            *wrong = rmset_row_parse(at, line_end, row);
            if (*wrong != NULL) return true;
            if (row->frame % index->header->every == 0 && skip-- == 0) return true;
        }
        at = next;
    }
    *wrong = is_end ? "the row is gone" : NULL;
    return is_end;
}

/* A field as written; of a quoted one doubled quotes are made single. */
static status append_field(struct text *out, const char *field, size_t length, bool quoted, struct error *err)
{
    if (!quoted) return text_append(out, field, length, err);
    status result = STATUS_OK;
    for (size_t i = 0; i < length && result == STATUS_OK; i++) {
        result = text_append(out, field + i, 1, err);
        if (field[i] == '"') i++;
    }
    return result;
}

static status append_path(const struct rmset_index *index, const struct rmset_row *row, struct text *path,
                          struct error *err)
{
    status result = STATUS_OK;
    if (row->path[0] != '/') result = text_append(path, index->folder, strlen(index->folder), err);
    if (result == STATUS_OK && row->path[0] != '/') result = text_append(path, "/", 1, err);
    return result == STATUS_OK ? append_field(path, row->path, row->path_length, row->path_quoted, err) : result;
}

static status refuse_outside(const struct rmset_index *index, const char *path, struct error *err)
{
    return error_set(err, "%s: %.300s leads out of its folder (rmset.allow_outside = true lets it)", index->csv, path);
}

static bool climbs(const char *path, size_t length)
{
    for (size_t at = 0; at < length;) {
        const char *slash = memchr(path + at, '/', length - at);
        size_t part = slash == NULL ? length - at : (size_t)(slash - path) - at;
        if (part == 2 && memcmp(path + at, "..", 2) == 0) return true;
        at += part + 1;
    }
    return false;
}

static status check_row_path(const struct rmset_index *index, const struct rmset_row *row, struct error *err)
{
    char shown[200];
    if (index->options.allow_outside || (row->path[0] != '/' && !climbs(row->path, row->path_length))) return STATUS_OK;
    snprintf(shown, sizeof shown, "%.*s", (int)(row->path_length < sizeof shown ? row->path_length : sizeof shown),
             row->path);
    text_make_printable(shown);
    return refuse_outside(index, shown, err);
}

/* Whether the file that is opened, links followed, is in the CSV's folder. What does not exist is for the reader to
 * tell; a file of which nobody can say where it is may lead out. */
static status check_links(const struct rmset_index *index, const char *path, struct error *err)
{
    char real[PATH_MAX];
    size_t length = strlen(index->real_folder);
    if (index->options.allow_outside) return STATUS_OK;
    if (realpath(path, real) == NULL) return errno == ENOENT ? STATUS_OK : error_set_errno(err, "%s", path);
    bool inside = length == 1 || (strncmp(real, index->real_folder, length) == 0 && real[length] == '/');
    return inside ? STATUS_OK : refuse_outside(index, path, err);
}

/* Whose picture stands in `row`: another chosen face's where moments are shuffled. */
static uint64_t shown_row(const struct rmset_index *index, uint64_t row)
{
    uint64_t number;
    if (index->options.grouping != GROUPING_SHUFFLED || !rmset_index_chosen_number(index, row, &number)) return row;
    return rmset_index_chosen_row(index, permutation_at(&index->shuffle, number));
}

/* Parses the CSV's line of row `number`; the row's texts point into *buffer (memory_free). */
static status read_row(const struct rmset_index *index, uint64_t number, struct rmset_row *row, char **buffer,
                       struct error *err)
{
    const struct rmset_video *video = &index->videos[rmset_video_of(index, number)];
    struct rmset_view view = rmset_view_of(index, video);
    uint64_t local = number - video->first, rows_per_block = index->header->rows_per_block;
    uint64_t place = view.blocks[local / rows_per_block];
    status result = STATUS_OK;
    bool found = false;
    *buffer = NULL;
    for (size_t wanted = FIRST_READ; !found && result == STATUS_OK; wanted *= 4) {
        const char *wrong = NULL;
        size_t size = 0;
        memory_free(*buffer);
        *buffer = wanted <= LONGEST_BLOCK ? memory_allocate(wanted, 1, "a part of the RMset list", err) : NULL;
        if (*buffer == NULL) return wanted <= LONGEST_BLOCK ? STATUS_FAILED : rmset_csv_changed(index, err);
        result = fetch(index, place, *buffer, wanted, &size, err);
        if (result != STATUS_OK) break;
        found = find_row(index, *buffer, *buffer + size, size < wanted, local % rows_per_block, row, &wrong);
        if (wrong != NULL) result = rmset_csv_changed(index, err);
    }
    if (result == STATUS_OK && row->frame != view.frame[local]) result = rmset_csv_changed(index, err);
    return result;
}

static status append_face_path(const struct rmset_index *index, uint64_t row_number, struct text *path,
                               struct error *err)
{
    struct rmset_row row;
    char *buffer;
    BUG_UNLESS(row_number < index->header->faces);
    status result = read_row(index, shown_row(index, row_number), &row, &buffer, err);
    if (result == STATUS_OK) result = check_row_path(index, &row, err);
    if (result == STATUS_OK) result = append_path(index, &row, path, err);
    memory_free(buffer);
    return result;
}

/* Cuts "#OFFSET" off a path in a tar shard; -1 where there is none. */
static int64_t cut_offset(struct text *path)
{
    size_t shard_length;
    int64_t offset;
    if (!picture_file_split(text_string(path), &shard_length, &offset)) return -1;
    path->bytes[shard_length] = '\0';
    path->length = shard_length;
    return offset;
}

status rmset_index_path(const struct rmset_index *index, uint64_t row, struct text *path, int64_t *offset,
                        struct error *err)
{
    path->length = 0;
    status result = append_face_path(index, row, path, err);
    if (result == STATUS_OK) *offset = cut_offset(path);
    return result;
}

status rmset_index_read(const struct rmset_index *index, uint64_t row, uint8_t **bytes, size_t *size, struct error *err)
{
    struct text path = {0};
    int64_t offset = -1;
    status result = append_face_path(index, row, &path, err);
    if (result == STATUS_OK) offset = cut_offset(&path);
    if (result == STATUS_OK) result = check_links(index, text_string(&path), err);
    if (result == STATUS_OK && offset >= 0) path.bytes[path.length] = '#'; /* whole again, for the reader */
    if (result == STATUS_OK) result = picture_file_read(text_string(&path), bytes, size, err);
    text_free(&path);
    return result;
}

/* ---- a named face ------------------------------------------------------------------------------------------------ */

/* A quote opens a field of the CSV or does not stand in it. */
status rmset_index_video_name(const struct rmset_index *index, uint64_t video, struct text *name, struct error *err)
{
    struct rmset_row row;
    char *buffer;
    BUG_UNLESS(video < index->header->videos);
    status result = read_row(index, index->videos[video].first, &row, &buffer, err);
    if (result == STATUS_OK)
        result = append_field(name, row.video, row.video_length, row.video > buffer && row.video[-1] == '"', err);
    memory_free(buffer);
    return result;
}

static void free_names(struct text *names, const char **strings, uint64_t count)
{
    for (uint64_t i = 0; names != NULL && i < count; i++) text_free(&names[i]);
    memory_free(names);
    memory_free(strings);
}

static status find_video(const struct rmset_index *index, const char *wanted, uint64_t *video, struct error *err)
{
    uint64_t count = index->header->videos, at = 0;
    struct text *names = memory_allocate((size_t)count, sizeof *names, "the videos' names", err);
    const char **strings = memory_allocate((size_t)count, sizeof *strings, "the videos' names", err);
    status result = names == NULL || strings == NULL ? STATUS_FAILED : STATUS_OK;
    for (uint64_t i = 0; i < count && result == STATUS_OK; i++) {
        result = rmset_index_video_name(index, i, &names[i], err);
        if (result == STATUS_OK) strings[i] = text_string(&names[i]);
    }
    while (result == STATUS_OK && at < count && strcmp(strings[at], wanted) != 0) at++;
    *video = at;
    if (result == STATUS_OK && at == count) {
        const char *nearest = text_nearest(wanted, strings, (size_t)count);
        result = error_set(err, "%s: no video '%s' among its %" PRIu64 "%s%s%s", index->csv, wanted, count,
                           nearest == NULL ? "" : " (did you mean '", nearest == NULL ? "" : nearest,
                           nearest == NULL ? "" : "'?)");
    }
    free_names(names, strings, count);
    return result;
}

static uint32_t person_in(const struct rmset_view *view, uint32_t local)
{
    uint16_t person = view->person[local];
    return person < view->persons ? view->person_face[person] : 0;
}

/* Says which frame with faces is the nearest. */
static status no_frame(const struct rmset_index *index, const char *video, const struct rmset_view *view,
                       uint32_t place, uint32_t frame, struct error *err)
{
    uint32_t nearest = view->frame[place < view->faces ? place : view->faces - 1];
    if (place > 0 && (place == view->faces || frame - view->frame[place - 1] < nearest - frame))
        nearest = view->frame[place - 1];
    return error_set(err, "%s: video '%s' has no face in frame %" PRIu32 "; the nearest frame with one is %" PRIu32,
                     index->csv, video, frame, nearest);
}

/* Says who is in the frame, whose first row is `place`. */
static status no_person(const struct rmset_index *index, const char *video, const struct rmset_view *view,
                        uint32_t place, uint32_t person, struct error *err)
{
    char list[160] = "";
    uint32_t frame = view->frame[place];
    for (size_t used = 0; place < view->faces && view->frame[place] == frame && used + 16 < sizeof list; place++)
        used += (size_t)snprintf(list + used, sizeof list - used, " %" PRIu32, person_in(view, place));
    return error_set(err, "%s: frame %" PRIu32 " of video '%s' has no face %" PRIu32 "; there are%s", index->csv, frame,
                     video, person, list);
}

status rmset_index_find(const struct rmset_index *index, const char *video, uint32_t frame, uint32_t person,
                        uint64_t *row, struct error *err)
{
    uint64_t number;
    status result = find_video(index, video, &number, err);
    if (result != STATUS_OK) return result;
    struct rmset_view view = rmset_view_of(index, &index->videos[number]);
    uint32_t first = rmset_count_below(view.frame, view.faces, frame), local = first;
    if (first == view.faces || view.frame[first] != frame) return no_frame(index, video, &view, first, frame, err);
    while (local < view.faces && view.frame[local] == frame && person_in(&view, local) != person) local++;
    if (local == view.faces || view.frame[local] != frame) return no_person(index, video, &view, first, person, err);
    *row = index->videos[number].first + local;
    return STATUS_OK;
}
