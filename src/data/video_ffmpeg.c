/* Videos through FFmpeg: container, decoder, conversion to upright RGB. Threads: only the decoder's own. */
#define _GNU_SOURCE /* O_CLOEXEC */
#include <stddef.h>

#ifdef RMFER_HAVE_FFMPEG
#include "rmfer/data/video.h"

#include "data/ffmpeg.h"
#include "data/image_formats.h"
#include "data/video_convert.h"
#include "rmfer/base/clock.h"
#include "rmfer/base/log.h"
#include "rmfer/base/memory.h"
#include "rmfer/base/text.h"
#include "rmfer/base/threads.h"

#include <fcntl.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Containers that hold films. Playlists and the like name other files, and those are not the user's choice. */
static const char CONTAINERS[] = "mov,mp4,matroska,webm,avi,mpegts,mpeg,flv,asf,ogg,mpegvideo,h264,hevc,yuv4mpegpipe";

enum { MOST_EMPTY_READS = 1000, ROW_ALIGNMENT = 64, MOST_DECODER_THREADS = 16 };

struct video {
    struct ffmpeg ffmpeg;
    char *path;
    struct byte_stream *stream_in; /* where the container comes from: the caller's, or `own` */
    struct byte_stream own;        /* of the path */
    int descriptor;                /* of `own`; -1 = none */
    AVIOContext *reader;           /* of the stream */
    AVFormatContext *container;
    AVCodecContext *decoder;
    AVStream *stream;
    AVPacket *packet;
    AVFrame *frame;
    struct SwsContext *converter;
    uint8_t *rows; /* a frame that FFmpeg converts, which writes past a row's end; yuv_to_rgb's room */
    size_t row_capacity;
    int64_t every, count; /* frames decoded so far */
    double every_seconds, due;
    int64_t first_time; /* of frame 0, in the stream's units */
    double stream_end,
        film_end; /* where the packets of the pictures, and of all streams, end so far: seconds of the film's clock */
    size_t most_pixels, damaged;
    struct video_times times;
    int empty_reads;
    bool drained;   /* the decoder was told that nothing follows */
    int read_error; /* of the file: why nothing follows, which is not its end; 0 = none */
};

/* What may be the cause where nothing can be read of a pipe; else nothing. */
static const char *pipe_hint(const struct video *video)
{
    bool is_pipe = video->stream_in != NULL && !byte_stream_can_seek(video->stream_in);
    return is_pipe
               ? " (from a pipe only videos that need no index behind their pictures: of MP4 those of ffmpeg -movflags "
                 "faststart or frag_keyframe)"
               : "";
}

static status fail(struct video *video, const char *what, int code, struct error *err)
{
    char text[AV_ERROR_MAX_STRING_SIZE] = "unknown error";
    video->ffmpeg.av_strerror(code, text, sizeof text);
    return error_set(err, "%s: %s: %s%s", video->path, what, text, pipe_hint(video));
}

/* ---- streams ----------------------------------------------------------------------------------------------------- */

enum { READER_BYTES = 32768 };

/* A read that gives nothing before the file's end is a failed one, which FFmpeg remembers as such. */
static int read_stream(void *context, uint8_t *bytes, int size)
{
    struct byte_stream *stream = context;
    const uint8_t *found;
    size_t count = byte_stream_peek(stream, 1, &found);
    bool failed = stream->error.code != STATUS_OK || byte_stream_place(stream) < byte_stream_size(stream);
    if (stream->has_no_memory) return AVERROR(ENOMEM);
    if (count == 0) return failed ? AVERROR(EIO) : AVERROR_EOF;
    if (count > (size_t)size) count = (size_t)size;
    memcpy(bytes, found, count);
    byte_stream_take(stream, count);
    return (int)count;
}

static int64_t seek_stream(void *context, int64_t offset, int whence)
{
    struct byte_stream *stream = context;
    whence &= ~AVSEEK_FORCE;
    if (whence == AVSEEK_SIZE) return byte_stream_size(stream);
    if (whence == SEEK_CUR) offset += byte_stream_place(stream);
    if (whence == SEEK_END) offset += byte_stream_size(stream);
    return byte_stream_seek(stream, offset) ? offset : AVERROR(EIO);
}

