/* From index.csv to the binary index, one pass, one video in memory at a time. */
#define _GNU_SOURCE /* madvise */
#include "data/rmset_index_format.h"

#include "rmfer/base/file.h"
#include "rmfer/base/file_write.h"
#include "rmfer/base/memory.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

enum { WRITE_BUFFER_BYTES = 1 << 20, RELEASE_BYTES = 64 << 20, PAGE_ALIGNMENT = 1 << 16 };

/* ---- rows of the CSV --------------------------------------------------------------------------------------------- */

struct field {
    const char *begin;
    size_t length;
    bool quoted;
};

/* Takes the field at *at and moves behind the comma; false when a quote is not closed before the line ends. */
static bool take_field(const char **at, const char *end, struct field *field)
{
    const char *p = *at;
    *field = (struct field){.begin = p};
    if (p < end && *p == '"') {
        field->quoted = true;
        field->begin = ++p;
        while (p < end && (*p != '"' || (p + 1 < end && p[1] == '"'))) p += *p == '"' ? 2 : 1;
        if (p >= end) return false;
        field->length = (size_t)(p - field->begin);
        p++;
        if (p < end && *p != ',') return false;
    } else {
        const char *comma = memchr(p, ',', (size_t)(end - p));
        p = comma == NULL ? end : comma;
        field->length = (size_t)(p - field->begin);
    }
    *at = p < end ? p + 1 : p;
    return true;
}

static bool field_number(const struct field *field, uint32_t *number)
{
    uint64_t value = 0;
    if (field->length == 0 || field->length > 10) return false;
    for (size_t i = 0; i < field->length; i++) {
        unsigned digit = (unsigned)(field->begin[i] - '0');
        if (digit > 9) return false;
        value = value * 10 + digit;
    }
    *number = (uint32_t)value;
    return value <= UINT32_MAX;
}

const char *rmset_row_parse(const char *at, const char *end, struct rmset_row *row)
{
    struct field fields[4];
    for (int i = 0; i < 4; i++) {
        if (i > 0 && at == end && end[-1] != ',') return "fewer than the four columns video,frame,face,path";
        if (!take_field(&at, end, &fields[i])) return "a quote is not closed";
    }
    if (fields[0].length == 0) return "the video has no name";
    if (!field_number(&fields[1], &row->frame)) return "frame is not a whole number of 0 .. 4294967295";
    if (!field_number(&fields[2], &row->face)) return "face is not a whole number of 0 .. 4294967295";
    if (fields[3].length == 0) return "the path is empty";
    row->video = fields[0].begin;
    row->video_length = fields[0].length;
    row->path = fields[3].begin;
    row->path_length = fields[3].length;
    row->path_quoted = fields[3].quoted;
    return NULL;
}

const char *rmset_line_end(const char *at, const char *end, const char **next)
{
    const char *newline = memchr(at, '\n', (size_t)(end - at));
    *next = newline == NULL ? end : newline + 1;
    if (newline == NULL) newline = end;
    return newline > at && newline[-1] == '\r' ? newline - 1 : newline;
}

/* ---- one video --------------------------------------------------------------------------------------------------- */

struct builder {
    const struct rmset_build *build;
    struct atomic_file out;
    struct rmset_header header;
    struct crc32c_tables tables;
    uint32_t body;  /* the sum of what was written behind the header */
    uint64_t place; /* bytes written */
    /* The present video; the name points into the CSV. */
    const char *video;
    size_t video_length;
    uint32_t last_frame, last_face;
    bool any_row;                   /* of the present video, kept or not */
    bool numeric_order, text_order; /* which orders of the videos have held so far */
    uint32_t *frame, *face;         /* [faces] */
    uint64_t *block;
    uint32_t *persons; /* distinct faces, ascending */
    uint32_t *order, *person_begin;
    uint16_t *person;
    size_t faces, persons_count;
    size_t face_capacity, block_capacity, person_capacity, scratch_capacity;
    struct rmset_video *videos;
    size_t video_capacity;
};

