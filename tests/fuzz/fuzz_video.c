/* Any bytes as a video. FFmpeg's libraries are not built for the fuzzer, so they are no part of what it sees; what this
 * program makes of what they say is. */
#define _GNU_SOURCE
#include "fuzz/support/memory_file.h"
#include "rmfer/base/log.h"
#include "rmfer/data/video.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static void read_frames(struct video *video)
{
    enum { FRAMES = 4 };
    for (int i = 0; i < FRAMES; i++) {
        struct video_frame frame = {0};
        struct error err = {0};
        bool ended = false;
        if (video_next(video, &frame, &ended, &err) != STATUS_OK) {
            if (err.message[0] == '\0') abort();
            return;
        }
        if (ended) return;
        if (frame.image.width < 1 || frame.image.height < 1 || frame.index < 0) abort();
        image_free(&frame.image);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    enum { MOST_PIXELS = 1 << 20 };
    if (size == 0) return 0;
    const struct video_options options = {.every = 1 + bytes[0] % 3, .most_pixels = MOST_PIXELS, .threads = 1};
    int descriptor = memory_file(bytes + 1, size - 1);
    struct byte_stream stream = byte_stream(descriptor, "stream");
    struct video *video = NULL;
    struct error err = {0};
    log_set_level(LOG_QUIET);
    if (video_open_stream(&video, &stream, "fuzz", &options, &err) == STATUS_OK)
        read_frames(video);
    else if (err.message[0] == '\0')
        abort();
    video_close(video);
    byte_stream_free(&stream);
    close(descriptor);
    return 0;
}