/* FFmpeg may give the buffer up for another one, so it is freed as the reader has it. */
static void close_reader(struct video *video)
{
    if (video->reader != NULL) video->ffmpeg.av_free(video->reader->buffer);
    video->ffmpeg.avio_context_free(&video->reader);
}

static status open_reader(struct video *video, struct error *err)
{
    struct ffmpeg *f = &video->ffmpeg;
    uint8_t *buffer = f->av_malloc(READER_BYTES);
    bool can_seek = byte_stream_can_seek(video->stream_in);
    if (buffer != NULL)
        video->reader = f->avio_alloc_context(buffer, READER_BYTES, 0, video->stream_in, read_stream, NULL,
                                              can_seek ? seek_stream : NULL);
    if (video->reader == NULL) {
        f->av_free(buffer);
        return error_set(err, "%s: no memory to read it", video->path);
    }
    video->container = f->avformat_alloc_context();
    if (video->container == NULL) return error_set(err, "%s: no memory to read it", video->path);
    video->container->pb = video->reader;
    return STATUS_OK;
}

/* ---- opening ----------------------------------------------------------------------------------------------------- */

static status open_path(struct video *video, struct error *err)
{
    video->descriptor = open(video->path, O_RDONLY | O_CLOEXEC);
    if (video->descriptor < 0) return error_set_errno(err, "%s: cannot be opened as a video", video->path);
    video->own = byte_stream(video->descriptor, video->path);
    video->stream_in = &video->own;
    return STATUS_OK;
}

/* What went wrong with reading the file, if anything: demuxers take a failed read for damage, or for the file's end. */
static int read_error_of(const struct video *video)
{
    int error = video->container->pb->error;
    return error < 0 && error != AVERROR_EOF ? error : 0;
}

static status open_container(struct video *video, struct error *err)
{
    struct ffmpeg *f = &video->ffmpeg;
    AVDictionary *settings = NULL;
    status result = video->stream_in == NULL ? open_path(video, err) : STATUS_OK;
    if (result == STATUS_OK) result = open_reader(video, err);
    if (result != STATUS_OK) return result;
    f->av_log_set_level(log_get_level() == LOG_VERBOSE ? AV_LOG_WARNING : AV_LOG_QUIET);
    f->av_dict_set(&settings, "format_whitelist", CONTAINERS, 0);
    f->av_dict_set(&settings, "protocol_whitelist", "file", 0);
    int code = f->avformat_open_input(&video->container, video->path, NULL,
                                      &settings); /* its name tells raw kinds apart */
    f->av_dict_free(&settings);
    if (code < 0) return fail(video, "cannot be opened as a video", code, err);
    code = f->avformat_find_stream_info(video->container, NULL);
    if (code >= 0) code = read_error_of(video);
    return code < 0 ? fail(video, "nothing can be learned of its streams", code, err) : STATUS_OK;
}

static status open_decoder(struct video *video, int threads, struct error *err)
{
    struct ffmpeg *f = &video->ffmpeg;
    const AVCodec *codec = NULL;
    int index = f->av_find_best_stream(video->container, AVMEDIA_TYPE_VIDEO, -1, -1, &codec, 0);
    if (index < 0) return fail(video, "no pictures in it", index, err);
    video->stream = video->container->streams[index];
    video->decoder = f->avcodec_alloc_context3(codec);
    video->packet = f->av_packet_alloc();
    video->frame = f->av_frame_alloc();
    if (video->decoder == NULL || video->packet == NULL || video->frame == NULL)
        return error_set(err, "%s: no memory for the decoder", video->path);
    int code = f->avcodec_parameters_to_context(video->decoder, video->stream->codecpar);
    if (code < 0) return fail(video, "cannot be decoded", code, err);
    video->decoder->max_pixels = (int64_t)video->most_pixels;
    video->decoder->thread_count = threads < MOST_DECODER_THREADS ? threads : MOST_DECODER_THREADS;
    code = f->avcodec_open2(video->decoder, codec, NULL);
    return code < 0 ? fail(video, "cannot be decoded", code, err) : STATUS_OK;
}

