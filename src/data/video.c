/* What can be said of videos without FFmpeg: which files are some, and that a build cannot read them. */
#include "rmfer/data/video.h"

#include "rmfer/base/memory.h"
#include "rmfer/base/text.h"

#include <math.h>
#include <string.h>

/* Times of containers are whole multiples of units down to a microsecond. */
static const double TIME_TOLERANCE = 1e-6;
static const double MOST_EVERY = 1e9, LEAST_SECONDS = 0.001;

static status parse_seconds(const char *option, const char *text, double *seconds, struct error *err)
{
    size_t length = strlen(text), unit = text_ends_with_ignoring_case(text, "ms") ? 2 : 1;
    char *number = memory_copy_string(text, err);
    if (number == NULL) return STATUS_FAILED;
    number[length - unit] = '\0';
    bool good = text_to_real(number, seconds);
    memory_free(number);
    if (!good) return error_set_usage(err, "--%s %s: not a number of frames, nor of seconds as in 0.5s", option, text);
    if (unit == 2) *seconds /= 1000;
    if (*seconds < LEAST_SECONDS || *seconds > MOST_EVERY)
        return error_set_usage(err, "--%s %s: must be between 0.001s and 1e9s", option, text);
    return STATUS_OK;
}

status video_every_parse(const char *option, const char *text, int64_t *frames, double *seconds, struct error *err)
{
    *frames = 0;
    *seconds = 0;
    if (text_ends_with_ignoring_case(text, "s")) return parse_seconds(option, text, seconds, err);
    if (!text_to_integer(text, frames))
        return error_set_usage(err, "--%s %s: not a number of frames, nor of seconds as in 0.5s", option, text);
    if (*frames < 1 || *frames > MOST_EVERY)
        return error_set_usage(err, "--%s %s: must be between 1 and 1e+09", option, text);
    return STATUS_OK;
}

/* The next time that is due is a multiple, whatever the frames' times were, so that nothing drifts. A clock that was
 * put back (a stream spliced together) starts anew. */
bool video_time_is_due(double time, double every_seconds, double *due)
{
    bool was_put_back = time < *due - every_seconds - TIME_TOLERANCE;
    if (time < *due - TIME_TOLERANCE && !was_put_back) return false;
    *due = (floor((time + TIME_TOLERANCE) / every_seconds) + 1) * every_seconds;
    return true;
}

bool video_is_named(const char *path)
{
    static const char *const endings[] = {".mp4", ".m4v", ".mkv", ".webm", ".mov", ".avi", ".mpg",  ".mpeg", ".wmv",
                                          ".flv", ".ts",  ".mts", ".3gp",  ".ogv", ".asf", ".m2ts", ".y4m"};
    for (size_t i = 0; i < sizeof endings / sizeof *endings; i++)
        if (text_ends_with_ignoring_case(path, endings[i])) return true;
    return false;
}

/* ISO media files begin with a box "ftyp" whose brand tells films from HEIF and AVIF pictures. */
static bool is_picture_brand(const uint8_t *brand)
{
    static const char *const brands[] = {"heic", "heix", "heim", "heis", "hevc", "mif1", "msf1", "avif", "avis"};
    for (size_t i = 0; i < sizeof brands / sizeof *brands; i++)
        if (memcmp(brand, brands[i], 4) == 0) return true;
    return false;
}

bool video_is_content(const uint8_t *bytes, size_t size)
{
    static const uint8_t matroska[4] = {0x1a, 0x45, 0xdf, 0xa3}, program_stream[4] = {0, 0, 1, 0xba};
    static const uint8_t asf[4] = {0x30, 0x26, 0xb2, 0x75};
    if (size < 12) return false;
    if (memcmp(bytes + 4, "ftyp", 4) == 0) return !is_picture_brand(bytes + 8);
    if (memcmp(bytes, "RIFF", 4) == 0) return memcmp(bytes + 8, "AVI ", 4) == 0;
    return memcmp(bytes, matroska, 4) == 0 || memcmp(bytes, program_stream, 4) == 0 || memcmp(bytes, asf, 4) == 0 ||
           memcmp(bytes, "FLV\x01", 4) == 0 || memcmp(bytes, "OggS", 4) == 0 || memcmp(bytes, "YUV4MPEG2 ", 10) == 0;
}

/* A list of names is; a packet of 188 bytes is not but by a chance of less than one in a thousand million. */
static bool is_text(const uint8_t *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if (bytes[i] < 0x20 && memchr("\t\n\r", bytes[i], 3) == NULL) return false;
    return true;
}

/* Transport streams have a sync byte at each packet's begin; on discs a time of 4 bytes stands before every packet.
 * Both may stand there by chance. */
enum { PACKET = 188, TIME = 4, SYNC = 'G' };
_Static_assert(VIDEO_FIRST_BYTES == TIME + PACKET + TIME + 1, "as far as the second packet's sync byte");

static bool is_transport(const uint8_t *bytes, size_t size)
{
    bool is_plain = size > PACKET && bytes[0] == SYNC && bytes[PACKET] == SYNC;
    bool is_timed = size > TIME + PACKET + TIME && bytes[TIME] == SYNC && bytes[TIME + PACKET + TIME] == SYNC;
    return (is_plain || is_timed) && image_kind_of_bytes(bytes, size) == IMAGE_UNKNOWN && !is_text(bytes, size);
}

bool video_stream_may_follow(const uint8_t *bytes, size_t size)
{
    return size < VIDEO_FIRST_BYTES && (size <= TIME || bytes[0] == SYNC || bytes[TIME] == SYNC);
}

bool video_is_stream(const uint8_t *bytes, size_t size)
{
    static const uint8_t start_code[4] = {0, 0, 0, 1}, sequence[4] = {0, 0, 1, 0xb3};
    if (video_is_content(bytes, size) || is_transport(bytes, size)) return true;
    return size >= 12 && (memcmp(bytes, start_code, 4) == 0 || memcmp(bytes, sequence, 4) == 0);
}

#ifndef RMFER_HAVE_FFMPEG

status video_open(struct video **video, const char *path, const struct video_options *options, struct error *err)
{
    (void)options;
    *video = NULL;
    return error_set(err,
                     "%s: this rmfer was built without FFmpeg, so it reads no videos (install libavformat-dev, "
                     "libavcodec-dev, libavutil-dev and libswscale-dev, then make again)",
                     path);
}

status video_open_stream(struct video **video, struct byte_stream *stream, const char *name,
                         const struct video_options *options, struct error *err)
{
    (void)stream;
    return video_open(video, name, options, err);
}

void video_close(struct video *video)
{
    (void)video;
}

status video_next(struct video *video, struct video_frame *frame, bool *ended, struct error *err)
{
    (void)video;
    (void)frame;
    *ended = true;
    return error_set(err, "this rmfer was built without FFmpeg");
}

struct video_missing video_missing(const struct video *video)
{
    (void)video;
    return (struct video_missing){0};
}

size_t video_damaged(const struct video *video)
{
    (void)video;
    return 0;
}

struct video_times video_times(const struct video *video)
{
    (void)video;
    return (struct video_times){0};
}

double video_frame_rate(const struct video *video)
{
    (void)video;
    return 0;
}

int64_t video_frame_estimate(const struct video *video)
{
    (void)video;
    return 0;
}

#endif
