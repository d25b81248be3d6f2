/* What is in an RMset, and whether it is whole. */
#ifndef RMFER_RMSET_CHECK_H
#define RMFER_RMSET_CHECK_H

#include "rmfer/base/error.h"

#include <stdint.h>

struct rmset_stats {
    uint64_t videos, persons, faces;
    uint64_t frames;          /* with a face, as index.csv lists them */
    uint64_t faces_of_person; /* the most of one person */
    uint64_t faces_of_frame;  /* the most of one frame */
    uint64_t frames_read;     /* of videos.csv; 0 where there is none */
};

/* Counts over folder/index.csv, through the index. */
status rmset_stats(const char *folder, struct rmset_stats *stats, struct error *err) MUST_CHECK;

/* What is wrong: a line at a time. */
struct rmset_complaints {
    void (*tell)(void *context, const char *message);
    void *context;
    uint64_t count;
};

/* Reads and decodes the picture of every row (`threads` at a time), and compares the rows' counts with videos.csv.
 * An error only where nothing can be checked. */
status rmset_check(const char *folder, int threads, struct rmset_complaints *complaints, struct rmset_stats *stats,
                   struct error *err) MUST_CHECK;

#endif