/* From a path, or from `stream`, whose name is then `path`. */
static status open_video(struct video **out, struct byte_stream *stream, const char *path,
                         const struct video_options *options, struct error *err)
{
    *out = NULL;
    struct video *video = memory_allocate(1, sizeof *video, "a video", err);
    if (video == NULL) return STATUS_FAILED;
    video->stream_in = stream;
    video->descriptor = -1;
    video->every = options->every > 0 ? options->every : 1;
    video->every_seconds = options->every_seconds;
    video->most_pixels = options->most_pixels != 0 ? options->most_pixels : IMAGE_MOST_PIXELS;
    video->path = memory_copy_string(path, err);
    status result = video->path == NULL ? STATUS_FAILED : ffmpeg_load(&video->ffmpeg, err);
    if (result != STATUS_OK) {
        memory_free(video->path);
        memory_free(video);
        return error_add_context(err, "%s", path);
    }
    result = open_container(video, err);
    if (result == STATUS_OK) result = open_decoder(video, options->threads > 0 ? options->threads : threads_get(), err);
    if (result == STATUS_OK)
        *out = video;
    else
        video_close(video);
    return result;
}

status video_open(struct video **out, const char *path, const struct video_options *options, struct error *err)
{
    return open_video(out, NULL, path, options, err);
}

status video_open_stream(struct video **out, struct byte_stream *stream, const char *name,
                         const struct video_options *options, struct error *err)
{
    return open_video(out, stream, name, options, err);
}

void video_close(struct video *video)
{
    if (video == NULL) return;
    struct ffmpeg *f = &video->ffmpeg;
    f->sws_freeContext(video->converter);
    f->av_frame_free(&video->frame);
    f->av_packet_free(&video->packet);
    f->avcodec_free_context(&video->decoder);
    f->avformat_close_input(&video->container);
    close_reader(video);
    byte_stream_free(&video->own);
    if (video->descriptor >= 0) close(video->descriptor);
    memory_free(video->rows);
    memory_free(video->path);
    memory_free(video);
}

struct video_times video_times(const struct video *video)
{
    return video->times;
}

size_t video_damaged(const struct video *video)
{
    return video->damaged;
}

double video_frame_rate(const struct video *video)
{
    AVRational rate = video->stream->avg_frame_rate;
    return rate.num > 0 && rate.den > 0 ? av_q2d(rate) : 0;
}

/* The seconds of the film's clock at which the pictures, or else the film, are said to end; 0 where the container does
 * not say. The library's own guesses, of a bit rate or the last packets that are there, are no statement; it shortens
 * an AVI file's length to what is there, and leaves the number of its frames, each a unit of time. */
static double stated_end(const struct video *video, bool of_pictures)
{
    const AVStream *stream = video->stream;
    const AVFormatContext *container = video->container;
    double unit = av_q2d(stream->time_base),
           begin = stream->start_time == AV_NOPTS_VALUE ? 0 : (double)stream->start_time;
    if (strcmp(container->iformat->name, "avi") == 0) return (double)stream->nb_frames * unit;
    if (container->duration_estimation_method != AVFMT_DURATION_FROM_STREAM) return 0;
    if (of_pictures) return stream->duration > 0 ? (begin + (double)stream->duration) * unit : 0;
    return container->duration > 0 ? (double)container->duration / AV_TIME_BASE : 0;
}

/* A container that counts a stream's frames knows that stream's length (MP4, AVI), another one that of the film,
 * whichever of its streams is the longest. Frames are not compared: an edit list leaves some out, and AVI counts the
 * empty ones. */
struct video_missing video_missing(const struct video *video)
{
    const AVIOContext *file = video->container->pb;
    bool of_pictures = video->stream->nb_frames > 0;
    double stated = stated_end(video, of_pictures), rate = video_frame_rate(video), roughly = of_pictures ? 0 : 0.5;
    double missing = stated - (of_pictures ? video->stream_end : video->film_end);
    if (rate > 0) roughly = fmax(roughly, 2 / rate);
    bool breaks_off = file != NULL && file->eof_reached && missing > fmax(roughly, stated / 50);
    return breaks_off ? (struct video_missing){missing, stated} : (struct video_missing){0};
}

