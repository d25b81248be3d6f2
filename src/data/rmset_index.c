/* Opening the binary index, and drawing from it. Everything that is read from the mapping is checked before it is
 * used as a place: the file may be damaged. */
#define _GNU_SOURCE /* O_CLOEXEC, madvise, realpath */
#include "data/rmset_index_internal.h"
#include "rmfer/base/log.h"
#include "rmfer/base/memory.h"
#include "rmfer/base/random.h"
#include "rmfer/data/picture_file.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum {
    PROBES = 4096,        /* faces looked at on opening ... */
    FEW_ANCHORS = 16,     /* ... of which so many must be able to be anchors, else they are listed */
    SMALL_ENOUGH = 65536, /* so many faces are always listed: it costs nothing */
    MOST_REJECTIONS = 1 << 20,
    SUMMED_AT_ONCE = 1 << 26,
};

/* ---- candidates -------------------------------------------------------------------------------------------------- */

/* An anchor's candidates as ranges of places, so that they are counted and drawn without a scan. */
struct candidates {
    struct rmset_view view;
    uint64_t first;      /* row number of the video's first face */
    const uint32_t *own; /* the person's rows in the video, [own_count], ascending */
    uint32_t own_count;
    uint32_t near_begin, near_end;         /* rows within d frames */
    uint32_t own_near_begin, own_near_end; /* places in `own` of the person's rows among them */
    uint32_t before, after;                /* own[0 .. before-1] and own[after ..] are far */
};

static struct candidates candidates_of(const struct rmset_index *index, uint64_t row)
{
    const struct rmset_video *video = &index->videos[rmset_video_of(index, row)];
    struct candidates result = {.view = rmset_view_of(index, video), .first = video->first};
    const struct rmset_view *view = &result.view;
    uint32_t local = (uint32_t)(row - video->first);
    uint64_t frame = view->frame[local];
    uint64_t near = (uint64_t)index->options.near, far = (uint64_t)index->options.far;
    uint16_t person = view->person[local];
    uint32_t begin = person < view->persons ? view->person_begin[person] : 0;
    uint32_t end = person + 1U < view->persons ? view->person_begin[person + 1] : view->faces;
    if (end > view->faces || begin > end) begin = end = 0; /* damaged: no candidates */
    result.own = view->order + begin;
    result.own_count = end - begin;
    result.near_begin = frame < near ? 0 : rmset_count_below(view->frame, view->faces, frame - near);
    result.near_end = rmset_count_below(view->frame, view->faces, frame + near + 1);
    result.own_near_begin = rmset_count_below(result.own, result.own_count, result.near_begin);
    result.own_near_end = rmset_count_below(result.own, result.own_count, result.near_end);
    if (result.near_end < result.near_begin) result.near_end = result.near_begin; /* damaged: frames not ascending */
    if (result.own_near_end < result.own_near_begin) result.own_near_end = result.own_near_begin;
    uint32_t far_begin = frame < far ? 0 : rmset_count_below(view->frame, view->faces, frame - far);
    uint32_t far_end = rmset_count_below(view->frame, view->faces, frame + far + 1);
    result.before = rmset_count_below(result.own, result.own_count, far_begin);
    result.after = rmset_count_below(result.own, result.own_count, far_end);
    return result;
}

static uint64_t positive_count(const struct candidates *of)
{
    uint64_t all = of->near_end - of->near_begin, own = of->own_near_end - of->own_near_begin;
    return all > own ? all - own : 0;
}

static uint64_t negative_count(const struct candidates *of)
{
    return of->before + (of->own_count - of->after);
}

/* The k-th row of the near ones that is not the person's own: own rows at or before it are skipped. */
static uint64_t positive_row(const struct candidates *of, uint64_t k)
{
    uint32_t low = 0, high = of->own_near_end - of->own_near_begin;
    const uint32_t *own = of->own + of->own_near_begin;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        uint64_t others_before = (uint64_t)own[middle] - of->near_begin - middle;
        if (others_before <= k)
            low = middle + 1;
        else
            high = middle;
    }
    return of->near_begin + k + low;
}