/* Makes room for `needed` elements of an array that grows by half. */
static status make_room(void *array, size_t *capacity, size_t needed, size_t size, struct error *err)
{
    void **block = array;
    if (needed <= *capacity) return STATUS_OK;
    size_t wanted = size_add(needed, size_add(needed / 2, 64));
    void *grown = memory_grow(*block, *capacity, wanted, size, "the RMset index", err);
    if (grown == NULL) return STATUS_FAILED;
    *block = grown;
    *capacity = wanted;
    return STATUS_OK;
}

struct rmset_segment rmset_segment_layout(uint64_t faces, uint64_t persons, uint64_t rows_per_block)
{
    struct rmset_segment layout = {0};
    uint64_t blocks = faces / rows_per_block + (faces % rows_per_block != 0);
    layout.frame = layout.blocks + (size_t)blocks * sizeof(uint64_t);
    layout.order = layout.frame + (size_t)faces * sizeof(uint32_t);
    layout.person_face = layout.order + (size_t)faces * sizeof(uint32_t);
    layout.person_begin = layout.person_face + (size_t)persons * sizeof(uint32_t);
    layout.person = layout.person_begin + (size_t)persons * sizeof(uint32_t);
    layout.size = (layout.person + (size_t)faces * sizeof(uint16_t) + 7) / 8 * 8;
    return layout;
}

