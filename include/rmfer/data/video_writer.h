/* Pictures to a video, one frame after the other: MPEG-4 in an MP4 or Matroska file, by FFmpeg's libraries.
 *
 * What drawn mashups are encoded with, so that the way from videos to an RMset can be walked without any data. Not
 * made for publishing: one codec that every build of the libraries has, one quality, no sound. The same pictures give
 * the same bytes. Loading, and what is said where the libraries are missing, as in video.h. */
#ifndef RMFER_DATA_VIDEO_WRITER_H
#define RMFER_DATA_VIDEO_WRITER_H

#include "rmfer/data/image.h"

struct video_writer;

struct video_writer_options {
    int width, height; /* even, in pixels */
    int frames_per_second;
};

/* An error that says why where no video can be written at all: a build without FFmpeg, libraries that are not there,
 * or ones without the encoder. */
status video_writer_check(struct error *err) MUST_CHECK;

/* Starts the file, which is not seen before it is finished (file_write.h); its name's ending chooses the container
 * (.mp4, .mkv). */
status video_writer_create(struct video_writer **writer, const char *path, const struct video_writer_options *options,
                           struct error *err) MUST_CHECK;

/* The next frame; the picture must have the video's size. */
status video_writer_add(struct video_writer *writer, const struct image *image, struct error *err) MUST_CHECK;

/* Writes what is still on its way and the file's end, and puts it in place. Only video_writer_free may follow. */
status video_writer_finish(struct video_writer *writer, struct error *err) MUST_CHECK;

/* Gives up the file where it was not finished: what was at its path stays. NULL is fine. */
void video_writer_free(struct video_writer *writer);

#endif