static uint64_t negative_row(const struct candidates *of, uint64_t k)
{
    return k < of->before ? of->own[k] : of->own[of->after + (k - of->before)];
}

void rmset_index_candidates(const struct rmset_index *index, uint64_t anchor, uint64_t *positives, uint64_t *negatives)
{
    BUG_UNLESS(anchor < index->header->faces);
    if (index->options.grouping == GROUPING_NONE) {
        uint64_t faces = rmset_index_chosen_faces(index);
        *positives = 1;
        *negatives = faces > 0 ? faces - 1 : 0;
        return;
    }
    struct candidates candidates = candidates_of(index, anchor);
    *positives = positive_count(&candidates);
    *negatives = negative_count(&candidates);
}

static uint64_t frames_between(uint64_t a, uint64_t b)
{
    return a > b ? a - b : b - a;
}

size_t rmset_index_moment(const struct rmset_index *index, uint64_t row, size_t most, uint64_t *rows)
{
    size_t count = 0;
    BUG_UNLESS(row < index->header->faces);
    if (index->options.grouping == GROUPING_NONE) return 0;
    struct candidates of = candidates_of(index, row);
    const struct rmset_view *view = &of.view;
    uint64_t local = row - of.first, frame = view->frame[local];
    for (uint64_t i = of.near_begin; i < of.near_end; i++) {
        size_t at = 0;
        if (view->person[i] == view->person[local]) continue;
        while (at < count && view->person[rows[at]] != view->person[i]) at++;
        if (at == count && count < most)
            rows[count++] = i;
        else if (at < count && frames_between(view->frame[i], frame) < frames_between(view->frame[rows[at]], frame))
            rows[at] = i;
    }
    for (size_t i = 0; i < count; i++) rows[i] += of.first;
    return count;
}

static bool can_be_anchor(const struct rmset_index *index, uint64_t row)
{
    struct candidates candidates = candidates_of(index, row);
    return positive_count(&candidates) > 0 && negative_count(&candidates) > 0;
}

/* ---- draws ------------------------------------------------------------------------------------------------------- */

/* The entries of a Fisher-Yates shuffle that differ from their place: a hash table that a draw can afford. */
enum { SHUFFLE_SLOTS = 4 * MOST_RMSET_DRAWS };

struct sparse_shuffle {
    uint64_t place[SHUFFLE_SLOTS]; /* plus one; 0 = free */
    uint64_t value[SHUFFLE_SLOTS];
};

static size_t slot_of(const struct sparse_shuffle *shuffle, uint64_t place)
{
    size_t slot = (size_t)((place * UINT64_C(0x9e3779b97f4a7c15)) >> 52) % SHUFFLE_SLOTS;
    while (shuffle->place[slot] != 0 && shuffle->place[slot] != place + 1) slot = (slot + 1) % SHUFFLE_SLOTS;
    return slot;
}

static uint64_t value_at(const struct sparse_shuffle *shuffle, uint64_t place)
{
    size_t slot = slot_of(shuffle, place);
    return shuffle->place[slot] == 0 ? place : shuffle->value[slot];
}

/* `count` of 0 .. population-1, without replacement where there are enough; every ordered choice is equally likely.
 */
static void draw_places(struct random_stream *stream, uint64_t population, size_t count, uint64_t *places)
{
    if (population < count) {
        for (size_t i = 0; i < count; i++) places[i] = random_below(stream, population);
        return;
    }
    struct sparse_shuffle shuffle;
    memset(shuffle.place, 0, sizeof shuffle.place);
    for (size_t i = 0; i < count; i++) {
        uint64_t other = i + random_below(stream, population - i);
        places[i] = value_at(&shuffle, other);
        size_t slot = slot_of(&shuffle, other);
        shuffle.value[slot] = value_at(&shuffle, i);
        shuffle.place[slot] = other + 1;
    }
}

/* A face of the chosen videos, uniformly. */
static uint64_t draw_face(const struct rmset_index *index, struct random_stream *stream)
{
    return rmset_index_chosen_row(index, random_below(stream, rmset_index_chosen_faces(index)));
}

