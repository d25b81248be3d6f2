/* A batch as a step sees it: an array of streams. Who makes it: the loader. It says nothing of what streams are for;
 * which is which follows from the order in which they were asked for (loader_options). */
#ifndef RMFER_DATA_BATCH_H
#define RMFER_DATA_BATCH_H

#include "rmfer/base/real.h"

#include <stdint.h>

enum { MOST_STREAMS = 4, MOST_VIEWS = 4 };

/* The rows of one stream. Row r of every view shows the same picture. */
struct batch_stream {
    int rows;                       /* 0 before the stream's first epoch; may be less than asked for where unreadable
                                       pictures are left out, never in training */
    int group;                      /* rows that belong together: an anchor with its candidates, the persons of a
                                       moment; 1 = each row for itself. Divides `rows` */
    int views;                      /* images[0 .. views-1] are there */
    const real *images[MOST_VIEWS]; /* [rows,H,W,3] each: normalised RGB; where a batch is shared out over processes and
                                       the stream is parted (method/stream_share.h), this process's rows alone */
    const real *targets;            /* [rows,class_count], rows of zeros where unlabelled; NULL without classes */
    const real *affect;             /* [rows,2] valence and arousal, NaN where there are none; NULL = nowhere are any */
    const int32_t *labels;          /* [rows], -1 = unlabelled */
    const int64_t *ids;             /* [rows], of the stream's source: samples of a data set, faces of an RMset */
};

/* Everything in it belongs to the loader and stays valid until the next call of loader_next. */
struct batch {
    uint64_t epoch, index; /* batch `index` of the epoch, both from 0 */
    int stream_count;
    struct batch_stream streams[MOST_STREAMS];
};

#endif
