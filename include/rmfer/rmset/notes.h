/* What a person says about a film: where the film they watch is shown (removal areas), faces that the detector missed
 * or invented in the first frame, and detections of another detector. In CSV files beside the film, named after it
 * (of a folder of frames, FOLDER.film.csv, with dots and all):
 *
 *   STEM.film.csv        x,y,w,h[,from,to]   frames from .. to, both included; without them all frames
 *   STEM.faces.csv       x,y,w,h[,action]    action add (default): a face's box, in place of one found there;
 *                                            remove: no face there
 *   STEM.detections.csv  frame,x,y,w,h[,score]
 *
 * The first row may be a header, whose first column is named so: x, or frame. */
#ifndef RMFER_RMSET_NOTES_H
#define RMFER_RMSET_NOTES_H

#include "rmfer/base/text.h"
#include "rmfer/nn/detector.h"

struct rmset_area {
    struct image_box box;
    int64_t from, to; /* frames, both included */
};

struct rmset_correction {
    struct image_box box;
    bool is_removal;
};

struct rmset_detection {
    int64_t frame;
    struct image_box box;
    double score;
};

/* The stem of a film's path: [0, end) is what files beside it are named after, [begin, end) its name. Slashes at the
 * end do not belong to it, nor does a file's ending; a folder has none, whatever dots are in its name. */
struct rmset_stem {
    size_t begin, end;
};
struct rmset_stem rmset_film_stem(const char *film);

/* Zeroed is empty. */
struct rmset_notes {
    struct rmset_area *areas;
    size_t area_count;
    struct rmset_correction *corrections;
    size_t correction_count;
    struct rmset_detection *detections; /* by frame, ascending */
    size_t detection_count;
    bool has_detections; /* a list was given, be it empty */
};

void rmset_notes_free(struct rmset_notes *notes);

/* Reads the files beside `film` that are there. `detections` (or NULL) is read instead of STEM.detections.csv, which
 * is looked at only when `wants_detections`. */
status rmset_notes_read(struct rmset_notes *notes, const char *film, const char *detections, bool wants_detections,
                        struct error *err) MUST_CHECK;

/* Leaves out the detections whose score is below `least_score`, or whose box is narrower or lower than `least_side`
 * pixels; 0 = none for that. */
void rmset_notes_leave_out(struct rmset_notes *notes, double least_score, double least_side);

/* Where a list beside `film` is used: warns that what was asked of the detector is not. */
void rmset_notes_warn_of_detector(const struct rmset_notes *notes, const char *film);

/* Adds an area written "X,Y,W,H" or "X,Y,W,H@FROM-TO" (frames; TO may be left out). */
status rmset_notes_add_area(struct rmset_notes *notes, const char *text, struct error *err) MUST_CHECK;

status rmset_notes_append_area(struct rmset_notes *notes, const struct rmset_area *area, struct error *err) MUST_CHECK;

/* Warns of each area that lies wholly outside of the film's pictures: numbers of a film of another size, mostly. */
status rmset_notes_warn_outside(const struct rmset_notes *notes, const char *film, int width, int height,
                                struct error *err) MUST_CHECK;

/* The same of each whose frames all lie behind `last`, the last one that was looked at. */
status rmset_notes_warn_late(const struct rmset_notes *notes, const char *film, int64_t last,
                             struct error *err) MUST_CHECK;

/* Blackens the frame's areas. */
void rmset_notes_mask(const struct rmset_notes *notes, int64_t frame, struct image *image);

/* Whether a box's centre lies in one of the frame's areas. */
bool rmset_notes_hide(const struct rmset_notes *notes, int64_t frame, const struct image_box *box);

/* The frame's detections, as a new array (memory_free). */
status rmset_notes_detections(const struct rmset_notes *notes, int64_t frame, struct detected_face **faces,
                              size_t *count, struct error *err) MUST_CHECK;

/* All areas as X,Y,W,H[@FROM-TO], separated by blanks. */
status rmset_notes_print_areas(const struct rmset_notes *notes, struct text *out, struct error *err) MUST_CHECK;

#endif