static status no_anchor(const struct rmset_index *index, struct error *err)
{
    if (index->options.grouping == GROUPING_NONE)
        return error_set(err, "%s: the %" PRIu64 " chosen videos have fewer than two faces", index->csv,
                         index->chosen_count);
    return error_set(err,
                     "%s: no face of the %" PRIu64 " chosen videos has both another person within %" PRId64
                     " frames and itself more than %" PRId64 " frames away (acl.near, acl.far, rmset.every)",
                     index->csv, index->chosen_count, index->options.near, index->options.far);
}

static status draw_anchor(const struct rmset_index *index, struct random_stream *stream, uint64_t *row,
                          struct error *err)
{
    if (!rmset_index_has_anchors(index)) return no_anchor(index, err);
    if (index->anchors_listed) {
        *row = index->anchors[random_below(stream, index->anchor_count)];
        return STATUS_OK;
    }
    for (int i = 0; i < MOST_REJECTIONS; i++) {
        *row = draw_face(index, stream);
        if (can_be_anchor(index, *row)) return STATUS_OK;
    }
    return no_anchor(index, err);
}

/* Without moments: an anchor's positives are its own picture, which views make different; its negatives are any other
 * faces, with replacement. */
static status draw_alone(const struct rmset_index *index, struct random_stream *stream, uint64_t anchor, size_t n_pos,
                         size_t n_neg, uint64_t *rows)
{
    uint64_t faces = rmset_index_chosen_faces(index);
    for (size_t i = 0; i < 1 + n_pos; i++) rows[i] = rmset_index_chosen_row(index, anchor);
    for (size_t i = 0; i < n_neg; i++) {
        uint64_t other = random_below(stream, faces - 1);
        rows[1 + n_pos + i] = rmset_index_chosen_row(index, other + (other >= anchor));
    }
    return STATUS_OK;
}

/* Single faces, moments and the candidates of a named anchor are drawn from other streams than anchors. */
static const uint64_t FACE_KEY = UINT64_C(1) << 63, MOMENT_KEY = UINT64_C(1) << 62, ANCHOR_KEY = UINT64_C(1) << 61,
                      RETURN_KEY = UINT64_C(1) << 60;

/* The candidates of the anchor in rows[0]. */
static status draw_candidates(const struct rmset_index *index, struct random_stream *stream, size_t n_pos, size_t n_neg,
                              uint64_t *rows, struct error *err)
{
    struct candidates candidates = candidates_of(index, rows[0]);
    uint64_t *positives = rows + 1, *negatives = rows + 1 + n_pos;
    draw_places(stream, positive_count(&candidates), n_pos, positives);
    draw_places(stream, negative_count(&candidates), n_neg, negatives);
    for (size_t i = 0; i < n_pos; i++) positives[i] = positive_row(&candidates, positives[i]);
    for (size_t i = 0; i < n_neg; i++) negatives[i] = negative_row(&candidates, negatives[i]);
    for (size_t i = 1; i < 1 + n_pos + n_neg; i++) {
        if (rows[i] >= candidates.view.faces)
            return error_set(err, "%s: its binary index is damaged; delete it and it is built again", index->csv);
        rows[i] += candidates.first;
    }
    return STATUS_OK;
}

status rmset_index_draw(const struct rmset_index *index, uint64_t seed, uint64_t step, uint64_t anchor, size_t n_pos,
                        size_t n_neg, uint64_t *rows, struct error *err)
{
    BUG_UNLESS(n_pos <= MOST_RMSET_DRAWS && n_neg <= MOST_RMSET_DRAWS);
    struct random_stream stream = random_stream(seed, RANDOM_CONTRASTIVE, step, anchor);
    if (index->options.grouping == GROUPING_NONE) {
        uint64_t faces = rmset_index_chosen_faces(index);
        if (faces < 2) return no_anchor(index, err);
        return draw_alone(index, &stream, random_below(&stream, faces), n_pos, n_neg, rows);
    }
    status result = draw_anchor(index, &stream, &rows[0], err);
    return result == STATUS_OK ? draw_candidates(index, &stream, n_pos, n_neg, rows, err) : result;
}