/* An edit list leaves out frames that the container counts, and shortens the stream's length. */
int64_t video_frame_estimate(const struct video *video)
{
    const AVStream *stream = video->stream;
    double rate = video_frame_rate(video), counted = (double)stream->nb_frames;
    double shown = stream->duration > 0 ? (double)stream->duration * av_q2d(stream->time_base) * rate : 0;
    if (counted > 0) return llround(shown >= 1 && shown < counted ? shown : counted);
    double frames = (double)video->container->duration / AV_TIME_BASE * rate;
    return video->container->duration > 0 && frames < 1e12 ? (int64_t)llround(frames) : 0;
}

/* ---- decoding ---------------------------------------------------------------------------------------------------- */

static void note_end(struct video *video)
{
    const AVPacket *packet = video->packet;
    const AVStream *stream = video->container->streams[packet->stream_index];
    int64_t time = packet->pts != AV_NOPTS_VALUE ? packet->pts : packet->dts;
    if (time == AV_NOPTS_VALUE) return;
    double end = ((double)time + (double)packet->duration) * av_q2d(stream->time_base);
    video->film_end = fmax(video->film_end, end);
    if (stream == video->stream) video->stream_end = fmax(video->stream_end, end);
}

/* Hands the decoder the next packet, or tells it that there is none. */
static void feed(struct video *video)
{
    struct ffmpeg *f = &video->ffmpeg;
    int code = f->av_read_frame(video->container, video->packet);
    if (code == AVERROR(EAGAIN) && ++video->empty_reads < MOST_EMPTY_READS) return;
    video->read_error = read_error_of(video);
    if (code < 0 || video->read_error != 0) {
        if (code != AVERROR_EOF) video->damaged++;
        if (code >= 0) f->av_packet_unref(video->packet);
        video->drained = true;
        video->empty_reads = 0;
        if (f->avcodec_send_packet(video->decoder, NULL) < 0) video->damaged++;
        return;
    }
    video->empty_reads = 0;
    note_end(video);
    if (video->packet->stream_index == video->stream->index &&
        f->avcodec_send_packet(video->decoder, video->packet) < 0)
        video->damaged++;
    f->av_packet_unref(video->packet);
}

/* The next frame in order of time into video->frame; false behind the last. A decoder of many threads tells of damage
 * late: when nothing is left to read it may still hold good frames behind it. */
static bool decode(struct video *video)
{
    for (;;) {
        int code = video->ffmpeg.avcodec_receive_frame(video->decoder, video->frame);
        if (code == 0) return true;
        if (code == AVERROR_EOF) return false;
        if (code != AVERROR(EAGAIN)) video->damaged++;
        if (!video->drained)
            feed(video);
        else if (code == AVERROR(EAGAIN) || ++video->empty_reads == MOST_EMPTY_READS)
            return false;
    }
}

/* ---- conversion -------------------------------------------------------------------------------------------------- */

/* EXIF's orientation of a display matrix {a, b, u, c, d, v, x, y, w}, which shows the stored place (p, q) at (ap + cq +
 * x, bp + dq + y): the nearest of the eight. */
static int orientation_of(const int32_t *matrix)
{
    double a = matrix[0], b = matrix[1], c = matrix[3], d = matrix[4];
    if (fabs(a) + fabs(d) >= fabs(b) + fabs(c)) return a < 0 ? (d < 0 ? 3 : 2) : d < 0 ? 4 : 1;
    return b < 0 ? (c < 0 ? 7 : 8) : c < 0 ? 6 : 5;
}

