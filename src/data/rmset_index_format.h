/* The binary index on disk, and the CSV rows it is made from. Numbers are in the machine's own byte order: the file
 * is a cache beside its CSV, not something to carry elsewhere (another order is told by `magic` and built again).
 *
 *   struct rmset_header
 *   for every video, 8-byte aligned:
 *     uint64_t block[ceil(faces / rows_per_block)]  place in the CSV of every rows_per_block-th face
 *     uint32_t frame[faces]                         ascending
 *     uint32_t order[faces]                         the video's rows, person by person, ascending within a person
 *     uint32_t person_face[persons]                 the `face` column, ascending
 *     uint32_t person_begin[persons]                where each begins in `order`
 *     uint16_t person[faces]                        which person a row shows
 *   struct rmset_video[videos] */
#ifndef RMFER_SRC_DATA_RMSET_INDEX_FORMAT_H
#define RMFER_SRC_DATA_RMSET_INDEX_FORMAT_H

#include "rmfer/base/crc32c.h"
#include "rmfer/base/error.h"
#include "rmfer/base/text.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RMSET_MAGIC UINT64_C(0x32304449524d4652) /* changes whenever the layout does */

enum { RMSET_BLOCK_LINES = 64, RMSET_MOST_PERSONS = 65535 };

struct rmset_header {
    uint64_t magic;
    uint64_t csv_size, csv_seconds, csv_nanoseconds; /* of the CSV it was made from */
    uint64_t every;
    uint64_t rows_per_block;
    uint64_t faces, videos;
    uint64_t table;     /* place of struct rmset_video[videos] */
    uint64_t file_size; /* of the whole binary index */
    uint64_t checksum;  /* CRC-32C of all behind the header, then of the header with 0 here */
};

/* That of an index whose bytes behind the header have the sum `body`. */
uint64_t rmset_header_checksum(const struct rmset_header *header, const struct crc32c_tables *tables, uint32_t body);

struct rmset_video {
    uint64_t first;   /* row number of its first face */
    uint64_t segment; /* place of its arrays */
    uint32_t faces, persons;
};

/* Byte offsets inside a segment, and its size. */
struct rmset_segment {
    size_t blocks, frame, order, person_face, person_begin, person, size;
};

struct rmset_segment rmset_segment_layout(uint64_t faces, uint64_t persons, uint64_t rows_per_block);

/* One row of the CSV; the texts point into it. */
struct rmset_row {
    const char *video, *path; /* without their quotes; doubled quotes inside stay doubled */
    size_t video_length, path_length;
    bool path_quoted;
    uint32_t frame, face;
};

/* Parses the line [at, end) without its line end. NULL when all is well, else what is wrong. */
const char *rmset_row_parse(const char *at, const char *end, struct rmset_row *row);

/* The end of the line at `at`, before a CR; *next is where the following line begins. */
const char *rmset_line_end(const char *at, const char *end, const char **next);

/* Builds `index` from `csv`. Errors name the CSV's line. */
struct rmset_build {
    const char *csv;
    const char *index;
    uint64_t every;
};
status rmset_index_build(const struct rmset_build *build, struct error *err) MUST_CHECK;

/* Size and time of change of the CSV, as the header keeps them. */
status rmset_csv_facts(const char *csv, struct rmset_header *header, struct error *err) MUST_CHECK;

#endif