status rmset_index_draw_for(const struct rmset_index *index, uint64_t row, uint64_t seed, size_t n_pos, size_t n_neg,
                            uint64_t *rows, struct error *err)
{
    BUG_UNLESS(n_pos <= MOST_RMSET_DRAWS && n_neg <= MOST_RMSET_DRAWS);
    struct random_stream stream = random_stream(seed, RANDOM_CONTRASTIVE, ANCHOR_KEY, row);
    uint64_t number, positives, negatives;
    if (!rmset_index_chosen_number(index, row, &number))
        return error_set(err, "%s: the face's video is not among the chosen ones (rmset.fraction)", index->csv);
    rmset_index_candidates(index, row, &positives, &negatives);
    if (positives == 0 || negatives == 0)
        return error_set(err,
                         "%s: the face cannot be an anchor: %" PRIu64 " faces of others within %" PRId64
                         " frames, %" PRIu64 " of itself more than %" PRId64 " frames away (acl.near, acl.far)",
                         index->csv, positives, index->options.near, negatives, index->options.far);
    rows[0] = row;
    if (index->options.grouping == GROUPING_NONE) return draw_alone(index, &stream, number, n_pos, n_neg, rows);
    return draw_candidates(index, &stream, n_pos, n_neg, rows, err);
}

status rmset_index_draw_face(const struct rmset_index *index, uint64_t seed, uint64_t step, uint64_t number,
                             uint64_t *row, struct error *err)
{
    if (rmset_index_chosen_faces(index) == 0) return error_set(err, "%s: no face is chosen", index->csv);
    struct random_stream stream = random_stream(seed, RANDOM_CONTRASTIVE, FACE_KEY | step, number);
    *row = draw_face(index, &stream);
    return STATUS_OK;
}

/* The rows of `row`'s frame in its video: *begin .. *end-1. */
static void rows_of_frame(const struct rmset_index *index, uint64_t row, uint64_t *begin, uint64_t *end)
{
    const struct rmset_video *video = &index->videos[rmset_video_of(index, row)];
    struct rmset_view view = rmset_view_of(index, video);
    uint64_t frame = view.frame[row - video->first];
    *begin = video->first + rmset_count_below(view.frame, view.faces, frame);
    *end = video->first + rmset_count_below(view.frame, view.faces, frame + 1);
}

status rmset_index_draw_moment(const struct rmset_index *index, uint64_t seed, uint64_t step, uint64_t number,
                               size_t persons, uint64_t *rows, struct error *err)
{
    BUG_UNLESS(persons > 0 && persons <= MOST_RMSET_DRAWS);
    struct random_stream stream = random_stream(seed, RANDOM_CONTRASTIVE, MOMENT_KEY | step, number);
    for (int i = 0; i < MOST_REJECTIONS && rmset_index_chosen_faces(index) > 0; i++) {
        uint64_t begin = draw_face(index, &stream), end;
        if (index->options.grouping == GROUPING_NONE) {
            for (size_t j = 0; j < persons; j++) rows[j] = begin;
            return STATUS_OK;
        }
        rows_of_frame(index, begin, &begin, &end);
        if (end <= begin || end - begin < persons) continue;
        draw_places(&stream, end - begin, persons, rows);
        for (size_t j = 0; j < persons; j++) rows[j] += begin;
        return STATUS_OK;
    }
    return error_set(err, "%s: no frame of the %" PRIu64 " chosen videos shows %zu persons", index->csv,
                     index->chosen_count, persons);
}

/* Fills rows with those of begin .. end-1 that show the persons of `first`, in their order, and the places of persons
 * who are not there with others of the frame, which has enough of them. */
static void match_persons(const struct rmset_index *index, uint64_t begin, uint64_t end, size_t persons,
                          const uint64_t *first, uint64_t *rows)
{
    const uint64_t nobody = UINT64_MAX;
    for (size_t j = 0; j < persons; j++) {
        uint32_t person = rmset_index_face(index, first[j]).person;
        rows[j] = nobody;
        for (uint64_t row = begin; row < end && rows[j] == nobody; row++)
            if (rmset_index_face(index, row).person == person) rows[j] = row;
    }
    uint64_t next = begin;
    for (size_t j = 0; j < persons; j++) {
        while (rows[j] == nobody) {
            bool taken = false;
            for (size_t k = 0; k < persons; k++) taken = taken || rows[k] == next;
            if (!taken) rows[j] = next;
            next++;
        }
    }
}