/* Which of EXIF's orientations the container gives its pictures; 1, upright, where it does not say. */
static int orientation(struct video *video)
{
    const uint8_t *matrix = NULL;
    size_t size = 0;
#if LIBAVFORMAT_VERSION_INT >= AV_VERSION_INT(60, 15, 100)
    const AVCodecParameters *parameters = video->stream->codecpar;
    const AVPacketSideData *data = video->ffmpeg.av_packet_side_data_get(parameters->coded_side_data,
                                                                         parameters->nb_coded_side_data,
                                                                         AV_PKT_DATA_DISPLAYMATRIX);
    if (data != NULL) matrix = data->data, size = data->size;
#else
    matrix = video->ffmpeg.av_stream_get_side_data(video->stream, AV_PKT_DATA_DISPLAYMATRIX, &size);
#endif
    int32_t numbers[9];
    if (matrix == NULL || size < sizeof numbers) return 1;
    memcpy(numbers, matrix, sizeof numbers);
    return orientation_of(numbers);
}

/* The frame's width with square pixels. */
static size_t shown_width(struct video *video)
{
    AVRational ratio = video->ffmpeg.av_guess_sample_aspect_ratio(video->container, video->stream, video->frame);
    double width = video->frame->width;
    if (ratio.num > 0 && ratio.den > 0 && av_q2d(ratio) > 0.1 && av_q2d(ratio) < 10) width *= av_q2d(ratio);
    return width < 1 ? 1 : (size_t)lround(width);
}

/* Makes the converter for this frame's format, with the frame's own colour matrix and range. */
static status prepare_converter(struct video *video, int width, struct error *err)
{
    struct ffmpeg *f = &video->ffmpeg;
    const AVFrame *frame = video->frame;
    enum AVPixelFormat format = (enum AVPixelFormat)frame->format;
    video->converter = f->sws_getCachedContext(video->converter, frame->width, frame->height, format, width,
                                               frame->height, AV_PIX_FMT_RGB24,
                                               SWS_BICUBIC | SWS_ACCURATE_RND | SWS_FULL_CHR_H_INT, NULL, NULL, NULL);
    if (video->converter == NULL)
        return error_set(err, "%s: frames of this pixel format cannot be converted", video->path);
    const int *from = f->sws_getCoefficients(frame->colorspace), *to = f->sws_getCoefficients(SWS_CS_DEFAULT);
    f->sws_setColorspaceDetails(video->converter, from, frame->color_range == AVCOL_RANGE_JPEG, to, 1, 0, 1 << 16,
                                1 << 16);
    return STATUS_OK;
}

static status reserve_rows(struct video *video, size_t bytes, struct error *err)
{
    if (bytes <= video->row_capacity) return STATUS_OK;
    memory_free(video->rows);
    video->row_capacity = 0;
    video->rows = memory_allocate(bytes, 1, "a video's frame", err);
    if (video->rows == NULL) return STATUS_FAILED;
    video->row_capacity = bytes;
    return STATUS_OK;
}

static size_t padded_stride(size_t width)
{
    return (width * 3 + ROW_ALIGNMENT - 1) / ROW_ALIGNMENT * ROW_ALIGNMENT + ROW_ALIGNMENT;
}

/* Any format and size, by FFmpeg: rows of padded_stride(width) bytes into video->rows. */
static status convert_any(struct video *video, size_t width, struct error *err)
{
    const AVFrame *frame = video->frame;
    size_t stride = padded_stride(width), height = (size_t)frame->height;
    status result = prepare_converter(video, (int)width, err);
    if (result == STATUS_OK) result = reserve_rows(video, size_multiply(stride, height + 1), err);
    if (result != STATUS_OK) return result;
    uint8_t *targets[4] = {video->rows};
    int strides[4] = {(int)stride};
    int done = video->ffmpeg.sws_scale(video->converter, (const uint8_t *const *)frame->data, frame->linesize, 0,
                                       frame->height, targets, strides);
    return done == frame->height ? STATUS_OK : error_set(err, "%s: a frame cannot be converted", video->path);
}

/* 8-bit 4:2:0 with square pixels, as most videos are. */
static bool is_plain(const AVFrame *frame, size_t width)
{
    return (frame->format == AV_PIX_FMT_YUV420P || frame->format == AV_PIX_FMT_YUVJ420P) &&
           (size_t)frame->width == width;
}

