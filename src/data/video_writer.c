/* Videos written through FFmpeg: conversion to the codec's planes, encoder, container. One thread, so that the same
 * pictures give the same bytes. */
#include "rmfer/data/video_writer.h"

#ifdef RMFER_HAVE_FFMPEG
#include "data/ffmpeg.h"
#include "rmfer/base/file_write.h"
#include "rmfer/base/memory.h"

#include <errno.h>
#include <stdio.h>

/* The codec's scale of coarseness, 1 (finest) to 31. */
enum { COARSENESS = 3, FRAMES_BETWEEN_KEYFRAMES = 48, WRITER_BYTES = 32768 };

struct video_writer {
    struct ffmpeg ffmpeg;
    char *path;
    struct video_writer_options options;
    struct atomic_file file;
    AVIOContext *sink; /* into the file */
    AVFormatContext *container;
    AVCodecContext *encoder;
    AVStream *stream;
    AVPacket *packet;
    AVFrame *frame;
    struct SwsContext *converter;
    int64_t count;
};

static status fail(const struct video_writer *writer, const char *what, int code, struct error *err)
{
    char text[AV_ERROR_MAX_STRING_SIZE] = "unknown error";
    writer->ffmpeg.av_strerror(code, text, sizeof text);
    return error_set(err, "%s: %s: %s", writer->path, what, text);
}

static const AVCodec *find_encoder(const struct ffmpeg *ffmpeg, struct error *err)
{
    const AVCodec *codec = ffmpeg->avcodec_find_encoder(AV_CODEC_ID_MPEG4);
    if (codec == NULL) error_set(err, "FFmpeg's libraries have no MPEG-4 encoder");
    return codec;
}

status video_writer_check(struct error *err)
{
    struct ffmpeg ffmpeg;
    status result = ffmpeg_load(&ffmpeg, err);
    return result == STATUS_OK && find_encoder(&ffmpeg, err) == NULL ? STATUS_FAILED : result;
}

static status open_encoder(struct video_writer *writer, struct error *err)
{
    struct ffmpeg *f = &writer->ffmpeg;
    const AVCodec *codec = find_encoder(f, err);
    if (codec == NULL) return error_add_context(err, "%s", writer->path);
    writer->encoder = f->avcodec_alloc_context3(codec);
    if (writer->encoder == NULL) return error_set(err, "%s: no memory for the encoder", writer->path);
    AVCodecContext *encoder = writer->encoder;
    encoder->width = writer->options.width;
    encoder->height = writer->options.height;
    encoder->pix_fmt = AV_PIX_FMT_YUV420P;
    encoder->time_base = (AVRational){1, writer->options.frames_per_second};
    encoder->framerate = (AVRational){writer->options.frames_per_second, 1};
    encoder->gop_size = FRAMES_BETWEEN_KEYFRAMES;
    encoder->thread_count = 1;
    encoder->flags |= AV_CODEC_FLAG_QSCALE | AV_CODEC_FLAG_BITEXACT;
    encoder->global_quality = FF_QP2LAMBDA * COARSENESS;
    if (writer->container->oformat->flags & AVFMT_GLOBALHEADER) encoder->flags |= AV_CODEC_FLAG_GLOBAL_HEADER;
    int code = f->avcodec_open2(encoder, codec, NULL);
    return code < 0 ? fail(writer, "the encoder cannot be started", code, err) : STATUS_OK;
}

static status prepare_frame(struct video_writer *writer, struct error *err)
{
    struct ffmpeg *f = &writer->ffmpeg;
    int width = writer->options.width, height = writer->options.height;
    writer->packet = f->av_packet_alloc();
    writer->frame = f->av_frame_alloc();
    writer->converter = f->sws_getCachedContext(NULL, width, height, AV_PIX_FMT_RGB24, width, height,
                                                AV_PIX_FMT_YUV420P, SWS_BICUBIC | SWS_ACCURATE_RND, NULL, NULL, NULL);
    if (writer->packet == NULL || writer->frame == NULL || writer->converter == NULL)
        return error_set(err, "%s: no memory for the encoder", writer->path);
    writer->frame->format = AV_PIX_FMT_YUV420P;
    writer->frame->width = width;
    writer->frame->height = height;
    int code = f->av_frame_get_buffer(writer->frame, 0);
    return code < 0 ? fail(writer, "no memory for a frame", code, err) : STATUS_OK;
}