status rmset_index_draw_return(const struct rmset_index *index, uint64_t seed, uint64_t step, uint64_t number,
                               size_t persons, const uint64_t *first, uint64_t *rows, struct error *err)
{
    enum { ATTEMPTS = 64 };
    BUG_UNLESS(persons > 0 && persons <= MOST_RMSET_DRAWS);
    struct random_stream stream = random_stream(seed, RANDOM_CONTRASTIVE, RETURN_KEY | step, number);
    for (size_t i = 0; i < ATTEMPTS && index->options.grouping != GROUPING_NONE; i++) {
        struct candidates candidates = candidates_of(index, first[i % persons]);
        uint64_t count = negative_count(&candidates), begin, end;
        if (count == 0) continue;
        uint64_t place = negative_row(&candidates, random_below(&stream, count));
        if (place >= candidates.view.faces) break; /* damaged */
        rows_of_frame(index, candidates.first + place, &begin, &end);
        if (end <= begin || end - begin < persons) continue;
        match_persons(index, begin, end, persons, first, rows);
        return STATUS_OK;
    }
    return rmset_index_draw_moment(index, seed, step, number, persons, rows, err);
}

/* ---- opening ----------------------------------------------------------------------------------------------------- */

static bool table_holds(const struct rmset_index *index)
{
    const struct rmset_header *header = index->header;
    uint64_t faces = 0;
    for (uint64_t i = 0; i < header->videos; i++) {
        const struct rmset_video *video = &index->videos[i];
        if (video->first != faces || video->faces == 0 || video->persons > video->faces || video->persons == 0)
            return false;
        size_t size = rmset_segment_layout(video->faces, video->persons, header->rows_per_block).size;
        if (video->segment % 8 != 0 || video->segment < sizeof *header || video->segment > header->table ||
            header->table - video->segment < size)
            return false;
        faces += video->faces;
    }
    return faces == header->faces;
}

/* Reads all of it once; what was changed since it was built is told here, not by a draw. */
static bool checksum_holds(const struct mapped_file *file, const struct rmset_header *header)
{
    struct crc32c_tables tables;
    uint32_t body = 0;
    crc32c_prepare(&tables);
    for (size_t at = 0; at < file->size; at += SUMMED_AT_ONCE) {
        size_t end = file->size - at < SUMMED_AT_ONCE ? file->size : at + SUMMED_AT_ONCE;
        size_t begin = at == 0 ? sizeof *header : at;
        body = crc32c_extend(&tables, body, file->bytes + begin, end - begin);
        /* The pages stay with the system; this process need not count them as its own. */
        (void)madvise((void *)(uintptr_t)(file->bytes + at), end - at, MADV_DONTNEED);
    }
    return header->checksum == rmset_header_checksum(header, &tables, body);
}

/* Maps the binary index; *fits tells whether it is whole and made from this CSV with this `every`. */
static status map_index(struct rmset_index *index, const char *path, const struct rmset_header *wanted, bool *fits,
                        struct error *err)
{
    *fits = false;
    status result = file_map(&index->file, path, err);
    if (result != STATUS_OK) return result;
    const struct rmset_header *header = (const void *)index->file.bytes;
    if (index->file.size < sizeof *header || header->magic != RMSET_MAGIC || header->csv_size != wanted->csv_size ||
        header->csv_seconds != wanted->csv_seconds || header->csv_nanoseconds != wanted->csv_nanoseconds ||
        header->every != wanted->every || header->file_size != index->file.size || header->table % 8 != 0 ||
        header->table > index->file.size || header->videos == 0 ||
        header->videos != (index->file.size - header->table) / sizeof(struct rmset_video) ||
        header->rows_per_block == 0 || header->rows_per_block > RMSET_BLOCK_LINES)
        return STATUS_OK;
    index->header = header;
    index->videos = (const void *)(index->file.bytes + header->table);
    *fits = checksum_holds(&index->file, header) && table_holds(index);
    if (!*fits) log_warning("%s: damaged; it is built again", path);
    return STATUS_OK;
}

