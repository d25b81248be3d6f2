/* A mashup at a glance: one picture of frames spread over it, with a grid of pixels and numbers, the faces that are
 * found, the removal areas that were given and the one that is suggested. */
#ifndef RMFER_RMSET_PREVIEW_H
#define RMFER_RMSET_PREVIEW_H

#include "rmfer/rmset/notes.h"

struct rmset_preview_options {
    const struct detector *detector; /* NULL: lists beside the film, or no faces */
    struct detector_options detection;
    double list_score;        /* faces of a list with a score below it are left out */
    bool asks_detector;       /* said how it is to look: where a list is used instead, that is told */
    const char *detections;   /* a list, or NULL */
    const char *out;          /* where the sheet will go, or NULL: refused where it is the film or one of its frames */
    bool lists_first;         /* a list beside the film is used rather than the detector */
    const char *const *areas; /* --remove */
    size_t area_count;
    int64_t frames; /* on the sheet */
    size_t most_pixels;
};

/* What is known of a film behind its preview. Zeroed is empty. */
struct rmset_preview {
    struct image sheet;
    int width, height;            /* of the film */
    double rate;                  /* frames a second, 0 = not known */
    int64_t frames;               /* of the film, about; 0 = not known */
    struct rmset_notes suggested; /* areas only; none where nothing stands out */
};

void rmset_preview_free(struct rmset_preview *preview);

/* Looks at the whole film (240 frames of it; a file or a folder of frames, no pattern, pipe or RMset) and draws the
 * sheet. */
status rmset_preview_make(struct rmset_preview *preview, const char *film, const struct rmset_preview_options *options,
                          struct error *err) MUST_CHECK;

#endif
