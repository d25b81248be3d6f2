/* Plain writing: the folder counts only once it has its final name, so nothing in it needs care one by one. */
#include "rmset/film_writer.h"

#include "rmfer/base/memory.h"
#include "rmfer/base/text.h"
#include "rmfer/data/tar_writer.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { NAME_BYTES = 64, TAR_OVERHEAD = 1024 };

struct film_writer {
    const char *folder, *name;
    int64_t shard_bytes;
    FILE *rows, *shard;
    int shards;
    int64_t last_frame; /* given so far */
    struct text path;   /* of the last message */
};

static status open_file(struct film_writer *writer, const char *name, FILE **file, struct error *err)
{
    writer->path.length = 0;
    status result = text_append_format(&writer->path, err, "%s/%s", writer->folder, name);
    if (result != STATUS_OK) return result;
    *file = fopen(text_string(&writer->path), "wbe");
    return *file != NULL ? STATUS_OK : error_set_errno(err, "%s: cannot be written", text_string(&writer->path));
}

static status close_file(struct film_writer *writer, FILE **file, struct error *err)
{
    bool failed = ferror(*file) != 0;
    failed = fclose(*file) != 0 || failed;
    *file = NULL;
    return failed ? error_set_errno(err, "%s: cannot be written", writer->folder) : STATUS_OK;
}

status film_writer_create(struct film_writer **out, const char *folder, const char *name, int64_t shard_bytes,
                          struct error *err)
{
    struct film_writer *writer = *out = memory_allocate(1, sizeof *writer, "a film's faces", err);
    if (writer == NULL) return STATUS_FAILED;
    writer->folder = folder;
    writer->name = name;
    writer->shard_bytes = shard_bytes;
    return open_file(writer, "rows.csv", &writer->rows, err);
}

void film_writer_free(struct film_writer *writer)
{
    if (writer == NULL) return;
    if (writer->rows != NULL) fclose(writer->rows);
    if (writer->shard != NULL) fclose(writer->shard);
    text_free(&writer->path);
    memory_free(writer);
}

/* ---- faces ------------------------------------------------------------------------------------------------------- */

static status write_file(struct film_writer *writer, const char *name, const struct face_file *face, struct error *err)
{
    FILE *file;
    status result = open_file(writer, name, &file, err);
    if (result != STATUS_OK) return result;
    bool written = fwrite(face->bytes, 1, face->size, file) == face->size;
    status closed = close_file(writer, &file, err);
    return written ? closed : error_set_errno(err, "%s: cannot be written", text_string(&writer->path));
}

static status end_shard(struct film_writer *writer, struct error *err)
{
    if (writer->shard == NULL) return STATUS_OK;
    status result = tar_write_end(writer->shard, err);
    status closed = close_file(writer, &writer->shard, err);
    return result == STATUS_OK ? closed : error_add_context(err, "%s", writer->folder);
}

/* Appends to the present shard, or to a new one when this one would grow beyond its size. */
static status write_member(struct film_writer *writer, const char *name, const struct face_file *face, uint64_t *place,
                           struct error *err)
{
    long at = writer->shard == NULL ? 0 : ftell(writer->shard);
    status result = STATUS_OK;
    if (at > 0 && (uint64_t)at + face->size + TAR_OVERHEAD > (uint64_t)writer->shard_bytes)
        result = end_shard(writer, err);
    if (result == STATUS_OK && writer->shard == NULL) {
        char shard[NAME_BYTES];
        snprintf(shard, sizeof shard, "%05d.tar", writer->shards++);
        result = open_file(writer, shard, &writer->shard, err);
    }
    if (result != STATUS_OK) return result;
    result = tar_write_member(writer->shard, name, face->bytes, face->size, place, err);
    return result == STATUS_OK ? STATUS_OK : error_add_context(err, "%s", writer->folder);
}

static double rounded(double value)
{
    return round(value * 100) / 100 + 0.0;
}

status film_writer_add(struct film_writer *writer, const struct face_picture *picture, struct error *err)
{
    status result = STATUS_OK;
    writer->last_frame = picture->input.frame;
    for (size_t i = 0; i < picture->face_count && result == STATUS_OK; i++) {
        const struct image_box *box = &picture->faces[i].shape.box;
        char name[NAME_BYTES];
        uint64_t place = 0;
        snprintf(name, sizeof name, "%07" PRId64 "_%" PRId64 ".jpg", picture->input.frame, picture->ids[i]);
        if (writer->shard_bytes > 0) {
            result = write_member(writer, name, &picture->files[i], &place, err);
            snprintf(name, sizeof name, "%05d.tar#%" PRIu64, writer->shards - 1, place);
        } else {
            result = write_file(writer, name, &picture->files[i], err);
        }
        if (result != STATUS_OK) break;
        int printed = fprintf(writer->rows, "%s,%" PRId64 ",%" PRId64 ",%s/%s,%g,%g,%g,%g,%.4g\n", writer->name,
                              picture->input.frame, picture->ids[i], writer->name, name, rounded(box->x),
                              rounded(box->y), rounded(box->width), rounded(box->height), picture->faces[i].score);
        if (printed < 0) result = error_set_errno(err, "%s/rows.csv: cannot be written", writer->folder);
    }
    return result;
}

/* ---- the end ----------------------------------------------------------------------------------------------------- */

static status write_tracks(struct film_writer *writer, const struct face_tracker *tracker, int64_t last_frame,
                           struct error *err)
{
    FILE *file;
    status result = open_file(writer, "tracks.csv", &file, err);
    if (result != STATUS_OK) return result;
    for (size_t i = 0; i < tracker->count; i++) {
        const struct face_track *track = &tracker->tracks[i];
        if (track->faces == 0) continue;
        fprintf(file, "%s,%" PRId64 ",%" PRId64 ",%" PRId64 ",%zu,", writer->name, track->id, track->first, track->last,
                track->faces);
        if (track->end == TRACK_CUT)
            fprintf(file, "scene cut at frame %" PRId64 "\n", track->end_frame);
        else if (track->end == TRACK_LOST)
            fprintf(file, "given up at frame %" PRId64 "\n", track->end_frame);
        else if (track->last < last_frame)
            fprintf(file, "not found after frame %" PRId64 "\n", track->last);
        else
            fprintf(file, "end of the film\n");
    }
    return close_file(writer, &file, err);
}

status film_writer_finish(struct film_writer *writer, const struct face_tracker *tracker,
                          const struct film_facts *facts, struct error *err)
{
    status result = end_shard(writer, err);
    if (result == STATUS_OK) result = close_file(writer, &writer->rows, err);
    if (result == STATUS_OK) result = write_tracks(writer, tracker, writer->last_frame, err);
    writer->path.length = 0;
    if (result == STATUS_OK) result = text_append_format(&writer->path, err, "%s/film.ini", writer->folder);
    return result == STATUS_OK ? film_facts_write(facts, text_string(&writer->path), err) : result;
}