/* A name for the index where nothing can be written beside the CSV; the caller removes it once it is mapped. */
static status temporary_name(struct text *path, struct error *err)
{
    const char *folder = getenv("TMPDIR");
    if (folder == NULL || folder[0] == '\0') folder = "/tmp";
    status result = text_append_format(path, err, "%s/rmfer-index-XXXXXX", folder);
    if (result != STATUS_OK) return result;
    int descriptor = mkstemp(path->bytes);
    if (descriptor < 0) return error_set_errno(err, "%s: cannot be written", path->bytes);
    close(descriptor);
    return STATUS_OK;
}

static bool can_write_beside(const char *path)
{
    char *folder = path_folder(path, NULL);
    bool writable = folder != NULL && access(folder, W_OK) == 0;
    memory_free(folder);
    return writable;
}

static status build_and_map(struct rmset_index *index, const char *path, const struct rmset_header *wanted,
                            struct error *err)
{
    struct text elsewhere = {0};
    status result = STATUS_OK;
    bool beside = can_write_beside(path), fits = false;
    if (!beside) {
        log_warning("%s: the folder cannot be written; its binary index lasts for this run only", index->csv);
        result = temporary_name(&elsewhere, err);
        path = text_string(&elsewhere);
    }
    const struct rmset_build build = {.csv = index->csv, .index = path, .every = wanted->every};
    log_info("%s: building the binary index (%" PRIu64 " MiB of list)", index->csv, wanted->csv_size >> 20);
    if (result == STATUS_OK) result = rmset_index_build(&build, err);
    if (result == STATUS_OK) result = map_index(index, path, wanted, &fits, err);
    if (!beside && elsewhere.length > 0) unlink(path);
    text_free(&elsewhere);
    if (result == STATUS_OK && !fits) result = rmset_csv_changed(index, err);
    return result;
}

static status open_index(struct rmset_index *index, struct error *err)
{
    struct rmset_header wanted = {.every = (uint64_t)index->options.every};
    struct text path = {0};
    bool fits = false;
    status result = rmset_csv_facts(index->csv, &wanted, err);
    if (result == STATUS_OK) result = text_append_format(&path, err, "%s", index->csv);
    if (result == STATUS_OK && wanted.every > 1)
        result = text_append_format(&path, err, ".every%" PRIu64, wanted.every);
    if (result == STATUS_OK) result = text_append_format(&path, err, ".index");
    if (result == STATUS_OK && file_exists(text_string(&path)))
        result = map_index(index, text_string(&path), &wanted, &fits, err);
    if (result == STATUS_OK && !fits) {
        file_unmap(&index->file);
        result = build_and_map(index, text_string(&path), &wanted, err);
    }
    text_free(&path);
    return result;
}

/* round(fraction * videos) of them: the first ones of a seeded shuffle, so that a larger fraction adds to a smaller.
 */
static status choose_videos(struct rmset_index *index, struct error *err)
{
    uint64_t videos = index->header->videos;
    index->chosen_count = (uint64_t)llround(index->options.fraction * (double)videos);
    int64_t *all = memory_allocate((size_t)videos, sizeof *all, "the videos of the RMset", err);
    bool *taken = memory_allocate((size_t)videos, sizeof *taken, "the videos of the RMset", err);
    index->chosen = memory_allocate((size_t)videos, sizeof *index->chosen, "the videos of the RMset", err);
    index->chosen_first = memory_allocate((size_t)videos + 1, sizeof *index->chosen_first, "the videos", err);
    status result = STATUS_FAILED;
    if (all == NULL || taken == NULL || index->chosen == NULL || index->chosen_first == NULL) goto out;
    for (uint64_t i = 0; i < videos; i++) all[i] = (int64_t)i;
    struct random_stream stream = random_stream(index->options.seed, RANDOM_SUBSET, 0, 0);
    random_shuffle(&stream, all, (size_t)videos);
    for (uint64_t i = 0; i < index->chosen_count; i++) taken[all[i]] = true;
    uint64_t at = 0;
    for (uint64_t i = 0; i < videos; i++) {
        if (!taken[i]) continue;
        index->chosen[at] = i;
        index->chosen_first[at + 1] = index->chosen_first[at] + index->videos[i].faces;
        at++;
    }
    if (at > 0 && index->chosen_first[at] > 0)
        index->shuffle = permutation_of(index->chosen_first[at], index->options.seed);
    result = STATUS_OK;
out:
    memory_free(all);
    memory_free(taken);
    return result;
}