static status open_container(struct video_writer *writer, struct error *err)
{
    struct ffmpeg *f = &writer->ffmpeg;
    int code = f->avformat_alloc_output_context2(&writer->container, NULL, NULL, writer->path);
    if (code < 0) return fail(writer, "no container of that name is known", code, err);
    writer->container->flags |= AVFMT_FLAG_BITEXACT;
    writer->stream = f->avformat_new_stream(writer->container, NULL);
    if (writer->stream == NULL) return error_set(err, "%s: no memory for the video", writer->path);
    return STATUS_OK;
}

/* ---- the file ---------------------------------------------------------------------------------------------------- */

#if LIBAVFORMAT_VERSION_MAJOR < 61
typedef uint8_t written_byte;
#else
typedef const uint8_t written_byte;
#endif

static int write_stream(void *context, written_byte *bytes, int size)
{
    errno = 0;
    if (fwrite(bytes, 1, (size_t)size, context) == (size_t)size) return size;
    return AVERROR(errno != 0 ? errno : EIO);
}

/* The size is not told, which FFmpeg allows. */
static int64_t seek_stream(void *context, int64_t offset, int whence)
{
    whence &= ~AVSEEK_FORCE;
    if (whence == AVSEEK_SIZE) return AVERROR(ENOSYS);
    return fseeko(context, (off_t)offset, whence) == 0 ? (int64_t)ftello(context) : AVERROR(errno);
}

static status open_file(struct video_writer *writer, struct error *err)
{
    struct ffmpeg *f = &writer->ffmpeg;
    atomic_file_remove_stale(writer->path);
    status result = atomic_file_open(&writer->file, writer->path, err);
    if (result != STATUS_OK) return result;
    uint8_t *buffer = f->av_malloc(WRITER_BYTES);
    if (buffer != NULL)
        writer->sink = f->avio_alloc_context(buffer, WRITER_BYTES, 1, writer->file.stream, NULL, write_stream,
                                             seek_stream);
    if (writer->sink == NULL) {
        f->av_free(buffer);
        return error_set(err, "%s: no memory for the video", writer->path);
    }
    writer->container->pb = writer->sink;
    return STATUS_OK;
}

static status begin_file(struct video_writer *writer, struct error *err)
{
    struct ffmpeg *f = &writer->ffmpeg;
    int code = f->avcodec_parameters_from_context(writer->stream->codecpar, writer->encoder);
    if (code < 0) return fail(writer, "the encoder's settings cannot be stored", code, err);
    writer->stream->time_base = writer->encoder->time_base;
    if (open_file(writer, err) != STATUS_OK) return STATUS_FAILED;
    code = f->avformat_write_header(writer->container, NULL);
    return code < 0 ? fail(writer, "cannot be written", code, err) : STATUS_OK;
}

status video_writer_create(struct video_writer **out, const char *path, const struct video_writer_options *options,
                           struct error *err)
{
    *out = NULL;
    BUG_UNLESS(options->width > 0 && options->height > 0 && options->frames_per_second > 0);
    BUG_UNLESS(options->width % 2 == 0 && options->height % 2 == 0);
    struct video_writer *writer = memory_allocate(1, sizeof *writer, "a video", err);
    if (writer == NULL) return STATUS_FAILED;
    writer->options = *options;
    writer->path = memory_copy_string(path, err);
    status result = writer->path == NULL ? STATUS_FAILED : ffmpeg_load(&writer->ffmpeg, err);
    if (result == STATUS_OK) {
        writer->ffmpeg.av_log_set_level(AV_LOG_QUIET);
        result = open_container(writer, err);
    }
    if (result == STATUS_OK) result = open_encoder(writer, err);
    if (result == STATUS_OK) result = prepare_frame(writer, err);
    if (result == STATUS_OK) result = begin_file(writer, err);
    if (result == STATUS_OK)
        *out = writer;
    else
        video_writer_free(writer);
    return result;
}

