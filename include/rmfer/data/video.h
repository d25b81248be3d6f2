/* Videos to pictures, one frame after the other, through FFmpeg's libraries.
 *
 * The libraries are loaded when the first video is opened: a hundred shared libraries hang on them, whose loading
 * would double the start-up time of every command. Without them, or in a build without their headers, opening a video
 * is an error that says so. Only local files and containers are read; playlists that name other files are refused. */
#ifndef RMFER_DATA_VIDEO_H
#define RMFER_DATA_VIDEO_H

#include "rmfer/base/byte_stream.h"
#include "rmfer/data/image.h"

struct video;

/* "N" frames, "0.5s" or "500ms": sets one of the two and zeroes the other. `option` begins the message. */
status video_every_parse(const char *option, const char *text, int64_t *frames, double *seconds,
                         struct error *err) MUST_CHECK;

/* Whether a frame is wanted whose time is that, in options.every_seconds; `due` begins as 0 and is moved on. */
bool video_time_is_due(double time, double every_seconds, double *due);

struct video_options {
    int64_t every; /* only frames 0, every, 2 every, ...; 0 counts as 1 */
    /* Above 0: instead, the first frame at or after each of the times 0, s, 2 s, ... in seconds since the first frame;
     * a frame that stands for several of them is given once. Times are the frames' own, so that a variable frame rate
     * changes nothing. */
    double every_seconds;
    size_t most_pixels; /* of a frame; 0 = IMAGE_MOST_PIXELS */
    int threads;        /* of the decoder; 0 = threads_get() */
};

struct video_frame {
    struct image image; /* upright (turned and mirrored as the container says), square pixels; free with image_free */
    int64_t index;      /* 0 is the first frame */
    double time;        /* seconds since the first frame */
};

/* Opens the first picture stream of a file. Messages start with the path. */
status video_open(struct video **video, const char *path, const struct video_options *options,
                  struct error *err) MUST_CHECK;

/* The same of a stream, which is borrowed until the video is closed; `name` stands for a path in messages. A pipe
 * cannot be sought, so a container whose index stands behind its pictures is an error there. */
status video_open_stream(struct video **video, struct byte_stream *stream, const char *name,
                         const struct video_options *options, struct error *err) MUST_CHECK;

/* NULL is fine. */
void video_close(struct video *video);

/* The next wanted frame; *ended is set, and no frame given, behind the last one. Damaged packets are passed over; a
 * file that gives no frame at all is an error. After an error the video can only be closed. */
status video_next(struct video *video, struct video_frame *frame, bool *ended, struct error *err) MUST_CHECK;

/* Damaged packets passed over so far. */
size_t video_damaged(const struct video *video);

/* Behind the last frame: the seconds that the container states beyond those that came, and those that it states in all.
 * Zeroes where it is a few frames or 2 % (of a container that states the whole film's length alone, half a second), or
 * nothing is stated. */
struct video_missing {
    double seconds, stated;
};
struct video_missing video_missing(const struct video *video);

/* Seconds spent so far in waiting for decoded frames, and in converting them. */
struct video_times {
    double decode, convert;
};
struct video_times video_times(const struct video *video);

/* Frames a second as the container states it, 0 when it does not. */
double video_frame_rate(const struct video *video);

/* Frames in all as the container states or its length tells, 0 when neither does; for progress, not for counting. */
int64_t video_frame_estimate(const struct video *video);

/* Whether a file's name, or its first bytes, are those of a video. */
bool video_is_named(const char *path);
bool video_is_content(const uint8_t *bytes, size_t size);
/* The same of first bytes that may be MPEG-TS or a raw stream too. */
bool video_is_stream(const uint8_t *bytes, size_t size);
/* So many first bytes tell all; whether fewer that begin like this do not yet, as MPEG-TS is told by its second packet.
 */
enum { VIDEO_FIRST_BYTES = 197 };
bool video_stream_may_follow(const uint8_t *bytes, size_t size);

#endif
