/* Looking for faces only where a film's persons are: in a window about each reference box. */
#ifndef RMFER_SRC_RMSET_FILM_WINDOWS_H
#define RMFER_SRC_RMSET_FILM_WINDOWS_H

#include "rmfer/faces/pipeline.h"

struct film_windows {
    struct image_box *boxes; /* owned */
    size_t count;
};

/* Windows about `boxes` [count], three times as wide as the box's longer side: a face that overlaps the box by 0.3 or
 * more lies well inside. */
status film_windows_set(struct film_windows *windows, const struct image_box *boxes, size_t count,
                        struct error *err) MUST_CHECK;
void film_windows_free(struct film_windows *windows);

/* The faces of a picture's windows, best first, as face_find gives them: each window scaled down to 128 pixels, where
 * it is larger, whatever the detect size. */
status film_windows_find(const struct film_windows *windows, const struct detector *detector,
                         const struct detector_options *detection, struct face_picture *picture,
                         struct face_worker *worker, struct error *err) MUST_CHECK;

/* The faces of a whole picture at the detect size and at its own size, where small ones are found. */
status film_find_closely(const struct detector *detector, const struct detector_options *detection,
                         struct face_picture *picture, struct face_worker *worker, struct error *err) MUST_CHECK;

/* The detect size of the largest search of the two, for what they take of memory; 0 = never scaled. */
int film_windows_largest_size(const struct detector_options *detection);

#endif