/* Sends one frame, NULL for the end, and writes what comes out of the encoder. */
static status encode(struct video_writer *writer, const AVFrame *frame, struct error *err)
{
    struct ffmpeg *f = &writer->ffmpeg;
    int code = f->avcodec_send_frame(writer->encoder, frame);
    while (code >= 0) {
        code = f->avcodec_receive_packet(writer->encoder, writer->packet);
        if (code == AVERROR(EAGAIN) || code == AVERROR_EOF) return STATUS_OK;
        if (code < 0) break;
        f->av_packet_rescale_ts(writer->packet, writer->encoder->time_base, writer->stream->time_base);
        writer->packet->duration = 0; /* the next frame's time says it */
        writer->packet->stream_index = writer->stream->index;
        code = f->av_interleaved_write_frame(writer->container, writer->packet);
    }
    return fail(writer, "a frame cannot be written", code, err);
}

status video_writer_add(struct video_writer *writer, const struct image *image, struct error *err)
{
    struct ffmpeg *f = &writer->ffmpeg;
    BUG_UNLESS(image->width == writer->options.width && image->height == writer->options.height);
    int code = f->av_frame_make_writable(writer->frame);
    if (code < 0) return fail(writer, "no memory for a frame", code, err);
    const uint8_t *rows[4] = {image->rgb};
    int strides[4] = {3 * image->width};
    f->sws_scale(writer->converter, rows, strides, 0, image->height, writer->frame->data, writer->frame->linesize);
    writer->frame->pts = writer->count++;
    writer->frame->quality = writer->encoder->global_quality;
    return encode(writer, writer->frame, err);
}

status video_writer_finish(struct video_writer *writer, struct error *err)
{
    struct ffmpeg *f = &writer->ffmpeg;
    status result = encode(writer, NULL, err);
    if (result != STATUS_OK) return result;
    int code = f->av_write_trailer(writer->container);
    if (code >= 0) code = writer->sink->error; /* of writes before, which FFmpeg remembers */
    return code < 0 ? fail(writer, "cannot be written", code, err) : atomic_file_commit(&writer->file, err);
}

void video_writer_free(struct video_writer *writer)
{
    if (writer == NULL) return;
    struct ffmpeg *f = &writer->ffmpeg;
    if (writer->container != NULL) f->avformat_free_context(writer->container);
    if (writer->sink != NULL) f->av_free(writer->sink->buffer); /* its own now, not the one that it was given */
    if (writer->sink != NULL) f->avio_context_free(&writer->sink);
    atomic_file_abandon(&writer->file);
    if (writer->encoder != NULL) f->avcodec_free_context(&writer->encoder);
    if (writer->packet != NULL) f->av_packet_free(&writer->packet);
    if (writer->frame != NULL) f->av_frame_free(&writer->frame);
    if (writer->converter != NULL) f->sws_freeContext(writer->converter);
    memory_free(writer->path);
    memory_free(writer);
}

#else

status video_writer_check(struct error *err)
{
    return error_set(err, "this build has no FFmpeg, so videos cannot be written");
}

status video_writer_create(struct video_writer **out, const char *path, const struct video_writer_options *options,
                           struct error *err)
{
    (void)options;
    *out = NULL;
    return error_set(err, "%s: this build has no FFmpeg, so videos cannot be written", path);
}

/* Without a writer nobody can come here. */
status video_writer_add(struct video_writer *writer, const struct image *image, struct error *err)
{
    (void)writer, (void)image;
    return error_set(err, "this build has no FFmpeg, so videos cannot be written");
}

status video_writer_finish(struct video_writer *writer, struct error *err)
{
    (void)writer;
    return error_set(err, "this build has no FFmpeg, so videos cannot be written");
}

void video_writer_free(struct video_writer *writer)
{
    (void)writer;
}

#endif
