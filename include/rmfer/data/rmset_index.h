/* The RMset index: tens of millions of faces of reaction-mashup videos, and the draws ACL makes among them.
 *
 * `index.csv` (video,frame,face,path[,...], sorted) is turned once into a binary index beside it, which is mapped:
 * ten bytes a face; paths stay in the CSV and are found through the offset of every 64th row. A binary index whose
 * CSV has changed since (size or time of change differ) is built again. It does not decode pictures. */
#ifndef RMFER_DATA_RMSET_INDEX_H
#define RMFER_DATA_RMSET_INDEX_H

#include "rmfer/base/error.h"
#include "rmfer/base/text.h"
#include "rmfer/config/config.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct rmset_index;

struct rmset_options {
    const char *csv; /* path of index.csv */
    int64_t every;   /* only frames that are multiples of this; 1 = all */
    double fraction; /* of the videos, a choice seeded by `seed`: round(fraction * videos), in [0, 1] */
    uint64_t seed;
    int64_t near; /* d: positives are other persons at frames T - d .. T + d */
    int64_t far;  /* d': negatives are the same person at frames < T - d' or > T + d' */
    /* MOMENTS: as recorded. The controls: SHUFFLED: the chosen faces' pictures change places, over all videos, by an
     * order seeded by `seed`; every moment, person and count is as it was, but who stands together has nothing in
     * common. NONE: there are no moments; an anchor's positives are its own picture, its negatives any other face. */
    enum config_grouping grouping;
    bool allow_outside; /* rows may name files outside of the CSV's folder */
};

enum { MOST_RMSET_DRAWS = 1024 }; /* candidates of one kind for one anchor */

/* Builds the binary index where it is missing or stale, maps it, chooses the videos. Errors name the CSV's row. Where
 * nothing may be written beside the CSV, the index lives in an unnamed temporary file of this process. */
status rmset_index_open(struct rmset_index **index, const struct rmset_options *options, struct error *err) MUST_CHECK;
void rmset_index_close(struct rmset_index *index);

uint64_t rmset_index_faces(const struct rmset_index *index);  /* rows with a kept frame, all videos */
uint64_t rmset_index_videos(const struct rmset_index *index); /* all videos */
uint64_t rmset_index_chosen_videos(const struct rmset_index *index);
uint64_t rmset_index_chosen_faces(const struct rmset_index *index);

/* The chosen faces counted from 0: the row of face `number`, and back (false where the row's video is not chosen). */
uint64_t rmset_index_chosen_row(const struct rmset_index *index, uint64_t number);
bool rmset_index_chosen_number(const struct rmset_index *index, uint64_t row, uint64_t *number);

struct rmset_face {
    uint64_t video; /* number of the video in the index's order */
    uint32_t frame;
    uint32_t person; /* the `face` column */
};

/* Who is in row `row` of 0 .. faces-1. */
struct rmset_face rmset_index_face(const struct rmset_index *index, uint64_t row);

/* Appends the name of video `video` of 0 .. videos-1 (the `video` column). */
status rmset_index_video_name(const struct rmset_index *index, uint64_t video, struct text *name,
                              struct error *err) MUST_CHECK;

/* The row of a face named by the CSV's columns. The errors say what is near: the video that may have been meant, the
 * next frame with a face, who is in the frame. */
status rmset_index_find(const struct rmset_index *index, const char *video, uint32_t frame, uint32_t person,
                        uint64_t *row, struct error *err) MUST_CHECK;

/* Whether any face of the chosen videos can be an anchor: it has a positive and a negative. */
bool rmset_index_has_anchors(const struct rmset_index *index);

/* How many candidates an anchor has. */
void rmset_index_candidates(const struct rmset_index *index, uint64_t anchor, uint64_t *positives, uint64_t *negatives);

/* Who reacts to `row`'s moment with it: other persons at frames T - d .. T + d, one row a person, the nearest in time
 * (of equals the earlier), the first `most` persons. Returns how many; 0 with GROUPING_NONE. */
size_t rmset_index_moment(const struct rmset_index *index, uint64_t row, size_t most, uint64_t *rows);

/* Draws one anchor and its candidates: rows[0] is the anchor, then n_pos positives, then n_neg negatives. The anchor
 * is uniform among the chosen faces that have at least one of each; candidates are uniform, without replacement where
 * there are enough, with replacement otherwise. A function of (seed, step, anchor) alone; O(log faces + draws); any
 * number of threads. Anchors are drawn by rejection among all chosen faces, at most 2^20 times; where fewer than one
 * face in 256 can be an anchor (seen on opening), from a list made then. Fails when there is none. */
status rmset_index_draw(const struct rmset_index *index, uint64_t seed, uint64_t step, uint64_t anchor, size_t n_pos,
                        size_t n_neg, uint64_t *rows, struct error *err) MUST_CHECK;

/* The same for the anchor `row`: what training might draw for it. A function of (seed, row) alone. Fails when the row's
 * video is not chosen, or it has no candidate of a kind. */
status rmset_index_draw_for(const struct rmset_index *index, uint64_t row, uint64_t seed, size_t n_pos, size_t n_neg,
                            uint64_t *rows, struct error *err) MUST_CHECK;

/* Draws one face of the chosen videos, uniformly. A function of (seed, step, number); any number of threads. Fails
 * when no face is chosen. */
status rmset_index_draw_face(const struct rmset_index *index, uint64_t seed, uint64_t step, uint64_t number,
                             uint64_t *row, struct error *err) MUST_CHECK;

/* Draws where the persons of a moment, `first` [persons], are seen again: a moment of the same video further than `far`
 * from one of them, who is drawn by turns; rows[j] shows the person of first[j] where that one is in the frame,
 * somebody else where not. Any moment where none of them is. A function of (seed, step, number, first); any number of
 * threads. */
status rmset_index_draw_return(const struct rmset_index *index, uint64_t seed, uint64_t step, uint64_t number,
                               size_t persons, const uint64_t *first, uint64_t *rows, struct error *err) MUST_CHECK;

/* Draws a moment: `persons` different rows of one frame of one video, in random order. The frame is that of a face
 * drawn uniformly among those whose frame shows enough persons; by rejection, at most 2^20 times. A function of
 * (seed, step, number); any number of threads. Fails when no such frame is found. With GROUPING_NONE one face,
 * `persons` times. */
status rmset_index_draw_moment(const struct rmset_index *index, uint64_t seed, uint64_t step, uint64_t number,
                               size_t persons, uint64_t *rows, struct error *err) MUST_CHECK;

/* Sets `path` to the file of the picture in that row (of another face's where moments are shuffled), joined to the
 * CSV's folder; *offset is its place in a .tar shard, -1 for a file. An absolute path, and one with a part "..", is
 * refused unless `allow_outside`. */
status rmset_index_path(const struct rmset_index *index, uint64_t row, struct text *path, int64_t *offset,
                        struct error *err) MUST_CHECK;

/* The encoded picture of a row, from its file or its tar shard; release with memory_free. A link that leads out of the
 * CSV's folder is refused unless `allow_outside`: a list from elsewhere must not choose which files are read. */
status rmset_index_read(const struct rmset_index *index, uint64_t row, uint8_t **bytes, size_t *size,
                        struct error *err) MUST_CHECK;

#endif
