/* The opened RMset index as its parts see it: who stands where (rmset_index_view.c), the draws among them
 * (rmset_index.c), what the CSV says of a row (rmset_index_rows.c). */
#ifndef RMFER_SRC_DATA_RMSET_INDEX_INTERNAL_H
#define RMFER_SRC_DATA_RMSET_INDEX_INTERNAL_H

#include "data/permutation.h"
#include "data/rmset_index_format.h"
#include "rmfer/base/file.h"
#include "rmfer/data/rmset_index.h"

#include <limits.h>

struct rmset_index {
    struct rmset_options options;
    char *csv, *folder;
    char real_folder[PATH_MAX]; /* without links */
    int csv_descriptor;
    struct mapped_file file;
    const struct rmset_header *header;
    const struct rmset_video *videos; /* [header->videos] */
    uint64_t *chosen;                 /* [chosen_count], ascending */
    uint64_t *chosen_first;           /* [chosen_count + 1]: faces of the chosen videos before each */
    uint64_t chosen_count;
    uint64_t *anchors; /* [anchor_count] rows, when they are listed */
    uint64_t anchor_count;
    bool anchors_listed;
    struct permutation shuffle; /* of the chosen faces' pictures, with GROUPING_SHUFFLED */
};

/* One video's arrays. */
struct rmset_view {
    const uint64_t *blocks;
    const uint32_t *frame, *order, *person_face, *person_begin;
    const uint16_t *person;
    uint32_t faces, persons;
};

struct rmset_view rmset_view_of(const struct rmset_index *index, const struct rmset_video *video);

/* The number of the video that row is of. */
uint64_t rmset_video_of(const struct rmset_index *index, uint64_t row);

/* How many of ascending `items` are below `bound`. */
uint32_t rmset_count_below(const uint32_t *items, uint32_t count, uint64_t bound);

/* Says that the CSV is not the one that was opened. */
status rmset_csv_changed(const struct rmset_index *index, struct error *err);

#endif