static status list_anchors(struct rmset_index *index, struct error *err)
{
    size_t capacity = 0;
    index->anchors_listed = true;
    for (uint64_t i = 0; i < index->chosen_count; i++) {
        const struct rmset_video *video = &index->videos[index->chosen[i]];
        for (uint64_t row = video->first; row < video->first + video->faces; row++) {
            if (!can_be_anchor(index, row)) continue;
            if (index->anchor_count == capacity) {
                size_t wanted = size_add(capacity, size_add(capacity / 2, 1024));
                uint64_t *grown = memory_grow(index->anchors, capacity, wanted, sizeof *grown, "the anchors", err);
                if (grown == NULL) return STATUS_FAILED;
                index->anchors = grown;
                capacity = wanted;
            }
            index->anchors[index->anchor_count++] = row;
        }
    }
    return STATUS_OK;
}

/* Rejection is cheap where anchors are common; where they are rare, or the faces few, they are listed. */
static status prepare_anchors(struct rmset_index *index, struct error *err)
{
    uint64_t faces = index->chosen_first[index->chosen_count];
    if (index->options.grouping == GROUPING_NONE) return STATUS_OK;
    if (faces <= SMALL_ENOUGH) return list_anchors(index, err);
    struct random_stream stream = random_stream(index->options.seed, RANDOM_SUBSET, 1, 0);
    int found = 0;
    for (int i = 0; i < PROBES && found < FEW_ANCHORS; i++) found += can_be_anchor(index, draw_face(index, &stream));
    if (found == FEW_ANCHORS) return STATUS_OK;
    log_info("%s: few faces can be anchors; looking for all of them", index->csv);
    return list_anchors(index, err);
}

static status open_csv(struct rmset_index *index, struct error *err)
{
    index->csv = memory_copy_string(index->options.csv, err);
    index->folder = index->csv == NULL ? NULL : path_folder(index->csv, err);
    if (index->folder == NULL) return STATUS_FAILED;
    index->options.csv = index->csv;
    if (!index->options.allow_outside && realpath(index->folder, index->real_folder) == NULL)
        return error_set_errno(err, "%s", index->csv);
    index->csv_descriptor = open(index->csv, O_RDONLY | O_CLOEXEC);
    return index->csv_descriptor < 0 ? error_set_errno(err, "%s", index->csv) : STATUS_OK;
}

status rmset_index_open(struct rmset_index **index, const struct rmset_options *options, struct error *err)
{
    BUG_UNLESS(options->every >= 1 && options->fraction >= 0 && options->fraction <= 1 && options->near >= 0 &&
               options->far >= 0);
    struct rmset_index *made = memory_allocate(1, sizeof *made, "the RMset index", err);
    *index = made;
    if (made == NULL) return STATUS_FAILED;
    made->options = *options;
    made->csv_descriptor = -1;
    status result = open_csv(made, err);
    if (result == STATUS_OK) result = open_index(made, err);
    if (result == STATUS_OK) result = choose_videos(made, err);
    if (result == STATUS_OK) result = prepare_anchors(made, err);
    if (result == STATUS_OK) return STATUS_OK;
    rmset_index_close(made);
    *index = NULL;
    return result;
}

void rmset_index_close(struct rmset_index *index)
{
    if (index == NULL) return;
    if (index->csv_descriptor >= 0) close(index->csv_descriptor);
    file_unmap(&index->file);
    memory_free(index->csv);
    memory_free(index->folder);
    memory_free(index->chosen);
    memory_free(index->chosen_first);
    memory_free(index->anchors);
    memory_free(index);
}