static void convert_plain(struct video *video, uint8_t *rgb, int16_t *room)
{
    const AVFrame *frame = video->frame;
    const struct yuv_picture picture = {.luma = frame->data[0],
                                        .blue = frame->data[1],
                                        .red = frame->data[2],
                                        .luma_stride = frame->linesize[0],
                                        .blue_stride = frame->linesize[1],
                                        .red_stride = frame->linesize[2],
                                        .width = frame->width,
                                        .height = frame->height,
                                        .full_range = frame->format == AV_PIX_FMT_YUVJ420P ||
                                                      frame->color_range == AVCOL_RANGE_JPEG,
                                        .coefficients = video->ffmpeg.sws_getCoefficients(frame->colorspace)};
    yuv_to_rgb(&picture, rgb, room);
}

/* As stored, into a picture of that size. */
static status convert_all(struct video *video, size_t width, size_t height, struct image *image, struct error *err)
{
    bool plain = is_plain(video->frame, width);
    size_t stride = padded_stride(width), room = yuv_room((int)width) * sizeof(int16_t);
    status result = plain ? reserve_rows(video, room, err) : convert_any(video, width, err);
    if (result != STATUS_OK) return result;
    if (plain)
        convert_plain(video, image->rgb, (int16_t *)(void *)video->rows);
    else
        for (size_t y = 0; y < height; y++) memcpy(image->rgb + y * width * 3, video->rows + y * stride, width * 3);
    return STATUS_OK;
}

static status convert(struct video *video, struct image *image, struct error *err)
{
    const AVFrame *frame = video->frame;
    if (frame->width <= 0 || frame->height <= 0) return error_set(err, "%s: an empty frame", video->path);
    size_t width = shown_width(video), height = (size_t)frame->height;
    status result = image_check_size(width, height, video->most_pixels, err);
    if (result != STATUS_OK) return error_add_context(err, "%s", video->path);
    result = image_create(image, (int)width, (int)height, err);
    if (result == STATUS_OK) result = convert_all(video, width, height, image, err);
    if (result == STATUS_OK) result = image_turn_upright(image, orientation(video), err);
    if (result != STATUS_OK) image_free(image);
    return result;
}

/* Seconds since frame 0; where the container has no times, by its frame rate. */
static double frame_time(struct video *video)
{
    int64_t time = video->frame->best_effort_timestamp;
    if (video->count == 0) video->first_time = time;
    if (time != AV_NOPTS_VALUE && video->first_time != AV_NOPTS_VALUE)
        return ((double)time - (double)video->first_time) * av_q2d(video->stream->time_base);
    double rate = video_frame_rate(video);
    return rate > 0 ? (double)video->count / rate : 0;
}

static bool is_wanted(struct video *video, int64_t index, double time)
{
    if (video->every_seconds > 0) return video_time_is_due(time, video->every_seconds, &video->due);
    return index % video->every == 0;
}

static status fail_to_read(struct video *video, struct error *err)
{
    char where[64];
    snprintf(where, sizeof where, "cannot be read any further after %" PRId64 " frames", video->count);
    return fail(video, where, video->read_error, err);
}

status video_next(struct video *video, struct video_frame *frame, bool *ended, struct error *err)
{
    *ended = false;
    *frame = (struct video_frame){0};
    for (;;) {
        double begin = clock_seconds();
        bool found = decode(video);
        video->times.decode += clock_seconds() - begin;
        if (!found) break;
        double time = frame_time(video);
        if (!isfinite(time)) time = 0;
        int64_t index = video->count++;
        status result = STATUS_OK;
        bool wanted = is_wanted(video, index, time);
        if (wanted) {
            begin = clock_seconds();
            result = convert(video, &frame->image, err);
            video->times.convert += clock_seconds() - begin;
        }
        video->ffmpeg.av_frame_unref(video->frame);
        if (!wanted) continue;
        frame->index = index;
        frame->time = time;
        return result;
    }
    *ended = true;
    if (video->read_error != 0) return fail_to_read(video, err);
    if (video->count > 0) return STATUS_OK;
    return error_set(err, "%s: no frame could be decoded%s", video->path, pipe_hint(video));
}

#endif
