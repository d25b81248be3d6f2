/* What can be said of videos without FFmpeg: which files are some, and that a build cannot read them. */
#include "rmfer/data/video.h"

#include "rmfer/base/text.h"

#include <string.h>

bool video_is_named(const char *path)
{
    static const char *const endings[] = {".mp4", ".m4v", ".mkv", ".webm", ".mov", ".avi", ".mpg", ".mpeg",
                                          ".wmv", ".flv", ".ts",  ".mts",  ".3gp", ".ogv", ".asf", ".m2ts"};
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
           memcmp(bytes, "FLV\x01", 4) == 0 || memcmp(bytes, "OggS", 4) == 0;
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

size_t video_damaged(const struct video *video)
{
    (void)video;
    return 0;
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
