/* What the opened RMset index knows without its CSV: the arrays of a video, who is in a row, which rows are chosen. */
#include "data/rmset_index_internal.h"

#include <inttypes.h>

/* ---- views ------------------------------------------------------------------------------------------------------- */

struct rmset_view rmset_view_of(const struct rmset_index *index, const struct rmset_video *video)
{
    struct rmset_segment at = rmset_segment_layout(video->faces, video->persons, index->header->rows_per_block);
    const uint8_t *base = index->file.bytes + video->segment;
    return (struct rmset_view){
        .blocks = (const void *)(base + at.blocks),
        .frame = (const void *)(base + at.frame),
        .order = (const void *)(base + at.order),
        .person_face = (const void *)(base + at.person_face),
        .person_begin = (const void *)(base + at.person_begin),
        .person = (const void *)(base + at.person),
        .faces = video->faces,
        .persons = video->persons,
    };
}

uint64_t rmset_video_of(const struct rmset_index *index, uint64_t row)
{
    uint64_t low = 0, high = index->header->videos - 1;
    while (low < high) {
        uint64_t middle = low + (high - low + 1) / 2;
        if (index->videos[middle].first <= row)
            low = middle;
        else
            high = middle - 1;
    }
    return low;
}

uint32_t rmset_count_below(const uint32_t *items, uint32_t count, uint64_t bound)
{
    uint32_t low = 0, high = count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (items[middle] < bound)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* ---- facts ------------------------------------------------------------------------------------------------------- */

uint64_t rmset_index_faces(const struct rmset_index *index)
{
    return index->header->faces;
}

uint64_t rmset_index_videos(const struct rmset_index *index)
{
    return index->header->videos;
}

uint64_t rmset_index_chosen_videos(const struct rmset_index *index)
{
    return index->chosen_count;
}

uint64_t rmset_index_chosen_faces(const struct rmset_index *index)
{
    return index->chosen_first[index->chosen_count];
}

uint64_t rmset_index_chosen_row(const struct rmset_index *index, uint64_t number)
{
    uint64_t low = 0, high = index->chosen_count - 1;
    BUG_UNLESS(number < rmset_index_chosen_faces(index));
    while (low < high) {
        uint64_t middle = low + (high - low + 1) / 2;
        if (index->chosen_first[middle] <= number)
            low = middle;
        else
            high = middle - 1;
    }
    return index->videos[index->chosen[low]].first + (number - index->chosen_first[low]);
}

bool rmset_index_chosen_number(const struct rmset_index *index, uint64_t row, uint64_t *number)
{
    uint64_t video = rmset_video_of(index, row), low = 0, high = index->chosen_count;
    while (low < high) {
        uint64_t middle = low + (high - low) / 2;
        if (index->chosen[middle] < video)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == index->chosen_count || index->chosen[low] != video) return false;
    *number = index->chosen_first[low] + (row - index->videos[video].first);
    return true;
}

bool rmset_index_has_anchors(const struct rmset_index *index)
{
    if (index->options.grouping == GROUPING_NONE) return rmset_index_chosen_faces(index) >= 2;
    return index->anchors_listed ? index->anchor_count > 0 : index->chosen_count > 0;
}

struct rmset_face rmset_index_face(const struct rmset_index *index, uint64_t row)
{
    BUG_UNLESS(row < index->header->faces);
    uint64_t video = rmset_video_of(index, row);
    struct rmset_view view = rmset_view_of(index, &index->videos[video]);
    uint32_t local = (uint32_t)(row - index->videos[video].first);
    uint16_t person = view.person[local];
    return (struct rmset_face){
        .video = video,
        .frame = view.frame[local],
        .person = person < view.persons ? view.person_face[person] : 0,
    };
}

status rmset_csv_changed(const struct rmset_index *index, struct error *err)
{
    return error_set(err, "%s: changed while it was in use; start again", index->csv);
}