/* The place of `face` among the persons, or where it belongs. */
static size_t person_place(const struct builder *builder, uint32_t face)
{
    size_t low = 0, high = builder->persons_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (builder->persons[middle] < face)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static status note_person(struct builder *builder, uint32_t face, struct error *err)
{
    size_t place = person_place(builder, face);
    if (place < builder->persons_count && builder->persons[place] == face) return STATUS_OK;
    if (builder->persons_count == RMSET_MOST_PERSONS)
        return error_set(err, "more than %d persons in one video", RMSET_MOST_PERSONS);
    status result = make_room(&builder->persons, &builder->person_capacity, builder->persons_count + 1,
                              sizeof *builder->persons, err);
    if (result != STATUS_OK) return result;
    memmove(builder->persons + place + 1, builder->persons + place,
            (builder->persons_count - place) * sizeof *builder->persons);
    builder->persons[place] = face;
    builder->persons_count++;
    return STATUS_OK;
}

static status keep_row(struct builder *builder, const struct rmset_row *row, uint64_t line_place, struct error *err)
{
    size_t at = builder->faces;
    if (at == UINT32_MAX) return error_set(err, "more than 4294967295 faces in one video");
    size_t before = builder->face_capacity, again = before;
    if (make_room(&builder->frame, &before, at + 1, sizeof *builder->frame, err) != STATUS_OK ||
        make_room(&builder->face, &again, at + 1, sizeof *builder->face, err) != STATUS_OK)
        return STATUS_FAILED;
    builder->face_capacity = again;
    builder->frame[at] = row->frame;
    builder->face[at] = row->face;
    uint64_t rows_per_block = builder->header.rows_per_block;
    if (at % rows_per_block == 0) {
        size_t block = (size_t)(at / rows_per_block);
        if (make_room(&builder->block, &builder->block_capacity, block + 1, sizeof *builder->block, err) != STATUS_OK)
            return STATUS_FAILED;
        builder->block[block] = line_place;
    }
    builder->faces++;
    return note_person(builder, row->face, err);
}

/* Counting sort of the rows by person, which keeps their order within a person. */
static status sort_by_person(struct builder *builder, struct error *err)
{
    size_t capacity[2] = {builder->scratch_capacity, builder->scratch_capacity};
    if (make_room(&builder->order, &capacity[0], builder->faces, sizeof *builder->order, err) != STATUS_OK ||
        make_room(&builder->person, &capacity[1], builder->faces, sizeof *builder->person, err) != STATUS_OK)
        return STATUS_FAILED;
    builder->scratch_capacity = capacity[0];
    size_t persons = builder->persons_count;
    if (builder->person_begin == NULL) {
        builder->person_begin = memory_allocate(RMSET_MOST_PERSONS + 2, sizeof *builder->person_begin,
                                                "the RMset index", err);
        if (builder->person_begin == NULL) return STATUS_FAILED;
    }
    memset(builder->person_begin, 0, (persons + 2) * sizeof *builder->person_begin);
    for (size_t i = 0; i < builder->faces; i++) {
        builder->person[i] = (uint16_t)person_place(builder, builder->face[i]);
        builder->person_begin[builder->person[i] + 2]++;
    }
    /* Counts stand two places on, so that filling leaves each begin in its own place. */
    for (size_t p = 2; p < persons + 2; p++) builder->person_begin[p] += builder->person_begin[p - 1];
    for (size_t i = 0; i < builder->faces; i++)
        builder->order[builder->person_begin[builder->person[i] + 1]++] = (uint32_t)i;
    return STATUS_OK;
}

static status put(struct builder *builder, const void *items, size_t count, size_t size, struct error *err)
{
    if (count != 0 && fwrite(items, size, count, builder->out.stream) != count)
        return error_set_errno(err, "%s: cannot be written", builder->build->index);
    builder->body = crc32c_extend(&builder->tables, builder->body, items, count * size);
    builder->place += (uint64_t)count * size;
    return STATUS_OK;
}

uint64_t rmset_header_checksum(const struct rmset_header *header, const struct crc32c_tables *tables, uint32_t body)
{
    struct rmset_header copy = *header;
    copy.checksum = 0;
    return crc32c_extend(tables, body, &copy, sizeof copy);
}

static status write_segment(struct builder *builder, struct error *err)
{
    static const char zeros[8] = {0};
    size_t faces = builder->faces, persons = builder->persons_count;
    uint64_t rows_per_block = builder->header.rows_per_block, begin = builder->place;
    struct rmset_segment layout = rmset_segment_layout(faces, persons, rows_per_block);
    size_t blocks = layout.frame / sizeof(uint64_t);
    if (put(builder, builder->block, blocks, sizeof *builder->block, err) != STATUS_OK ||
        put(builder, builder->frame, faces, sizeof *builder->frame, err) != STATUS_OK ||
        put(builder, builder->order, faces, sizeof *builder->order, err) != STATUS_OK ||
        put(builder, builder->persons, persons, sizeof *builder->persons, err) != STATUS_OK ||
        put(builder, builder->person_begin, persons, sizeof *builder->person_begin, err) != STATUS_OK ||
        put(builder, builder->person, faces, sizeof *builder->person, err) != STATUS_OK)
        return STATUS_FAILED;
    return put(builder, zeros, layout.size - (size_t)(builder->place - begin), 1, err);
}

/* Writes the present video and forgets its rows. A video without kept frames is left out. */
static status finish_video(struct builder *builder, struct error *err)
{
    if (builder->faces == 0) return STATUS_OK;
    status result = sort_by_person(builder, err);
    if (result == STATUS_OK)
        result = make_room(&builder->videos, &builder->video_capacity, (size_t)builder->header.videos + 1,
                           sizeof *builder->videos, err);
    if (result != STATUS_OK) return result;
    builder->videos[builder->header.videos++] = (struct rmset_video){
        .first = builder->header.faces,
        .segment = builder->place,
        .faces = (uint32_t)builder->faces,
        .persons = (uint32_t)builder->persons_count,
    };
    result = write_segment(builder, err);
    builder->header.faces += builder->faces;
    builder->faces = 0;
    builder->persons_count = 0;
    return result;
}

/* ---- the order of the rows --------------------------------------------------------------------------------------- */

static bool all_digits(const char *name, size_t length)
{
    for (size_t i = 0; i < length; i++)
        if (name[i] < '0' || name[i] > '9') return false;
    return length > 0;
}

static int compare_text(const char *a, size_t a_length, const char *b, size_t b_length)
{
    int order = memcmp(a, b, a_length < b_length ? a_length : b_length);
    return order != 0 ? order : (a_length > b_length) - (a_length < b_length);
}

/* Whole numbers of any length: without leading zeros, the longer is the larger. */
static int compare_number(const char *a, size_t a_length, const char *b, size_t b_length)
{
    while (a_length > 1 && *a == '0') a++, a_length--;
    while (b_length > 1 && *b == '0') b++, b_length--;
    if (a_length != b_length) return a_length < b_length ? -1 : 1;
    return memcmp(a, b, a_length);
}

/* Videos may be sorted as texts or, where all are numbers, as numbers (1, 2, 10); one of the two must hold. */
static status start_video(struct builder *builder, const struct rmset_row *row, struct error *err)
{
    if (builder->video != NULL) {
        const char *a = builder->video, *b = row->video;
        size_t a_length = builder->video_length, b_length = row->video_length;
        builder->text_order = builder->text_order && compare_text(a, a_length, b, b_length) < 0;
        builder->numeric_order = builder->numeric_order && all_digits(a, a_length) && all_digits(b, b_length) &&
                                 compare_number(a, a_length, b, b_length) < 0;
        if (!builder->text_order && !builder->numeric_order)
            return error_set(err, "video %.*s after video %.*s: sort the rows by video, frame, face",
                             (int)(b_length < 80 ? b_length : 80), b, (int)(a_length < 80 ? a_length : 80), a);
        status result = finish_video(builder, err);
        if (result != STATUS_OK) return result;
    }
    builder->video = row->video;
    builder->video_length = row->video_length;
    builder->any_row = false;
    return STATUS_OK;
}

static status check_order(const struct builder *builder, const struct rmset_row *row, struct error *err)
{
    if (!builder->any_row || row->frame > builder->last_frame) return STATUS_OK;
    if (row->frame < builder->last_frame)
        return error_set(err, "frame %u after frame %u of the same video: sort the rows by video, frame, face",
                         (unsigned)row->frame, (unsigned)builder->last_frame);
    if (row->face == builder->last_face)
        return error_set(err, "face %u of frame %u stands there twice", (unsigned)row->face, (unsigned)row->frame);
    if (row->face < builder->last_face)
        return error_set(err, "face %u after face %u of the same frame: sort the rows by video, frame, face",
                         (unsigned)row->face, (unsigned)builder->last_face);
    return STATUS_OK;
}

static status add_row(struct builder *builder, const struct rmset_row *row, uint64_t line_place, struct error *err)
{
    status result = STATUS_OK;
    if (builder->video == NULL || builder->video_length != row->video_length ||
        memcmp(builder->video, row->video, row->video_length) != 0)
        result = start_video(builder, row, err);
    if (result == STATUS_OK) result = check_order(builder, row, err);
    builder->any_row = true;
    builder->last_frame = row->frame;
    builder->last_face = row->face;
    if (result == STATUS_OK && row->frame % builder->build->every == 0)
        result = keep_row(builder, row, line_place, err);
    return result;
}

/* ---- the whole file ---------------------------------------------------------------------------------------------- */

static bool is_header(const char *line, const char *end)
{
    static const char wanted[] = "video,frame,face,path";
    size_t length = sizeof wanted - 1;
    return (size_t)(end - line) >= length && memcmp(line, wanted, length) == 0 &&
           (line + length == end || line[length] == ',');
}

/* Lets go of the CSV's pages that have been read, so that a list of gigabytes does not fill the memory. */
static void release_read(const struct mapped_file *csv, size_t read, size_t *released)
{
    if (read - *released < RELEASE_BYTES) return;
    size_t until = read / PAGE_ALIGNMENT * PAGE_ALIGNMENT;
    (void)madvise((void *)(uintptr_t)(csv->bytes + *released), until - *released, MADV_DONTNEED);
    *released = until;
}

static status read_rows(struct builder *builder, const struct mapped_file *csv, struct error *err)
{
    const char *begin = csv->size == 0 ? "" : (const char *)csv->bytes, *end = begin + csv->size, *next = begin;
    size_t released = 0;
    if (csv->size >= 3 && memcmp(begin, "\xef\xbb\xbf", 3) == 0) next += 3;
    for (uint64_t line_number = 1; next < end; line_number++) {
        const char *line = next;
        const char *line_end = rmset_line_end(line, end, &next);
        struct rmset_row row;
        status result = STATUS_OK;
        if (line_number == 1) {
            if (!is_header(line, line_end))
                result = error_set(err, "the first line is not the header video,frame,face,path[,x,y,w,h,score]");
        } else if (line < line_end) {
            const char *wrong = rmset_row_parse(line, line_end, &row);
            if (wrong != NULL)
                result = error_set(err, "%s", wrong);
            else
                result = add_row(builder, &row, (uint64_t)(line - begin), err);
        }
        release_read(csv, (size_t)(next - begin), &released);
        if (result == STATUS_OK) continue;
        if (err != NULL) text_make_printable(err->message);
        return error_add_context(err, "%s:%llu", builder->build->csv, (unsigned long long)line_number);
    }
    return finish_video(builder, err);
}

static status write_index(struct builder *builder, const struct mapped_file *csv, struct error *err)
{
    (void)setvbuf(builder->out.stream, NULL, _IOFBF, WRITE_BUFFER_BYTES);
    crc32c_prepare(&builder->tables);
    status result = put(builder, &builder->header, 1, sizeof builder->header, err); /* its room */
    builder->body = 0;
    if (result == STATUS_OK) result = read_rows(builder, csv, err);
    if (result == STATUS_OK && builder->header.faces == 0)
        result = error_set(err, "%s: no face in it%s", builder->build->csv,
                           builder->build->every > 1 ? " at the frames that rmset.every keeps" : "");
    builder->header.table = builder->place;
    if (result == STATUS_OK)
        result = put(builder, builder->videos, (size_t)builder->header.videos, sizeof *builder->videos, err);
    builder->header.file_size = builder->place;
    builder->header.checksum = rmset_header_checksum(&builder->header, &builder->tables, builder->body);
    if (result == STATUS_OK && fseek(builder->out.stream, 0, SEEK_SET) != 0)
        result = error_set_errno(err, "%s: cannot be written", builder->build->index);
    if (result == STATUS_OK) result = put(builder, &builder->header, 1, sizeof builder->header, err);
    return result;
}

static void free_builder(struct builder *builder)
{
    memory_free(builder->frame);
    memory_free(builder->face);
    memory_free(builder->block);
    memory_free(builder->persons);
    memory_free(builder->order);
    memory_free(builder->person_begin);
    memory_free(builder->person);
    memory_free(builder->videos);
}

status rmset_csv_facts(const char *csv, struct rmset_header *header, struct error *err)
{
    struct stat facts;
    if (stat(csv, &facts) != 0) return error_set_errno(err, "%s", csv);
    header->csv_size = (uint64_t)facts.st_size;
    header->csv_seconds = (uint64_t)facts.st_mtim.tv_sec;
    header->csv_nanoseconds = (uint64_t)facts.st_mtim.tv_nsec;
    return STATUS_OK;
}

status rmset_index_build(const struct rmset_build *build, struct error *err)
{
    struct builder builder = {.build = build, .numeric_order = true, .text_order = true};
    struct mapped_file csv = {0};
    builder.header.magic = RMSET_MAGIC;
    builder.header.every = build->every;
    builder.header.rows_per_block = build->every < RMSET_BLOCK_LINES ? RMSET_BLOCK_LINES / build->every : 1;
    status result = rmset_csv_facts(build->csv, &builder.header, err);
    if (result == STATUS_OK) result = file_map(&csv, build->csv, err);
    atomic_file_remove_stale(build->index);
    if (result == STATUS_OK) result = atomic_file_open(&builder.out, build->index, err);
    if (result == STATUS_OK) result = write_index(&builder, &csv, err);
    if (result == STATUS_OK)
        result = atomic_file_commit(&builder.out, err);
    else
        atomic_file_abandon(&builder.out);
    file_unmap(&csv);
    free_builder(&builder);
    return result;
}
