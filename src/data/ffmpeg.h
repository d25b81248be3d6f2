/* FFmpeg's functions, found at run time. Only the headers are needed to build; see video.h for why. */
#ifndef DATA_FFMPEG_H
#define DATA_FFMPEG_H

#include "rmfer/base/error.h"

#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>
#include <libavutil/log.h>
#include <libavutil/opt.h>
#include <libswscale/swscale.h>

#if LIBAVFORMAT_VERSION_INT >= AV_VERSION_INT(60, 15, 100)
#define FFMPEG_SIDE_DATA(X) X(avcodec, av_packet_side_data_get)
#else
#define FFMPEG_SIDE_DATA(X) X(avformat, av_stream_get_side_data)
#endif

#define FFMPEG_FUNCTIONS(X)                     \
    X(avutil, av_dict_free)                     \
    X(avutil, av_dict_set)                      \
    X(avutil, av_free)                          \
    X(avutil, av_malloc)                        \
    X(avutil, av_frame_alloc)                   \
    X(avutil, av_frame_free)                    \
    X(avutil, av_frame_get_buffer)              \
    X(avutil, av_frame_make_writable)           \
    X(avutil, av_frame_unref)                   \
    X(avutil, av_log_set_level)                 \
    X(avutil, av_strerror)                      \
    X(swscale, sws_freeContext)                 \
    X(swscale, sws_getCachedContext)            \
    X(swscale, sws_getCoefficients)             \
    X(swscale, sws_scale)                       \
    X(swscale, sws_setColorspaceDetails)        \
    X(avcodec, av_packet_alloc)                 \
    X(avcodec, av_packet_free)                  \
    X(avcodec, av_packet_rescale_ts)            \
    X(avcodec, av_packet_unref)                 \
    X(avcodec, avcodec_alloc_context3)          \
    X(avcodec, avcodec_find_encoder)            \
    X(avcodec, avcodec_free_context)            \
    X(avcodec, avcodec_open2)                   \
    X(avcodec, avcodec_parameters_from_context) \
    X(avcodec, avcodec_parameters_to_context)   \
    X(avcodec, avcodec_receive_frame)           \
    X(avcodec, avcodec_receive_packet)          \
    X(avcodec, avcodec_send_frame)              \
    X(avcodec, avcodec_send_packet)             \
    X(avformat, av_find_best_stream)            \
    X(avformat, av_guess_sample_aspect_ratio)   \
    X(avformat, av_interleaved_write_frame)     \
    X(avformat, av_read_frame)                  \
    X(avformat, av_write_trailer)               \
    X(avformat, avformat_alloc_context)         \
    X(avformat, avformat_alloc_output_context2) \
    X(avformat, avformat_close_input)           \
    X(avformat, avformat_find_stream_info)      \
    X(avformat, avformat_free_context)          \
    X(avformat, avformat_new_stream)            \
    X(avformat, avformat_open_input)            \
    X(avformat, avformat_write_header)          \
    X(avformat, avio_alloc_context)             \
    X(avformat, avio_context_free)              \
    FFMPEG_SIDE_DATA(X)

struct ffmpeg {
#define MEMBER(library, name) __typeof__(name) *name;
    FFMPEG_FUNCTIONS(MEMBER)
#undef MEMBER
};

/* Loads the libraries of the versions that the headers were of. They stay loaded until the process ends. */
status ffmpeg_load(struct ffmpeg *ffmpeg, struct error *err) MUST_CHECK;

#endif
