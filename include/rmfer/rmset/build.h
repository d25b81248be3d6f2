/* From reaction-mashup films to an RMset: removal areas, faces of the first frame, tracks, crops, lists.
 *
 *   FOLDER/FILM/         one film, finished: FRAME_FACE.jpg or NNNNN.tar, rows.csv, tracks.csv, film.ini
 *   FOLDER/.FILM.part/   one being made; thrown away when the build is started again
 *   FOLDER/index.csv     all rows (../INTERFACE: video,frame,face,path,x,y,w,h,score), and its binary index
 *   FOLDER/videos.csv    video,fps,frames,faces,persons,removal_areas
 *   FOLDER/tracks.csv    video,face,first,last,faces,end
 *   FOLDER/statistics.ini  mean and standard deviation of all faces' pixels, for rmset.normalize = own */
#ifndef RMFER_RMSET_BUILD_H
#define RMFER_RMSET_BUILD_H

#include "rmfer/faces/tracks.h"
#include "rmfer/rmset/notes.h"

/* Of an image and what is made of it; sums of 8-bit values, exact. */
struct pixel_sums {
    uint64_t count, sum[3], squares[3];
};

/* How a face is cut out: a square about the box's centre, as wide as the box and `margin` of it. */
struct rmset_crop {
    double margin;
    bool pad;     /* what lies beyond the border is black; false = it is cut off */
    int64_t size; /* resized to size x size; 0 = as large as it is */
    int64_t quality;
};

/* The square in whole pixels; it may reach over the border. */
struct image_box rmset_crop_square(const struct image_box *face, double margin);

/* Whether there is anything to be cut: some pixel of it lies in the picture, and it is not larger than any picture. */
bool rmset_crop_exists(const struct image *image, const struct image_box *face, const struct rmset_crop *crop);

/* Cuts it out. An error when there is nothing to be cut, or no memory. */
status rmset_crop_cut(const struct image *image, const struct image_box *face, const struct rmset_crop *crop,
                      struct image *result, struct error *err) MUST_CHECK;

struct rmset_progress {
    const char *film;
    size_t film_number, films; /* from 1 */
    int64_t frame, frames;     /* of the film; frames 0 = not known */
    uint64_t frames_done, faces_done;
};

struct rmset_build_options {
    const char *folder;
    const struct detector *detector; /* NULL: lists beside the films */
    const char *detector_file;       /* it was read from; a film that another one was used for is not taken for this */
    bool lists_first;                /* a list beside a film is used rather than the detector */
    struct detector_options detection; /* min_face is a list's too */
    double list_score;                 /* faces of a list with a score below it are left out */
    bool asks_detector;                /* said how it is to look: where a list is used instead, that is told */
    const char *detections;            /* list of one film, or NULL */
    const char *const *areas;          /* --remove, for every film */
    size_t area_count;
    int64_t every, first_frame;
    double every_seconds; /* above 0: instead of `every`, see data/video.h */
    double overlap, follow;
    bool cuts;
    bool windows;      /* behind the first frame, look only about its faces; not with `cuts` or `follow` */
    bool keep_partial; /* of a film that cannot be read to its end, what came before is kept, with a warning */
    struct rmset_crop crop;
    int64_t shard_bytes; /* 0 = files */
    size_t most_pixels;
    int threads;
    void (*report)(void *context, const struct rmset_progress *progress); /* after every frame; or NULL */
    void (*fail)(void *context, const char *message);                     /* of a film that could not be built */
    void *context;
};

/* Seconds of what was built now: waited for the decoder, converted, and of all workers, found faces (masking the frame
 * first), cut and encoded them; and written. */
struct rmset_times {
    double decode, convert, find, cut, write;
};

struct rmset_counts {
    uint64_t films, built, failed;   /* asked for, made now, not made */
    uint64_t frames, faces, persons; /* of the whole set */
    struct rmset_times times;
};

/* Builds what is not finished, then the lists over all finished films of the folder. A film is a file or a folder of
 * frames, no pattern, pipe or RMset. One that cannot be built is told to options->fail, and counted; the others go on.
 */
status rmset_build(const char *const *films, size_t count, const struct rmset_build_options *options,
                   struct rmset_counts *counts, struct error *err) MUST_CHECK;

#endif
